import assert from "node:assert/strict";
import {
  builtImages,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  hasProgram,
  isPair,
  Workbench,
} from "../support/engine.ts";
import { makeKey, startSshHost, type TestKey } from "../support/ssh_host.ts";
import { run } from "../support/ssh_programs.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();
const ignore = runtimes.length === 0 || !await hasProgram("ssh-keygen") || !await hasProgram("tmux");

const PASSPHRASE = "right horse";
const KEY = ["-t", "ed25519", "-a", "1", "-N", PASSPHRASE];

/** Prints `NAME=RESULT` for each attempt. */
const PROBES = `
probe() { name=$1; shift; if out=$("$@" 2>/dev/null </dev/null); then echo "$name=$out"; else echo "$name=failed"; fi; }
signed() { echo text | ssh-keygen -Y sign -n git -f "$1" >/tmp/signature && echo signed; }
probe gitea ssh gitea whoami
probe by-hostname ssh git@git.test whoami
probe another-user ssh root@gitea whoami
probe sign signed /run/claude-bottle/key1.pub
probe known ssh-keygen -F git.test -l -f /run/claude-bottle/known_hosts
probe written sh -c 'echo mine >> /run/claude-bottle/known_hosts'
probe elsewhere ssh -i /run/claude-bottle/key1.pub elsewhere whoami
`;

/** Two ssh hosts: one whose key no manifest names, and one that the key is not for. */
interface Scene extends AsyncDisposable {
  readonly bench: Workbench;
  readonly hostKey: TestKey;
  /** Writes the user's known_hosts. */
  known(...lines: readonly string[]): Promise<void>;
  terminal(args?: readonly string[]): Promise<TmuxTerminal>;
}

