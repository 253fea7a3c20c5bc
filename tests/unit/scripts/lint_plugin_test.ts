import { deepEqual } from "node:assert/strict";
import plugin, { createPlugin } from "../../../scripts/lint_plugin.ts";

const ROOT = "/somewhere/else/checkout";

/** What the plugin says about `source`, standing at `path` of a checkout: one `rule: message` each. */
function findings(path: string, source: string): readonly string[] {
  return Deno.lint.runPlugin(createPlugin(ROOT), `${ROOT}/${path}`, source)
    .map((found) => `${found.id.replace("claude-bottle/", "")}: ${found.message}`);
}

const REFUSED: readonly (readonly [string, string, string])[] = [
  ["lib/cli/app.ts", `import { a } from "../bottle/plan.ts";`, "layering: cli must not import bottle"],
  ["lib/cli/app.ts", `import { a } from "../egress/policy.ts";`, "layering: cli must not import egress"],
  [
    "lib/cli/app.ts",
    `import { a } from "../manifest/model.ts";`,
    "layering: cli may import types of manifest only",
  ],
  [
    "lib/cli/app.ts",
    `await import("../backend/docker/backend.ts");`,
    "layering: cli must not import backend",
  ],
  [
    "lib/commands/start.ts",
    `import { app } from "../cli/app.ts";`,
    "layering: commands must not import cli",
  ],
  [
    "lib/commands/start.ts",
    `import type { D } from "../backend/docker/backend.ts";`,
    "layering: commands must not import backend",
  ],
  [
    "lib/commands/start.ts",
    `import text from "../assets/Dockerfile" with { type: "text" };`,
    "layering: commands must not import assets",
  ],
  [
    "lib/commands/start.ts",
    `import { h } from "../host/deno.ts";`,
    "layering: Only main.ts imports lib/host/deno*.ts",
  ],
  [
    "lib/commands/start.ts",
    `import { run } from "@stricli/core";`,
    "layering: @stricli/core belongs to cli alone",
  ],
  [
    "lib/commands/start.ts",
    `import { h } from "../../tests/support/harness.ts";`,
    "layering: commands must not import tests",
  ],
  [
    "lib/backend/docker/backend.ts",
    `import { parse } from "../../manifest/model.ts";`,
    "layering: backend may import types of manifest only",
  ],
  [
    "lib/backend/docker/provision/git.ts",
    `import { table } from "../../../ui/tables.ts";`,
    "layering: backend must not import ui",
  ],
  [
    "lib/bottle/plan.ts",
    `import { resolve } from "../manifest/merge.ts";`,
    "layering: bottle may import types of manifest only",
  ],
  [
    "lib/bottle/plan.ts",
    `import { squid } from "../egress/squid.ts";`,
    "layering: bottle may import types of egress only",
  ],
  [
    "lib/bottle/plan.ts",
    `import type { D } from "../backend/docker/plan.ts";`,
    "layering: bottle must not import backend",
  ],
  [
    "lib/egress/squid.ts",
    `import type { P } from "../bottle/plan.ts";`,
    "layering: egress must not import bottle",
  ],
  [
    "lib/egress/squid.ts",
    `export { parse } from "../manifest/model.ts";`,
    "layering: egress may import types of manifest only",
  ],
  [
    "lib/ui/progress.ts",
    `import { render } from "../bottle/events.ts";`,
    "layering: ui may import types of bottle only",
  ],
  ["lib/ui/progress.ts", `export * from "../commands/start.ts";`, "layering: ui must not import commands"],
  [
    "lib/ui/progress.ts",
    `import type { M } from "../manifest/model.ts";`,
    "layering: ui must not import manifest",
  ],
  [
    "lib/manifest/merge.ts",
    `type P = import("../egress/policy.ts").EgressPolicy;`,
    "layering: manifest must not import egress",
  ],
  ["lib/host/files.ts", `import { v } from "../version.ts";`, "layering: host must not import version"],
  ["lib/errors.ts", `import type { F } from "./host/files.ts";`, "layering: errors must not import host"],
  ["lib/version.ts", `import { F } from "./errors.ts";`, "layering: version must not import errors"],
  ["lib/assets/mod.ts", `import { F } from "../errors.ts";`, "layering: assets must not import errors"],
  [
    "main.ts",
    `import { D } from "./lib/backend/docker/backend.ts";`,
    "layering: main imports the backend dynamically, so that other commands start without it",
  ],
  ["main.ts", `import { D } from "./scripts/ci.ts";`, "layering: main must not import scripts"],
  [
    "lib/odds/ends.ts",
    `export const a = 1;`,
    "layering: lib/odds/ends.ts is in no layer: give its folder a row in scripts/lint_plugin.ts",
  ],
  [
    "lib/bottle/plan.ts",
    `import { a } from "../../../x.ts";`,
    "layering: ../../../x.ts is outside every layer",
  ],
  [
    "lib/bottle/plan.ts",
    `const name = "a.ts"; await import(name);`,
    "layering: A computed import cannot be checked: write the path out",
  ],
  [
    "lib/bottle/plan.ts",
    `import { a } from "file:///a.ts";`,
    "layering: An absolute import cannot be checked: write a relative one",
  ],
  [
    "lib/bottle/plan.ts",
    `new Deno.Command("docker");`,
    "no-direct-effect: Deno.Command belongs to lib/host/deno*.ts and main.ts: take a port of lib/host instead",
  ],
  [
    "lib/cli/app.ts",
    `Deno["exit"](1);`,
    "no-direct-effect: Deno.exit belongs to lib/host/deno*.ts and main.ts: take a port of lib/host instead",
  ],
  [
    "lib/cli/app.ts",
    `globalThis.Deno.env.get("HOME");`,
    "no-direct-effect: Deno.env belongs to lib/host/deno*.ts and main.ts: take a port of lib/host instead",
  ],
  [
    "lib/cli/app.ts",
    `const { stdout } = Deno;`,
    "no-direct-effect: Deno must not be passed on or taken apart outside lib/host/deno*.ts and main.ts",
  ],
  [
    "lib/cli/app.ts",
    `import fs from "node:fs";`,
    "no-node: node:fs is not used here: only scripts and tests use node:path, only tests node:assert/strict",
  ],
  [
    "lib/cli/app.ts",
    `import { equal } from "node:assert/strict";`,
    "no-node: node:assert/strict is not used here: only scripts and tests use node:path, only tests node:assert/strict",
  ],
  [
    "lib/cli/app.ts",
    `import { join } from "node:path";`,
    "no-node: node:path is not used here: only scripts and tests use node:path, only tests node:assert/strict",
  ],
  [
    "tests/unit/a_test.ts",
    `const os = await import("node:os");`,
    "no-node: node:os is not used here: only scripts and tests use node:path, only tests node:assert/strict",
  ],
];

