import assert from "node:assert/strict";
import { keyFrames } from "../../lib/backend/docker/provision/ssh.ts";
import { Secret } from "../../lib/bottle/env.ts";
import { isBound, readSshKeys, type SshKey } from "../../lib/bottle/ssh_keys.ts";
import { eventually, hasProgram } from "../support/engine.ts";
import { memoryFiles } from "../support/memory_files.ts";
import { testSshEntry, testSshKey } from "../support/plan_inputs.ts";
import { hex, run, SshPrograms } from "../support/ssh_programs.ts";
import { makeKey, type TestKey } from "../support/ssh_host.ts";

const ignore = !await hasProgram("ssh-agent");

async function text({ path }: TestKey): Promise<Secret> {
  return new Secret(await Deno.readTextFile(path));
}

/** A key bound to git@git.example.com, and one that is not bound. */
async function boundAndLoose(
  programs: SshPrograms,
): Promise<{ readonly bound: TestKey; readonly loose: TestKey; readonly keys: readonly SshKey[] }> {
  const bound = await makeKey(programs.folder, { name: "bound" });
  const loose = await makeKey(programs.folder, {
    name: "loose",
    options: ["-t", "rsa", "-b", "2048", "-m", "PEM"],
  });
  const unpinned = testSshEntry({ host: "box", hostname: "box.example", knownHostKeys: [], unpinned: true });
  const pinned = [
    testSshEntry({ port: 2222 }),
    testSshEntry({ host: "b", hostname: "b.example", user: "me" }),
  ];
  const keys = [
    testSshKey({ text: await text(bound), entries: pinned }),
    testSshKey({ text: await text(loose), entries: [unpinned] }),
  ];
  return { bound, loose, keys };
}

Deno.test({
  name: "the keys' user can list them and sign what they are bound to, and not change them",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { bound, loose, keys } = await boundAndLoose(programs);
    assert.deepEqual(keys.map(isBound), [true, false]);
    assert.deepEqual(await programs.load(keyFrames(keys)), { code: 0, out: "", err: "" });

    const listed = async (): Promise<readonly string[]> =>
      (await programs.client(["ssh-add", "-L"])).out.trim().split("\n")
        .map((line) => line.split(" ").slice(0, 2).join(" "));
    assert.deepEqual(await listed(), [bound.publicKey, loose.publicKey]);
    for (const [number, { publicKey }] of [[1, bound], [2, loose]] as const) {
      const path = `${programs.folder}/run/key${number}.pub`;
      assert.equal(await Deno.readTextFile(path), `${publicKey}\n`);
      assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o644);
    }
    assert.equal(((await Deno.stat(programs.socket)).mode ?? 0) & 0o777, 0o660);
    assert.equal(((await Deno.stat(`${programs.folder}/run/private`)).mode ?? 0) & 0o777, 0o700);
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(`${programs.folder}/run/private`))).map(({ name }) => name),
      ["agent.sock"],
    );

    const signed = (key: number): Promise<{ readonly code: number }> =>
      programs.client(
        ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", `${programs.folder}/run/key${key}.pub`],
        "x",
      );
    assert.notEqual((await signed(1)).code, 0, "a bound key signs no text");
    assert.equal((await signed(2)).code, 0, "one that is not bound does");

    const own = await makeKey(programs.folder, { name: "own" });
    for (
      const words of [
        ["ssh-add", own.path],
        ["ssh-add", "-c", own.path],
        ["ssh-add", "-D"],
        ["ssh-add", "-d", `${programs.folder}/run/key1.pub`],
        ["ssh-add", "-s", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
      ] as const
    ) {
      assert.notEqual((await programs.client([...words])).code, 0, words.join(" "));
    }
    assert.deepEqual(await listed(), [bound.publicKey, loose.publicKey]);
  },
});

Deno.test({
  name: "each of those changes succeeds on the ssh-agent itself",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { keys } = await boundAndLoose(programs);
    await programs.load(keyFrames(keys));
    const own = await makeKey(programs.folder, { name: "own" });
    const direct = (...args: readonly string[]): Promise<{ readonly code: number }> =>
      run(["ssh-add", ...args], { env: { SSH_AUTH_SOCK: `${programs.folder}/run/private/agent.sock` } });
    assert.equal((await direct(own.path)).code, 0);
    assert.equal((await direct("-d", `${programs.folder}/run/key1.pub`)).code, 0);
    assert.equal((await direct("-D")).code, 0);
    assert.match((await programs.client(["ssh-add", "-l"])).out, /no identities/);
  },
});

Deno.test({
  name: "when the relay ends, the ssh-agent ends too, and the other way round",
  ignore,
  async fn(): Promise<void> {
    for (const victim of ["relay.pl", "ssh-agent"]) {
      await using programs = await SshPrograms.made();
      const { keys } = await boundAndLoose(programs);
      await programs.load(keyFrames(keys));
      const of = async (name: string): Promise<readonly number[]> =>
        (await programs.processes()).filter(({ args }) =>
          name === "ssh-agent" ? args.startsWith(name) : args.startsWith("/usr/bin/perl")
        ).map(({ pid }) => pid);
      assert.deepEqual([(await of("relay.pl")).length, (await of("ssh-agent")).length], [1, 1]);
      const [pid = 0] = await of(victim);
      Deno.kill(pid, "SIGKILL");
      await eventually(
        "both have ended",
        async () => (await programs.processes()).length === 0 ? true : undefined,
      );
    }
  },
});

