import type { Attempt } from "../../../lib/isolation/attempt.ts";
import type { ConfigFile } from "../../../lib/egress/proxy.ts";
import { docker, eventually } from "../engine.ts";
import type { AttackedBottle } from "./bottles.ts";
import { type Result, type Scene, tryAll } from "./try.ts";

/** How a sidecar is brought into a state, and out of it again where that is possible. */
interface Breaking {
  readonly break: (bottle: AttackedBottle) => Promise<unknown>;
  readonly mend?: (bottle: AttackedBottle) => Promise<unknown>;
}

/** By the ids of the attempts; in this order, since what is killed stays so. */
const BREAKINGS: Readonly<Record<string, Breaking>> = {
  "closed-paused": {
    break: ({ ids }) => docker("pause", ids.sidecar),
    mend: ({ ids }) => docker("unpause", ids.sidecar),
  },
  "closed-detached": {
    break: ({ ids }) => docker("network", "disconnect", ids.internal, ids.sidecar),
    mend: ({ ids, plan }) =>
      docker("network", "connect", "--ip", plan.expected.sidecarAddress, ids.internal, ids.sidecar),
  },
  "closed-misconfigured": {
    break: (bottle) => configure(bottle, () => "http_access allow everybody\n{ mode: anything ]\n"),
    mend: (bottle) => configure(bottle, ({ text }) => text),
  },
  "closed-out-of-memory": { break: exhaust },
  "closed-killed": {
    break: async ({ ids }) => {
      // It was ended by what was done to it before.
      await docker("update", "--memory", "256m", "--memory-swap", "256m", ids.sidecar);
      await docker("start", ids.sidecar);
      await docker("kill", ids.sidecar);
    },
  },
};

/** Makes each attempt while the sidecar is as its id says. What is tried is looked at before the sidecar is mended. */
export async function tryWithout(
  attempts: readonly Attempt[],
  { within, records }: Scene & { readonly within: AttackedBottle },
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const [id, breaking] of Object.entries(BREAKINGS)) {
    const tried = attempts.filter((attempt) => attempt.id === id);
    if (tried.length === 0) continue;
    await breaking.break(within);
    results.push(...await tryAll(tried, { within, records }));
    await breaking.mend?.(within);
  }
  return results;
}

/** Replaces every file of its configuration, and has it read them. */
async function configure(
  { ids, plan }: AttackedBottle,
  textOf: (file: ConfigFile) => string,
): Promise<void> {
  const files = plan.expected.sidecarProgram.files.filter(({ path }) => /\.(conf|json|ya?ml)$/.test(path));
  if (files.length === 0) throw new Error("The sidecar has no configuration");
  const folder = await Deno.makeTempDir();
  try {
    for (const file of files) {
      const copy = `${folder}/${file.path}`;
      await Deno.writeTextFile(copy, textOf(file));
      await docker("cp", copy, `${ids.sidecar}:/config/${file.path}`);
    }
    await docker("kill", "--signal", "HUP", ids.sidecar);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Begins again with less memory than it needs, and is asked for all that it has, until the kernel ends it. */
async function exhaust({ ids, plan }: AttackedBottle): Promise<void> {
  await docker("stop", "--time", "1", ids.sidecar);
  let mebibytes = 6;
  const begin = async (): Promise<void> => {
    const memory = `${mebibytes++}m`;
    await docker("update", "--memory", memory, "--memory-swap", memory, ids.sidecar);
    await docker("start", ids.sidecar).catch(() => "");
  };
  await begin();
  const flood = FLOOD.replace("SIDECAR", plan.expected.sidecarAddress);
  await eventually("the sidecar ran out of memory", async () => {
    const state = await docker("inspect", "--format", "{{.State.OOMKilled}} {{.State.Running}}", ids.sidecar);
    if (state === "true false") return state;
    // It gave up by itself, or could not even begin in so little.
    if (state === "false false") await begin();
    await docker("exec", ids.agent, "perl", "-MIO::Socket::INET", "-e", flood).catch(() => "");
    return undefined;
  }, 90_000);
}

/** Beginnings of requests that never end, each of which has to be kept. A sidecar that is gone answers none of them. */
const FLOOD = `
  alarm 8;
  my @open = map { IO::Socket::INET->new(PeerAddr => "SIDECAR:8888", Timeout => 1) // () } 1 .. 200;
  for my $socket (@open) { $socket->blocking(0); syswrite $socket, "GET / HTTP/1.1\\r\\nX: " . "x" x 30000 }
  sleep 2`;
