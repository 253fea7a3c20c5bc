import assert from "node:assert/strict";
import wrapperText from "../../lib/assets/agent_exec.pl" with { type: "text" };

/*
 * The wrapper as it is, on this machine's perl, but for its fixed paths and its deadline: /run/env and the
 * certificate authorities stand in a temporary folder, so does what the kernel says of a bottle's process, and a
 * sidecar is waited for 1 s instead of 10.
 */

/** A wrapper in a folder of its own. */
class Wrapper implements AsyncDisposable {
  readonly folder: string;
  readonly #listeners: Deno.ChildProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async made(): Promise<Wrapper> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-exec-" });
    await Deno.mkdir(`${folder}/env`);
    await Deno.mkdir(`${folder}/work`);
    const text = [
      ["'/run/env'", `'${folder}/env'`],
      ["'/usr/local/share/claude-bottle/ca.pem'", `'${folder}/extra.pem'`],
      ["'/etc/ssl/certs/ca-certificates.crt'", `'${folder}/system.pem'`],
      ["'/etc/pki/tls/certs/ca-bundle.crt'", `'${folder}/fedora.pem'`],
      ["$SIDECAR_DEADLINE = 10;", "$SIDECAR_DEADLINE = 1;"],
      ["$STARTING_DEADLINE = 45;", "$STARTING_DEADLINE = 5;"],
      ["'/proc/self/status'", `'${folder}/status'`],
      ["'/proc/version'", `'${folder}/version'`],
    ].reduce((script, [from = "", to = ""]) => {
      assert.equal(script.split(from).length, 2, `the wrapper holds ${from} once`);
      return script.replace(from, to);
    }, wrapperText);
    await Deno.writeTextFile(`${folder}/wrapper.pl`, text);
    const wrapper = new Wrapper(folder);
    await wrapper.kernel({});
    return wrapper;
  }

  /** What the kernel says of the wrapper's own process: as in a bottle but for `changes`, where `undefined` is no line. */
  async kernel(
    changes: Readonly<Record<string, string | undefined>>,
    version = "Linux version 6.1.0 (x)",
  ): Promise<void> {
    const status = Object.entries({ ...BOTTLE_STATUS, ...changes }).map(([name, value]) =>
      value === undefined ? "" : `${name}:\t${value}\n`
    );
    await Deno.writeTextFile(`${this.folder}/status`, status.join(""));
    await Deno.writeTextFile(`${this.folder}/version`, `${version}\n`);
  }

  /** What listens as the sidecar; its port. */
  async sidecar(port = 0): Promise<string> {
    const child = new Deno.Command("perl", {
      args: ["-e", LISTENER, String(port)],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#listeners.push(child);
    const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    return (value ?? "").trim();
  }

  /** A port that nobody listens on. */
  async deadPort(): Promise<string> {
    const port = await this.sidecar();
    await this.#stopListeners();
    return port;
  }

  /** Starts it; `input` is its whole stdin. A name can be used again, as no bottle ever does. */
  async run(args: readonly string[], input: Uint8Array | string = ""): Promise<Ended> {
    const began = `${this.folder}/env/${args[1]}.began`;
    const isLink = await Deno.lstat(began).then(({ isSymlink }) => isSymlink, () => false);
    if (isLink && args[0] !== "end") await Deno.remove(began);
    const child = new Deno.Command("perl", {
      args: [`${this.folder}/wrapper.pl`, ...args],
      env: { PATH: Deno.env.get("PATH") ?? "", INHERITED: "yes", REPLACED: "before" },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    const [output] = await Promise.all([
      child.output(),
      // One that ends early reads nothing more.
      ReadableStream.from([bytes]).pipeTo(child.stdin).catch(() => {}),
    ]);
    return {
      ...output,
      out: new TextDecoder().decode(output.stdout),
      err: new TextDecoder().decode(output.stderr),
    };
  }

  async entries(): Promise<readonly string[]> {
    return await Array.fromAsync(Deno.readDir(`${this.folder}/env`), ({ name }) => name);
  }

  async #stopListeners(): Promise<void> {
    for (const child of this.#listeners.splice(0)) {
      child.kill("SIGKILL");
      await child.status;
      await child.stdout.cancel().catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopListeners();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The part of `/proc/self/status` that is judged, in a bottle under runc. */
const BOTTLE_STATUS = {
  Name: "perl",
  Groups: "",
  CapInh: "0000000000000000",
  CapPrm: "0000000000000000",
  CapEff: "0000000000000000",
  CapBnd: "0000000000000000",
  CapAmb: "0000000000000000",
  NoNewPrivs: "1",
  Seccomp: "2",
};

interface Ended extends Deno.CommandOutput {
  readonly out: string;
  readonly err: string;
}

const LISTENER = `
use Socket;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, pack_sockaddr_in($ARGV[0], inet_aton('127.0.0.1'))) or die $!;
listen($s, 8) or die $!;
my ($port) = unpack_sockaddr_in(getsockname($s));
$| = 1;
print "$port\\n";
while (1) { accept(my $c, $s) }
`;

/** Prints the variables named in its arguments, each as hexadecimal bytes. */
const SHOW = ["perl", "-e", 'print map { unpack("H*", $ENV{$_} // "unset") . "\\n" } @ARGV'];

function joined(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  const bytes = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  return Uint8Array.from(bytes.flatMap((part) => [...part]));
}

function frames(...entries: readonly (string | Uint8Array)[]): Uint8Array {
  return joined(
    ...entries.map((entry) => joined(entry)).flatMap((entry) => [`${entry.length}:`, entry, ","]),
    "0:,",
  );
}

function hex(bytes: string | Uint8Array): string {
  return [...joined(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const MULTILINE = "line 1\nline 2\r\n\ttail \n\n";
/** Every byte but NUL, and what looks like frames. */
const BINARY = joined(Uint8Array.from({ length: 255 }, (_, index) => index + 1), "0:,3:A=b,");

Deno.test("headless brings every value in, byte for byte", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const env = frames(`A=${MULTILINE}`, joined("B=", BINARY), "C=", "D=x=y=z", "REPLACED=after");
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, ...SHOW];
  const { code, out, err } = await wrapper.run(
    [...run, "A", "B", "C", "D", "REPLACED", "INHERITED", "E"],
    env,
  );
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const values = [MULTILINE, BINARY, "", "x=y=z", "after", "yes", "unset"];
  assert.equal(out, values.map((value) => `${hex(value)}\n`).join(""));
});

Deno.test("headless takes an environment as large as Linux allows one variable", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const value = "é".repeat(65_534);
  const command = ["perl", "-e", 'print length($ENV{A}), " ", length($ENV{B})'];
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, ...command];
  const { code, out } = await wrapper.run(run, frames(`A=${value}`, `B=${value}`));
  assert.deepEqual({ code, out }, { code: 0, out: "131068 131068" });
});

Deno.test("headless gives the command an empty stdin and the directory it names", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const input = joined(frames("A=1"), "typed behind the frames");
  const command = ["sh", "-c", "cat; pwd"];
  const { code, out } = await wrapper.run([
    "headless",
    "token",
    "127.0.0.1",
    port,
    `${wrapper.folder}/work`,
    ...command,
  ], input);
  assert.equal(code, 0);
  assert.equal(out, `${await Deno.realPath(`${wrapper.folder}/work`)}\n`);
});

Deno.test("put keeps the frames for the agent's user alone, and attached brings them in once", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const put = await wrapper.run(["put", "token"], frames(`A=${MULTILINE}`, joined("B=", BINARY)));
  assert.deepEqual({ code: put.code, out: put.out, err: put.err }, { code: 0, out: "", err: "" });
  const { mode } = await Deno.stat(`${wrapper.folder}/env/token`);
  assert.equal((mode ?? 0) & 0o7777, 0o600);
  const run = ["attached", "token", "127.0.0.1", port, wrapper.folder];
  const first = await wrapper.run([...run, ...SHOW, "A", "B"]);
  assert.equal(first.code, 0);
  assert.equal(first.out, `${hex(MULTILINE)}\n${hex(BINARY)}\n`);
  const second = await wrapper.run([...run, ...SHOW, "A"]);
  assert.equal(second.code, 125);
  assert.equal(second.out, "");
  assert.equal(second.err, "claude-bottle: the environment was used before or never came\n");
});

Deno.test("put follows no link and waits for no pipe that stands where it would write", async () => {
  await using wrapper = await Wrapper.made();
  const kept = `${wrapper.folder}/kept`;
  await Deno.symlink(kept, `${wrapper.folder}/env/linked`);
  const made = await new Deno.Command("mkfifo", { args: [`${wrapper.folder}/env/piped`] }).output();
  assert.ok(made.success);
  for (const name of ["linked", "piped"]) {
    const { code, out, err } = await wrapper.run(["put", name], frames("A=1"));
    assert.deepEqual({ code, out, err }, {
      code: 125,
      out: "",
      err: "claude-bottle: cannot keep the environment: File exists\n",
    });
  }
  await assert.rejects(Deno.stat(kept), Deno.errors.NotFound);
});

Deno.test("attached has unlinked the file when the command runs, and leaves stdin to it", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  await wrapper.run(["put", "token"], frames("A=1"));
  const command = ["sh", "-c", `ls -A '${wrapper.folder}/env'; cat`];
  const run = ["attached", "token", "127.0.0.1", port, wrapper.folder, ...command];
  const { code, out } = await wrapper.run(run, "typed\n0:,");
  assert.deepEqual({ code, out }, { code: 0, out: "token.began\ntyped\n0:," });
});

Deno.test("attached removes the file even when the command never runs", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.deadPort();
  await wrapper.run(["put", "token"], frames("A=1"));
  const { code } = await wrapper.run(["attached", "token", "127.0.0.1", port, wrapper.folder, "true"]);
  assert.equal(code, 125);
  assert.deepEqual(await wrapper.entries(), []);
});

