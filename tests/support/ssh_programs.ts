import assert from "node:assert/strict";
import askpassProgram from "../../lib/assets/ssh_askpass.pl" with { type: "text" };
import agentProgram from "../../lib/assets/ssh_agent.pl" with { type: "text" };
import relayProgram from "../../lib/assets/ssh_relay.pl" with { type: "text" };
import { eventually } from "./engine.ts";

/** What a finished program left. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, `input` being its whole stdin. */
export async function run(
  [program, ...args]: readonly [string, ...string[]],
  { input = "", env = {} }: {
    readonly input?: string | Uint8Array;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Ran> {
  const child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const [output] = await Promise.all([
    child.output(),
    // One that ends early reads nothing more.
    ReadableStream.from([bytes]).pipeTo(child.stdin).catch(() => {}),
  ]);
  const text = new TextDecoder();
  return { code: output.code, out: text.decode(output.stdout), err: text.decode(output.stderr) };
}

/** `TYPE` and body of a message of the agent protocol, with its length, in hex. */
export function message(type: number, body: readonly number[] = []): string {
  return hex([...number(body.length + 1), type, ...body]);
}

/** A counted string of the agent protocol. */
export function counted(value: string | readonly number[]): readonly number[] {
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...number(bytes.length), ...bytes];
}

function number(value: number): readonly number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
}

export function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Reads `CONNECTION HEX [SECONDS]` lines; says the answer's hex, `closed`, or `silent` when none came in so
 * many seconds. A `-` for the hex sends nothing and reads the next answer.
 */
const CLIENT = `
use Socket;
$SIG{PIPE} = 'IGNORE';
my %open;
$| = 1;
sub ready { my $bits = ''; vec($bits, fileno $_[0], 1) = 1; return select($bits, undef, undef, $_[1]) > 0 }
sub answer {
  my ($socket, $patience) = @_;
  my ($bytes, $want) = ('', 4);
  while (length $bytes < $want) {
    return 'silent' unless ready($socket, $patience);
    return 'closed' unless sysread($socket, $bytes, $want - length $bytes, length $bytes);
    $want = 4 + unpack('N', $bytes) if length $bytes == 4;
  }
  return unpack('H*', $bytes);
}
while (<STDIN>) {
  my ($name, $hex, $patience) = split;
  if ($hex eq 'close') { close delete $open{$name}; next }
  if (!$open{$name}) {
    socket($open{$name}, PF_UNIX, SOCK_STREAM, 0) or die $!;
    connect($open{$name}, pack_sockaddr_un($ARGV[0])) or die "connect: $!";
  }
  my $bytes = $hex eq '-' ? '' : pack('H*', $hex);
  while (length $bytes) { my $sent = syswrite($open{$name}, $bytes) or last; substr($bytes, 0, $sent, '') }
  my $said = answer($open{$name}, $patience || 20);
  close delete $open{$name} if $said eq 'closed';
  print "$said\\n";
}`;

/** Says yes to everything and writes down what it was asked. */
const RECORDER = `
use Socket;
my ($path, $log) = @ARGV;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die $!;
bind($s, pack_sockaddr_un($path)) && listen($s, 64) or die $!;
$| = 1;
print "ready\\n";
$SIG{CHLD} = 'IGNORE';
open(my $out, '>>', $log) or die $!;
while (accept(my $c, $s)) {
  next if fork;
  my $bytes = '';
  while (sysread($c, $bytes, 65536, length $bytes)) {
    while (length $bytes >= 4 && length $bytes >= 4 + unpack('N', $bytes)) {
      my $message = substr($bytes, 0, 4 + unpack('N', $bytes), '');
      syswrite($out, unpack('H*', $message) . "\\n");
      syswrite($c, pack('N C', 1, 6));
    }
  }
  exit;
}`;

