import assert from "node:assert/strict";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import { SshLaunch } from "../../../lib/backend/docker/ssh_launch.ts";
import type { UnknownHost } from "../../../lib/bottle/host_keys.ts";
import { Failure } from "../../../lib/errors.ts";
import { HOST_KEY, testInputs, testSpec, testSshEntry, testSshKey } from "../../support/plan_inputs.ts";

const NEW = testSshEntry({ host: "new", hostname: "n.example", knownHostKeys: [] });
const PINNED = testSshEntry();
const HOST: UnknownHost = { hostname: "n.example", port: 22, user: "git", names: ["new"], known: [] };
const SHOWN = `n.example 22 ${HOST_KEY}\n`;
const WRONG = { code: 3, signal: null, stdout: "", stderr: "claude-bottle: wrong passphrase: 1\n" };

interface Asked {
  readonly ssh: SshLaunch;
  readonly questions: string[];
  readonly said: string[];
  /** What the redactor was told. */
  readonly secrets: string[];
}

function launch(
  { answers = [], encrypted = false, hosts = [HOST], person = true }: {
    readonly answers?: readonly (string | boolean | undefined)[];
    readonly encrypted?: boolean;
    readonly hosts?: readonly UnknownHost[];
    readonly person?: boolean;
  },
): Asked {
  const left = [...answers];
  const questions: string[] = [];
  const said: string[] = [];
  const secrets: string[] = [];
  const inputs = testInputs({
    spec: testSpec({ ssh: [PINNED, NEW] }),
    sshKeys: [testSshKey({ entries: [PINNED, NEW], encrypted })],
    unknownHosts: hosts,
  });
  const ask = (question: string): Promise<string | boolean | undefined> => {
    questions.push(question);
    return Promise.resolve(left.shift());
  };
  const ssh = new SshLaunch(inputs, {
    onSecret: (secret) => void secrets.push(secret.reveal()),
    onEvent: (event) => void (event.kind === "notice" && said.push(event.text)),
    ...(person
      ? {
        questions: {
          secret: async (question) => {
            const answer = await ask(question);
            return typeof answer === "string" ? answer : undefined;
          },
          confirm: async (question) => await ask(question) === true,
        },
      }
      : {}),
  });
  return { ssh, questions, said, secrets };
}

const text = async ({ ssh }: Asked): Promise<string> => new TextDecoder().decode(await ssh.keyFrames());

Deno.test("a learned key is bound and known like a pinned one, and the line for the manifest is told", async () => {
  const made = launch({ answers: [true] });
  await made.ssh.learn(SHOWN);
  const frames = await text(made);
  assert.ok(frames.includes(`n.example ${HOST_KEY}\n`) && frames.includes("git@n.example\n"), frames);
  assert.ok(frames.startsWith("1:1,"), frames);
  // Published for ssh as well: by Host and by Hostname.
  assert.ok(frames.includes(`new ${HOST_KEY}\n`), frames);
  assert.deepEqual(made.said, [
    "host key of new (n.example:22): ssh-ed25519 SHA256:qH8baHrA5X0qCBovKCZyM02Q7TFtK4GMqVgOo4TZJAE",
    "to be asked no more, add this to new in the manifest:",
    `KnownHostKey: ${HOST_KEY}`,
  ]);
});

Deno.test("a key that is known is not asked about", async () => {
  const known = [{ kind: "key", key: HOST_KEY, where: "f:3", exact: true }] as const;
  const made = launch({ hosts: [{ ...HOST, known }] });
  await made.ssh.learn(SHOWN);
  assert.deepEqual(made.questions, []);
  assert.match(made.said.join("\n"), /^host key of new is the one in f:3: ssh-ed25519 SHA256:/);
  assert.match(await text(made), /git@n\.example/);
});

Deno.test("no key goes anywhere without a host key that was accepted", async () => {
  const refused = launch({ answers: [false] });
  await assert.rejects(refused.ssh.learn(SHOWN), { code: "host-key-refused", exit: 1 });
  await assert.rejects(refused.ssh.keyFrames(), RangeError);
  for (const shown of ["", "n.example 2222 ssh-rsa AAAA\n", "n.example 22 ssh-rsa AAAA x\n", "\u001b\n"]) {
    await assert.rejects(launch({ answers: [true] }).ssh.learn(shown), { code: "engine-failed" }, shown);
  }
  await assert.rejects(launch({ person: false }).ssh.learn(SHOWN), { code: "no-terminal", exit: 2 });
});

Deno.test("a passphrase is asked once, again when it was wrong, three times at most", async () => {
  const made = launch({ hosts: [], encrypted: true, answers: [true, "one", "two"] });
  const { ssh, questions } = made;
  await assert.rejects(ssh.keyFrames(), { code: "ssh-passphrase-missing" });
  await assert.rejects(ssh.keyFrames(), RangeError, "its host's key is not known either");

  const learned = launch({ encrypted: true, answers: [true, "one", "", "three"] });
  await learned.ssh.learn(SHOWN);
  assert.match(await text(learned), /,3:one,/);
  assert.match(await text(learned), /,3:one,/);
  assert.equal(learned.questions.length, 2);
  assert.equal(learned.ssh.isTriedAgain(WRONG), true);
  assert.match(await text(learned), /,5:three,/);
  assert.equal(learned.questions.at(-1), "passphrase of the ssh key /home/somebody/.ssh/gitea");
  assert.throws(() => learned.ssh.isTriedAgain(WRONG), (error) => {
    assert.ok(error instanceof Failure);
    assert.deepEqual([error.code, error.exit], ["ssh-passphrase-wrong", 1]);
    return true;
  });
  assert.deepEqual(learned.secrets, ["one", "three"]);
  assert.equal([...learned.said, ...questions].some((line) => /one|three/.test(line)), false);
});

Deno.test("nothing else that fails is tried again", async () => {
  const made = launch({ encrypted: true, answers: [true, "one"] });
  await made.ssh.learn(SHOWN);
  await text(made);
  for (
    const stderr of [
      "",
      "claude-bottle: the ssh keys cannot be used: x\n",
      "claude-bottle: wrong passphrase: 2\n",
    ]
  ) {
    assert.equal(made.ssh.isTriedAgain({ ...WRONG, stderr }), false);
  }
});

Deno.test("composePlan() asks unknown hosts after the comparison and before the keys, as the agent's user", () => {
  const plan = composePlan(testInputs({
    spec: testSpec({ ssh: [NEW] }),
    sshKeys: [testSshKey({ entries: [NEW] })],
    unknownHosts: [HOST],
  }));
  const step = plan.steps.find(({ id }) => id === "host-keys");
  assert.deepEqual(step?.after, ["verify"]);
  assert.deepEqual(plan.steps.find(({ id }) => id === "ssh-agent")?.after, ["verify", "host-keys"]);
  const words = step.invocation.args.map((word) => typeof word === "string" ? word : word.name).join(" ");
  assert.match(
    words,
    /^container exec --user 47291:47291 claude-bottle-code-reviewer \/usr\/bin\/perl \S+\/ssh_host_keys\.pl 10\.213\.0\.2 8888 n\.example 22 git ssh-ed25519,/,
  );
  assert.ok(plan.notices.some((notice) => notice.startsWith("host key of new unknown: ")));
});
