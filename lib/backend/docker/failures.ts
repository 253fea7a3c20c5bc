import { EXIT, Failure, printable } from "../../errors.ts";

/** What the engine's client said, put into words a user can act on. */
interface Known {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: (said: string) => string;
  readonly hints: readonly string[];
}

/** Messages of docker CLI 20.10–28 and engine 20.10–28; the first that matches counts. */
const KNOWN: readonly Known[] = [
  {
    // Said by our own program in the bottle.
    pattern: /^claude-bottle: the ssh keys cannot be used: /,
    code: "ssh-keys-failed",
    message: (said) => said.replace("claude-bottle: the", "The"),
    hints: ["`ssh-keygen -y -f FILE` tells whether a key is whole; `-v` shows each call"],
  },
  {
    // Said by our own program in the bottle, as the next one is.
    pattern: /^claude-bottle: the host key of /,
    code: "host-key-unlearned",
    message: (said) => said.replace("claude-bottle: the", "The"),
    hints: ["Check the entry's Hostname and Port, or write the host's key as its KnownHostKey"],
  },
  {
    // Said by our own program in the sidecar.
    pattern: /^claude-bottle sidecar: /,
    code: "sidecar-unopened",
    message: (said) => said.replace("claude-bottle sidecar:", "The sidecar cannot be given its secrets:"),
    hints: ["`claude-bottle build --force` makes its image anew"],
  },
  {
    pattern: /^claude-bottle: the sidecar's authority cannot be trusted: /,
    code: "authority-untrusted",
    message: (said) => said.replace("claude-bottle: the", "The"),
    hints: [
      "Root must be able to write the certificates of the bottle's image; `claude-bottle build` makes one",
    ],
  },
  {
    pattern: /^claude-bottle: the sidecar did not answer/,
    code: "sidecar-ended",
    message: (said) => said.replace("claude-bottle: the", "The"),
    hints: [],
  },
  {
    // Said by the engine, so it answers: what it could not reach is where images come from.
    pattern: /get "https?:\/\/[^"]*\/v2\/|failed to resolve reference|failed to do request/i,
    code: "registry-unreachable",
    message: (said) => `The engine cannot reach the image registry: ${said}`,
    hints: [
      "Check the engine's network and proxy settings",
      "Or name a base image that the engine has with CLAUDE_BOTTLE_BASE_IMAGE",
    ],
  },
  {
    pattern:
      /cannot connect to the docker daemon|is the docker daemon running|error during connect|failed to connect to the docker api/i,
    code: "engine-unreachable",
    message: (said) => `The engine does not answer: ${said}`,
    hints: [
      "Start it, or name another with `--context` or DOCKER_HOST",
      "`docker version` shows the same problem",
    ],
  },
  {
    pattern: /permission denied.*docker.*sock|permission denied.*docker api|dial unix.*permission denied/i,
    code: "engine-forbidden",
    message: (said) => `This user may not use the engine: ${said}`,
    hints: ["Add the user to the `docker` group and log in again, or use a rootless engine"],
  },
  {
    // A path made of a hash, which is all that the client adds, helps nobody.
    pattern: /context "[^"]*"(: context not found| is not found on the file system)/i,
    code: "context-missing",
    message: (said) => `There is no docker context ${/"[^"]*"/.exec(said)?.[0] ?? "of that name"}`,
    hints: ["`docker context ls` lists the contexts"],
  },
  {
    pattern: /context .* (does not exist|not found)|unable to resolve docker endpoint/i,
    code: "context-missing",
    message: (said) => `The docker context cannot be used: ${said}`,
    hints: ["`docker context ls` lists the contexts"],
  },
  {
    pattern: /container name .* is already in use/i,
    code: "name-taken",
    message: (said) => said,
    hints: [],
  },
  {
    pattern: /pool overlaps with other one|overlaps with|conflicts with network/i,
    code: "subnet-taken",
    message: (said) => said,
    hints: ["Name a free range with CLAUDE_BOTTLE_SUBNETS"],
  },
  {
    // Ours have explicit subnets and never come from these.
    pattern: /non-overlapping ipv4 address pool|predefined address pools have been fully subnetted/i,
    code: "pools-exhausted",
    message: (said) => `The engine's own address pools are used up: ${said}`,
    hints: [
      "`docker network prune` removes networks that no container uses; `default-address-pools` in the engine's configuration makes more",
    ],
  },
  {
    pattern: /unknown or invalid runtime name|unknown runtime specified/i,
    code: "runtime-missing",
    message: (said) => `The engine does not have the runtime: ${said}`,
    hints: ["`docker info` lists the runtimes"],
  },
  {
    pattern: /no space left on device/i,
    code: "engine-full",
    message: (said) => `The engine's disk is full: ${said}`,
    hints: ["`docker system df` shows what takes the space"],
  },
  {
    pattern: /no such (container|network|volume|image|object)|network .* not found|no such image/i,
    code: "object-gone",
    message: (said) => `Something of the bottle was removed by somebody else: ${said}`,
    hints: [],
  },
];

/** The part of stderr worth repeating, without the client's own prefixes. */
export function saidBy(stderr: string): string {
  const lines = printable(stderr).split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !/^(See 'docker|Usage:|Run 'docker|errors pretty printing)/.test(line));
  // The engine's own words say more than the client's summary behind them.
  const said = lines.findLast((line) => /error response from daemon/i.test(line)) ?? lines.at(-1) ??
    "it said nothing";
  return said.replace(/^docker: /, "").replace(/^(Error|ERROR)( response from daemon)?: /, "").replace(
    /\.$/,
    "",
  );
}

/**
 * The failure that a client's call ended in. `what` is what was being done, e.g. `creating the internal network`;
 * `sentence` what to call it where the engine's words are not known.
 */
export function engineFailure(
  what: string,
  outcome: { readonly code: number; readonly stderr: string; readonly sentence?: string | undefined },
): Failure {
  const said = saidBy(outcome.stderr);
  // Not all of stderr: a build writes its whole output there, refused connections of its steps included.
  const known = KNOWN.find(({ pattern }) => pattern.test(said));
  if (known !== undefined) {
    return new Failure(known.code, known.message(said), { hints: known.hints, exit: EXIT.beforeAgent });
  }
  return new Failure("engine-failed", `${outcome.sentence ?? `The engine failed at ${what}`}: ${said}`, {
    hints: ["Run again with `-v` to see each call"],
    exit: EXIT.beforeAgent,
  });
}

/** The failure of a call that succeeded and whose answer makes no sense. */
export function unreadableAnswer(what: string): Failure {
  return new Failure("engine-failed", `The engine's answer could not be read at ${what}`, {
    hints: ["Run again with `-v` to see each call"],
    exit: EXIT.beforeAgent,
  });
}
