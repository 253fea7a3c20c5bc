import type { Workbench } from "./engine.ts";

/** Where an agent of a crowd listens. */
export const LISTENER_PORT = 7777;

/** An agent that listens until it is told to end, and ends with the code that is its last word. */
export const LISTENING_AGENT: readonly string[] = [
  "perl",
  "-MIO::Socket::INET",
  "-e",
  `my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => ${LISTENER_PORT}, Listen => 64, ReuseAddr => 1) or die "$!";
   syswrite(STDOUT, "listening\\n");
   while (1) {
     my $client = $server->accept or next;
     exit $ARGV[0] if (readline($client) // '') eq "end\\n";
   }`,
];

/** Tries each address of a line of them, then waits for the next line; at their end it ends the bottle's agent. */
const PROBER = `
$| = 1;
sub reached { return IO::Socket::INET->new(PeerAddr => $_[0], Timeout => 1) }
while (my $line = <STDIN>) {
  for my $target (split ' ', $line) { print $target, reached($target) ? " reached\\n" : " $!\\n" }
  print "done\\n";
}
my $agent = reached('127.0.0.1:${LISTENER_PORT}') or die "$!";
print $agent "end\\n";
`;

/** How an attempt to connect ended: `reached`, or the system's reason. */
export interface Report {
  readonly target: string;
  readonly said: string;
}

/** A process in a bottle that tries to connect, as the bottle's agent would. */
export class Prober {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(container: string, user: string) {
    this.#child = new Deno.Command("docker", {
      args: ["exec", "--interactive", "--user", user, container, "perl", "-MIO::Socket::INET", "-e", PROBER],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Tries each target, `ADDRESS:PORT`, one after the other. */
  async probe(targets: readonly string[]): Promise<readonly Report[]> {
    await this.#input.write(new TextEncoder().encode(`${targets.join(" ")}\n`));
    const end = "done\n";
    while (!this.#rest.includes(end)) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`The prober ended early: ${this.#rest}`);
      this.#rest += value;
    }
    const lines = this.#rest.slice(0, this.#rest.indexOf(end)).trim().split("\n");
    this.#rest = this.#rest.slice(this.#rest.indexOf(end) + end.length);
    return lines.map((line) => {
      const [target = "", said = ""] = line.split(/ (.*)/s);
      return { target, said };
    });
  }

  /** Ends the bottle's agent and itself. */
  async end(): Promise<void> {
    await this.#input.close();
    while (!(await this.#lines.read()).done);
    await this.#child.status;
  }
}

/** How a start of a crowd ended. */
export interface CrowdEnding {
  readonly code: number;
  readonly stderr: string;
}

/** Starts of one agent, all at once; the n-th of them is to end with the code n. */
export class Crowd implements AsyncDisposable {
  readonly #members: readonly Member[];

  constructor(bench: Workbench, { count, args, env }: {
    readonly count: number;
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  }) {
    this.#members = Array.from(
      { length: count },
      (_, index) => memberOf(bench.launch([...args, "--", String(index + 1)], env)),
    );
  }

  /** Waits until every agent listens. @throws Error with what was said instead */
  async listening(): Promise<void> {
    await Promise.all(this.#members.map(({ listening }) => listening));
  }

  /** Waits until all have ended, in the order in which they began. */
  ended(): Promise<readonly CrowdEnding[]> {
    return Promise.all(this.#members.map(({ ended }) => ended));
  }

  /** Ends what a failed test left running: each removes its own bottle. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#members) {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended.
      }
    }
    await this.ended();
  }
}

/** No start of a crowd takes longer. */
const DEADLINE_MS = 480_000;

interface Member {
  readonly child: Deno.ChildProcess;
  readonly listening: Promise<void>;
  readonly ended: Promise<CrowdEnding>;
}

function memberOf(child: Deno.ChildProcess): Member {
  const stderr = new Response(child.stderr).text();
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  // Whoever waits for it is told; a test that failed before does not wait.
  listening.catch(() => {});
  const deadline = setTimeout(() => child.kill("SIGTERM"), DEADLINE_MS);
  const ended = (async (): Promise<CrowdEnding> => {
    let stdout = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      stdout += text;
      if (stdout.includes("listening\n")) resolve();
    }
    const { code } = await child.status;
    clearTimeout(deadline);
    const ending = { code, stderr: await stderr };
    reject(new Error(`A start ended with ${code} before its agent listened:\n${ending.stderr}`));
    return ending;
  })();
  return { child, listening, ended };
}
