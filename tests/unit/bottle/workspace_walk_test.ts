import assert from "node:assert/strict";
import type { Workspace } from "../../../lib/bottle/workspace.ts";
import { exclusion, looksSecret, patternFor } from "../../../lib/bottle/workspace_exclude.ts";
import { readWorkspace } from "../../../lib/bottle/workspace_walk.ts";
import { Failure } from "../../../lib/errors.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";

const ROOT = "/home/somebody/project";

type Content = Readonly<Record<string, string | MemoryFile>>;

/** The workspace of files below the root; those with an absolute path stand elsewhere. */
function walked(
  content: Content,
  options: { exclude?: readonly string[]; directory?: string } = {},
): Promise<Workspace> {
  const { directory = ROOT, exclude = [] } = options;
  const files = memoryFiles(Object.fromEntries(
    Object.entries(content).map(([path, file]) => [path.startsWith("/") ? path : `${ROOT}/${path}`, file]),
  ));
  const host = fakeHost({ files });
  return readWorkspace({ directory, exclude }, { ...host, files, signal: host.interrupts.signal });
}

function paths({ entries }: Workspace): readonly string[] {
  return entries.map(({ path }) => path).slice(1);
}

function refusal(code: string, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, code);
    assert.match([error.message, ...error.hints].join("\n"), words);
    return true;
  };
}

const GIT: Content = {
  ".git/HEAD": "ref: refs/heads/main\n",
  ".git/objects/x": "o",
  ".git/refs/heads/main": "1",
};

Deno.test("readWorkspace() finds files, directories and links, with bits and times, a directory before what is in it", async () => {
  const workspace = await walked({
    "b/run": { text: "12345", mode: 0o6755, modified: 1234 },
    "empty": { kind: "directory", mode: 0o2700 },
    "a": "x",
    "link": { link: "b/run" },
    "out": { link: "../secret" },
    "/home/somebody/secret": "not this",
    "absolute": { link: "/etc/passwd" },
    "pipe": { kind: "other" },
  });
  assert.deepEqual(workspace.entries.slice(1), [
    { path: "a", mode: 0o644, modified: 0, content: { kind: "file", size: 1, identity: `${ROOT}/a` } },
    { path: "absolute", mode: 0o644, modified: 0, content: link("/etc/passwd") },
    { path: "b", mode: 0o755, modified: 0, content: { kind: "directory" } },
    {
      path: "b/run",
      mode: 0o755,
      modified: 1234,
      content: { kind: "file", size: 5, identity: `${ROOT}/b/run` },
    },
    { path: "empty", mode: 0o700, modified: 0, content: { kind: "directory" } },
    { path: "link", mode: 0o644, modified: 0, content: link("b/run") },
    { path: "out", mode: 0o644, modified: 0, content: link("../secret") },
  ]);
  assert.deepEqual([workspace.files, workspace.bytes], [2, 6]);
  assert.deepEqual(workspace.notices, [
    "workspace: neither file, directory nor link, left out: pipe",
    `workspace: links out of ${ROOT}, broken in the bottle: absolute, out`,
  ]);
});

function link(target: string): unknown {
  return { kind: "link", target: new TextEncoder().encode(target) };
}

Deno.test("readWorkspace() leaves out names anywhere and paths from the root, but no name inside a repository", async () => {
  const content = {
    ...GIT,
    "node_modules/x": "",
    "a/node_modules/y": "",
    "a/heads": "",
    "heads": "",
    "docs/b/c": "",
  };
  const workspace = await walked(content, { exclude: ["node_modules", "heads", "docs/*/c", "/a/nothing"] });
  assert.deepEqual(paths(workspace).filter((path) => !path.startsWith(".git")), ["a", "docs", "docs/b"]);
  assert.ok(paths(workspace).includes(".git/refs/heads/main"));
  assert.deepEqual(paths(await walked(content, { exclude: [".git", "/a", "docs", "*modules"] })), ["heads"]);
});

