import assert from "node:assert/strict";
import type { BottlePlan } from "../../../lib/bottle/plan.ts";
import { grantedNames, planJson, preflightText, stepsText } from "../../../lib/bottle/render.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import { testSpec } from "../../support/plan_inputs.ts";

function plan(changes: Partial<BottleSpec> = {}, more: Partial<BottlePlan> = {}): BottlePlan {
  return {
    spec: testSpec(changes),
    runId: "abcdefghijklm",
    containerName: "claude-bottle-code-reviewer",
    image: "claude-bottle:aaaaaaaaaaaa",
    runtime: "runc",
    bounds: { cpus: null, memory: 4 * 1024 ** 3, pids: 2048, disk: 20 * 1024 ** 3 },
    limits: "4 GiB memory, 2048 processes, 20 GiB disk",
    skills: [],
    ssh: [],
    workspace: undefined,
    steps: [{
      id: "agent-files",
      after: ["agent-create"],
      invocation: {
        program: "docker",
        args: ["container", "cp", "-", { ref: "agent", name: "claude-bottle-code-reviewer", suffix: ":/" }],
        input: {
          kind: "tar",
          files: [
            { path: "usr/a", mode: 0o755, uid: 0, gid: 0, text: "é" },
            { path: "home/b", mode: 0o600, uid: 1, gid: 1, text: "four" },
            { path: "home/c", mode: 0o755, uid: 1, gid: 1, kind: "directory" },
            { path: "home/c/d", mode: 0o644, uid: 1, gid: 1, kind: "bytes", bytes: Uint8Array.of(255, 0) },
            { path: "home/c/e", mode: 0o777, uid: 1, gid: 1, kind: "link", target: "d" },
          ],
        },
        why: "files",
      },
    }],
    agentSteps: [{
      id: "agent",
      after: [],
      invocation: {
        program: "docker",
        args: ["container", "exec", { ref: "agent", name: "claude-bottle-code-reviewer" }, "claude", "it's"],
        input: { kind: "environment", names: ["HOME", "GITHUB_TOKEN"] },
        why: "the agent",
      },
    }],
    watchSteps: [],
    teardownSteps: [],
    notices: [],
    ...more,
  };
}

Deno.test("preflightText() says what is granted, by names", () => {
  assert.equal(
    preflightText(plan()),
    `
agent          : Code Reviewer
command        : claude --dangerously-skip-permissions --print 'say it'\\''s fine'
image          : claude-bottle:aaaaaaaaaaaa
container      : claude-bottle-code-reviewer
env            : GIT_AUTHOR_NAME, GITHUB_TOKEN (from GH_PAT), GITEA_TOKEN (asked)
skills         : (none)
prompt         : You review.…
bottle         : dev
  runtime      : runc
  proxy        : squid
  egress       : 2 hosts allowed (api.anthropic.com, intra.example)
  granted      : intra.example
  private      : intra.example
  limits       : 4 GiB memory, 2048 processes, 20 GiB disk
remote-control : disabled

`,
  );
});

