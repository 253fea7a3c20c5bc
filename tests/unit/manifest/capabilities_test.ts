import assert from "node:assert/strict";
import { pathKey } from "../../../lib/manifest/node.ts";
import { projectSubjects } from "../../../lib/manifest/capabilities.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import { line, projectManifest, requestedBy } from "../../support/capabilities.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

async function lines(text: string, user?: string): Promise<readonly string[]> {
  return requestedBy(await projectManifest(text, user)).map(line);
}

const EVERYTHING = await Deno.readTextFile(
  new URL("../../testdata/manifest/everything.yaml", import.meta.url),
);

Deno.test("capabilitiesOf() has everything that a manifest can grant, by name, source and path", async () => {
  assert.deepEqual(await lines(EVERYTHING), [
    "agent Reviewer 2.0 | bottle | dev",
    "agent Reviewer 2.0 | command | claude | --model | opus",
    "bottle dev | env | GIT_AUTHOR_NAME | literal",
    "bottle dev | env | SWITCH | literal",
    'bottle dev | env | NPM_TOKEN | command | ["op","read","op://dev/npm"]',
    "bottle dev | env | OTHER | file | ~/.other",
    "bottle dev | host | github.com",
    "bottle dev | host | xn--bcher-kva.example",
    "bottle dev | host | *.example.org",
    "bottle dev | host | deb.example.net",
    "bottle dev | http | deb.example.net",
    "bottle dev | host | api.anthropic.com | POST /v1/messages | injected",
    "bottle dev | host | api.anthropic.com | GET /v1/models | injected",
    "bottle dev | inject | api.anthropic.com | CLAUDE_CODE_OAUTH_TOKEN | bearer | host | CLAUDE_BOTTLE_OAUTH_TOKEN",
    "bottle dev | private | git.example.org",
    "bottle dev | private | 10.0.0.7",
    "bottle dev | network | myapp_default",
    "bottle dev | proxy | squid",
    "bottle dev | ssh | 10.0.0.7 | 22",
    `bottle dev | key | ~/.ssh/gitea_ed25519 | git | 10.0.0.7 | 22 | ${KEY}`,
    "bottle dev | sign | ~/.ssh/gitea_ed25519",
    "bottle dev | git identity | host",
    "bottle dev | image | registry.example.com:5000/team/base:1.2",
    "bottle dev | dockerfile | ~/Dockerfile",
    "bottle dev | image with keys | registry.example.com:5000/team/base:1.2",
    "bottle dev | image with keys | ~/Dockerfile",
    "bottle dev | package | libstdc++6",
    "bottle dev | package | git",
    "bottle dev | ca | ~/corp-ca.pem",
    "bottle dev | runtime | runsc",
    "bottle dev | cpus | 1.5",
    "bottle dev | memory | 4294967296",
    "bottle dev | pids | 2048",
    "bottle dev | disk | 21474836480",
  ]);
});

Deno.test("capabilitiesOf() has what every bottle and agent is given, too", async () => {
  assert.deepEqual(
    await lines("bottles: { dev: {} }\nagents: { a: { bottle: dev, prompt: secret plans } }\n"),
    [
      "agent a | bottle | dev",
      "agent a | command | claude | --dangerously-skip-permissions",
      "bottle dev | default host | api.test",
      "bottle dev | default host | update.test",
      "bottle dev | proxy | unnamed",
      "bottle dev | runtime | auto",
      "bottle dev | cpus | unlimited",
      "bottle dev | memory | 4294967296",
      "bottle dev | pids | 2048",
      "bottle dev | disk | 21474836480",
    ],
  );
});

Deno.test("capabilitiesOf() is the same for the same grants in other words, another order or another format", async () => {
  const first = await lines(`bottles:
  dev:
    env: { A: x, B: "\${HOST_B}" }
    ssh:
      - { Host: git, Hostname: git.test, IdentityFile: ~/k, KnownHostKey: ${KEY} }
    egress: { allowlist: [a.test, b.test] }
agents: { one: { bottle: dev }, two: { bottle: dev, skills: [s, t] } }
`);
  const second = await lines(`# Reformatted
agents:
  two:
    skills: [t, s]
    prompt: Something else
    bottle: dev
  one: { bottle: dev, command: [claude, --dangerously-skip-permissions] }
bottles:
  unused: { egress: { allowlist: [never.test] } }
  base: { env: { B: "\${HOST_B}" } }
  dev:
    extends: base
    env: { A: another literal }
    egress:
      allowlist: [{ host: "B.test." }, A.TEST]
    ssh:
      - Host: another-name
        Hostname: git.test
        IdentityFile: ~/k
        Port: "22"
        User: git
        unpinned: true
        KnownHostKey: [${KEY} with a comment]
    resources: { memory: 4096m, disk: 20g, pids: 2048 }
    runtime: auto
`);
  assert.deepEqual(second.toSorted(), first.toSorted());
});