Deno.test("exclusion() takes a pattern for a name or a path, and nothing but * as a sign", () => {
  const rows: readonly (readonly [string, "name" | "path", string, boolean])[] = [
    ["*.log", "name", "a.log", true],
    ["*.log", "name", "a.logs", false],
    ["a.c", "name", "abc", false],
    ["a[b]?", "name", "a[b]?", true],
    ["./.env", "path", ".env", true],
    ["/.env", "path", "x/.env", false],
    ["a/*/b", "path", "a/x/b", true],
    ["a/*/b", "path", "a/x/y/b", false],
    ["dir/", "name", "dir", true],
    ["line*end", "name", "line\nend", true],
  ];
  for (const [pattern, kind, text, matches] of rows) {
    assert.equal(exclusion([pattern])[kind](text), matches, `${pattern} ${text}`);
  }
  for (const pattern of ["", "/", "..", "a/../b", "a//b"]) {
    assert.throws(() => exclusion([pattern]), refusal("exclude-invalid", /can match nothing/), pattern);
  }
  assert.ok(exclusion([patternFor(".env")]).path(".env"));
  assert.ok(exclusion([patternFor("a/.env")]).path("a/.env"));
});

Deno.test("looksSecret() knows names that secrets have, and not those of their examples", () => {
  for (
    const name of [
      ".env",
      ".env.local",
      ".npmrc",
      "id_ed25519",
      "server.KEY",
      "a.pem",
      ".git-credentials",
      "credentials.json",
    ]
  ) {
    assert.ok(looksSecret(name), name);
  }
  for (const name of [".env.example", "id_ed25519.pub", "environment", "keys", "monkey", "README.md"]) {
    assert.ok(!looksSecret(name), name);
  }
});

Deno.test("readWorkspace() tells of patterns that match nothing", async () => {
  const { notices } = await walked({ "a.log": "x", "b": "x" }, {
    exclude: ["*.log", "nodemodules", "./c/d"],
  });
  assert.deepEqual(notices, [
    "workspace: --exclude nodemodules matches nothing",
    "workspace: --exclude ./c/d matches nothing",
  ]);
});

Deno.test("readWorkspace() tells of a part of a repository that the repository stays behind", async () => {
  const content = { ...GIT, "a": "x", "sub/b": "x" };
  const { notices } = await walked(content, { directory: `${ROOT}/sub` });
  assert.deepEqual(notices, [
    `workspace: the repository in ${ROOT} is not copied: start there if the agent needs git`,
  ]);
  assert.deepEqual((await walked(content)).notices, []);
});

Deno.test("readWorkspace() names each secret-looking file with the option that leaves it out", async () => {
  const { notices } = await walked({ ".env": "", "a b/id_rsa": "", "x.pem\u001b[2J": "" });
  assert.deepEqual(notices, [
    "workspace: .env may hold a secret; --exclude /.env leaves it out",
    "workspace: a b/id_rsa may hold a secret; --exclude 'a b/id_rsa' leaves it out",
  ]);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`${index + 10}.key`, ""]));
  assert.equal(
    (await walked(many)).notices.at(-1),
    "workspace: 2 more files may hold secrets, by their names",
  );
});

Deno.test("readWorkspace() writes .git/config afresh, and leaves out hooks, locks, worktrees and credentials", async () => {
  const workspace = await walked({
    ...GIT,
    ".git/config": '[remote "o"]\nurl = https://u:s3cret@h/a\n[core]\nfsmonitor = s3cret\n',
    ".git/config.worktree": "[core]\n",
    ".git/hooks/post-checkout": "s3cret",
    ".git/index": "index",
    ".git/index.lock": "",
    ".git/worktrees/w/gitdir": "/elsewhere",
    ".git/credentials": "https://u:s3cret@h",
    ".git/logs/HEAD": "0 1 N <n@e> 1 +0\tclone: from https://u:s3cret@h/a\n",
    ".git/modules/libs/sub/HEAD": "1",
    ".git/modules/libs/sub/config":
      '[remote "o"]\nurl = https://s3cret@h/sub\n[core]\nworktree = ../../../../libs/sub\n',
    ".git/modules/libs/sub/hooks/x": "s3cret",
    "libs/sub/.git": "gitdir: ../../.git/modules/libs/sub\n",
    "nested/.git/HEAD": "1",
    "nested/.git/config": "[http]\nextraheader = s3cret\n",
    "stray/.git": "gitdir: /elsewhere/.git/worktrees/stray\n",
  });
  const texts = new Map(workspace.entries.map(({ path, content }) => [
    path,
    content.kind === "text" ? new TextDecoder().decode(content.bytes) : content.kind,
  ]));
  assert.deepEqual(
    [...texts.keys()].filter((path) => /hooks|lock|worktrees|credentials|config\.w/.test(path)),
    [],
  );
  assert.equal(texts.get(".git/config"), '[remote "o"]\n\turl = "https://h/a"\n');
  assert.equal(texts.get(".git/index"), "file");
  assert.equal(texts.get(".git/logs/HEAD"), "0 1 N <n@e> 1 +0\tclone: from https://h/a\n");
  assert.equal(
    texts.get(".git/modules/libs/sub/config"),
    '[remote "o"]\n\turl = "https://h/sub"\n[core]\n\tworktree = "../../../../libs/sub"\n',
  );
  assert.equal(texts.get("libs/sub/.git"), "file");
  assert.equal(texts.get("nested/.git/config"), "");
  assert.deepEqual(workspace.notices, [
    "workspace: belongs to a repository that is not copied: stray/.git",
    "workspace: credentials left out of 2 git addresses",
    "workspace: 2 settings of .git/config left out",
  ]);
});