async function scene(
  { encrypted = false, runtime = "runc", proxy = "squid", env = {} }: {
    readonly encrypted?: boolean;
    readonly runtime?: string;
    readonly proxy?: string;
    readonly env?: object;
  } = {},
): Promise<Scene> {
  const { agent: agentImage } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await Workbench.create());
  const key = await makeKey(bench.folder, { name: "id", ...(encrypted ? { options: KEY } : {}) });
  const hostKey = await makeKey(bench.folder, { name: "host" });
  const other = await makeKey(bench.folder, { name: "other" });
  const hosts = [
    stack.use(await startSshHost({ agentImage, names: ["git.test"], hostKey, authorized: [key] })),
    stack.use(await startSshHost({ agentImage, names: ["else.test"], hostKey: other, authorized: [key] })),
  ];
  await bench.manifest({
    bottle: {
      env,
      ssh: [
        { Host: "gitea", Hostname: "git.test", IdentityFile: "./id" },
        {
          Host: "elsewhere",
          Hostname: "else.test",
          IdentityFile: "./host",
          KnownHostKey: other.publicKey,
        },
      ],
      egress: {
        defaults: false,
        proxy,
        private: ["git.test", "else.test"],
        networks: hosts.map(({ network }) => network),
      },
      runtime,
    },
    agent: { command: ["bash", "-c", PROBES] },
  });
  await Deno.mkdir(`${bench.folder}/home/.ssh`);
  const file = `${bench.folder}/home/.ssh/known_hosts`;
  const whole = stack.move();
  return {
    bench,
    hostKey,
    known: async (...lines) => await Deno.writeTextFile(file, lines.map((line) => `${line}\n`).join("")),
    async terminal(args = []): Promise<TmuxTerminal> {
      const terminal = new TmuxTerminal();
      const words = ["start", bench.agent, "--manifest", bench.manifestFile, ...args];
      await terminal.run(onTerminal(bench, words));
      await terminal.shows(/launch this agent\? \[y\/N\]/);
      await terminal.type("y");
      await terminal.press("Enter");
      return terminal;
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function answer(terminal: TmuxTerminal, text: string): Promise<void> {
  await terminal.type(text);
  await terminal.press("Enter");
}

const ASKED = /trust it in this bottle\? \[y\/N\]/;

for (const proxy of ["squid", "pipelock"]) {
  for (const runtime of ["runc", "runsc"]) {
    if (!isPair([proxy, runtime], { proxies, runtimes })) continue;
    Deno.test({
      name: `an unknown host key is asked, a passphrase too, and the key is bound (${proxy}, ${runtime})`,
      ignore: ignore || !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        await using made = await scene({ encrypted: true, runtime, proxy });
        const { bench, hostKey } = made;
        const [, fingerprint = ""] = (await run(["ssh-keygen", "-l", "-f", hostKey.path])).out.split(" ");
        await using terminal = await made.terminal();

        const asked = await terminal.shows(ASKED);
        assert.ok(
          asked.includes(`claude-bottle: host key of gitea (git.test:22): ssh-ed25519 ${fingerprint}`),
          asked,
        );
        await answer(terminal, "y");
        await terminal.shows(/passphrase of the ssh key \S+\/id:/);
        await answer(terminal, "wrong horse");
        await terminal.shows(/that is not its passphrase/);
        await answer(terminal, PASSPHRASE);
        const screen = await terminal.shows(/settled/);

        assert.ok(screen.includes(`KnownHostKey: ${hostKey.publicKey}`), screen);
        assert.equal(/horse/.test(screen), false);
        for (
          const line of [
            "gitea=git",
            "by-hostname=git",
            "another-user=failed",
            "sign=failed",
            "written=failed",
            "elsewhere=failed",
            "ended with 0",
          ]
        ) assert.ok(screen.split("\n").some((row) => row.trim() === line), `${line}\n${screen}`);
        assert.ok(screen.includes(`known=`) && screen.includes(fingerprint), screen);
        assert.equal(
          await Deno.readTextFile(`${bench.folder}/before`),
          await Deno.readTextFile(`${bench.folder}/after`),
        );
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }
}

Deno.test({
  name: "a host key that is not accepted ends the launch with 1 and leaves nothing",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    for (const said of ["n", ""]) {
      await using terminal = await made.terminal();
      await terminal.shows(ASKED);
      await answer(terminal, said);
      const screen = await terminal.shows(/settled/);
      assert.match(screen, /error: The host key of gitea was not accepted: nothing was launched/);
      assert.match(screen, /ended with 1\n/);
      assert.deepEqual(await made.bench.leftovers(), []);
    }
  },
});

Deno.test({
  name: "Ctrl-C at the question about a host key, and at the one for a passphrase, leaves nothing",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene({ encrypted: true });
    {
      await using terminal = await made.terminal();
      await terminal.shows(ASKED);
      await answer(terminal, "y");
      await terminal.shows(/passphrase of the ssh key/);
      await terminal.press("C-c");
      await terminal.shows(/ended with 130[^]*settled/);
      assert.deepEqual(await made.bench.leftovers(), []);
      assert.equal(
        await Deno.readTextFile(`${made.bench.folder}/before`),
        await Deno.readTextFile(`${made.bench.folder}/after`),
      );
    }
    await using terminal = await made.terminal();
    await terminal.shows(ASKED);
    assert.notDeepEqual(await made.bench.leftovers(), []);
    // With echo on it is a signal to all on the terminal, the shell too.
    await terminal.press("C-c");
    await eventually(
      "nothing is left",
      async () => (await made.bench.leftovers()).length === 0 ? true : undefined,
    );
  },
});

Deno.test({
  name: "a host key that the user's known_hosts has is taken without a question, hashed or plain",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    const plain = `git.test,10.0.0.1 ${made.hostKey.publicKey} somebody`;
    for (const hashed of [false, true]) {
      await made.known("other.test ssh-rsa AAAA", plain);
      const file = `${made.bench.folder}/home/.ssh/known_hosts`;
      if (hashed) await run(["ssh-keygen", "-q", "-H", "-f", file]);
      assert.equal((await Deno.readTextFile(file)).includes("git.test"), !hashed);
      await using terminal = await made.terminal();
      const screen = await terminal.shows(/settled/);
      assert.match(screen, /host key of gitea is the one in \S+\/\.ssh\/known_hosts:\d/);
      assert.doesNotMatch(screen, ASKED);
      assert.match(screen, /^gitea=git$/m);
      assert.match(screen, /ended with 0\n/);
    }
    assert.deepEqual(await made.bench.leftovers(), []);
  },
});

Deno.test({
  name: "a host that shows another key than the user's known_hosts has, or a revoked one, is refused",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    const another = await makeKey(made.bench.folder, { name: "another" });
    const rsa = await makeKey(made.bench.folder, { name: "rsa", options: ["-t", "rsa", "-b", "2048"] });
    for (
      const [line, words] of [
        [`git.test ${another.publicKey}`, /error: The host key of gitea \(git\.test:22\) is NOT the one/],
        [`*.test ${rsa.publicKey}`, /error: The host key of gitea \(git\.test:22\) is NOT the one/],
        [`@revoked * ${made.hostKey.publicKey}`, /error: The host key of gitea \(git\.test:22\) is revoked/],
      ] as const
    ) {
      await made.known(line);
      await using terminal = await made.terminal();
      const screen = await terminal.shows(/settled/);
      assert.match(screen, words);
      assert.match(screen, /ended with 1\n/);
      assert.doesNotMatch(screen, /gitea=/);
    }
    assert.deepEqual(await made.bench.leftovers(), []);
  },
});

