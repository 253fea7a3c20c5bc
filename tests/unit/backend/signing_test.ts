import assert from "node:assert/strict";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import {
  provisionSystemGit,
  systemGitEnvironment,
} from "../../../lib/backend/docker/provision/system_git.ts";
import { signingKeyNotices } from "../../../lib/bottle/ssh_keys.ts";
import { testInputs, testSpec, testSshEntry, testSshKey } from "../../support/plan_inputs.ts";

const LOGIN = testSshKey({ path: "/keys/login" });
const SIGNING = testSshKey({ path: "/keys/a", entries: [testSshEntry(), testSshEntry({ sign: true })] });
const ANOTHER = testSshKey({ path: "/keys/b", entries: [testSshEntry({ sign: true })] });

const CONFIG = "/usr/local/lib/claude-bottle/gitconfig";

Deno.test("provisionSystemGit() delivers root's program and configuration, naming the first key that signs", () => {
  const [program, config, ...more] = provisionSystemGit([LOGIN, SIGNING, ANOTHER], { hosts: [] });
  assert.deepEqual(more, []);
  assert.ok(program !== undefined && "text" in program && config !== undefined && "text" in config);
  assert.deepEqual([program, config].map(({ path, mode, uid, gid }) => ({ path, mode, uid, gid })), [
    { path: "usr/local/lib/claude-bottle/ssh_keygen.sh", mode: 0o755, uid: 0, gid: 0 },
    { path: CONFIG.slice(1), mode: 0o644, uid: 0, gid: 0 },
  ]);
  assert.match(program.text, /^#!\/bin\/sh\n/);
  assert.match(program.text, /^SSH_AUTH_SOCK=\/run\/claude-bottle\/sign\.sock exec ssh-keygen "\$@"\n$/m);
  assert.equal(
    config.text,
    `[include]
	path = "/etc/gitconfig"
[user]
	signingkey = "/run/claude-bottle/key2.pub"
[gpg]
	format = "ssh"
[gpg "ssh"]
	program = "/usr/local/lib/claude-bottle/ssh_keygen.sh"
	allowedSignersFile = "/run/claude-bottle/allowed_signers"
[commit]
	gpgsign = "true"
[tag]
	gpgsign = "true"
`,
  );
});

Deno.test("a bottle whose keys do not sign is given nothing of it", () => {
  for (const keys of [[], [LOGIN]]) {
    assert.deepEqual(provisionSystemGit(keys, { hosts: [] }), []);
    assert.deepEqual(systemGitEnvironment(keys, { hosts: [] }), {});
    assert.deepEqual(signingKeyNotices(keys), []);
  }
});

Deno.test("the bottle's git reads that configuration whatever is run in it, and the plan says what it means", () => {
  const plan = (key: typeof LOGIN): ReturnType<typeof composePlan> =>
    composePlan(testInputs({ spec: testSpec({ ssh: key.entries }), sshKeys: [key] }));
  const signing = plan(SIGNING);
  const create = signing.steps.find(({ id }) => id === "agent-create");
  assert.ok(create?.invocation.args.includes(`GIT_CONFIG_SYSTEM=${CONFIG}`));
  assert.equal(signing.expected.agentEnv["GIT_CONFIG_SYSTEM"], CONFIG);
  const notice = "ssh key /keys/a also signs git commits (any commit, not bound to a host)";
  assert.ok(signing.notices.includes(notice));
  assert.equal("GIT_CONFIG_SYSTEM" in plan(LOGIN).expected.agentEnv, false);
});

Deno.test("signingKeyNotices() tells which of several keys git takes", () => {
  assert.deepEqual(signingKeyNotices([LOGIN, SIGNING, ANOTHER]), [
    "ssh key /keys/a also signs git commits (any commit, not bound to a host); git takes this one",
    "ssh key /keys/b also signs git commits (any commit, not bound to a host)",
  ]);
});