Deno.test({
  name: "no key stands in an argv or a file, and nothing is held by the program's own streams",
  ignore: ignore || Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { bound, keys } = await boundAndLoose(programs);
    const body = (await Deno.readTextFile(bound.path)).split("\n")[3] ?? "";
    await Deno.remove(bound.path);
    await Deno.remove(`${programs.folder}/loose`);
    await programs.load(keyFrames(keys));
    const found = async (): Promise<string> =>
      (await run(["grep", "-rlF", "-D", "skip", body, programs.folder])).out.trim();
    assert.equal(await found(), "");
    await Deno.writeTextFile(`${programs.folder}/planted`, body);
    assert.equal(await found(), `${programs.folder}/planted`);
    const { out } = await run(["ps", "-eo", "args="]);
    assert.equal(out.includes(body), false);
  },
});

Deno.test({
  name: "every form of key that the host's check lets through is taken",
  ignore,
  async fn(): Promise<void> {
    for (
      const options of [
        ["-t", "ed25519"],
        ["-t", "rsa", "-b", "2048"],
        ["-t", "rsa", "-b", "2048", "-m", "PEM"],
        ["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        ["-t", "ecdsa", "-b", "256"],
        ["-t", "ecdsa", "-b", "521", "-m", "PEM"],
      ]
    ) {
      await using programs = await SshPrograms.made();
      const made = await makeKey(programs.folder, { name: "id", options });
      const windows = (await Deno.readTextFile(made.path)).replaceAll("\n", "\r\n").trimEnd();
      const files = memoryFiles({ "/id": { text: windows, mode: 0o600 } });
      const keys = await readSshKeys([testSshEntry({ identityFile: "/id" })], files);
      const { code, err } = await programs.load(keyFrames(keys));
      assert.deepEqual({ code, err }, { code: 0, err: "" }, options.join(" "));
      assert.equal(await Deno.readTextFile(`${programs.folder}/run/key1.pub`), `${made.publicKey}\n`);
    }
  },
});

/** A key with a passphrase in each form that there is, as the host reads it. */
async function locked(
  programs: SshPrograms,
  format: string,
): Promise<{ readonly made: TestKey; readonly key: SshKey }> {
  const made = await makeKey(programs.folder, {
    name: `id-${format}`,
    options: format === "ed25519"
      ? ["-t", "ed25519", "-a", "1", "-N", PASSPHRASE]
      : ["-t", "rsa", "-b", "2048", "-m", format, "-N", PASSPHRASE],
  });
  const files = memoryFiles({ "/id": { text: await Deno.readTextFile(made.path), mode: 0o600 } });
  const [key] = await readSshKeys([testSshEntry({ identityFile: "/id" })], files);
  assert.ok(key !== undefined);
  return { made, key };
}

const PASSPHRASE = "a pässphrase with '$x` and  spaces";

Deno.test({
  name:
    "a key with a passphrase, in every form, is opened by the right one alone; then another load may follow",
  ignore,
  async fn(): Promise<void> {
    for (const format of ["ed25519", "RFC4716", "PEM", "PKCS8"]) {
      await using programs = await SshPrograms.made();
      const { made, key } = await locked(programs, format);
      assert.equal(key.encrypted, true, format);
      const { keys: [open = testSshKey()] } = await boundAndLoose(programs);
      const load = (passphrase: string): ReturnType<SshPrograms["load"]> =>
        programs.load(keyFrames([open, { ...key, passphrase: new Secret(passphrase) }]));
      for (const wrong of ["wrong", PASSPHRASE.slice(1), `${PASSPHRASE} `]) {
        assert.deepEqual(await load(wrong), {
          code: 3,
          out: "",
          err: "claude-bottle: wrong passphrase: 2\n",
        });
        assert.deepEqual(await programs.processes(), []);
        assert.deepEqual(await Array.fromAsync(Deno.readDir(`${programs.folder}/run`)), []);
      }
      assert.deepEqual(await load(PASSPHRASE), { code: 0, out: "", err: "" });
      assert.equal(await Deno.readTextFile(`${programs.folder}/run/key2.pub`), `${made.publicKey}\n`);
      // Bound, as a key without a passphrase is.
      const words = [
        "ssh-keygen",
        "-Y",
        "sign",
        "-n",
        "git",
        "-f",
        `${programs.folder}/run/key2.pub`,
      ] as const;
      assert.notEqual((await programs.client([...words], "x")).code, 0);
    }
  },
});

/** What an environment or a command line of any process, taken again and again while it goes on, has of a text. */
const WATCHER = `
my (@needles) = @ARGV;
$| = 1;
my %seen;
$SIG{TERM} = sub { print join(' ', sort keys %seen), "\\n"; exit };
print "ready\\n";
while (1) {
  for my $file (glob('/proc/[0-9]*/{cmdline,environ}')) {
    next if $file =~ m{/$$/};
    open(my $in, '<', $file) or next;
    my $text = do { local $/; <$in> } // '';
    $text =~ tr/\\0/ /;
    $seen{$1}++ if $text =~ /(ssh-add -q)/;
    for (0 .. $#needles) { $seen{"needle$_"}++ if index($text, pack('H*', $needles[$_])) >= 0 }
  }
}`;

Deno.test({
  name: "neither a passphrase nor a key is in an argv, an environment or a file while it is used",
  ignore: ignore || Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const made = await makeKey(programs.folder, {
      name: "slow",
      options: ["-t", "ed25519", "-a", "60", "-N", PASSPHRASE],
    });
    const text = await Deno.readTextFile(made.path);
    await Deno.remove(made.path);
    const body = text.split("\n")[3] ?? "";
    const key = testSshKey({ text: new Secret(text), encrypted: true });
    const needles = [PASSPHRASE, body, "planted-in-environ"].map((needle) =>
      hex([...new TextEncoder().encode(needle)])
    );
    const watcher = new Deno.Command("perl", {
      args: ["-e", WATCHER, ...needles],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = watcher.stdout.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    await run(["sleep", "0.5"], { env: { X: "planted-in-environ" } });
    const { code, err } = await programs.load(keyFrames([{ ...key, passphrase: new Secret(PASSPHRASE) }]));
    assert.deepEqual([code, err], [0, ""]);
    watcher.kill("SIGTERM");
    const { value } = await reader.read();
    await watcher.status;
    await reader.cancel();
    // It looked while ssh-add worked, and finds what is there: but neither of the two.
    assert.equal(value?.trim(), "needle2 ssh-add -q");
    const found = await run(["grep", "-rlF", "-D", "skip", "-e", PASSPHRASE, "-e", body, programs.folder]);
    assert.equal(found.out, "");
  },
});

Deno.test({
  name: "known hosts that were learned are for everybody to read",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { keys } = await boundAndLoose(programs);
    assert.equal((await programs.load(keyFrames(keys, "a host key\n"))).code, 0);
    const path = `${programs.folder}/run/known_hosts`;
    assert.equal(await Deno.readTextFile(path), "a host key\n");
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o644);
  },
});