Deno.test({
  name: "three wrong passphrases end the launch with 1 and leave nothing",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene({ encrypted: true });
    await made.known(`git.test ${made.hostKey.publicKey}`);
    await using terminal = await made.terminal();
    for (const [said, seen] of [["one", 0], ["", 1], ["three", 2]] as const) {
      await terminal.shows(new RegExp(`(passphrase of the ssh key[^]*){${seen + 1}}`));
      await answer(terminal, said);
    }
    const screen = await terminal.shows(/settled/);
    assert.match(screen, /error: The passphrase of the ssh key \S+\/id was wrong 3 times/);
    assert.match(screen, /ended with 1\n/);
    assert.deepEqual(await made.bench.leftovers(), []);
  },
});

Deno.test({
  name: "a host that cannot be reached for its key ends the launch with 125 and leaves nothing",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await makeKey(bench.folder, { name: "id" });
    await bench.manifest({
      bottle: { ssh: [{ Host: "nowhere.test", IdentityFile: "./id" }], runtime: "runc" },
      agent: { command: ["true"] },
    });
    await using terminal = new TmuxTerminal();
    await terminal.run(
      onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"]),
    );
    const screen = await terminal.shows(/settled/);
    assert.match(screen, /error: The host key of nowhere\.test:22 cannot be learned: /);
    assert.match(screen, /ended with 125\n/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "where nobody can be asked, a launch that would have to is refused before anything is made",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene({ encrypted: true });
    const { bench } = made;
    const unknown = await bench.start();
    assert.equal(unknown.code, 2, unknown.stderr);
    assert.match(unknown.stderr, /An ssh host's key is not known, and nobody can be asked about it/);
    assert.match(unknown.stderr, /`ssh-keyscan -p 22 git\.test`/);
    assert.doesNotMatch(unknown.stderr, /\nagent +: /);
    const [{ bottles }] = [JSON.parse(await Deno.readTextFile(bench.manifestFile))];
    const [entry, other] = bottles.bench.ssh;
    await bench.manifest({
      bottle: { ...bottles.bench, ssh: [{ ...entry, KnownHostKey: made.hostKey.publicKey }, other] },
      agent: { command: ["true"] },
    });
    const locked = await bench.start();
    assert.equal(locked.code, 2, locked.stderr);
    assert.match(locked.stderr, /The ssh key for host 'gitea' has a passphrase, and nobody can be asked/);
    assert.ok(locked.stderr.includes(`${bench.folder}/id`), locked.stderr);
    // The same launch with a key that is open.
    await bench.manifest({
      bottle: {
        ...bottles.bench,
        ssh: [{ ...entry, IdentityFile: "./host", KnownHostKey: made.hostKey.publicKey }, other],
      },
      agent: { command: ["true"] },
    });
    const open = await bench.start();
    assert.equal(open.code, 0, open.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "start --detach asks at launch, and the bottle has the key afterwards",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene({ encrypted: true });
    const { bench } = made;
    {
      await using terminal = await made.terminal(["--detach"]);
      await terminal.shows(ASKED);
      await answer(terminal, "y");
      await terminal.shows(/passphrase of the ssh key/);
      await answer(terminal, PASSPHRASE);
      await terminal.shows(/ended with 0\n/);
    }
    const name = `claude-bottle-${bench.agent}`;
    const ssh = await ended(
      bench.spawn(["exec", name, "--manifest", bench.manifestFile, "--", "ssh", "gitea", "whoami"]),
    );
    assert.deepEqual([ssh.code, ssh.stdout], [0, "git\n"], ssh.stderr);
    assert.equal((await ended(bench.spawn(["stop", name]))).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
