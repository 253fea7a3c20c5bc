import assert from "node:assert/strict";
import fc from "fast-check";
import { GitConfigError, gitConfigText, parseGitConfig } from "../../../lib/bottle/git_config.ts";
import { rewrittenGitConfig, withoutCredentials } from "../../../lib/bottle/git_settings.ts";

Deno.test("parseGitConfig() reads sections, quotes, escapes, comments and continuations as git does", () => {
  const text = [
    "; a comment",
    '[core] bare = false ; and "another"',
    "\tFileMode",
    '[Remote "Or\\"i\\\\gin"]',
    '  url = "a b"\\t c  # not this',
    "  fetch = one \\",
    "    two",
    "[branch.Main]",
    '  merge = " x "',
    "  empty =",
  ].join("\r\n");
  assert.deepEqual(parseGitConfig(`\xef\xbb\xbf${text}`), [
    { section: "core", subsection: undefined, key: "bare", value: "false" },
    { section: "core", subsection: undefined, key: "filemode", value: undefined },
    { section: "remote", subsection: 'Or"i\\gin', key: "url", value: "a b\t c" },
    { section: "remote", subsection: 'Or"i\\gin', key: "fetch", value: "one     two" },
    { section: "branch", subsection: "main", key: "merge", value: " x " },
    { section: "branch", subsection: "main", key: "empty", value: "" },
  ]);
});

Deno.test("parseGitConfig() refuses what git refuses, by its line", () => {
  for (
    const [text, line] of [
      ["url = x", 1],
      ['[core]\nbare = "x\ny"', 2],
      ["[core]\n\n!x = 1", 3],
      ["[core", 1],
      ["[core]\nx = a\\q", 2],
      ["[core]\nbare false", 2],
    ] as const
  ) {
    assert.throws(
      () => parseGitConfig(text),
      (error) => error instanceof GitConfigError && error.line === line,
      text,
    );
  }
});

const byteText = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
});

Deno.test("gitConfigText() is read back as the same settings, whatever the values", () => {
  fc.assert(fc.property(
    fc.array(fc.record({
      section: fc.constantFrom("core", "remote", "x-1"),
      subsection: fc.option(byteText.map((text) => text.replaceAll(/[\n\r]/g, "")), { nil: undefined }),
      key: fc.constantFrom("url", "a-b", "x1"),
      // A carriage return before a line feed is a line's end to git too.
      value: fc.option(byteText.map((text) => text.replaceAll("\r", "")), { nil: undefined }),
    }, { noNullPrototype: true })),
    (settings) => assert.deepEqual(parseGitConfig(gitConfigText(settings)), settings),
  ));
});

Deno.test("withoutCredentials() keeps the address and ssh's user name, and nothing else before the host", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["https://git.example.com/a.git", "https://git.example.com/a.git"],
    ["https://tok@git.example.com/a.git", "https://git.example.com/a.git"],
    ["HTTPS://u:p@[::1]:8443/a", "HTTPS://[::1]:8443/a"],
    ["https://u:p@ss@git.example.com/a@b", "https://git.example.com/a@b"],
    ["https://u:p/ss@git.example.com/a", undefined],
    ["https://h/a?private_token=x#y", "https://h/a"],
    ["https://h?token=x", "https://h"],
    ["ssh://git:pw@host:22/a", "ssh://git@host:22/a"],
    ["git@github.com:a/b.git", "git@github.com:a/b.git"],
    ["u:pw@host:a", undefined],
    ["host:a/b@c", "host:a/b@c"],
    ["../other", "../other"],
    ["/srv/x.git", "/srv/x.git"],
    ["ext::sh -c 'echo s3cret'", undefined],
    ["https::https://tok@h/", undefined],
    ["https://h/\x1b]0;x", undefined],
    ["", ""],
  ];
  for (const [address, plain] of rows) assert.equal(withoutCredentials(address), plain, address);
});

Deno.test("rewrittenGitConfig() keeps what git needs and leaves out what runs, leads away or is secret", () => {
  const text = `[core]
repositoryformatversion = 1
filemode = true
fsmonitor = /tmp/s3cret-hook
hooksPath = s3cret
sshCommand = s3cret
worktree = ../../../sub
bare = "s3cret/x"
[extensions]
objectFormat = sha256
worktreeConfig = true
[include]
path = /home/s3cret
[includeIf "gitdir:s3cret"]
path = x
[http "https://h/"]
extraHeader = AUTHORIZATION: s3cret
[credential]
helper = store --file s3cret
[filter "x"]
clean = s3cret
[remote "origin"]
url = https://u:s3cret@h/a.git
fetch = +refs/heads/*:refs/remotes/origin/*
promisor
proxy = http://s3cret@p
[remote "https://u:s3cret@h/"]
url = https://h/
[branch "main"]
remote = https://s3cret@h/a.git
merge = refs/heads/main
[submodule "sub"]
url = https://s3cret@h/sub
active = true
update = !s3cret
[user]
name = N
email = n@example.com
signingkey = s3cret
[alias]
x = !s3cret
`;
  const { text: written, dropped, stripped } = rewrittenGitConfig(text, { isModule: false });
  assert.ok(!written.includes("s3cret"), written);
  assert.deepEqual([dropped, stripped], [16, 3]);
  assert.equal(
    written,
    `[core]
\trepositoryformatversion = "1"
\tfilemode = "true"
[extensions]
\tobjectformat = "sha256"
[remote "origin"]
\turl = "https://h/a.git"
\tfetch = "+refs/heads/*:refs/remotes/origin/*"
\tpromisor
[branch "main"]
\tremote = "https://h/a.git"
\tmerge = "refs/heads/main"
[submodule "sub"]
\turl = "https://h/sub"
\tactive = "true"
[user]
\tname = "N"
\temail = "n@example.com"
`,
  );
  assert.ok(rewrittenGitConfig(text, { isModule: true }).text.includes('worktree = "../../../sub"'));
});

Deno.test("rewrittenGitConfig() lets no password through, however it is written", () => {
  const word = fc.stringMatching(/^[a-z0-9.-]{1,8}$/);
  const address = fc.tuple(fc.constantFrom("https", "http", "HTTP", "ssh", "git", "ftp"), word, word, word)
    .map(([scheme, user, host, path]) => `${scheme}://${user}:S3CRET@${host}/${path}`);
  const place = fc.constantFrom(
    'remote "o"|url',
    'remote "o"|pushurl',
    'branch "b"|remote',
    'submodule "s"|url',
  );
  fc.assert(fc.property(address, place, fc.boolean(), (url, at, isQuoted) => {
    const [section, key] = at.split("|");
    const { text } = rewrittenGitConfig(`[${section}]${key}=${isQuoted ? `"${url}"` : url}`, {
      isModule: false,
    });
    assert.ok(!text.includes("S3CRET"), text);
    assert.ok(text.includes(key ?? ""), text);
  }));
});