Deno.test("preflightText() says everything that there may be", () => {
  const text = preflightText(plan({
    env: new Map(),
    forwardOauthToken: true,
    prompt: "",
    networks: ["one", "two"],
    remoteControl: true,
    policy: {
      hosts: [],
      ssh: [
        { host: "git.example.com", port: 22, private: false },
        { host: "git.example.com", port: 2222, private: false },
        { host: "10.0.0.7", port: 22, private: true },
        { host: "10.0.0.7", port: 2222, private: true },
      ],
    },
    namedHosts: ["*.example.org", "a.example"],
    egressSummary: "2 hosts allowed (10.0.0.7, git.example.com)",
    ca:
      "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n",
  }, {
    runtime: "runsc",
    limits: "0.5 GiB memory, 100 processes, 1.5 cpus",
    notices: ["first", "second"],
    skills: [
      { name: "review", path: "/home/somebody/.claude/skills/review" },
      { name: "shared", path: "/srv/shared skills" },
    ],
    ssh: [
      {
        host: "gitea",
        user: "git",
        hostname: "git.example.com",
        port: 2222,
        key: "/home/somebody/.ssh/id",
        passphrase: false,
        pinned: true,
        learned: false,
      },
      {
        host: "box",
        user: "me",
        hostname: "10.0.0.7",
        port: 22,
        key: "/srv/a key",
        passphrase: false,
        pinned: false,
        learned: false,
      },
    ],
  }));
  assert.equal(
    text,
    `
agent          : Code Reviewer
command        : claude --dangerously-skip-permissions --print 'say it'\\''s fine'
image          : claude-bottle:aaaaaaaaaaaa
container      : claude-bottle-code-reviewer
env            : CLAUDE_CODE_OAUTH_TOKEN (from CLAUDE_BOTTLE_OAUTH_TOKEN)
skills         : review (/home/somebody/.claude/skills/review), shared (/srv/shared skills)
prompt         : (none)
bottle         : dev
  runtime      : runsc (gVisor)
  proxy        : squid
  ssh hosts    : gitea: git@git.example.com:2222 (key /home/somebody/.ssh/id, pinned)
  ssh hosts    : box: me@10.0.0.7:22 (key /srv/a key, not pinned)
  egress       : 2 hosts allowed (10.0.0.7, git.example.com)
  granted      : *.example.org, a.example
  private      : 10.0.0.7
  limits       : 0.5 GiB memory, 100 processes, 1.5 cpus
  networks     : one, two
  extra CAs    : 2
remote-control : enabled
note           : first
note           : second

`,
  );
});

Deno.test("preflightText() lets no foreign string break a line or reach the terminal as a control sequence", () => {
  const evil = "a\x1b[2J\x9b1m\r\nproxy : none\u202e";
  const text = preflightText(
    plan({ prompt: `${evil} and more`, command: ["claude", evil] }, {
      notices: [evil],
      skills: [{ name: "s", path: evil }],
    }),
  );
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
  assert.equal(text.split("\n").filter((line) => line.startsWith("proxy")).length, 0);
  assert.ok(text.includes("command        : claude $'a\\x1b[2J·1m\\x0d\\nproxy : none·'\n"));
});

Deno.test("preflightText() leaves out the rows of what is not granted", () => {
  const policy = { hosts: [{ host: "api.anthropic.com", private: false, http: false }], ssh: [] };
  const text = preflightText(plan({ policy, namedHosts: [], env: new Map() }));
  assert.doesNotMatch(text, /^ {2}(granted|plain HTTP|private|networks|ssh hosts|extra CAs) /m);
  assert.match(text, /^env {12}: \(none\)$/m);
});

Deno.test("preflightText() and planJson() name the hosts that are reached over plain HTTP as well", () => {
  const rules = [["*.example.org", true], ["api.anthropic.com", false], ["claude.ai", true]] as const;
  const hosts = rules.map(([host, http]) => ({ host, http, private: false }));
  const planned = plan({ policy: { hosts, ssh: [] } });
  assert.match(preflightText(planned), /^ {2}plain HTTP {3}: \*\.example\.org, claude\.ai$/m);
  const { egress } = planJson(planned) as { readonly egress: { readonly http: unknown } };
  assert.deepEqual(egress.http, ["*.example.org", "claude.ai"]);
});

Deno.test("preflightText() tells each variable's source, and the token's own only when it is forwarded", () => {
  const name = "CLAUDE_CODE_OAUTH_TOKEN";
  const shown = (env: BottleSpec["env"], forwardOauthToken = true): string | undefined =>
    /^env +: (.*)$/m.exec(preflightText(plan({ env, forwardOauthToken })))?.[1];
  assert.equal(
    shown(new Map([["A", { kind: "command", argv: ["op", "secret-8"] }]]), false),
    "A (from a command: op)",
  );
  assert.equal(shown(new Map([["A", { kind: "file", path: "/x" }]]), false), "A (from a file /x)");
  assert.equal(
    shown(new Map([["A", { kind: "prompt", text: "secret-8" }]])),
    `A (asked), ${name} (from CLAUDE_BOTTLE_OAUTH_TOKEN)`,
  );
  // A manifest's own counts.
  assert.equal(shown(new Map([[name, { kind: "host", variable: "MINE" }]])), `${name} (from MINE)`);
  assert.equal(shown(new Map([[name, { kind: "literal", value: "secret-8" }]])), name);
});