for (const [path, source, message] of REFUSED) {
  Deno.test(`the lint plugin refuses in ${path}: ${source}`, () => {
    deepEqual(findings(path, source), [message]);
  });
}

const ACCEPTED: readonly (readonly [string, string])[] = [
  [
    "main.ts",
    `import { app } from "./lib/cli/app.ts"; import { h } from "./lib/host/deno.ts"; Deno.exit(0);`,
  ],
  ["main.ts", `await import("./lib/backend/docker/backend.ts");`],
  ["lib/cli/app.ts", `import { run } from "@stricli/core"; await import("../commands/start.ts");`],
  ["lib/cli/app.ts", `import { type Agent, type Bottle } from "../manifest/model.ts";`],
  [
    "lib/commands/start.ts",
    `import { a } from "../bottle/plan.ts"; import { b } from "../egress/policy.ts";`,
  ],
  ["lib/commands/start.ts", `import { a } from "../manifest/load.ts"; import { b } from "../ui/tables.ts";`],
  ["lib/backend/docker/backend.ts", `import text from "../../assets/Dockerfile" with { type: "text" };`],
  [
    "lib/backend/docker/backend.ts",
    `import { run } from "../../egress/squid.ts"; import { p } from "./plan.ts";`,
  ],
  ["lib/backend/docker/provision/git.ts", `import type { Processes } from "../../../host/processes.ts";`],
  ["lib/bottle/spec.ts", `import type { EgressPolicy } from "../egress/policy.ts";`],
  [
    "lib/egress/squid.ts",
    `import type { ProxyName } from "../manifest/model.ts"; import s from "../assets/a.sh";`,
  ],
  [
    "lib/ui/diagnostics.ts",
    `import { order } from "../manifest/diagnostics.ts"; import { join } from "../host/paths.ts";`,
  ],
  [
    "lib/host/deno.ts",
    `import { Interrupted } from "./interrupts.ts"; Deno.addSignalListener("SIGINT", () => {});`,
  ],
  [
    "lib/host/deno_processes.ts",
    `import { Deadline } from "./deadline.ts"; new Deno.Command("docker").spawn();`,
  ],
  ["scripts/bench.ts", `import { join } from "node:path";`],
  ["lib/host/files.ts", `import { Failure } from "../errors.ts";`],
  ["lib/manifest/load.ts", `try { a(); } catch (e) { if (e instanceof Deno.errors.NotFound) b(); }`],
  ["lib/manifest/load.ts", `let signal: Deno.Signal;`],
  ["scripts/demo.ts", `import { h } from "../lib/host/deno.ts"; new Deno.Command("docker");`],
  [
    "tests/engine/start_test.ts",
    `import { b } from "../../lib/backend/docker/backend.ts"; import { equal } from "node:assert/strict"; Deno.env;`,
  ],
];

for (const [path, source] of ACCEPTED) {
  Deno.test(`the lint plugin accepts in ${path}: ${source}`, () => {
    deepEqual(findings(path, source), []);
  });
}

Deno.test("the lint plugin's default export knows the checkout it stands in", () => {
  const file = new URL("../../../lib/egress/squid.ts", import.meta.url);
  const found = Deno.lint.runPlugin(plugin, file.pathname, `import { D } from "../cli/app.ts";`);
  deepEqual(found.map(({ id, message }) => [id, message]), [
    ["claude-bottle/layering", "egress must not import cli"],
  ]);
});

Deno.test("the lint plugin leaves files outside the checkout alone", () => {
  const source = `import { h } from "../host/deno.ts"; Deno.exit(1);`;
  deepEqual(Deno.lint.runPlugin(createPlugin(ROOT), `${ROOT}-2/lib/cli/app.ts`, source), []);
});