for (
  const [input, said] of [
    ["", "the environment ended early"],
    ["3:A=1,", "the environment ended early"],
    ["5:A=1,0:,", "the environment is malformed"],
    ["9:A=1,", "the environment ended early"],
    ["3:A=1;0:,", "the environment is malformed"],
    ["x:A=1,0:,", "the environment is malformed"],
    ["-3:A=1,0:,", "the environment is malformed"],
    [":A=1,0:,", "the environment is malformed"],
    ["00000003:A=1,0:,", "the environment is malformed"],
    ["0:;", "the environment is malformed"],
  ] as const
) {
  Deno.test(`frames that read ${JSON.stringify(input)} run nothing and exit 125`, async () => {
    await using wrapper = await Wrapper.made();
    // Nobody listens: what is wrong is found before anything is waited for.
    const run = ["127.0.0.1", "1", wrapper.folder, "echo", "ran"];
    const headless = await wrapper.run(["headless", "token", ...run], input);
    assert.deepEqual([headless.code, headless.out, headless.err], [125, "", `claude-bottle: ${said}\n`]);
    const put = await wrapper.run(["put", "token"], input);
    assert.deepEqual([put.code, put.out, put.err], [125, "", `claude-bottle: ${said}\n`]);
    assert.deepEqual(await wrapper.entries(), []);
  });
}

