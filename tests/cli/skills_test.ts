import assert from "node:assert/strict";
import { dockerCalls, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const MANIFEST = `bottles: { dev: { egress: { proxy: squid } } }
agents: { reviewer: { bottle: dev, skills: [review, shared] } }
`;
const SKILLS = "/home/somebody/.claude/skills";

Deno.test("a skill that is not there is told before the question, and the engine is asked nothing", async () => {
  const run = await runCli(["start", "reviewer", "--color", "never"], {
    manifest: MANIFEST,
    over: "docker",
    terminals: PERSON,
    answers: ["y"],
    files: { [`${SKILLS}/review/SKILL.md`]: "" },
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.equal(
    run.stderr,
    `error: skill 'shared' not found on host at ${SKILLS}/shared. ` +
      "Create it under ~/.claude/skills/, then re-run.\n",
  );
  assert.deepEqual(dockerCalls(run), []);
});

Deno.test("the preflight and the plan name the skills and where they really are", async () => {
  const files = {
    [`${SKILLS}/review/SKILL.md`]: "",
    [`${SKILLS}/shared`]: { link: "/srv/shared" },
    "/srv/shared/SKILL.md": "",
  };
  const text = await runCli(["start", "reviewer", "--dry-run"], {
    manifest: MANIFEST,
    over: "docker",
    files,
  });
  assert.ok(
    text.stderr.includes(`skills         : review (${SKILLS}/review), shared (/srv/shared)\n`),
    text.stderr,
  );
  assert.ok(text.stdout.includes(" home/node/.claude/skills/shared/SKILL.md"), text.stdout);
  const json = await runCli(["start", "reviewer", "--dry-run", "--format=json"], {
    manifest: MANIFEST,
    over: "docker",
    files,
  });
  const plan = JSON.parse(json.stdout);
  assert.deepEqual(plan.skills, ["review", "shared"]);
  assert.deepEqual(plan.skill_paths, [`${SKILLS}/review`, "/srv/shared"]);
});
