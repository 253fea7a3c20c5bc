import assert from "node:assert/strict";
import fc from "fast-check";
import { parseManifest } from "../../../lib/manifest/load.ts";
import type { Manifest } from "../../../lib/manifest/model.ts";
import { checkAgentName, checkName, checkSkill } from "../../../lib/manifest/names.ts";
import { projectName, type Starter, starterManifest } from "../../../lib/manifest/starter.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl";

const PLAIN: Starter = {
  agent: "claude",
  bottle: "default",
  skills: [],
  ssh: undefined,
  schema: "./claude-bottle.schema.json",
};

async function parsed(text: string): Promise<Manifest> {
  return await parseManifest([{ path: "/m.yaml", bytes: new TextEncoder().encode(text) }]);
}

/** With every example of a comment in force. */
function uncommented(text: string): string {
  return text.replaceAll(/^( +)# (?=[a-z]+:| )/gm, "$1");
}

Deno.test("a starter names its schema for editors in its first line", () => {
  const [first] = starterManifest(PLAIN).split("\n");
  assert.equal(first, "# yaml-language-server: $schema=./claude-bottle.schema.json");
});

Deno.test("a starter grants nothing besides what it was told, and each of its examples works", async () => {
  const text = starterManifest(PLAIN);
  for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
  const manifest = await parsed(text);
  const bottle = manifest.bottles.get("default");
  assert.equal(bottle?.env.size, 0);
  assert.deepEqual(bottle?.ssh, []);
  assert.deepEqual(bottle?.egress.allowlist, []);
  assert.equal(bottle?.gitIdentity, undefined);
  assert.deepEqual(manifest.agents.get("claude")?.skills, []);

  const taught = await parsed(uncommented(text));
  const all = taught.bottles.get("default");
  assert.deepEqual([...all?.env.keys() ?? []], ["GITHUB_TOKEN", "API_TOKEN"]);
  assert.deepEqual(all?.env.get("GITHUB_TOKEN"), { kind: "host", variable: "GITHUB_TOKEN" });
  assert.equal(all?.env.get("API_TOKEN")?.kind, "prompt");
  assert.deepEqual(all?.egress.allowlist.map(({ host }) => host), ["github.com", "api.example.com"]);
  assert.deepEqual(all?.ssh.map(({ host, identityFile }) => [host, identityFile]), [
    ["github.com", "~/.ssh/id_ed25519"],
  ]);
  assert.equal(all?.gitIdentity, "host");
  const agent = taught.agents.get("claude");
  assert.deepEqual(agent?.skills, ["code-review"]);
  assert.equal(agent?.prompt, "You review pull requests. Be brief.\n");
});

/** Words that YAML takes for something else, or nearly. */
const TRAPS = [
  ...[
    "null",
    "true",
    "NO",
    "on",
    "y",
    "1",
    "0x1F",
    "1e3",
    "1_000",
    ".5",
    "2024-01-01",
    "12:30",
    "a b",
    "a.b",
  ],
  ...["_", "A-", "1.", "...", ".inf", "o7", "__", "constructor", "x".repeat(64)],
];

const name = fc.oneof(fc.constantFrom(...TRAPS), fc.stringMatching(/^[A-Za-z0-9._][A-Za-z0-9 ._-]{0,30}$/));

Deno.test("a starter says what it was told, whatever the names look like", async () => {
  const starters = fc.record({
    agent: name.filter((text) => checkAgentName(text).kind === "good"),
    bottle: name.filter((text) => checkName(text).kind === "good"),
    skills: fc.uniqueArray(name.filter((text) => checkSkill(text).kind === "good"), { maxLength: 5 }),
    ssh: fc.option(
      fc.record({
        host: fc.constantFrom("github.com", "null", "10.0.0.1", "git.example.org"),
        identityFile: fc.constantFrom(
          "~/.ssh/id",
          "/a b/'c' \"d\" # : é \\",
          "/x: y",
          "~/.ssh/- [x]",
          "/\u2028",
        ),
        knownHostKeys: fc.constantFrom([], [KEY]),
      }),
      { nil: undefined },
    ),
    schema: fc.constant("./claude-bottle.schema.json"),
  });
  await fc.assert(
    fc.asyncProperty(starters, async (starter) => {
      const manifest = await parsed(starterManifest(starter));
      assert.deepEqual([...manifest.bottles.keys()], [starter.bottle]);
      assert.deepEqual([...manifest.agents.keys()], [starter.agent]);
      const agent = manifest.agents.get(starter.agent);
      assert.equal(agent?.bottle, starter.bottle);
      assert.deepEqual(agent.skills, starter.skills);
      const ssh = manifest.bottles.get(starter.bottle)?.ssh ?? [];
      assert.deepEqual(
        ssh.map(({ host, identityFile, knownHostKeys }) => ({ host, identityFile, knownHostKeys })),
        starter.ssh === undefined ? [] : [{ ...starter.ssh }],
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("projectName() makes a name of any folder's", () => {
  const rows = [
    ["My Repo", "my-repo"],
    ["demo", "project"],
    ["日本", "project"],
    ["a".repeat(80), "a".repeat(64)],
    ["-x-", "x"],
    ["", "project"],
  ] as const;
  for (const [folder, expected] of rows) {
    assert.equal(projectName(folder), expected);
    assert.equal(checkAgentName(expected).kind, "good");
  }
});
