import assert from "node:assert/strict";
import {
  builtImages,
  docker,
  type Ended,
  ended,
  engineProxies,
  engineRuntimes,
  hasProgram,
  isPair,
  Workbench,
} from "../support/engine.ts";
import { makeKey, type SshHost, startSshHost, type TestKey } from "../support/ssh_host.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();
const ignore = runtimes.length === 0 || !await hasProgram("ssh-keygen");

/** Prints `NAME=RESULT` for each probe: what it said, or `failed`. */
const PROBES = `
probe() {
  name=$1; shift
  if out=$("$@" 2>/tmp/err </dev/null); then echo "$name=$out"; else echo "$name=failed"; fi
}
said() { echo "$1=$(grep ^claude-bottle /tmp/err)"; }
signed() { echo text | ssh-keygen -Y sign -n git -f "$1" >/tmp/signature && echo signed; }
cloned() {
  cd ~ && git clone --quiet "$1" "$2" && cd "$2" && cat README &&
    git -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message "$2" &&
    git push --quiet && git ls-remote origin main | grep -c "$(git rev-parse HEAD)"
}
K=/run/claude-bottle
probe gitea ssh gitea whoami
probe by-hostname ssh git@high.test whoami
probe same-key ssh alt whoami
probe other-port-entry ssh high whoami
probe same-hostname ssh other whoami
probe clone cloned gitea:/srv/repo.git first
probe clone-by-hostname cloned ssh://git@alt.test/srv/repo.git second
probe binary sh -c 'head -c 2000000 /dev/urandom >/tmp/sent; ssh gitea cat </tmp/sent | cmp - /tmp/sent && echo equal'
probe another-user ssh root@gitea whoami
probe another-host ssh -i $K/key1.pub elsewhere whoami
probe wrong-host-key ssh impostor whoami
probe sign signed $K/key1.pub
probe unbound-another-user ssh root@loose whoami
probe unbound-another-host ssh -i $K/key3.pub elsewhere whoami
probe unbound-sign signed $K/key3.pub
probe other-port ssh -p 2222 gitea whoami
said other-port-said
probe not-listed ssh nowhere.test whoami
said not-listed-said
ssh-keygen -q -t ed25519 -N '' -f /tmp/own
probe add ssh-add /tmp/own
probe remove-all ssh-add -D
probe remove ssh-add -d $K/key1.pub
probe direct env SSH_AUTH_SOCK=$K/private/agent.sock ssh-add -l
probe direct-as-own-root unshare -Ur env SSH_AUTH_SOCK=$K/private/agent.sock ssh-add -l
probe write touch $K/mine
probe replace rm -f $K/ssh.sock
probe kill sh -c 'pkill -KILL -u root perl'
probe still-there sh -c 'ssh-add -l | wc -l'
probe found sh -c 'grep -rla -D skip --exclude-dir=proc --exclude-dir=sys -e "$PATTERN" / || true'
opened() {
  for process in /proc/[0-9]*; do
    grep -q "$1" "$process/cmdline" || continue
    for file in environ maps mem; do (: < "$process/$file") && echo "$file"; done
    ls "$process/fd" >/dev/null && echo fd
    tr '\\0' ' ' < "$process/cmdline" | grep -c "$PATTERN"
  done | sort -u | tr '\\n' ' '
}
sleep 60 &
probe own-process opened ^sleep.60
probe agent-process opened ^ssh-agent
probe relay-process opened ^/usr/bin/perl
echo "$FIRST$REST" > /tmp/planted
probe planted sh -c 'grep -rla -D skip --exclude-dir=proc --exclude-dir=sys -e "$PATTERN" /tmp /home /run || true'
kill %1
exit 0
`;

/** What each probe must give, behind squid. */
const BEHIND_SQUID: Readonly<Record<string, string>> = {
  "gitea": "git",
  "by-hostname": "git",
  "same-key": "git",
  "other-port-entry": "git",
  "same-hostname": "other",
  "clone": "hello\n1",
  "clone-by-hostname": "hello\n1",
  "binary": "equal",
  "another-user": "failed",
  "another-host": "failed",
  "wrong-host-key": "failed",
  "sign": "failed",
  "unbound-another-user": "root",
  "unbound-another-host": "git",
  "unbound-sign": "signed",
  "other-port": "failed",
  "other-port-said":
    "claude-bottle: git.test:2222 is refused by the sidecar: the manifest lists this host, " +
    "but not this port (allowed hosts: 443, ssh entries: their Port)",
  "not-listed": "failed",
  "not-listed-said": "claude-bottle: nowhere.test:22 is refused by the sidecar: " +
    "the manifest does not list this host in the bottle's egress.allowlist",
  "add": "failed",
  "remove-all": "failed",
  "remove": "failed",
  "direct": "failed",
  "direct-as-own-root": "failed",
  "write": "failed",
  "replace": "failed",
  "kill": "failed",
  "still-there": "3",
  "found": "",
  "own-process": "0 environ fd maps mem ",
  "agent-process": "0 ",
  "relay-process": "0 ",
  "planted": "/tmp/planted",
};