Deno.test({
  name: "the host's check and ssh-keygen agree on which keys have a passphrase",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    for (const format of ["ed25519", "RFC4716", "PEM", "PKCS8"]) {
      const { made, key } = await locked(programs, format);
      const open = await run(["ssh-keygen", "-y", "-P", "", "-f", made.path]);
      assert.deepEqual([key.encrypted, open.code === 0], [true, false]);
      await run(["ssh-keygen", "-p", "-q", "-P", PASSPHRASE, "-N", "", "-f", made.path]);
      const files = memoryFiles({ "/id": { text: await Deno.readTextFile(made.path), mode: 0o600 } });
      const [opened] = await readSshKeys([testSshEntry({ identityFile: "/id" })], files);
      assert.equal(opened?.encrypted, false);
    }
  },
});

const REFUSED = "claude-bottle: the ssh keys cannot be used: ";

Deno.test({
  name: "a key that is no key is named by its host, and nothing of it is said",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { keys: [bound = testSshKey()] } = await boundAndLoose(programs);
    const broken = testSshKey({
      text: new Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"),
      entries: [testSshEntry({ host: "broken" })],
    });
    const { code, err } = await programs.load(keyFrames([bound, broken]));
    assert.equal(code, 1);
    assert.match(err, /^claude-bottle: the ssh keys cannot be used: that of broken: .*\n$/);
    assert.equal(err.includes("c2VjcmV0"), false);
  },
});

Deno.test({
  name: "a key that comes twice, which would lose what it is bound to, is refused",
  ignore,
  async fn(): Promise<void> {
    await using programs = await SshPrograms.made();
    const { keys: [bound = testSshKey()] } = await boundAndLoose(programs);
    const again = { ...bound, entries: [testSshEntry({ host: "again", knownHostKeys: [], unpinned: true })] };
    const { code, err } = await programs.load(keyFrames([bound, again]));
    assert.deepEqual([code, err], [1, `${REFUSED}that of again is the same as another one\n`]);
  },
});

for (
  const [input, said] of [
    ["", "they ended early"],
    ["1:1,", "they ended early"],
    ["1:0,", "they are malformed"],
    ["1:x,", "they are malformed"],
    ["x", "they are malformed"],
    [":,", "they are malformed"],
    ["00000001:1,", "they are malformed"],
    ["1:1;", "they are malformed"],
    ["1:1,1:a,0:,0:,9:short,", "they ended early"],
  ] as const
) {
  Deno.test(`keys that read ${JSON.stringify(input)} start nothing`, async () => {
    await using programs = await SshPrograms.made();
    const { code, out, err } = await programs.load(input);
    assert.deepEqual([code, out, err], [1, "", `${REFUSED}${said}\n`]);
    assert.deepEqual(await programs.processes(), []);
  });
}
