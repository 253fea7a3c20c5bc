import assert from "node:assert/strict";
import { runCli } from "../support/cli_harness.ts";

async function golden(name: string): Promise<string> {
  return await Deno.readTextFile(new URL(`./testdata/${name}`, import.meta.url));
}

const DONE = { kind: "exit", code: 0 };

Deno.test("help of the program and of each command is as written down, on stdout alone", async () => {
  const rows = [
    { argv: [], file: "help.txt" },
    { argv: ["--help"], file: "help.txt" },
    { argv: ["-h"], file: "help.txt" },
    { argv: ["start", "--help"], file: "help_start.txt" },
    { argv: ["start", "reviewer", "-h"], file: "help_start.txt" },
    { argv: ["init", "--help"], file: "help_init.txt" },
    { argv: ["edit", "--help"], file: "help_edit.txt" },
    { argv: ["attach", "--help"], file: "help_attach.txt" },
    { argv: ["exec", "--help"], file: "help_exec.txt" },
    { argv: ["secrets", "--help"], file: "help_secrets.txt" },
    { argv: ["list", "--help"], file: "help_list.txt" },
    { argv: ["info", "--help"], file: "help_info.txt" },
    { argv: ["validate", "--help"], file: "help_validate.txt" },
    { argv: ["schema", "--help"], file: "help_schema.txt" },
    { argv: ["trust", "--help"], file: "help_trust.txt" },
    { argv: ["build", "--help"], file: "help_build.txt" },
    { argv: ["logs", "--help"], file: "help_logs.txt" },
    { argv: ["stop", "--help"], file: "help_stop.txt" },
    { argv: ["doctor", "--help"], file: "help_doctor.txt" },
    { argv: ["cleanup", "--help"], file: "help_cleanup.txt" },
  ];
  for (const { argv, file } of rows) {
    const { outcome, stdout, stderr, backend } = await runCli(argv);
    assert.deepEqual(outcome, DONE, argv.join(" "));
    assert.equal(stdout, await golden(file), argv.join(" "));
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
    assert.equal(stderr, "");
    assert.deepEqual(backend.calls, []);
  }
});

Deno.test("help of every command has examples that name the program", async () => {
  for (
    const command of [
      "start",
      "init",
      "edit",
      "attach",
      "exec",
      "list",
      "info",
      "validate",
      "schema",
      "trust",
      "build",
      "logs",
      "stop",
      "doctor",
      "cleanup",
    ]
  ) {
    const { stdout } = await runCli([command, "--help"]);
    assert.match(stdout, new RegExp(`^EXAMPLES\\n  claude-bottle ${command}`, "m"));
  }
});

Deno.test("help behind -- is the agent's", async () => {
  const { outcome, stdout, backend } = await runCli(["start", "--prompt", "hi", "--", "--help"]);
  assert.deepEqual(outcome, DONE);
  assert.equal(stdout, "");
  const command = ["claude", "--dangerously-skip-permissions", "--print", "--help", "--", "hi"];
  assert.deepEqual(backend.specs[0]?.command, command);
});

Deno.test("--version prints the version alone", async () => {
  const { outcome, stdout, stderr } = await runCli(["--version"]);
  assert.deepEqual(outcome, DONE);
  assert.equal(stdout, "0.1.0\n");
  assert.equal(stderr, "");
});

Deno.test("the version is that of deno.json", async () => {
  const settings = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(`${settings.version}\n`, (await runCli(["--version"])).stdout);
});
