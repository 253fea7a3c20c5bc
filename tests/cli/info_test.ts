import assert from "node:assert/strict";
import { MANIFEST_PATH, runCli, TWO_AGENTS } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

const MANIFEST = `bottles:
  dev:
    env:
      A: hidden-literal
      B: "\${GH_PAT}"
      C: "?paste 日本"
      D: { secret: { command: [pass, show, "x y"] } }
      E: { secret: { file: ~/token } }
    egress:
      allowlist:
        - github.com
        - "*.corp.lan"
        - claude.ai
        - { host: deb.example.org, http: true }
        - host: api.example.org
          allow: ["GET /", "POST /v1"]
          inject: { env: F, secret: hidden-injected, as: bearer }
      private: [git.corp.lan]
      networks: [app_default]
      proxy: squid
    ssh:
      - { Host: gh, Hostname: git.example.org, IdentityFile: ~/.ssh/id, Port: 2222, sign: true }
    git: { identity: host }
    runtime: runsc
    resources: { cpus: 1.5, memory: 1536m, pids: 512, disk: 20g }
    image: { base: "debian:12", packages: [git, jq], ca: ca.pem }
  plain: {}
agents:
  reviewer:
    bottle: dev
    skills: [code-review]
    prompt: |
      You review pull requests.
      Not shown.
    command: [claude, "two words"]
  bare: { bottle: plain }
`;

/** With the manifest's path shortened even more than people are shown it. */
function shortened(text: string): string {
  return text.replaceAll(MANIFEST_PATH.replace("/home/somebody", "~"), "M");
}

const REVIEWER = `GRANT           VALUE                                       FROM
agent           reviewer                                    M:29
uses            bottle dev                                  M:30
command         claude 'two words'                          M:35
prompt          You review pull requests.                   M:33
skill           code-review                                 M:31
bottle          dev                                         M:2
  env           A (a literal)                               M:4
  env           B (from GH_PAT)                             M:5
  env           C (asked: paste 日本)                       M:6
  env           D (from the command pass show 'x y')        M:7
  env           E (from the file ~/token)                   M:8
  host          github.com                                  M:11
  host          *.corp.lan                                  M:12
  host          claude.ai                                   M:13
  host          deb.example.org (plain HTTP too)            M:14
  host          api.example.org (only GET /, POST /v1; injects F as bearer, a literal)  M:15
  host          api.anthropic.com                           default
  host          downloads.claude.ai                         default
  host          platform.claude.com                         default
  host          raw.githubusercontent.com                   default
  host          sentry.io                                   default
  host          statsig.anthropic.com                       default
  private       git.corp.lan                                M:18
  network       app_default                                 M:19
  proxy         squid                                       M:20
  ssh           gh: git@git.example.org:2222 (key ~/.ssh/id, host key unknown, signs commits)  M:22
  git identity  user.name and user.email of the host's git  M:23
  runtime       runsc                                       M:24
  cpus          1.5                                         M:25
  memory        1536 MiB                                    M:25
  pids          512 processes                               M:25
  disk          20 GiB                                      M:25
  image         built by claude-bottle                      default
  base image    debian:12                                   M:26
  package       git                                         M:26
  package       jq                                          M:26
  extra CAs     ca.pem                                      M:26
not yet         bottles.dev.image.base: another base image is not available yet  M:26
not yet         bottles.dev.image.packages: installing packages is not available yet  M:26
`;

Deno.test("info shows every grant with its file and line, and what is not there yet", async () => {
  const run = await runCli(["info", "reviewer"], { manifest: MANIFEST });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(shortened(run.stdout), REVIEWER);
  assert.equal(run.stderr, "");
  assert.deepEqual(run.host.processes.lines, []);
  assert.deepEqual(run.backend.calls, []);
});

Deno.test("info marks what nobody asked for as a default", async () => {
  const run = await runCli(["info", "bare"], { manifest: MANIFEST });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(
    shortened(run.stdout),
    `GRANT      VALUE                                  FROM
agent      bare                                   M:36
uses       bottle plain                           M:36
command    claude --dangerously-skip-permissions  default
prompt     (none)                                 default
bottle     plain                                  M:27
  host     api.anthropic.com                      default
  host     claude.ai                              default
  host     downloads.claude.ai                    default
  host     platform.claude.com                    default
  host     raw.githubusercontent.com              default
  host     sentry.io                              default
  host     statsig.anthropic.com                  default
  proxy    pipelock                               default
  runtime  auto                                   default
  cpus     (not limited)                          default
  memory   4 GiB, or what the engine has          default
  pids     2048 processes                         default
  disk     20 GiB                                 default
  image    built by claude-bottle                 default
`,
  );
});

