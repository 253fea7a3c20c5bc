import assert from "node:assert/strict";
import { builtImages, docker, ended, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { makeKey, startSshHost, type TestKey } from "../support/ssh_host.ts";
import { run } from "../support/ssh_programs.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0 || !await hasProgram("ssh-keygen") || !await hasProgram("git");

const KINDS: Readonly<Record<string, readonly string[]>> = {
  ed25519: ["-t", "ed25519"],
  ecdsa: ["-t", "ecdsa"],
  rsa: ["-t", "rsa", "-b", "2048"],
};

/** Prints `NAME=RESULT` for each probe: what it said, or `failed`; the commits go to the ssh host. */
const PROBES = `
probe() {
  name=$1; shift
  if out=$("$@" 2>/tmp/err </dev/null); then echo "$name=$out"; else echo "$name=failed"; fi
}
K=/run/claude-bottle
signed() { echo text | SSH_AUTH_SOCK=$K/$1 ssh-keygen -Y sign -n "$2" -f "$K/$3" >/tmp/signature && echo signed; }
good() { "$@" 2>&1 | grep -o '^Good "git" signature for [*] with [A-Z0-9]* key'; }
ssh_by() { ssh -o IdentityAgent=$K/$1 -o IdentitiesOnly=no "\${@:2}" whoami; }
cd ~ && git clone --quiet gitea:/srv/repo.git repo && cd repo
probe commit git commit --quiet --allow-empty --message by-default
probe commit-shown good git log -1 --show-signature
probe commit-verified git verify-commit HEAD
for number in 1 2 3; do
  probe "kind$number" git -c user.signingkey=$K/key$number.pub commit -S --quiet --allow-empty --message "by $number"
  probe "kind$number-shown" good git log -1 --show-signature
done
probe unsigned git commit --no-gpg-sign --quiet --allow-empty --message unsigned
probe unsigned-shown good git log -1 --show-signature
probe tag git tag --message one v1
probe tag-shown good git tag --verify v1
probe pushed git push --quiet --follow-tags
git config --global commit.gpgsign false
probe own-config git commit --quiet --allow-empty --message own-config
probe own-config-shown good git log -1 --show-signature
git config --global --unset commit.gpgsign
probe login ssh gitea whoami
probe login-by-signing ssh_by sign.sock gitea
probe login-by-login ssh_by ssh.sock gitea
probe git-namespace signed sign.sock git key1.pub
probe file-namespace signed sign.sock file key1.pub
probe email-namespace signed sign.sock email key2.pub
probe bound-agent signed ssh.sock git key1.pub
probe login-key signed sign.sock git key4.pub
probe remove env SSH_AUTH_SOCK=$K/sign.sock ssh-add -D
probe direct env SSH_AUTH_SOCK=$K/private/sign_agent.sock ssh-add -l
probe program sh -c 'echo > /usr/local/lib/claude-bottle/ssh_keygen.sh'
probe listed sh -c 'SSH_AUTH_SOCK=/run/claude-bottle/sign.sock ssh-add -l | wc -l'
probe afterwards git commit --quiet --allow-empty --message afterwards
probe afterwards-shown good git log -1 --show-signature
[ -z "$STAY" ] || exec sleep 1234
exit 0
`;

const RESULTS: Readonly<Record<string, string>> = {
  "commit": "",
  "commit-shown": 'Good "git" signature for * with ED25519 key',
  "commit-verified": "",
  "kind1": "",
  "kind1-shown": 'Good "git" signature for * with ED25519 key',
  "kind2": "",
  "kind2-shown": 'Good "git" signature for * with ECDSA key',
  "kind3": "",
  "kind3-shown": 'Good "git" signature for * with RSA key',
  "unsigned": "",
  "unsigned-shown": "failed",
  "tag": "",
  "tag-shown": 'Good "git" signature for * with ED25519 key',
  "pushed": "",
  "own-config": "",
  "own-config-shown": "failed",
  "login": "git",
  "login-by-signing": "failed",
  "login-by-login": "git",
  "git-namespace": "signed",
  "file-namespace": "failed",
  "email-namespace": "failed",
  "bound-agent": "failed",
  "login-key": "failed",
  "remove": "failed",
  "direct": "failed",
  "program": "failed",
  "listed": "3",
  "afterwards": "",
  "afterwards-shown": 'Good "git" signature for * with ED25519 key',
};

/** A bottle with a key of each kind that signs and one that does not, and the ssh host that all of them log in to. */
interface Scene extends AsyncDisposable {
  readonly bench: Workbench;
  readonly keys: readonly TestKey[];
  /** The ssh host's container. */
  readonly host: string;
}

async function scene(env: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const { agent: agentImage } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await Workbench.create());
  const keys: TestKey[] = [];
  for (const [name, options] of Object.entries(KINDS)) {
    keys.push(await makeKey(bench.folder, { name, options }));
  }
  const plain = await makeKey(bench.folder, { name: "plain" });
  const hostKey = await makeKey(bench.folder, { name: "host" });
  const names = ["git.test"];
  const host = stack.use(
    await startSshHost({ agentImage, names, hostKey, authorized: [...keys, plain] }),
  );
  const pinned = { Hostname: "git.test", KnownHostKey: hostKey.publicKey };
  await bench.manifest({
    bottle: {
      env: {
        GIT_AUTHOR_NAME: "A",
        GIT_AUTHOR_EMAIL: "a@b.test",
        GIT_COMMITTER_NAME: "A",
        GIT_COMMITTER_EMAIL: "a@b.test",
        ...env,
      },
      ssh: [
        { Host: "gitea", IdentityFile: "./ed25519", sign: true, ...pinned },
        { Host: "by-ecdsa", IdentityFile: "./ecdsa", sign: true, ...pinned },
        { Host: "by-rsa", IdentityFile: "./rsa", sign: true, ...pinned },
        { Host: "plain", IdentityFile: "./plain", ...pinned },
      ],
      egress: { defaults: false, private: names, networks: [host.network] },
    },
    agent: { command: ["bash", "-c", PROBES] },
  });
  const whole = stack.move();
  return { bench, keys, host: host.network, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

function results(stdout: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    stdout.trimEnd().split(/\n(?=[a-z0-9-]+=)/).map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** What git outside, with the public keys alone, says of each commit of the repository, newest first. */
async function judged({ bench, keys, host }: Scene): Promise<readonly string[]> {
  const { folder } = bench;
  const allowed = await bench.file(
    "allowed",
    keys.map(({ publicKey }) => `a@b.test ${publicKey}\n`).join(""),
  );
  const pack = 'docker exec "$0" git -C /srv/repo.git -c safe.directory="*" bundle create - main > "$1"';
  assert.equal((await run(["sh", "-c", pack, host, `${folder}/bundle`])).code, 0);
  const git = (...args: readonly string[]): ReturnType<typeof run> =>
    run(["git", "-c", `gpg.ssh.allowedSignersFile=${allowed}`, ...args], { env: { HOME: folder } });
  await git("clone", "--quiet", "--bare", "--branch", "main", `${folder}/bundle`, `${folder}/outside`);
  const { out, err } = await git("-C", `${folder}/outside`, "log", "--format=%G? %GS %s");
  assert.equal(err, "");
  return out.trim().split("\n");
}

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name:
      `a key with sign: true signs commits and tags in its bottle, and no login or anything else (${runtime})`,
    ignore: ignore || !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await using made = await scene();
      const { bench } = made;

      const { code, stdout, stderr } = await bench.start(["--runtime", runtime]);

      assert.equal(code, 0, stderr);
      assert.deepEqual(results(stdout), RESULTS, stderr);
      const words = "also signs git commits (any commit, not bound to a host)";
      assert.ok(stderr.includes(`ssh key ${bench.folder}/ed25519 ${words}; git takes this one\n`), stderr);
      assert.ok(stderr.includes(`ssh key ${bench.folder}/rsa ${words}\n`), stderr);
      assert.equal(stderr.includes(`ssh key ${bench.folder}/plain`), false);
      assert.deepEqual(await judged(made), [
        "N  unsigned",
        "G a@b.test by 3",
        "G a@b.test by 2",
        "G a@b.test by 1",
        "G a@b.test by-default",
        "N  seed",
      ]);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

/** Logs in by whatever ssh-agent it is told, with the first key, past the agent's own configuration. */
const LOGIN = `
ip=\${HTTP_PROXY#http://}
ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \\
  -o IdentityAgent="/run/claude-bottle/$0" -o IdentitiesOnly=yes -i /run/claude-bottle/key1.pub \\
  -o ProxyCommand="perl /usr/local/lib/claude-bottle/ssh_connect.pl \${ip%:*} 8888 %h %p" "$1@git.test" whoami
`;

Deno.test({
  name: "the ssh-agent that signs commits would log in anywhere, were it not for its relay",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene({ STAY: "yes" });
    const { bench } = made;
    const child = bench.launch(["--runtime", "runc"]);
    const agent = await bench.sleepingAgent();
    const login = async (user: string, socket: string, name: string): Promise<string> => {
      const words = ["exec", "--user", user, agent, "sh", "-c", LOGIN, socket, name];
      return await docker(...words).catch((error: Error) => error.message.split("\n").at(-2) ?? "");
    };

    assert.equal(await login("0:47291", "private/sign_agent.sock", "root"), "root");
    assert.equal(await login("0:47291", "private/sign_agent.sock", "git"), "git");
    assert.match(await login("0:47291", "sign.sock", "git"), /Permission denied \(publickey\)/);
    assert.match(await login("47291:47291", "sign.sock", "git"), /Permission denied \(publickey\)/);
    // Bound to git there: the host's key is known to the ssh-agent.
    assert.equal(await login("47291:47291", "ssh.sock", "git"), "git");
    assert.match(await login("47291:47291", "ssh.sock", "root"), /Permission denied \(publickey\)/);

    const { stdout } = await ((): ReturnType<typeof ended> => {
      child.kill("SIGTERM");
      return ended(child);
    })();
    assert.equal(results(stdout)["afterwards"], "");
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an image's own git configuration, of the system and of the agent, is kept",
  ignore,
  async fn(): Promise<void> {
    const { agent: agentImage } = await builtImages();
    await using bench = await Workbench.create();
    const image = `claude-bottle-test-${bench.agent}`;
    const recipe = `FROM ${agentImage}
USER 0
RUN git config --system image.kept system && git config --system commit.gpgsign false
USER 47291
RUN git config --global image.own agent && git config --global user.name Own
`;
    const built = await run(["docker", "build", "--quiet", "--tag", image, "-"], { input: recipe });
    assert.equal(built.code, 0, built.err);
    try {
      await makeKey(bench.folder, { name: "id" });
      await bench.manifest({
        bottle: {
          ssh: [{ Host: "git.test", IdentityFile: "./id", unpinned: true, sign: true }],
          egress: { defaults: false },
        },
        agent: {
          command: ["sh", "-c", "for key; do git config $key; done", "sh"].concat(
            ["image.kept", "image.own", "user.name", "commit.gpgsign", "gpg.format"],
          ),
        },
      });
      const { code, stdout, stderr } = await bench.start(["--runtime", "runc"], {
        CLAUDE_BOTTLE_IMAGE: image,
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, "system\nagent\nOwn\ntrue\nssh\n");
      assert.deepEqual(await bench.leftovers(), []);
    } finally {
      await docker("image", "rm", "--force", image);
    }
  },
});

Deno.test({
  name: "exec signs in a detached bottle too",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await makeKey(bench.folder, { name: "id" });
    await bench.manifest({
      bottle: {
        env: {
          GIT_AUTHOR_NAME: "A",
          GIT_AUTHOR_EMAIL: "a@b",
          GIT_COMMITTER_NAME: "A",
          GIT_COMMITTER_EMAIL: "a@b",
        },
        ssh: [{ Host: "git.test", IdentityFile: "./id", unpinned: true, sign: true }],
        egress: { defaults: false },
        runtime: "runc",
      },
      agent: { command: ["true"] },
    });
    const started = await bench.start(["--detach"]);
    assert.equal(started.code, 0, started.stderr);
    const bottle = started.stdout.trim();
    const manifest = ["--manifest", bench.manifestFile];
    const script =
      "git init -q /tmp/r && cd /tmp/r && git commit -q --allow-empty -m x && git verify-commit HEAD";
    const { code, stderr } = await ended(
      bench.spawn(["exec", bottle, ...manifest, "--", "sh", "-c", script]),
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Good "git" signature/);
    assert.equal((await ended(bench.spawn(["stop", bottle]))).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