Deno.test("an entry without a value runs nothing and exits 125", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = ["token", "127.0.0.1", port, wrapper.folder, "echo", "ran"];
  const input = "3:A=1,1:B,0:,";
  const expected = [125, "", "claude-bottle: the environment is malformed\n"];
  const headless = await wrapper.run(["headless", ...run], input);
  assert.deepEqual([headless.code, headless.out, headless.err], expected);
  await wrapper.run(["put", "token"], input);
  const attached = await wrapper.run(["attached", ...run]);
  assert.deepEqual([attached.code, attached.out, attached.err], expected);
  assert.deepEqual(await wrapper.entries(), []);
});

for (
  const { kernel, said } of [
    { kernel: { Seccomp: "0" }, said: "Seccomp is 0" },
    { kernel: { NoNewPrivs: "0" }, said: "NoNewPrivs is 0" },
    { kernel: { CapEff: "0000000000002000" }, said: "CapEff is 0000000000002000" },
    { kernel: { CapBnd: "00000000a80425fb" }, said: "CapBnd is 00000000a80425fb" },
    { kernel: { NoNewPrivs: "", Seccomp: "1" }, said: "NoNewPrivs is unknown, Seccomp is 1" },
  ]
) {
  Deno.test(`the wrapper runs nothing when the kernel says that ${said}`, async () => {
    await using wrapper = await Wrapper.made();
    await wrapper.kernel(kernel);
    const port = await wrapper.sidecar();
    const run = ["token", "127.0.0.1", port, wrapper.folder, "echo", "ran"];
    const hint = said.startsWith("Seccomp")
      ? "An engine that filters system calls has seccomp among the security options of `docker info`; " +
        "`--runtime runsc` needs none"
      : "Use another engine with `--context`, or `--runtime runsc`";
    const expected = [
      125,
      "",
      "claude-bottle: the kernel does not confirm what was asked of the engine, so nothing is run in this bottle: " +
      `${said}\nhint: ${hint}\n`,
    ];
    const headless = await wrapper.run(["headless", ...run], frames("A=1"));
    assert.deepEqual([headless.code, headless.out, headless.err], expected);
    await wrapper.run(["put", "token"], frames("A=1"));
    const attached = await wrapper.run(["attached", ...run]);
    assert.deepEqual([attached.code, attached.out, attached.err], expected);
    assert.deepEqual(await wrapper.entries(), []);
  });
}

