import assert from "node:assert/strict";
import type { Problem } from "../../lib/errors.ts";
import { renderProblem } from "../../lib/manifest/diagnostics.ts";
import { runCli } from "../support/cli_harness.ts";
import { MALFORMED } from "../support/malformed_manifests.ts";

const USAGE = { kind: "exit", code: 2 };
const CWD = "/home/somebody/project";

const NAMES = [
  "many-problems.yaml",
  "unknown-keys.json",
  "tab-in-the-indentation.yaml",
  "trailing-comma.json",
  "wide-characters.yaml",
  "not-utf-8.yaml",
  "key-twice.yaml",
];

function asError(problem: Problem): object {
  return { severity: "error", ...problem };
}

Deno.test("validate --json gives as records all that it gives as text", async () => {
  for (const name of NAMES) {
    const files = { [`${CWD}/${name}`]: { bytes: await Deno.readFile(new URL(name, MALFORMED)) } };
    const text = await runCli(["validate", name], { files });
    const json = await runCli(["validate", "--json", name], { files });
    for (const run of [text, json]) {
      assert.deepEqual(run.outcome, USAGE);
      assert.deepEqual(run.host.processes.lines, []);
      assert.deepEqual(run.backend.calls, []);
    }
    const problems: readonly Problem[] = JSON.parse(json.stdout).problems;
    const shown = problems.flatMap((problem) => renderProblem(problem).split("\n"));
    assert.deepEqual(text.stderr.split("\n").slice(1, -1), shown.map((line) => `  ${line}`));
    const envelope = JSON.parse(json.stderr).error;
    assert.equal(envelope.code, "manifest-invalid");
    assert.deepEqual(envelope.problems.map(asError), problems);
    assert.deepEqual(envelope.where, problems[0]?.where);
  }
});

Deno.test("validate --json names the value, the place and the way out of each problem", async () => {
  const text =
    'agents:\n  "x y": { bottle: dve }\nbottles:\n  dev: { ssh: [{ Host: g, IdentityFile: k, Port: 0 }] }\n';
  const run = await runCli(["validate", "--json", "m.yaml"], { files: { [`${CWD}/m.yaml`]: text } });
  const [bottle, port] = JSON.parse(run.stdout).problems;
  assert.deepEqual(bottle, {
    severity: "error",
    path: 'agents."x y".bottle',
    message: 'agents."x y".bottle: no bottle is named "dve"',
    where: { file: "m.yaml", line: 2, column: 20, snippet: '  "x y": { bottle: dve }', length: 3 },
    hints: ["Did you mean `dev`?"],
  });
  assert.equal(port.path, "bottles.dev.ssh[0].Port");
  assert.deepEqual([port.where.line, port.where.column, port.where.length], [4, 50, 1]);
});

Deno.test("start --json gives the records of validate", async () => {
  const manifest = "bottles: { dev: { evn: {} } }\nagents: { a: { bottle: dev } }\n";
  const validated = await runCli(["validate", "--json"], { manifest });
  const started = await runCli(["start", "a", "--dry-run", "--json"], { manifest });
  assert.deepEqual(started.outcome, USAGE);
  const { problems } = JSON.parse(started.stderr.trimEnd().split("\n").at(-1) ?? "").error;
  assert.deepEqual(problems.map(asError), JSON.parse(validated.stdout).problems);
  assert.equal(problems[0].path, "bottles.dev.evn");
});
