import assert from "node:assert/strict";
import type { FakeSettings } from "../support/fake_docker.ts";
import { printedPlan, withNames, withoutChance } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

const MIB = 1024 ** 2;

function manifest(resources: object): object {
  return {
    bottles: { dev: { resources, egress: { proxy: "squid" } } },
    agents: { looper: { bottle: "dev", command: ["loop"] } },
  };
}

const START = ["start", "looper", "--yes"];

Deno.test("start stops a bottle at its disk limit, says both figures, and leaves nothing", async () => {
  await using sandbox = await Sandbox.create({ agentWaits: true, disk: [90 * MIB, 101 * MIB] });
  await sandbox.manifest(manifest({ disk: "100m" }));
  const { code, stdout, stderr } = await sandbox.run([...START, "--json"]);
  assert.deepEqual([code, stdout], [1, "waiting\n"], stderr);
  const { error } = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "");
  assert.deepEqual([error.code, error.message], [
    "disk-limit",
    "What ran was ended at the bottle's disk limit: it takes 101 MiB, and may take 100 MiB",
  ]);
  const kinds = await sandbox.docker.kinds();
  assert.ok(kinds.includes("end-all"), kinds.join());
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("start watches the disk as its dry run printed, and no limit is reached by what stays below it", async () => {
  for (const runtime of ["runc", "runsc"]) {
    const settings: FakeSettings = { agentWaits: true, disk: [90 * MIB, 100 * MIB], runtimes: ["runsc"] };
    await using sandbox = await Sandbox.create(settings);
    await sandbox.manifest(manifest({ disk: "100m" }));
    const words = [...START, "--runtime", runtime];
    const shown = await sandbox.run([...words, "--dry-run", "--format", "json"]);
    assert.equal(shown.code, 0, shown.stderr);
    const child = sandbox.spawn(words);
    await sandbox.docker.begun("watch-disk");
    await sandbox.docker.release("agent");
    const { code } = await child.status;
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
    assert.equal(code, 0);

    const calls = await sandbox.docker.calls();
    const watch = calls.findIndex(({ kind }) => kind === "watch-disk");
    const printed = withoutChance([
      ...calls.filter(({ kind }) => kind === "agent").map(({ args }) => args),
      withNames(calls)[watch] ?? [],
    ]).at(-1);
    const { watch_steps: steps, limits } = JSON.parse(shown.stdout);
    const plan = printedPlan(shown.stdout);
    const [, planned] = withoutChance([
      ...plan.agentSteps.map(({ argv }) => argv.slice(1)),
      ...steps.map(({ argv }: { readonly argv: readonly string[] }) => argv.slice(1)),
    ]);
    assert.deepEqual(printed, planned);
    assert.equal(calls[watch]?.stdin.length, steps[0].stdin.bytes);
    assert.equal(limits.disk, 100 * MIB);
  }
});

Deno.test("resources that the engine does not have are refused before anything exists", async () => {
  const rows = [
    {
      resources: { cpus: 8 },
      info: { NCPU: 4 },
      words: /^ {2}bottles\.dev\.resources\.cpus: 8 asked, and the engine has 4$/m,
    },
    {
      resources: { memory: "9g" },
      info: {},
      words: /^ {2}bottles\.dev\.resources\.memory: 9 GiB asked, and the engine has 8 GiB$/m,
    },
    { resources: {}, info: { PidsLimit: false }, words: /^error: The engine cannot bound processes, / },
  ];
  for (const { resources, info, words } of rows) {
    await using sandbox = await Sandbox.create({ info });
    await sandbox.manifest(manifest(resources));
    const { code, stderr } = await sandbox.run(START);
    assert.equal(code, 125, stderr);
    assert.match(stderr, words);
    assert.ok(
      !(await sandbox.docker.kinds()).some((kind) => kind.endsWith("-create") || kind.endsWith("-network")),
    );
  }
  await using enough = await Sandbox.create({ info: { NCPU: 4 } });
  await enough.manifest(manifest({ cpus: 4, memory: "8g" }));
  const { code, stderr } = await enough.run(START);
  assert.equal(code, 0, stderr);
});