Deno.test("the wrapper asks gVisor's kernel for no filter of system calls, but for all else", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, "echo", "ran"];
  const gvisor = "Linux version 4.19.0-gvisor #1 SMP";
  await wrapper.kernel({ Seccomp: "0" }, gvisor);
  assert.equal((await wrapper.run(run, frames())).out, "ran\n");
  await wrapper.kernel({ Seccomp: "0", CapEff: "1" }, gvisor);
  assert.equal((await wrapper.run(run, frames())).code, 125);
  await wrapper.kernel({ Seccomp: "0" }, "Linux version 6.1.0 (built on gvisor)");
  assert.equal((await wrapper.run(run, frames())).code, 125);
});

Deno.test("the wrapper knows an older gVisor by its date, which tells of fewer protections and not of missing ones", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, "echo", "ran"];
  const older = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016";
  const silent = { Seccomp: "0", NoNewPrivs: undefined, CapAmb: undefined };
  await wrapper.kernel(silent, older);
  assert.equal((await wrapper.run(run, frames())).out, "ran\n");
  for (const weak of [{ NoNewPrivs: "0" }, { CapAmb: "1" }, { CapBnd: undefined }, { CapEff: "1" }]) {
    await wrapper.kernel({ ...silent, ...weak }, older);
    assert.equal((await wrapper.run(run, frames())).code, 125, JSON.stringify(weak));
  }
  for (const version of [`${older} (gcc)`, "Linux version 4.4.0 (gcc) #1 SMP Sun Jan 10 15:06:54 PST 2016"]) {
    await wrapper.kernel({ Seccomp: "0" }, version);
    assert.equal((await wrapper.run(run, frames())).code, 125, version);
  }
  await wrapper.kernel(silent);
  assert.match(
    (await wrapper.run(run, frames())).err,
    /: CapAmb is unknown, NoNewPrivs is unknown, Seccomp is 0\n/,
  );
});

Deno.test("the wrapper says that it handed over, before the command is there and even if it is not", async () => {
  for (const [command, code] of [["sh", 3], ["no-such-command-of-ours", 127]] as const) {
    await using wrapper = await Wrapper.made();
    const port = await wrapper.sidecar();
    const look = ["-c", `test -h '${wrapper.folder}/env/mark7.began' && exit 3`];
    const run = ["headless", "mark7", "127.0.0.1", port, wrapper.folder, command, ...look];
    assert.equal((await wrapper.run(run, frames())).code, code);
    assert.deepEqual(await wrapper.entries(), ["mark7.began"]);
  }
});

Deno.test("the wrapper runs nothing when it cannot say so", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  await Deno.mkdir(`${wrapper.folder}/env/token.began`);
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, "echo", "ran"];
  const { code, out, err } = await wrapper.run(run, frames());
  assert.deepEqual([code, out, err], [125, "", "claude-bottle: cannot begin: File exists\n"]);
});

Deno.test("the command's own exit code and signal pass through", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = (...command: readonly string[]): Promise<Ended> =>
    wrapper.run(["headless", "token", "127.0.0.1", port, wrapper.folder, ...command], frames());
  assert.equal((await run("sh", "-c", "exit 0")).code, 0);
  assert.equal((await run("sh", "-c", "exit 7")).code, 7);
  assert.equal((await run("sh", "-c", "exit 255")).code, 255);
  assert.equal((await run("sh", "-c", "kill -TERM $$")).signal, "SIGTERM");
});

Deno.test("a command is one word each, never read by a shell", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder];
  const { out } = await wrapper.run([...run, "printf", "%s|", "$(id)", "a b", "", "it's;"], frames());
  assert.equal(out, "$(id)|a b||it's;|");
  const alone = await wrapper.run([...run, "echo $HOME; true"], frames());
  assert.equal(alone.code, 127);
});