/** The programs that stand in a bottle, on this machine's perl, their fixed paths in a folder of one test. */
export class SshPrograms implements AsyncDisposable {
  readonly folder: string;
  readonly #children: Deno.ChildProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async made(): Promise<SshPrograms> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-ssh-" });
    await Deno.mkdir(`${folder}/run`);
    for (const [name, text] of [["agent", agentProgram], ["relay", relayProgram]] as const) {
      const fixed = [["'/run/claude-bottle'", `'${folder}/run'`]];
      if (name === "agent") {
        fixed.push(["/usr/local/lib/claude-bottle/ssh_relay.pl", `${folder}/relay.pl`]);
        fixed.push(["/usr/local/lib/claude-bottle/ssh_askpass.pl", `${folder}/askpass.pl`]);
      }
      const moved = fixed.reduce((script, [from = "", to = ""]) => {
        assert.equal(script.split(from).length, 2, `${name} holds ${from} once`);
        return script.replace(from, to);
      }, text);
      await Deno.writeTextFile(`${folder}/${name}.pl`, moved);
    }
    await Deno.writeTextFile(`${folder}/askpass.pl`, askpassProgram, { mode: 0o755 });
    return new SshPrograms(folder);
  }

  get socket(): string {
    return `${this.folder}/run/ssh.sock`;
  }

  /** Where the relay of signatures listens. */
  get signSocket(): string {
    return `${this.folder}/run/sign.sock`;
  }

  /** Runs the program that takes the keys. */
  load(input: string | Uint8Array): Promise<Ran> {
    return run(["perl", `${this.folder}/agent.pl`], { input });
  }

  /** Starts the relay in front of what records everything that reaches it. */
  record(): Promise<void> {
    return this.#record({ socket: this.socket, agent: "agent.sock", words: [] });
  }

  /** The same in front of the ssh-agent that signs commits, with keys that are files of the folder `run`. */
  recordSigning(keys: readonly string[]): Promise<void> {
    return this.#record({ socket: this.signSocket, agent: "sign_agent.sock", words: keys });
  }

  async #record(
    { socket, agent, words }: {
      readonly socket: string;
      readonly agent: string;
      readonly words: readonly string[];
    },
  ): Promise<void> {
    await Deno.mkdir(`${this.folder}/run/private`);
    const recorder = this.#spawn([
      "-e",
      RECORDER,
      `${this.folder}/run/private/${agent}`,
      `${this.folder}/log`,
    ]);
    await recorder.stdout.getReader().read();
    this.#spawn([`${this.folder}/relay.pl`, ...words]);
    await eventually("the relay listens", async () => {
      const { code } = await run(["perl", "-e", CLIENT, socket], { input: `x ${message(1)}\n` });
      return code === 0 ? true : undefined;
    });
  }

  #spawn(args: readonly string[]): Deno.ChildProcess {
    const child = new Deno.Command("perl", {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    })
      .spawn();
    this.#children.push(child);
    return child;
  }

  /** What reached the recorder, in hex. */
  async recorded(): Promise<readonly string[]> {
    const text = await Deno.readTextFile(`${this.folder}/log`).catch(() => "");
    return text.split("\n").filter((line) => line !== "");
  }

  /** Sends messages, each on the connection of its name; what was answered. */
  async say(lines: readonly string[], socket = this.socket): Promise<readonly string[]> {
    const { code, out, err } = await run(["perl", "-e", CLIENT, socket], {
      input: `${lines.join("\n")}\n`,
    });
    assert.equal(code, 0, err);
    return out.trimEnd().split("\n");
  }

  /** `ssh-add` and its kin through the relay. */
  client(words: readonly [string, ...string[]], input = "", socket = this.socket): Promise<Ran> {
    return run(words, { input, env: { SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: "never" } });
  }

  /** Ids of the processes that were started for this folder, by the program's name. */
  async processes(): Promise<readonly { readonly pid: number; readonly args: string }[]> {
    const { out } = await run(["ps", "-eo", "pid=,args="]);
    return out.split("\n").filter((line) => line.includes(this.folder)).map((line) => {
      const [, pid = "0", args = ""] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
      return { pid: Number(pid), args };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of await this.processes()) {
      try {
        Deno.kill(pid, "SIGTERM");
      } catch {
        // It ended with another one.
      }
    }
    for (const child of this.#children) {
      await child.status;
      await child.stdout.cancel().catch(() => {});
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}