Deno.test("readWorkspace() treats a bare repository as one", async () => {
  const workspace = await walked({
    "HEAD": "1",
    "objects/x": "",
    "refs/heads/m": "",
    "hooks/x": "",
    "config": "[a]\nb\n",
  });
  assert.deepEqual(paths(workspace), [
    "HEAD",
    "config",
    "objects",
    "objects/x",
    "refs",
    "refs/heads",
    "refs/heads/m",
  ]);
  assert.deepEqual(workspace.entries[2]?.content, { kind: "text", bytes: new Uint8Array() });
});

Deno.test("readWorkspace() refuses a repository whose parts are elsewhere, and names the way out", async () => {
  const rows: readonly (readonly [Content, RegExp])[] = [
    [
      { ".git": "gitdir: /elsewhere/.git/worktrees/x\n" },
      /linked worktree or a submodule\n`git clone --no-hardlinks/,
    ],
    [{ ".git": { link: "/elsewhere/.git" }, "/elsewhere/.git/HEAD": "" }, /it is a link/],
    [{ ...GIT, ".git/commondir": "../x" }, /linked worktree/],
    [{ ...GIT, ".git/objects/info/alternates": "/x" }, /objects\/info\/alternates\)\n`git repack -a -d/],
    [{ ".git/HEAD": "1", ".git/objects": { link: "/x" }, "/x/y": "" }, /objects is a link/],
    [{ ".git/HEAD": { link: "/etc/passwd" }, ".git/x": "" }, /HEAD is a link/],
    [{ "sub/.git": { link: "../x" }, "x/HEAD": "" }, /sub\/\.git cannot be copied/],
  ];
  for (const [content, words] of rows) {
    await assert.rejects(walked({ ...content, a: "" }), refusal("workspace-git", words));
    assert.ok(paths(await walked({ ...content, a: "" }, { exclude: [".git"] })).includes("a"));
  }
  await assert.rejects(
    walked({ ...GIT, ".git/config": "[core]\n!\n" }),
    refusal("workspace-git-config", /line 2 is no git configuration/),
  );
});

Deno.test("readWorkspace() refuses a directory that holds more than a project", async () => {
  const files = { "/home/somebody/.ssh/id": "", "/home/somebody/.config/app/x": "", "/home/somebody/x": "" };
  for (
    const directory of ["/", "/home", "/home/somebody", "/home/somebody/.ssh", "/home/somebody/.config"]
  ) {
    await assert.rejects(
      walked(files, { directory }),
      refusal("workspace-refused", /is not copied: /),
      directory,
    );
  }
  assert.deepEqual(paths(await walked(files, { directory: "/home/somebody/.config/app" })), ["x"]);
});

Deno.test("readWorkspace() names what cannot be read and the option that leaves it out", async () => {
  const closed = { uid: 0, mode: 0o600, error: new Error("Permission denied (os error 13)") };
  await assert.rejects(
    walked({ "a b/closed": closed, "open": "" }),
    refusal(
      "workspace-unreadable",
      /^a b\/closed cannot be read: Permission denied.*\n.*--exclude 'a b\/closed'$/,
    ),
  );
  assert.deepEqual(paths(await walked({ "a b/closed": closed, "open": "" }, { exclude: ["closed"] })), [
    "a b",
    "open",
  ]);
});