Deno.test("a missing command exits 127 and one that cannot be run 126, in words", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const plain = `${wrapper.folder}/plain`;
  await Deno.writeTextFile(plain, "#!/bin/sh\n", { mode: 0o644 });
  const run = (command: string): Promise<Ended> =>
    wrapper.run(["headless", "token", "127.0.0.1", port, wrapper.folder, command], frames());
  const missing = await run("no-such-command-of-ours");
  assert.deepEqual([missing.code, missing.out], [127, ""]);
  assert.equal(
    missing.err,
    "claude-bottle: cannot run 'no-such-command-of-ours': No such file or directory\n",
  );
  const forbidden = await run(plain);
  assert.deepEqual([forbidden.code, forbidden.out], [126, ""]);
  assert.equal(forbidden.err, `claude-bottle: cannot run '${plain}': Permission denied\n`);
});

Deno.test("PATH of the environment brought in decides what is run", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  await Deno.writeTextFile(`${wrapper.folder}/work/tool`, "#!/bin/sh\necho mine\n", { mode: 0o755 });
  const env = frames(`PATH=${wrapper.folder}/work:${Deno.env.get("PATH") ?? ""}`);
  const { out } = await wrapper.run(["headless", "token", "127.0.0.1", port, wrapper.folder, "tool"], env);
  assert.equal(out, "mine\n");
});

for (
  const { name, address, seconds } of [
    { name: "that never answers", address: "224.0.0.1", seconds: "[1-3]" },
    { name: "that is there and never listens", address: "127.0.0.1", seconds: "[5-7]" },
  ]
) {
  Deno.test(`a sidecar ${name} keeps the command from running: 125, in words`, async () => {
    await using wrapper = await Wrapper.made();
    const port = await wrapper.deadPort();
    const run = ["headless", "token", address, port, wrapper.folder, "echo", "ran"];
    const { code, out, err } = await wrapper.run(run, frames("A=1"));
    assert.deepEqual([code, out], [125, ""]);
    const said = `claude-bottle: the sidecar did not answer at ${address}:${port} within ${seconds} s\n`;
    assert.match(err, new RegExp(`^${said}$`));
    assert.deepEqual(await wrapper.entries(), []);
  });
}

Deno.test("a sidecar that starts later is waited for", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.deadPort();
  const running = wrapper.run(
    ["headless", "token", "127.0.0.1", port, wrapper.folder, "echo", "ran"],
    frames("A=1"),
  );
  assert.equal(await wrapper.sidecar(Number(port)), port);
  const { code, out } = await running;
  assert.deepEqual([code, out], [0, "ran\n"]);
});

Deno.test("a directory that cannot be entered keeps the command from running", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const missing = `${wrapper.folder}/missing`;
  const { code, err } = await wrapper.run(
    ["headless", "token", "127.0.0.1", port, missing, "true"],
    frames(),
  );
  assert.equal(code, 125);
  assert.equal(err, `claude-bottle: cannot enter ${missing}: No such file or directory\n`);
  assert.deepEqual(await wrapper.entries(), []);
});

Deno.test("an unknown mode exits 125", async () => {
  await using wrapper = await Wrapper.made();
  const { code, err } = await wrapper.run(["other"]);
  assert.deepEqual([code, err], [125, "claude-bottle: unknown mode 'other'\n"]);
});

Deno.test({
  name: "no value ever stands in an argv, and none is left in a file",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await using wrapper = await Wrapper.made();
    const port = await wrapper.sidecar();
    await wrapper.run(["put", "token"], frames("SECRET=value-that-nobody-sees"));
    const look = ["sh", "-c", 'tr "\\0" " " </proc/$$/cmdline; printf "\\n%s" "$SECRET"'];
    const run = ["attached", "token", "127.0.0.1", port, wrapper.folder, ...look];
    const [cmdline, ...value] = (await wrapper.run(run)).out.split("\n");
    assert.match(cmdline ?? "", /^sh -c /);
    assert.equal(cmdline?.includes("value-that-nobody-sees"), false);
    assert.deepEqual(value, ["value-that-nobody-sees"]);
    assert.deepEqual(await wrapper.entries(), ["token.began"]);
    assert.match(await Deno.readLink(`${wrapper.folder}/env/token.began`), /^[0-9]+$/);
  },
});

Deno.test("extra certificate authorities are joined to the image's own, once", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const run = ["headless", "token", "127.0.0.1", port, wrapper.folder, "true"];
  await wrapper.run(run, frames());
  assert.deepEqual(await wrapper.entries(), ["token.began"], "no bundle without extra authorities");
  await Deno.writeTextFile(`${wrapper.folder}/system.pem`, "SYSTEM");
  await Deno.writeTextFile(`${wrapper.folder}/extra.pem`, "EXTRA\n");
  assert.equal((await wrapper.run(run, frames())).code, 0);
  assert.deepEqual([...await wrapper.entries()].sort(), ["ca-bundle.pem", "token.began"]);
  const bundle = `${wrapper.folder}/env/ca-bundle.pem`;
  assert.equal(await Deno.readTextFile(bundle), "SYSTEM\nEXTRA\n\n");
  await Deno.writeTextFile(bundle, "kept");
  await wrapper.run(run, frames());
  assert.equal(await Deno.readTextFile(bundle), "kept");
});