Deno.test("preflightText() shows whose commits the agent makes", () => {
  const gitIdentity = { name: "Ann \u001b[1m", email: "ann@example.org" };
  assert.match(preflightText(plan({ gitIdentity })), /^ {2}git identity : Ann ·\[1m <ann@example\.org>$/m);
  assert.deepEqual(planJson(plan({ gitIdentity }))["git_identity"], gitIdentity);
  assert.doesNotMatch(preflightText(plan()), /git identity/);
});

Deno.test("preflightText() shows the first 60 characters of a prompt's first line", () => {
  const shown = (prompt: string): string | undefined =>
    /^prompt +: (.*)$/m.exec(preflightText(plan({ prompt })))?.[1];
  assert.equal(shown("short"), "short");
  assert.equal(shown("  \n short \n"), "short");
  assert.equal(shown("é".repeat(60)), "é".repeat(60));
  assert.equal(shown("😀".repeat(61)), `${"😀".repeat(60)}…`);
  assert.equal(shown(" \n\t"), "(none)");
});

Deno.test("grantedNames() adds the forwarded token once", () => {
  const name = "CLAUDE_CODE_OAUTH_TOKEN";
  const env = new Map(
    [["A", { kind: "literal", value: "1" }], [name, { kind: "literal", value: "2" }]] as const,
  );
  assert.deepEqual(grantedNames(testSpec({ env, forwardOauthToken: true })), ["A", name]);
  assert.deepEqual(grantedNames(testSpec({ env: new Map(), forwardOauthToken: true })), [name]);
  assert.deepEqual(grantedNames(testSpec({ env: new Map() })), []);
});

Deno.test("planJson() has the original's keys first and in its order", () => {
  assert.deepEqual(Object.keys(planJson(plan())), [
    "agent",
    "bottle",
    "container_name",
    "image",
    "derived_image",
    "stage_dir",
    "runtime",
    "env_names",
    "skills",
    "ssh_hosts",
    "egress",
    "prompt",
    "remote_control",
    "command",
    "mode",
    "lifetime",
    "run_id",
    "notices",
    "workspace",
    "git_identity",
    "injected",
    "skill_paths",
    "ssh",
    "manifest",
    "limits",
    "steps",
    "agent_steps",
    "watch_steps",
    "teardown_steps",
  ]);
});

Deno.test("planJson() tells names, sizes and steps", () => {
  const spec = {
    policy: { ...testSpec().policy, ssh: [{ host: "git.example.com", port: 22, private: false }] },
  };
  const skills = [{ name: "review", path: "/srv/review" }];
  const ssh = [
    {
      host: "gitea",
      user: "git",
      hostname: "git.example.com",
      port: 22,
      key: "/srv/id",
      passphrase: false,
      pinned: true,
      learned: false,
    },
  ];
  assert.deepEqual(planJson(plan(spec, { notices: ["mind this"], skills, ssh })), {
    agent: "Code Reviewer",
    bottle: "dev",
    container_name: "claude-bottle-code-reviewer",
    image: "claude-bottle:aaaaaaaaaaaa",
    derived_image: "",
    stage_dir: "",
    runtime: "runc",
    env_names: ["GIT_AUTHOR_NAME", "GITHUB_TOKEN", "GITEA_TOKEN"],
    skills: ["review"],
    ssh_hosts: ["gitea"],
    egress: {
      proxy: "squid",
      hosts: ["api.anthropic.com", "intra.example"],
      http: [],
      private: ["intra.example"],
      inspected: [],
      networks: [],
      summary: "2 hosts allowed (api.anthropic.com, intra.example)",
    },
    prompt: { present: true, characters: 19 },
    remote_control: false,
    command: ["claude", "--dangerously-skip-permissions", "--print", "say it's fine"],
    mode: "headless",
    lifetime: "session",
    run_id: "abcdefghijklm",
    notices: ["mind this"],
    workspace: null,
    git_identity: null,
    injected: [],
    skill_paths: ["/srv/review"],
    ssh: [
      {
        host: "gitea",
        user: "git",
        hostname: "git.example.com",
        port: 22,
        key: "/srv/id",
        passphrase: false,
        pinned: true,
        learned: false,
      },
    ],
    manifest: [{ path: "/home/somebody/.config/claude-bottle/claude-bottle.yaml", digest: "d1" }],
    limits: { cpus: null, memory: 4_294_967_296, pids: 2048, disk: 21_474_836_480 },
    steps: [{
      id: "agent-files",
      after: ["agent-create"],
      argv: ["docker", "container", "cp", "-", "claude-bottle-code-reviewer:/"],
      stdin: { kind: "tar", entries: ["usr/a", "home/b", "home/c", "home/c/d", "home/c/e"], bytes: 8 },
      why: "files",
    }],
    agent_steps: [{
      id: "agent",
      after: [],
      argv: ["docker", "container", "exec", "claude-bottle-code-reviewer", "claude", "it's"],
      stdin: { kind: "environment", entries: ["HOME", "GITHUB_TOKEN"], bytes: null },
      why: "the agent",
    }],
    watch_steps: [],
    teardown_steps: [],
  });
});

Deno.test("no rendering of a plan holds a value of a variable or the prompt's text", () => {
  const texts = [preflightText(plan()), JSON.stringify(planJson(plan())), stepsText(plan())];
  for (const text of texts) {
    assert.equal(text.includes("literal-value-93"), false);
    assert.equal(text.includes("Kindly"), false);
  }
});

Deno.test("stepsText() shows each step as a person could type it", () => {
  assert.equal(
    stepsText(plan()),
    `# launch
# agent-files: files
docker container cp - claude-bottle-code-reviewer:/  # stdin: tar of usr/a home/b home/c home/c/d home/c/e

# agent
# agent: the agent
docker container exec claude-bottle-code-reviewer claude 'it'\\''s'  # stdin: environment of HOME GITHUB_TOKEN

# teardown
`,
  );
});

Deno.test("stepsText() is one line for each step, whatever the words", () => {
  const [step] = plan().agentSteps;
  assert.ok(step !== undefined);
  const args = ["exec", "claude", "one\ntwo\r\n# teardown\u2028three"];
  const long = { ...step, id: "x\ny", invocation: { ...step.invocation, args, why: "be\ncause" } };
  const [, , , , , first, second, blank, third, ...rest] = stepsText(plan({}, { agentSteps: [long] })).split(
    "\n",
  );
  assert.equal(first, "# x·y: be·cause");
  assert.equal(
    second,
    "docker exec claude $'one\\ntwo\\x0d\\n# teardown·three'  # stdin: environment of HOME GITHUB_TOKEN",
  );
  assert.deepEqual([blank, third, rest], ["", "# teardown", [""]]);
});

Deno.test("stepsText() lets no control sequence reach the terminal", () => {
  const [step] = plan().agentSteps;
  assert.ok(step !== undefined);
  const evil = { ...step, invocation: { ...step.invocation, args: ["exec", "a\x1b]0;x\x07\x9b"] } };
  assert.ok(stepsText(plan({}, { agentSteps: [evil] })).includes("docker exec $'a\\x1b]0;x\\x07·'"));
});

Deno.test("preflightText() says until when a bottle lives that outlives its launch", () => {
  assert.ok(!preflightText(plan()).includes("lifetime"));
  const text = preflightText(plan(testSpec({ lifetime: "detached" })));
  assert.ok(
    text.includes("\nlifetime       : until `claude-bottle stop claude-bottle-code-reviewer`\n"),
    text,
  );
});