Deno.test("info of the built-in agent needs no name and no manifest", async () => {
  const run = await runCli(["info"]);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const lines = run.stdout.split("\n");
  assert.match(lines[1] ?? "", /^agent {6}claude {2,}built-in:6$/);
  assert.ok(lines.some((line) => /^ {2}proxy {4}squid {2,}built-in:4$/.test(line)), run.stdout);
});

Deno.test("info shows what the host's own variables add, by name", async () => {
  const env = {
    CLAUDE_BOTTLE_OAUTH_TOKEN: "hidden-token",
    CLAUDE_BOTTLE_PROXY: "squid",
    CLAUDE_BOTTLE_IMAGE: "mine:1",
    CLAUDE_BOTTLE_BASE_IMAGE: "debian:13",
    SSL_CERT_FILE: "/ca.pem",
  };
  const run = await runCli(["info", "bare"], { manifest: MANIFEST, env });
  const lines = run.stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "));
  for (
    const line of [
      "  injected  CLAUDE_CODE_OAUTH_TOKEN (from CLAUDE_BOTTLE_OAUTH_TOKEN), into requests to api.anthropic.com" +
      "  CLAUDE_BOTTLE_OAUTH_TOKEN",
      "  proxy  squid  CLAUDE_BOTTLE_PROXY",
      "  image  mine:1  CLAUDE_BOTTLE_IMAGE",
      "  base image  debian:13  CLAUDE_BOTTLE_BASE_IMAGE",
      "  extra CAs  /ca.pem  SSL_CERT_FILE",
    ]
  ) assert.ok(lines.includes(line), `${line}\n${run.stdout}`);
  assert.ok(!run.stdout.includes("hidden-token"));
  const named = await runCli(["info", "reviewer"], { manifest: MANIFEST, env });
  assert.match(named.stdout, /^ {2}proxy +squid +\S+:20$/m);
  assert.match(named.stdout, /^ {2}extra CAs +ca\.pem +\S+:26$/m);
  const bad = await runCli(["info", "bare"], { manifest: MANIFEST, env: { CLAUDE_BOTTLE_PROXY: "nginx" } });
  assert.deepEqual(bad.outcome, USAGE);
  assert.equal(bad.stdout, "");
});

Deno.test("info --json has each grant as a record with its place, and no value of a literal", async () => {
  const run = await runCli(["info", "reviewer", "--json"], { manifest: MANIFEST });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const { agent, bottle, manifest, grants, unavailable } = JSON.parse(run.stdout);
  assert.equal(agent, "reviewer");
  assert.equal(bottle, "dev");
  assert.deepEqual(manifest.map(({ path }: { path: string }) => path), [MANIFEST_PATH]);
  const of = (kind: string): unknown[] => grants.filter((grant: { kind: string }) => grant.kind === kind);
  const at = (line: number, column: number): unknown => ({
    from: "manifest",
    where: { file: MANIFEST_PATH, line, column },
  });
  const env = { of: "bottle", kind: "env" };
  assert.deepEqual(of("env"), [
    { ...env, name: "A", source: { kind: "literal" }, ...Object(at(4, 10)) },
    { ...env, name: "B", source: { kind: "host", variable: "GH_PAT" }, ...Object(at(5, 10)) },
    { ...env, name: "C", source: { kind: "prompt", text: "paste 日本" }, ...Object(at(6, 10)) },
    { ...env, name: "D", source: { kind: "command", argv: ["pass", "show", "x y"] }, ...Object(at(7, 7)) },
    { ...env, name: "E", source: { kind: "file", path: "~/token" }, ...Object(at(8, 7)) },
  ]);
  assert.deepEqual(of("command"), [
    { of: "agent", kind: "command", value: ["claude", "two words"], ...Object(at(35, 5)) },
  ]);
  assert.deepEqual(of("memory"), [
    { of: "bottle", kind: "memory", value: 1536 * 1024 ** 2, ...Object(at(25, 37)) },
  ]);
  assert.deepEqual(of("ssh"), [{
    of: "bottle",
    kind: "ssh",
    host: "gh",
    hostname: "git.example.org",
    user: "git",
    port: 2222,
    identity_file: "~/.ssh/id",
    known_host_keys: [],
    unpinned: false,
    sign: true,
    ...Object(at(22, 9)),
  }]);
  assert.deepEqual(of("host").at(4), {
    of: "bottle",
    kind: "host",
    value: "api.example.org",
    http: false,
    allow: ["GET /", "POST /v1"],
    inject: { env: "F", secret: { kind: "literal" }, as: "bearer" },
    ...Object(at(15, 11)),
  });
  assert.deepEqual(of("host").at(-1), {
    of: "bottle",
    kind: "host",
    value: "statsig.anthropic.com",
    http: false,
    allow: [],
    from: "default",
  });
  assert.deepEqual(unavailable.at(-1), {
    message: "bottles.dev.image.packages: installing packages is not available yet",
    where: { file: MANIFEST_PATH, line: 26, column: 33 },
  });
  for (const hidden of ["hidden-literal", "hidden-injected", "snippet"]) {
    assert.ok(!run.stdout.includes(hidden), hidden);
  }
});