Deno.test("capabilitiesOf() holds no value of a literal, and a prompt's question", async () => {
  const all = (await lines(`bottles:
  dev: { env: { A: the-literal, B: "?Paste it" } }
agents: { a: { bottle: dev, prompt: the-prompt } }
`)).join("\n");
  assert.doesNotMatch(all, /the-literal|the-prompt/);
  assert.match(all, /^bottle dev \| env \| B \| prompt \| Paste it$/m);
});

Deno.test("capabilitiesOf() tells a key's host keys apart: each known one, a learned one, none at all", async () => {
  const keys = async (rest: string): Promise<readonly string[]> =>
    (await lines(`bottles:
  dev: { ssh: [{ Host: git.test, IdentityFile: /k${rest} }] }
agents: { a: { bottle: dev } }
`)).filter((text) => text.includes(" | key | "));
  const to = "bottle dev | key | /k | git | git.test | 22";
  assert.deepEqual(await keys(""), [`${to} | learned`]);
  assert.deepEqual(await keys(", unpinned: true"), [`${to} | unpinned`]);
  assert.deepEqual(await keys(`, unpinned: true, KnownHostKey: ["${KEY}"]`), [`${to} | ${KEY}`]);
});

Deno.test("capabilitiesOf() takes fingerprints and marks of files from the facts", async () => {
  const manifest = await projectManifest(`bottles:
  dev:
    env: { A: { secret: { command: [/repo/a, b] } } }
    ssh: [{ Host: git.test, IdentityFile: /k, KnownHostKey: ${KEY}, sign: true }]
    image: { dockerfile: /repo/D }
agents: { a: { bottle: dev } }
`);
  const all = requestedBy(manifest, {
    fingerprints: new Map([[KEY, "SHA256:x"]]),
    marks: new Map([
      [pathKey(["bottles", "dev", "env", "A"]), ["sha256 1 /repo/a"]],
      [pathKey(["bottles", "dev", "ssh", 0, "IdentityFile"]), ["missing"]],
      [pathKey(["bottles", "dev", "image", "dockerfile"]), ["sha256 2 /repo/D"]],
    ]),
  }).map(line);
  for (
    const expected of [
      'bottle dev | env | A | command | ["/repo/a","b"] | sha256 1 /repo/a',
      "bottle dev | key | /k | git | git.test | 22 | SHA256:x | missing",
      "bottle dev | sign | /k | missing",
      "bottle dev | dockerfile | /repo/D | sha256 2 /repo/D",
    ]
  ) assert.ok(all.includes(expected), expected);
});

const USER = `bottles:
  mine: { env: { TOKEN: "\${TOKEN}" } }
  base: {}
  below: { extends: base }
agents:
  me: { bottle: mine }
  lower: { bottle: below }
  other: { extends: me }
`;

Deno.test("projectSubjects() are the agents that the project has a say in, and their bottles", async () => {
  const rows: readonly (readonly [text: string, agents: readonly string[], bottles: readonly string[]])[] = [
    ["bottles: { own: {} }\nagents: { a: { bottle: own } }\n", ["a"], ["own"]],
    // A bottle of the user's, for an agent of the project's.
    ["agents: { a: { bottle: mine } }\n", ["a"], ["mine"]],
    // The other way round.
    ["bottles: { mine: {} }\n", ["me", "other"], ["mine"]],
    // By what it extends.
    ["bottles: { base: { env: { X: y } } }\n", ["lower"], ["below"]],
    ["agents: { me: { bottle: base } }\n", ["me", "other"], ["base"]],
    ["bottles: { own: { extends: mine } }\nagents: { a: { bottle: own } }\n", ["a"], ["own"]],
    // What nobody uses grants nothing.
    ["bottles: { own: {} }\n", [], []],
  ];
  for (const [text, agents, bottles] of rows) {
    const manifest = await projectManifest(text, USER);
    const subjects = projectSubjects(manifest);
    assert.deepEqual({ ...subjects, agents: subjects.agents.toSorted() }, { agents, bottles }, text);
  }
});

Deno.test("projectSubjects() of a manifest that is the user's alone are none", async () => {
  const bytes = new TextEncoder().encode(USER);
  const manifest = await parseManifest([{ path: "/home/somebody/claude-bottle.yaml", bytes }]);
  assert.deepEqual(projectSubjects(manifest), { agents: [], bottles: [] });
});

Deno.test("what a project's bottle takes over from one of the user's is asked for as well", async () => {
  const all = await lines("bottles: { own: { extends: mine } }\nagents: { a: { bottle: own } }\n", USER);
  assert.ok(all.includes("bottle own | env | TOKEN | host | TOKEN"));
});
