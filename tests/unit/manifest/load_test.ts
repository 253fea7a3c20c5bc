import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import { builtinManifest, loadManifest, parseManifest } from "../../../lib/manifest/load.ts";
import type { Bottle, Manifest } from "../../../lib/manifest/model.ts";
import { memoryFiles } from "../../support/memory_files.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

function parse(path: string, text: string): Promise<Manifest> {
  return parseManifest([{ path, bytes: new TextEncoder().encode(text) }]);
}

async function testdata(name: string): Promise<Manifest> {
  const path = new URL(`../../testdata/manifest/${name}`, import.meta.url);
  return await parse(name, await Deno.readTextFile(path));
}

async function failure(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const BARE: Omit<Bottle, "name"> = {
  extends: undefined,
  env: new Map(),
  ssh: [],
  gitIdentity: undefined,
  egress: { defaults: true, allowlist: [], private: [], networks: [], proxy: undefined },
  runtime: "auto",
  resources: { cpus: undefined, memory: undefined, pids: undefined, disk: undefined },
  image: { base: undefined, dockerfile: undefined, packages: [], ca: undefined },
};

function plainHost(host: string, index = 0): Bottle["egress"]["allowlist"][number] {
  return { host, http: false, allow: [], inject: undefined, at: ["egress", "allowlist", index] };
}

const ORIGINAL: readonly Bottle[] = [
  { name: "default", ...BARE, egress: { ...BARE.egress, allowlist: [plainHost("github.com")] } },
  {
    name: "gitea-dev",
    ...BARE,
    env: new Map([
      ["GIT_AUTHOR_NAME", { kind: "literal", value: "didericis" }],
      ["GITHUB_TOKEN", { kind: "host", variable: "GH_PAT" }],
      ["GITEA_TOKEN", { kind: "prompt", text: "paste your Gitea API token" }],
      ["NPM_TOKEN", { kind: "prompt", text: "" }],
      ["GREETING", { kind: "literal", value: "a${X}b" }],
    ]),
    ssh: [
      {
        host: "gitea",
        identityFile: "~/.ssh/gitea_ed25519",
        hostname: "git.example.com",
        user: "git",
        port: 2222,
        knownHostKeys: [KEY],
        unpinned: false,
        sign: false,
      },
      {
        host: "box.example.org",
        identityFile: "~/.ssh/id_ed25519",
        hostname: "box.example.org",
        user: "git",
        port: 22,
        knownHostKeys: [],
        unpinned: false,
        sign: false,
      },
    ],
    egress: {
      ...BARE.egress,
      allowlist: [plainHost("git.example.com"), plainHost("github.com", 1), plainHost("github.com", 2)],
    },
  },
];

for (const name of ["original.json", "original.yaml"]) {
  Deno.test(`parseManifest() loads the original's fields from ${name}`, async () => {
    const manifest = await testdata(name);
    assert.deepEqual([...manifest.bottles.values()], ORIGINAL);
    const command = ["claude", "--dangerously-skip-permissions"];
    assert.deepEqual([...manifest.agents.values()], [
      {
        name: "gitea-dev",
        extends: undefined,
        bottle: "gitea-dev",
        skills: ["code-review"],
        prompt: "You review pull requests.\n",
        command,
      },
      { name: "bare", extends: undefined, bottle: "default", skills: [], prompt: "", command },
    ]);
  });
}

Deno.test("parseManifest() loads every field there is", async () => {
  const manifest = await testdata("everything.yaml");
  assert.deepEqual(manifest.bottles.get("base"), { name: "base", ...BARE });
  assert.deepEqual(manifest.bottles.get("dev"), {
    name: "dev",
    extends: "base",
    env: new Map([
      ["GIT_AUTHOR_NAME", { kind: "literal", value: "didericis" }],
      ["SWITCH", { kind: "literal", value: "on" }],
      ["NPM_TOKEN", { kind: "command", argv: ["op", "read", "op://dev/npm"] }],
      ["OTHER", { kind: "file", path: "~/.other" }],
    ]),
    ssh: [{
      host: "gitea",
      identityFile: "~/.ssh/gitea_ed25519",
      hostname: "10.0.0.7",
      user: "git",
      port: 22,
      knownHostKeys: [KEY],
      unpinned: true,
      sign: true,
    }],
    gitIdentity: "host",
    egress: {
      defaults: false,
      allowlist: [
        plainHost("github.com"),
        plainHost("xn--bcher-kva.example", 1),
        plainHost("*.example.org", 2),
        { ...plainHost("deb.example.net", 3), http: true },
        {
          ...plainHost("api.anthropic.com", 4),
          allow: ["POST /v1/messages", "GET /v1/models"],
          inject: {
            env: "CLAUDE_CODE_OAUTH_TOKEN",
            secret: { kind: "host", variable: "CLAUDE_BOTTLE_OAUTH_TOKEN" },
            as: "bearer",
          },
        },
      ],
      private: ["git.example.org", "10.0.0.7"],
      networks: ["myapp_default"],
      proxy: "squid",
    },
    runtime: "runsc",
    resources: { cpus: 1.5, memory: 4_294_967_296, pids: 2048, disk: 21_474_836_480 },
    image: {
      base: "registry.example.com:5000/team/base:1.2",
      dockerfile: "~/Dockerfile",
      packages: ["libstdc++6", "git"],
      ca: "~/corp-ca.pem",
    },
  });
  assert.deepEqual(manifest.agents.get("Reviewer 2.0")?.command, ["claude", "--model", "opus"]);
});

Deno.test("parseManifest() loads the built-in manifest", async () => {
  const manifest = await parseManifest([builtinManifest()]);
  assert.deepEqual([...manifest.bottles.values()], [
    { name: "default", ...BARE, egress: { ...BARE.egress, proxy: "squid" } },
  ]);
  assert.deepEqual([...manifest.agents.keys()], ["claude"]);
  assert.equal(manifest.files[0]?.path, "built-in");
});

Deno.test("parseManifest() takes whole entries of the later file", async () => {
  const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
  const manifest = await parseManifest([
    { path: "/u.yaml", bytes: encode("bottles:\n  a: { runtime: runc, env: { A: x } }\n  b: {}\n") },
    { path: "/p.yaml", bytes: encode("bottles:\n  a:\n    env: { B: y }\nagents: { r: { bottle: b } }\n") },
  ]);
  assert.deepEqual(manifest.bottles.get("a"), {
    name: "a",
    ...BARE,
    env: new Map([["B", { kind: "literal", value: "y" }]]),
  });
  assert.equal(manifest.where(["bottles", "a", "env", "B"])?.file, "/p.yaml");
  assert.equal(manifest.where(["bottles", "b"])?.file, "/u.yaml");
  assert.deepEqual(manifest.files.map((file) => file.path), ["/u.yaml", "/p.yaml"]);
});

Deno.test("parseManifest() reports the problems of all files, in their order", async () => {
  const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
  const bytes = encode("agents:\n  a: { bottle: x, skill: [] }\nboxes: {}\nagents: {}\n");
  const places = async (middle: string): Promise<readonly unknown[]> => {
    const files = [{ path: "/u.yaml", bytes }, { path: "/p.json", bytes: encode(middle) }, {
      path: "/q.yaml",
      bytes,
    }];
    const { problems } = await failure(parseManifest(files));
    return problems.map(({ where }) => `${where?.file}:${where?.line}:${where?.column}`);
  };
  const alone = (file: string): readonly string[] => [`${file}:2:19`, `${file}:3:1`, `${file}:4:1`];
  // The bottle that seems to be missing may stand in the file that cannot be read.
  assert.deepEqual(await places("{"), [...alone("/u.yaml"), "/p.json:1:1", ...alone("/q.yaml")]);
  assert.deepEqual(await places('{ "bottles": { "x": {} } }'), [...alone("/u.yaml"), ...alone("/q.yaml")]);
  assert.deepEqual(await places("{}"), [...alone("/u.yaml"), "/q.yaml:2:16", ...alone("/q.yaml")]);
});

Deno.test("parseManifest() lists no more than 200 problems", async () => {
  const lines = Array.from({ length: 300 }, (_, index) => `key${index}: x`);
  const refused = await failure(parse("m.yaml", lines.join("\n")));
  assert.equal(refused.message, "The manifest has more than 200 problems");
  assert.equal(refused.problems.length, 200);
  assert.equal(refused.problems[199]?.where?.line, 200);
});

Deno.test("parseManifest() hashes each file as it is", async () => {
  const manifest = await parse("a.yaml", "agents: {}\n");
  assert.deepEqual(manifest.files, [
    { path: "a.yaml", digest: "81499a7fe1c9e6cf76d123db44f387469ab643f8cbfbd28bb2ca44f2acb976ca" },
  ]);
});

Deno.test("where() gives a default the place of what is around it", async () => {
  const manifest = await parse("a.yaml", "bottles:\n  dev:\n    egress: { allowlist: [x.de] }\n");
  const place = (path: readonly (string | number)[]): readonly unknown[] => {
    const where = manifest.where(path);
    return [where?.line, where?.column, where?.length];
  };
  assert.deepEqual(place(["bottles", "dev", "egress", "allowlist", 0]), [3, 27, 4]);
  assert.deepEqual(place(["bottles", "dev", "egress", "proxy"]), [3, 5, 6]);
  assert.deepEqual(place(["bottles", "dev", "runtime"]), [2, 3, 3]);
  assert.equal(manifest.where(["bottles", "other"]), undefined);
});

Deno.test("loadManifest() reads the user's file", async () => {
  const manifest = await loadManifest({
    files: memoryFiles({ "/home/u/.config/claude-bottle/claude-bottle.yml": "bottles: { dev: {} }" }),
    environment: { get: (name) => name === "HOME" ? "/home/u" : undefined },
    cwd: "/",
    uid: 1000,
  });
  assert.deepEqual(manifest.files.map((file) => file.path), [
    "/home/u/.config/claude-bottle/claude-bottle.yml",
  ]);
});

Deno.test("loadManifest() takes the built-in manifest only when there is no other", async () => {
  const environment = { get: (name: string) => name === "HOME" ? "/home/u" : undefined };
  const none = await loadManifest({ files: memoryFiles({}), environment, cwd: "/", uid: 1000 });
  assert.deepEqual([...none.agents.keys()], ["claude"]);
  const path = "/home/u/claude-bottle.yaml";
  for (
    const file of [
      { text: "" },
      { error: new Error("Permission denied") },
      { text: `#${"x".repeat(1024 * 1024)}` },
      { bytes: new Uint8Array([0x61, 0x3a, 0xff]) },
    ]
  ) {
    const refused = await failure(
      loadManifest({ files: memoryFiles({ [path]: file }), environment, cwd: "/", uid: 1000 }),
    );
    assert.equal(refused.exit, 2);
  }
});