Deno.test("info of an unknown or unnamed agent exits 2 and names those there are", async () => {
  const unknown = await runCli(["info", "revewer"], { manifest: TWO_AGENTS });
  assert.deepEqual(unknown.outcome, USAGE);
  assert.equal(
    unknown.stderr,
    'error: No agent is named "revewer"\n\nhint: Did you mean `reviewer`?\nhint: The agents are reviewer, lister\n',
  );
  const unnamed = await runCli(["info"], { manifest: TWO_AGENTS });
  assert.deepEqual(unnamed.outcome, USAGE);
  assert.equal(
    unnamed.stderr,
    "error: Name one of the agents: reviewer, lister\n\nhint: claude-bottle info reviewer\n",
  );
  const none = await runCli(["info"], { manifest: "bottles: { dev: {} }\n" });
  assert.deepEqual(none.outcome, USAGE);
  assert.match(none.stderr, /^error: The manifest defines no agents\n/);
});

Deno.test("info follows anchors of YAML and reads JSON, and its places stay true", async () => {
  const yaml = `bottles:
  a: &a
    env: { X: y }
    runtime: runc
  b: *a
agents: { one: { bottle: b } }
`;
  const run = await runCli(["info", "one"], { manifest: yaml });
  assert.match(run.stdout, /^ {2}env +X \(a literal\) +\S+:3$/m);
  assert.match(run.stdout, /^ {2}runtime +runc +\S+:4$/m);
  assert.match(run.stdout, /^bottle +b +\S+:5$/m);
  assert.match(run.stdout, /^ {2}proxy +pipelock +default$/m);
  const json = await runCli(["info", "one", "--manifest", "/m.json"], {
    files: {
      "/m.json":
        '{\n"bottles": {"b": {\n"egress": {"defaults": false}\n}},\n"agents": {"one": {"bottle": "b"}}}\n',
    },
  });
  assert.deepEqual(json.outcome, DONE, json.stderr);
  assert.match(json.stdout, /^agent +one +\/m\.json:5$/m);
  assert.match(json.stdout, /^bottle +b +\/m\.json:2$/m);
  assert.doesNotMatch(json.stdout, /^ {2}host/m);
});

Deno.test("info lets no string of the manifest command a terminal", async () => {
  const manifest = `bottles:
  dev: { env: { A: "?\\u001b[2J\\u009b31m\\u202e" } }
agents:
  me:
    bottle: dev
    prompt: "\\u202ex\\u2028y\\u009b"
    command: ["a\\u001b]0;x\\u0007", "b\\u009bc\\u202ed"]
`;
  const run = await runCli(["info", "me", "--manifest", "x\u202e.yaml"], {
    files: { "/home/somebody/project/x\u202e.yaml": manifest },
  });
  const json = await runCli(["info", "me", "--json"], { manifest });
  for (const { stdout, stderr } of [run, json]) {
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
});
