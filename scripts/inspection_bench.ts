/*
 * What it costs that a host is inspected: the same requests to one host directly, through a sidecar that leaves their
 * TLS alone, and through one that opens it and injects a secret. In turns, in one run; the middle and the 95th of 100.
 * Then a gigabyte each way, and the most memory that the processes of the sidecar ever had.
 *
 *   deno run -P=project --no-prompt scripts/inspection_bench.ts [RUNS]     writes docs/performance.md
 */
import far from "../tests/testdata/engine/bench_host.mjs" with { type: "text" };
import { builtImages, docker, ended, eventually, Workbench } from "../tests/support/engine.ts";
import { closedNetwork } from "../tests/support/recorder.ts";

const HOSTS = { untouched: "untouched.test", inspected: "inspected.test" } as const;
const REPORT = new URL("../docs/performance.md", import.meta.url);
const LIFETIME_MS = 900_000;

/** A line `WAY WHAT SECONDS` each: a request on a new connection, one more on it, the first event of a stream. */
function requests(ways: Readonly<Record<string, string>>, runs: number): string {
  const ask = `curl -sS -H "Authorization: Bearer $KEY"`;
  const lines = Object.entries(ways).map(([way, host]) => `
    ${ask} -o /dev/null -o /dev/null -w '%{time_total}\\n' https://${host}/small https://${host}/small |
      { read -r first; read -r second; echo "${way} new $first"; echo "${way} more $second"; }
    started=$EPOCHREALTIME
    ${ask} -N https://${host}/events | { read -r _; echo "${way} event $(echo "$EPOCHREALTIME $started" | awk '{print $1 - $2}')"; }`);
  return `set -e; for run in $(seq ${runs}); do ${lines.join("\n")}\ndone`;
}

/** A gigabyte from a host and one to it: lines `WAY down SECONDS`, `WAY up SECONDS`. */
function gigabytes(way: string, host: string): string {
  const ask = `curl -sS -o /dev/null -H "Authorization: Bearer $KEY"`;
  return `set -e; ${ask} -w '${way} down %{time_total}\\n' https://${host}/big
    head -c 1073741824 /dev/zero | ${ask} -w '${way} up %{time_total}\\n' -T - https://${host}/small`;
}

type Times = Map<string, number[]>;

function collect(times: Times, stdout: string): void {
  for (const [, key = "", seconds = ""] of stdout.matchAll(/^(\S+ \S+) ([0-9.e-]+)$/gm)) {
    times.set(key, [...times.get(key) ?? [], Number(seconds)]);
  }
}

/** MiB that a container has as the engine accounts for it, without what its files have cached. */
async function memoryOf(container: string): Promise<number> {
  const text = await docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container);
  const [, amount = "", unit = ""] = /^([0-9.]+)([KMG])iB/.exec(text) ?? [];
  return Number(amount) * ({ K: 1 / 1024, M: 1, G: 1024 }[unit] ?? NaN);
}

/** The most that it had while `work` went on. */
async function mostMemory(container: string, work: Promise<unknown>): Promise<number> {
  let [most, isDone] = [await memoryOf(container), false];
  const end = work.finally(() => isDone = true);
  while (!isDone) most = Math.max(most, await memoryOf(container));
  await end;
  return most;
}

/** The host, its network and its authority; all gone with the stack. */
async function farHost(
  image: string,
  stack: AsyncDisposableStack,
): Promise<{ readonly network: string; readonly caPem: string }> {
  const network = stack.use(await closedNetwork("10.212.78"));
  const settings = JSON.stringify({ names: Object.values(HOSTS), lifetimeMs: LIFETIME_MS });
  const id = await docker(
    ...["run", "--detach", "--label", "claude-bottle-test=bench", "--network", network.name],
    ...Object.values(HOSTS).flatMap((name) => ["--network-alias", name]),
    ...["--ip", network.address(2), "--user", "0:0", "--env", `BENCH_HOST=${settings}`],
    ...["--entrypoint", "node", image, "--input-type=module", "--eval", far],
  );
  stack.defer(async () => {
    await docker("rm", "--force", "--volumes", id);
  });
  const line = await eventually("the host listens", async () => {
    return (await docker("logs", id)).split("\n").find((text) => text.startsWith("{"));
  });
  return { network: network.name, caPem: JSON.parse(line).caPem };
}

