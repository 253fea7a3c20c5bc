import assert from "node:assert/strict";
import type { DockerRecord } from "../support/fake_docker.ts";
import { Sandbox } from "../support/program.ts";

/** The values behind an option, or of a label, in all calls of a kind. */
function values(
  calls: readonly DockerRecord[],
  { kind, option }: { readonly kind: string; readonly option: string },
): readonly string[] {
  return calls.filter((call) => call.kind === kind).map(({ args }) =>
    args.find((word) => word.startsWith(`${option}=`))?.slice(option.length + 1) ??
      args[args.indexOf(option) + 1] ??
      ""
  );
}

function numbered(count: number): readonly string[] {
  return Array.from(
    { length: count },
    (_, index) => index === 0 ? "claude-bottle-claude" : `claude-bottle-claude-${index + 1}`,
  );
}

Deno.test("start takes the next name when another was faster, and keeps the rest of what it began", async () => {
  await using sandbox = await Sandbox.create({
    agentSays: ["hello"],
    faults: [{ kind: "agent-create", nth: 1, fault: "conflict" }],
  });
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  assert.deepEqual([code, stdout], [0, "hello\n"], stderr);
  assert.match(stderr, /^claude-bottle: name conflict; retrying as claude-bottle-claude-2$/m);
  const calls = await sandbox.docker.calls();
  assert.deepEqual(values(calls, { kind: "agent-create", option: "--name" }), [
    "claude-bottle-claude",
    "claude-bottle-claude-2",
  ]);
  const runs = values(calls, { kind: "agent-create", option: "claude-bottle.run" });
  assert.equal(new Set(runs).size, 1);
  const kinds = calls.map(({ kind }) => kind);
  for (
    const once of ["internal-network", "egress-network", "sidecar-create", "sidecar-start", "agent-start"]
  ) {
    assert.equal(kinds.filter((kind) => kind === once).length, 1, once);
  }
  assert.equal(calls.filter(({ kind }) => kind === "agent").length, 1);
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("start plans with the first name that is free", async () => {
  const rows = [
    { containers: [], name: "claude-bottle-claude" },
    { containers: ["claude-bottle-claudette", "claude-bottle-claude-2"], name: "claude-bottle-claude" },
    { containers: numbered(2), name: "claude-bottle-claude-3" },
    { containers: numbered(98), name: "claude-bottle-claude-99" },
  ];
  for (const { containers, name } of rows) {
    await using sandbox = await Sandbox.create({ containers });
    const { stdout, stderr } = await sandbox.run(["start", "--dry-run", "--format", "json"]);
    assert.equal(JSON.parse(stdout).container_name, name, stderr);
  }
});

Deno.test("start gives up when all names are taken", async () => {
  const message = "error: could not find a free container name after claude-bottle-claude-99; " +
    "clean up old containers with 'docker rm -f <name>'\n";
  await using full = await Sandbox.create({ containers: numbered(99) });
  const before = await full.run(["start", "--prompt", "hi"]);
  assert.equal(before.code, 1);
  assert.equal(before.stderr, message);

  await using last = await Sandbox.create({
    containers: numbered(98),
    faults: [{ kind: "agent-create", nth: 1, fault: "conflict" }],
  });
  const during = await last.run(["start", "--prompt", "hi"]);
  assert.equal(during.code, 1);
  const lost =
    "error: could not find a free container name after claude-bottle-claude-99 retries; clean up old containers\n";
  assert.ok(during.stderr.endsWith(lost), during.stderr);
  assert.deepEqual(await last.docker.objects(), []);
});

Deno.test("start refuses a pinned name that is taken, before and during the launch, in the same words", async () => {
  const message = "error: container 'mine' already exists (pinned via CLAUDE_BOTTLE_CONTAINER). " +
    "Remove it with 'docker rm -f mine' or unset the override.\n";
  const env = { CLAUDE_BOTTLE_CONTAINER: "mine" };
  await using before = await Sandbox.create({ containers: ["mine"] });
  const refused = await before.run(["start", "--prompt", "hi"], { env });
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr, message);
  assert.ok(!(await before.docker.kinds()).includes("internal-network"));

  await using during = await Sandbox.create({
    faults: [{ kind: "agent-create", nth: 1, fault: "conflict" }],
  });
  const late = await during.run(["start", "--prompt", "hi"], { env });
  assert.equal(late.code, 1);
  assert.ok(late.stderr.endsWith(message), late.stderr);
  const names = values(await during.docker.calls(), { kind: "agent-create", option: "--name" });
  assert.deepEqual(names, ["mine"], "it is not tried under another name");
  assert.deepEqual(await during.docker.objects(), []);
});

Deno.test("start takes other subnets when the engine says that they overlap", async () => {
  for (const kind of ["internal-network", "egress-network"]) {
    await using sandbox = await Sandbox.create({
      agentSays: ["hello"],
      faults: [{ kind, nth: 1, fault: "overlap" }],
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.deepEqual([code, stdout], [0, "hello\n"], stderr);
    assert.match(stderr, /^claude-bottle: subnet conflict; retrying with another one$/m);
    const calls = await sandbox.docker.calls();
    const [first, second] = values(calls, { kind: "internal-network", option: "claude-bottle.run" });
    assert.ok(first !== undefined && second !== undefined && first !== second);
    const listings = calls.filter(({ kind: of }) => of === "list-containers");
    assert.ok(listings.length > 0);
    assert.ok(listings.every(({ args }) => args.includes(`label=claude-bottle.run=${first}`)));
    const lastRemoval = calls.filter(({ kind: of }) => of === "list-networks").at(-1);
    const again = calls.filter(({ kind: of }) => of === "internal-network").at(-1);
    assert.ok(
      (lastRemoval?.ended ?? Infinity) < (again?.began ?? -1),
      "the first attempt went before the second",
    );
    const subnets = values(calls, { kind, option: "--subnet" });
    assert.equal(subnets.length, 2);
    assert.notEqual(subnets[0], subnets[1]);
    assert.deepEqual(
      values(calls, { kind: "agent-create", option: "--name" }).at(-1),
      "claude-bottle-claude",
    );
    assert.deepEqual(await sandbox.docker.objects(), []);
  }
});