Deno.test("the bundle of another make of image is joined where Debian's is not there", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  await Deno.writeTextFile(`${wrapper.folder}/fedora.pem`, "FEDORA");
  await Deno.writeTextFile(`${wrapper.folder}/extra.pem`, "EXTRA\n");
  await wrapper.run(["headless", "token", "127.0.0.1", port, wrapper.folder, "true"], frames());
  assert.equal(await Deno.readTextFile(`${wrapper.folder}/env/ca-bundle.pem`), "FEDORA\nEXTRA\n\n");
});

Deno.test("variables that name authorities are left out where there are none, and nothing else is", async () => {
  await using wrapper = await Wrapper.made();
  const port = await wrapper.sidecar();
  const bundle = `${wrapper.folder}/env/ca-bundle.pem`;
  const env = (): Uint8Array =>
    frames(`CA=${wrapper.folder}/extra.pem`, `BUNDLE=${bundle}`, "OWN=/my/ca.pem", `LONGER=${bundle}.x`);
  const run = [
    "headless",
    "token",
    "127.0.0.1",
    port,
    wrapper.folder,
    ...SHOW,
    "CA",
    "BUNDLE",
    "OWN",
    "LONGER",
  ];
  const shown = async (): Promise<readonly string[]> =>
    (await wrapper.run(run, env())).out.trim().split("\n");
  const others = [hex("/my/ca.pem"), hex(`${bundle}.x`)];
  assert.deepEqual(await shown(), [hex("unset"), hex("unset"), ...others]);
  await Deno.writeTextFile(`${wrapper.folder}/extra.pem`, "EXTRA\n");
  assert.deepEqual(await shown(), [hex(`${wrapper.folder}/extra.pem`), hex(bundle), ...others]);
});

/** Whether a process is there and no zombie. */
async function lives(pid: string): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", pid] }).output();
  return /^[^ZX\s]/.test(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "end ends a command and what it started, also what ignores being asked",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await using wrapper = await Wrapper.made();
    const port = await wrapper.sidecar();
    const script = "trap '' HUP TERM; sleep 300 & echo $!; echo $$; wait; wait; sleep 300";
    // The engine makes each command a session of its own.
    const words = [
      "perl",
      `${wrapper.folder}/wrapper.pl`,
      "headless",
      "job",
      "127.0.0.1",
      port,
      wrapper.folder,
    ];
    const child = new Deno.Command("setsid", {
      args: [...words, "sh", "-c", script],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    await ReadableStream.from([frames()]).pipeTo(child.stdin);
    const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    const pids = (value ?? "").trim().split("\n");
    for (const pid of pids) assert.ok(await lives(pid), `${pid} of ${pids}`);

    assert.equal((await wrapper.run(["end", "job"])).code, 0);

    for (const pid of pids) assert.ok(!await lives(pid), `${pid} of ${pids}`);
    await child.status;
  },
});

Deno.test("end keeps a command from ever beginning, and takes its environment away", async () => {
  await using wrapper = await Wrapper.made();
  await wrapper.run(["put", "late"], frames("SECRET=value"));
  assert.deepEqual(await wrapper.entries(), ["late"]);
  assert.equal((await wrapper.run(["end", "late"])).code, 3);
  assert.deepEqual(await wrapper.entries(), ["late.began"]);
  await Deno.remove(`${wrapper.folder}/env/late.began`);

  // It had taken its environment and waited for the sidecar when it was ended.
  await using other = await Wrapper.made();
  const dead = await other.deadPort();
  const run = ["headless", "late", "127.0.0.1", dead, other.folder, "echo", "ran"];
  const waiting = other.run(run, frames());
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await other.run(["end", "late"])).code, 3);
  await other.sidecar(Number(dead));
  const { code, out, err } = await waiting;
  assert.deepEqual([code, out, err], [125, "", "claude-bottle: cannot begin: File exists\n"]);
  // Asked again it says the same.
  assert.equal((await other.run(["end", "late"])).code, 3);
});
