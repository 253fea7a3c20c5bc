import assert from "node:assert/strict";
import { dockerCalls, runCli } from "../support/cli_harness.ts";

const PROJECT = "/home/somebody/project";
const MANIFEST = `bottles: { dev: { egress: { proxy: squid } } }
agents: { reviewer: { bottle: dev } }
`;

Deno.test("start --cwd shows what is copied and where the agent starts, in words and as JSON", async () => {
  const files = {
    [`${PROJECT}/src/a.ts`]: "12345",
    [`${PROJECT}/.env`]: "x",
    [`${PROJECT}/node_modules/y`]: "z",
  };
  const argv = ["start", "--cwd", "--exclude", "node_modules", "--exclude", "README.md", "--dry-run"];
  const options = { manifest: MANIFEST, over: "docker", files } as const;
  const text = await runCli(argv, options);
  assert.ok(text.stderr.includes(`workspace      : ${PROJECT} (2 files, 6 bytes)\n`), text.stderr);
  assert.ok(text.stderr.includes("workspace: .env may hold a secret; --exclude /.env leaves it out\n"));
  assert.ok(text.stdout.includes(`  # stdin: workspace of ${PROJECT}\n`), text.stdout);
  const { stdout } = await runCli([...argv, "--format", "json"], options);
  const plan = JSON.parse(stdout);
  const volume = `claude-bottle-reviewer-${plan.run_id}-workspace`;
  assert.deepEqual(plan.workspace, { directory: PROJECT, volume, files: 2, bytes: 6 });
  const step = (id: string) => [...plan.steps, ...plan.teardown_steps].find((one) => one.id === id);
  assert.deepEqual(step("workspace-files").stdin, { kind: "workspace", entries: [PROJECT], bytes: 6 });
  assert.ok(
    step("agent-create").argv.includes(`type=volume,src=${volume},dst=/home/node/workspace,volume-nocopy`),
  );
  assert.deepEqual(step("remove-workspace").argv, ["docker", "volume", "rm", volume]);
  assert.ok(plan.agent_steps.at(-1).argv.includes("/home/node/workspace"));
});

Deno.test("start without --cwd copies nothing", async () => {
  const { stdout } = await runCli(["start", "--dry-run", "--format", "json"], {
    manifest: MANIFEST,
    over: "docker",
  });
  assert.equal(JSON.parse(stdout).workspace, null);
  assert.ok(!stdout.includes("workspace-"), stdout);
});

Deno.test("start refuses --exclude without --cwd, a pattern that matches nothing, and a home, before it asks the engine", async () => {
  const rows = [
    { argv: ["--exclude", "x"], code: 2, words: "error: --exclude requires --cwd\n" },
    {
      argv: ["--cwd", "--exclude", "a/../b"],
      code: 2,
      words: 'error: --exclude "a/../b" can match nothing\n',
    },
    {
      argv: ["--cwd"],
      code: 1,
      words: "error: /home/somebody is not copied: it is your home, with all that is in it\n",
      env: { HOME: "/home/somebody" },
      cwd: "/home/somebody",
    },
  ];
  for (const { argv, code, words, cwd } of rows) {
    const run = await runCli(["start", ...argv, "--yes", "--color", "never"], {
      manifest: MANIFEST,
      over: "docker",
      ...(cwd === undefined ? {} : { arrange: (host) => void Object.assign(host, { cwd }) }),
    });
    assert.deepEqual(run.outcome, { kind: "exit", code }, run.stderr);
    assert.ok(run.stderr.startsWith(words), run.stderr);
    assert.deepEqual(dockerCalls(run), []);
  }
});