/** Pipelock pins names alone. */
const BEHIND_PIPELOCK: Readonly<Record<string, string>> = {
  ...BEHIND_SQUID,
  "other-port": "git",
  "other-port-said": "",
  "not-listed-said": "claude-bottle: nowhere.test:22 is refused by the sidecar: " +
    "domain not in allowlist: nowhere.test",
};

function results(stdout: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    stdout.trimEnd().split(/\n(?=[a-z-]+=)/).map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** Two ssh hosts and what a bottle needs to use them. */
interface Scene extends AsyncDisposable {
  readonly bench: Workbench;
  readonly bound: TestKey;
  readonly hostKey: TestKey;
  readonly networks: readonly string[];
}

async function scene(): Promise<Scene> {
  const { agent: agentImage } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await Workbench.create());
  const key = (name: string): Promise<TestKey> => makeKey(bench.folder, { name });
  const [bound, other, loose, hostKey, elsewhereKey, nobodys] = [
    await key("bound"),
    await key("other"),
    await key("loose"),
    await key("host"),
    await key("elsewhere"),
    await key("nobodys"),
  ];
  const start = async (options: Omit<Parameters<typeof startSshHost>[0], "agentImage">): Promise<SshHost> =>
    stack.use(await startSshHost({ agentImage, ...options }));
  const names = ["git.test", "alt.test", "high.test", "loose.test", "impostor.test"];
  const hosts = [
    await start({ names, hostKey, authorized: [bound, other, loose] }),
    await start({ names: ["elsewhere.test"], hostKey: elsewhereKey, authorized: [bound, loose] }),
  ];
  const networks = hosts.map(({ network }) => network);
  const pinned = { IdentityFile: "./bound", KnownHostKey: hostKey.publicKey };
  const lines = (await Deno.readTextFile(bound.path)).split("\n");
  const secret = lines[3] ?? "";
  await bench.manifest({
    bottle: {
      env: {
        PATTERN: `[${secret[0]}]${secret.slice(1, 40)}`,
        FIRST: secret.slice(0, 1),
        REST: secret.slice(1),
      },
      ssh: [
        { Host: "gitea", Hostname: "git.test", ...pinned },
        { Host: "alt", Hostname: "alt.test", ...pinned },
        { Host: "high", Hostname: "high.test", Port: 2222, ...pinned },
        { Host: "other", Hostname: "git.test", User: "other", ...pinned, IdentityFile: "./other" },
        { Host: "loose", Hostname: "loose.test", IdentityFile: `${bench.folder}/loose`, unpinned: true },
        { Host: "impostor", Hostname: "impostor.test", ...pinned, KnownHostKey: nobodys.publicKey },
        {
          Host: "elsewhere",
          Hostname: "elsewhere.test",
          IdentityFile: "./other",
          KnownHostKey: elsewhereKey.publicKey,
        },
      ],
      egress: { defaults: false, private: [...names, "elsewhere.test"], networks },
    },
    agent: { command: ["bash", "-c", PROBES] },
  });
  const whole = stack.move();
  return { bench, bound, hostKey, networks, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

for (const proxy of ["squid", "pipelock"]) {
  for (const runtime of ["runc", "runsc"]) {
    if (!isPair([proxy, runtime], { proxies, runtimes })) continue;
    Deno.test({
      name: `ssh keys are used for what they were granted for, and never read (${proxy}, ${runtime})`,
      ignore: ignore || !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        await using made = await scene();
        const { bench } = made;

        const { code, stdout, stderr } = await bench.start(["--proxy", proxy, "--runtime", runtime]);

        assert.equal(code, 0, stderr);
        assert.deepEqual(results(stdout), {
          ...(proxy === "squid" ? BEHIND_SQUID : BEHIND_PIPELOCK),
          // gVisor has no such file at all.
          ...(runtime === "runsc" ? { "own-process": "0 environ fd maps " } : {}),
        });
        assert.ok(stderr.includes(`gitea: git@git.test:22 (key ${bench.folder}/bound, pinned)`), stderr);
        assert.ok(
          stderr.includes(
            `ssh key ${bench.folder}/loose (loose): not bound to user and host: signs for anything while the bottle runs`,
          ),
          stderr,
        );
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }
}

const NO_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n" +
  "-----END OPENSSH PRIVATE KEY-----\n";

/** One agent with one entry, whose key is the file `id`. */
async function startWith(
  bench: Workbench,
  { entry = {}, env = {} }: { readonly entry?: object; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const host = { Host: "git.test", IdentityFile: "./id", unpinned: true, ...entry };
  await bench.manifest({
    bottle: { ssh: [host], egress: { defaults: false }, runtime: "runc" },
    agent: { command: ["ssh-add", "-l"] },
  });
  return await bench.start([], env);
}

Deno.test({
  name: "a key that cannot be used is refused before anything is made",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const path = `${bench.folder}/id`;
    assert.match((await startWith(bench, {})).stderr, /ssh key file not found for host 'git\.test': /);
    for (
      const [text, mode, words] of [
        [NO_KEY, 0o600, /error: The ssh key for host 'git\.test' is not whole: /],
        [
          NO_KEY,
          0o644,
          /can be read or changed by others: \S+\/id has mode 0644\n\nhint: `chmod 600 \S+\/id`\n/,
        ],
        ["ssh-ed25519 AAAAC3Nz me\n", 0o600, /is a public key, and the private one is needed/],
      ] as const
    ) {
      await Deno.writeTextFile(path, text);
      await Deno.chmod(path, mode);
      const { code, stdout, stderr } = await startWith(bench, {});
      assert.equal(code, 1, stderr);
      assert.match(stderr, words);
      assert.equal(stdout, "");
    }
    await Deno.remove(path);
    await makeKey(bench.folder, { name: "id" });
    const unknown = await startWith(bench, { entry: { unpinned: false } });
    assert.equal(unknown.code, 2, unknown.stderr);
    assert.match(unknown.stderr, /An ssh host's key is not known, and nobody can be asked about it/);
    assert.match(unknown.stderr, /`ssh-keyscan -p 22 git\.test`/);
    const usable = await startWith(bench, {});
    assert.equal(usable.code, 0, usable.stderr);
    assert.match(usable.stdout, /^256 SHA256:\S+ id \(ED25519\)\n$/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a key that only ssh-add finds to be none ends the launch with 125 and leaves nothing",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const key = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----\n";
    await Deno.writeTextFile(`${bench.folder}/id`, key, { mode: 0o600 });

    const { code, stdout, stderr } = await startWith(bench, {});

    assert.equal(code, 125, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /error: The ssh keys cannot be used: that of git\.test: /);
    assert.equal(stderr.includes("c2VjcmV0"), false);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "no key is in an inspect, an event, a log, the container's layer, an argv or the -v output",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const { path } = await makeKey(bench.folder, { name: "id" });
    const secret = (await Deno.readTextFile(path)).split("\n")[3] ?? "";
    await bench.manifest({
      bottle: {
        ssh: [{ Host: "git.test", IdentityFile: "./id", unpinned: true }],
        egress: { defaults: false },
        runtime: "runc",
      },
      agent: { command: ["sh", "-c", `cp ~/.ssh/config /tmp/copied; exec sleep 1234`] },
    });
    const since = await docker("info", "--format", "{{.SystemTime}}");
    const child = bench.launch(["-v"]);
    const agent = await bench.sleepingAgent();
    const until = await docker("info", "--format", "{{.SystemTime}}");
    const config = "IdentityAgent /run/claude-bottle/ssh.sock";
    const inLayer = new Deno.Command("sh", {
      args: ["-c", 'docker export "$0" | grep -aoF -e "$1" -e "$2" | sort -u', agent, secret, config],
    });
    const surfaces: Record<string, string> = {
      inspect: await docker("inspect", agent),
      events: await docker("events", "--since", since, "--until", until, "--filter", `container=${agent}`),
      logs: await docker("logs", agent),
      argv: await docker("top", agent, "-eo", "pid,args"),
      layer: new TextDecoder().decode((await inLayer.output()).stdout),
    };
    child.kill("SIGTERM");
    const result = await ended(child);

    for (const [surface, found] of Object.entries({ ...surfaces, stderr: result.stderr })) {
      assert.equal(found.includes(secret), false, surface);
    }
    // Each was looked into where it has something to say.
    assert.match(surfaces["events"] ?? "", /exec_start: \/usr\/bin\/perl \S+\/ssh_agent\.pl/);
    assert.match(surfaces["argv"] ?? "", /ssh-agent -P none/);
    assert.equal(surfaces["layer"], `${config}\n`);
    assert.match(result.stderr, /\+ docker container exec --interactive --user 0:47291 /);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