async function measure(runs: number): Promise<{ readonly times: Times; readonly memory: Times }> {
  const { agent: image } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const { network, caPem } = await farHost(image, stack);
  const bench = stack.use(await Workbench.create());
  const inject = { env: "KEY", secret: "${BENCH_KEY}", as: "bearer" };
  const allow = ["GET /*", "PUT /*"];
  await bench.manifest({
    bottle: {
      runtime: "runc",
      egress: {
        ...{ proxy: "squid", defaults: false, networks: [network], private: Object.values(HOSTS) },
        allowlist: [HOSTS.untouched, { host: HOSTS.inspected, allow, inject }],
      },
      image: { ca: await bench.file("ca.pem", caPem) },
    },
  });
  const left = await bench.start(["--detach"]);
  if (left.code !== 0) throw new Error(left.stderr);
  stack.defer(async () => {
    await ended(bench.spawn(["stop", bench.agent]));
  });
  const inside = async (script: string): Promise<string> => {
    const words = ["exec", bench.agent, "--manifest", bench.manifestFile, "--secrets", "--", "bash", "-c"];
    const { code, stdout, stderr } = await ended(
      bench.spawn([...words, script], { BENCH_KEY: `key-${crypto.randomUUID()}` }),
    );
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  const direct = async (script: string): Promise<string> =>
    await docker(
      ...["run", "--rm", "--network", network, "--env", `CA=${caPem}`, "--env", "KEY=direct"],
      ...["--env", "CURL_CA_BUNDLE=/tmp/ca.pem", "--entrypoint", "bash", image],
      ...["-c", `printf %s "$CA" > /tmp/ca.pem; ${script}`],
    );
  const [times, memory]: [Times, Times] = [new Map(), new Map()];
  const rounds = 4;
  for (let round = 0; round < rounds; round++) {
    collect(times, await direct(requests({ direct: HOSTS.untouched }, runs / rounds)));
    collect(times, await inside(requests(HOSTS, runs / rounds)));
  }
  collect(times, await direct(gigabytes("direct", HOSTS.untouched)));
  const agent = ["--filter", `label=claude-bottle.agent=${bench.agent}`];
  const sidecar = await docker("ps", "--quiet", ...agent, "--filter", "label=claude-bottle.role=sidecar");
  memory.set("before", [await memoryOf(sidecar)]);
  for (const [way, host] of Object.entries(HOSTS)) {
    const work = inside(gigabytes(way, host)).then((stdout) => collect(times, stdout));
    memory.set(way, [await mostMemory(sidecar, work)]);
  }
  return { times, memory };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

function report(
  runs: number,
  { times, memory }: { readonly times: Times; readonly memory: Times },
): string {
  const ways = ["direct", "untouched", "inspected"];
  const ms = (key: string): string => {
    const values = times.get(key) ?? [];
    return `${(quantile(values, 0.5) * 1000).toFixed(1)} / ${(quantile(values, 0.95) * 1000).toFixed(1)}`;
  };
  const speed = (key: string): string => (1024 / quantile(times.get(key) ?? [], 0.5)).toFixed(0);
  const mib = (way: string): string => way === "direct" ? "" : (memory.get(way)?.[0] ?? NaN).toFixed(0);
  const row = (title: string, cell: (way: string) => string): string =>
    `| ${[title, ...ways.map(cell)].join(" | ")} |`;
  return [
    "# Performance",
    "",
    "What an inspected host costs, measured by `scripts/inspection_bench.ts` with a host on the same machine: directly,",
    "through the sidecar with its TLS untouched, and inspected with an injected secret. Times are milliseconds, the",
    `middle one and the 95th of a hundred, of ${runs} each, in turns in one run`,
    `on ${navigator.hardwareConcurrency} cores that far host, sidecar and bottle share.`,
    "",
    row("", (way) => way),
    row("---", () => "---:"),
    row("request on a new connection", (way) => ms(`${way} new`)),
    row("one more on the same connection", (way) => ms(`${way} more`)),
    row("first event of a stream, a process and a new connection", (way) => ms(`${way} event`)),
    row("1 GiB down, MiB/s", (way) => speed(`${way} down`)),
    row("1 GiB up, MiB/s", (way) => speed(`${way} up`)),
    row("most memory of the sidecar meanwhile, MiB", mib),
    "",
    `Each gigabyte went through once. Before them the sidecar had ${
      (memory.get("before")?.[0] ?? NaN).toFixed(0)
    } MiB.`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const runs = Number(Deno.args[0] ?? 100);
  const text = report(runs, await measure(runs));
  await Deno.writeTextFile(REPORT, text);
  await Deno.stdout.write(new TextEncoder().encode(text));
}
