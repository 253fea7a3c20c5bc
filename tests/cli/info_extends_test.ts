import assert from "node:assert/strict";
import { MANIFEST_PATH, runCli } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };

/** With the user's manifest's path shortened even more than people are shown it. */
function shortened(text: string): string {
  return text.replaceAll(MANIFEST_PATH.replace("/home/somebody", "~"), "M");
}

const GRANDPARENTS = `bottles:
  root:
    env:
      A: a
      B: b
    egress:
      allowlist:
        - one.example
        - two.example
      proxy: squid
    ssh:
      - { Host: gh, IdentityFile: ~/.ssh/gh }
    resources: { cpus: 1, memory: 1g }
  middle:
    extends: root
    env:
      B: b2
    resources:
      memory: 2g
agents:
  elder:
    bottle: middle
    skills:
      - one
      - two
    prompt: |

      Be brief.
      Be kind.
`;

const CHILDREN = `bottles:
  leaf:
    extends: middle
    egress:
      private:
        - two.example
    env:
      C: { secret: { file: ./token } }
      D: "?"
    runtime: runc
agents:
  parent:
    extends: elder
    command:
      - claude
  child:
    extends: parent
    bottle: leaf
`;

const PROJECT_PATH = "/home/somebody/project/claude-bottle.yaml";
const INHERITED = { manifest: GRANDPARENTS, files: { [PROJECT_PATH]: CHILDREN } };

Deno.test("info follows extends over files: each value has the place where it stands", async () => {
  const run = await runCli(["info", "child"], INHERITED);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const rows = shortened(run.stdout).split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "))
    .filter((line) => !line.endsWith("  default"));
  assert.deepEqual(rows, [
    "GRANT  VALUE  FROM",
    "agent  child  claude-bottle.yaml:16",
    "extends  parent → elder  claude-bottle.yaml:17",
    "uses  bottle leaf  claude-bottle.yaml:18",
    "command  claude  claude-bottle.yaml:14",
    "prompt  Be brief.  M:28",
    "skill  one  M:24",
    "skill  two  M:25",
    "bottle  leaf  claude-bottle.yaml:2",
    "  extends  middle → root  claude-bottle.yaml:3",
    "  env  A (a literal)  M:4",
    "  env  B (a literal)  M:17",
    "  env  C (from the file ./token)  claude-bottle.yaml:8",
    "  env  D (asked)  claude-bottle.yaml:9",
    "  host  one.example  M:8",
    "  host  two.example  M:9",
    "  private  two.example  claude-bottle.yaml:6",
    "  proxy  squid  M:10",
    "  ssh  gh: git@gh:22 (key ~/.ssh/gh, host key unknown)  M:12",
    "  runtime  runc  claude-bottle.yaml:10",
    "  cpus  1  M:13",
    "  memory  2 GiB  M:19",
    "",
  ]);
});

Deno.test("info --json has absolute paths and the whole line of what is extended", async () => {
  const run = await runCli(["info", "child", "--json"], INHERITED);
  const { grants, manifest } = JSON.parse(run.stdout);
  assert.deepEqual(manifest.map(({ path }: { path: string }) => path), [MANIFEST_PATH, PROJECT_PATH]);
  const of = (kind: string): unknown[] => grants.filter((grant: { kind: string }) => grant.kind === kind);
  const at = (file: string, line: number, column: number): object => ({
    from: "manifest",
    where: { file, line, column },
  });
  assert.deepEqual(of("extends"), [
    {
      of: "agent",
      kind: "extends",
      value: "parent",
      chain: ["parent", "elder"],
      replaced: [],
      ...at(PROJECT_PATH, 17, 14),
    },
    {
      of: "bottle",
      kind: "extends",
      value: "middle",
      chain: ["middle", "root"],
      replaced: [],
      ...at(PROJECT_PATH, 3, 14),
    },
  ]);
  assert.deepEqual(of("uses"), [{ of: "agent", kind: "uses", value: "leaf", ...at(PROJECT_PATH, 18, 13) }]);
  assert.deepEqual(of("skill"), [
    { of: "agent", kind: "skill", value: "one", ...at(MANIFEST_PATH, 24, 9) },
    { of: "agent", kind: "skill", value: "two", ...at(MANIFEST_PATH, 25, 9) },
  ]);
});

Deno.test("info fits a terminal of 80 columns, and breaks no line of a file", async () => {
  const options = { ...INHERITED, terminals: ["stdout"], columns: 80 } as const;
  const run = await runCli(["info", "child"], options);
  for (const line of run.stdout.split("\n")) assert.ok(line.length <= 80, line);
  assert.match(run.stdout, /^command +claude +claude-bottle\.yaml:14$/m);
  assert.match(run.stdout, /^ {2}host +one\.example +claude-bottle\/claude-bottle\.yaml:8$/m);
  assert.ok(
    run.stdout.endsWith("\nclaude-bottle/claude-bottle.yaml is ~/.config/claude-bottle/claude-bottle.yaml\n"),
  );
  const piped = await runCli(["info", "child"], { ...INHERITED, columns: 80 });
  assert.match(piped.stdout, /^ {2}ssh +gh: git@gh:22 \(key ~\/\.ssh\/gh, host key unknown\) +~/m);
});

Deno.test("info says which lists of a parent an entry has its own of, where people might expect both", async () => {
  const manifest = `bottles:
  base:
    env: { A: a }
    egress: { allowlist: [one.example, two.example], proxy: squid }
    ssh: [{ Host: gh, IdentityFile: ~/.ssh/gh }]
  web:
    extends: base
    env: { B: b }
    egress: { allowlist: [three.example], private: [three.example] }
agents:
  elder: { bottle: web, skills: [one] }
  heir: { extends: elder, prompt: Be brief. }
  rebel: { extends: elder, skills: [] }
`;
  const extended = async (agent: string): Promise<readonly (string | undefined)[]> => {
    const run = await runCli(["info", agent], { manifest });
    return run.stdout.split("\n").filter((line) => /^ *extends/.test(line))
      .map((line) => / {2,}(\S.*?) {2,}/.exec(line.trimStart())?.[1]);
  };
  assert.deepEqual(await extended("heir"), ["elder", "base (egress.allowlist replaced)"]);
  assert.deepEqual(await extended("rebel"), ["elder (skills replaced)", "base (egress.allowlist replaced)"]);
  const run = await runCli(["info", "rebel", "--json"], { manifest });
  const grants: { kind: string; replaced?: unknown }[] = JSON.parse(run.stdout).grants;
  assert.deepEqual(grants.filter(({ kind }) => kind === "extends").map(({ replaced }) => replaced), [
    ["skills"],
    ["egress.allowlist"],
  ]);
});
