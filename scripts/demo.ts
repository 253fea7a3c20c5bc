import { join } from "node:path";
import type { EgressEvent } from "../lib/egress/proxy.ts";
import { DockerBottleBackend } from "../lib/backend/docker/backend.ts";
import { LABEL } from "../lib/backend/docker/labels.ts";
import { resolveEnv } from "../lib/bottle/env.ts";
import { extraAuthorities } from "../lib/commands/authorities.ts";
import { bottleSpec } from "../lib/commands/spec.ts";
import { EXIT, Failure } from "../lib/errors.ts";
import { denoHost, endBySignal } from "../lib/host/deno.ts";
import type { Host } from "../lib/host/host.ts";
import type { Outcome } from "../lib/host/processes.ts";
import { Interrupted } from "../lib/host/interrupts.ts";
import { loadManifest } from "../lib/manifest/load.ts";
import { Reporter } from "../lib/ui/reporter.ts";
import { painter } from "../lib/ui/style.ts";
import { credentialFingerprint, type ScriptedApi, startScriptedApi } from "./scripted_api.ts";

/*
 * Shows the main job with nothing pretended: real Claude Code in a bottle answers through the sidecar, from the
 * real API when CLAUDE_BOTTLE_OAUTH_TOKEN is set, else from a scripted one over TLS in a container of its own.
 */

const API_HOST = "api.demo.test";
const UNLISTED_HOST = "unlisted.demo.test";
const SCRIPTED_PROMPT = `run: curl --silent --show-error --max-time 20 https://${UNLISTED_HOST}/ || true; ` +
  `echo "and $(id -un) has $(grep CapEff /proc/self/status | tr -s '\\t' ' ')"`;
const REAL_PROMPT = "Say hello from inside the bottle in one short sentence.";

/** What came of it; `problems` is empty when everything was as promised. */
interface Shown {
  readonly answer: string;
  readonly events: readonly EgressEvent[];
  readonly requests: readonly string[];
  readonly problems: readonly string[];
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function row(label: string, text: string): void {
  const [first = "", ...rest] = text.trimEnd().split("\n");
  say(`${label.padEnd(10)} ${first}`);
  for (const line of rest) say(`${" ".repeat(10)} ${line}`);
}

/** A host whose agent output is kept instead of shown, and that has the demo's token. */
function demoHost(
  real: Host,
  options: { readonly token: string | undefined; readonly output: string[] },
): Host {
  return {
    ...real,
    environment: {
      get: (name) => name === "CLAUDE_BOTTLE_OAUTH_TOKEN" ? options.token : real.environment.get(name),
    },
    processes: {
      ...real.processes,
      async attach(call, attachOptions): Promise<Outcome> {
        const outcome = await real.processes.run(call, attachOptions ?? {});
        options.output.push(outcome.stdout);
        real.terminal.err(outcome.stderr);
        return outcome;
      },
    },
  };
}

function scriptedManifest(api: ScriptedApi, caFile: string): string {
  return JSON.stringify({
    bottles: {
      demo: {
        env: { ANTHROPIC_BASE_URL: `https://${API_HOST}` },
        egress: {
          defaults: false,
          allowlist: [API_HOST],
          private: [API_HOST],
          networks: [api.network],
          proxy: "squid",
        },
        image: { ca: caFile },
      },
    },
    agents: { "demo-agent": { bottle: "demo" } },
  });
}

/** One launch from manifest to teardown; the objects it leaves are counted afterwards. */
async function launch(
  host: Host,
  options: {
    readonly manifestFile?: string;
    readonly agent: string;
    readonly prompt: string;
    readonly backend: DockerBottleBackend;
  },
): Promise<{ readonly code: number; readonly events: readonly EgressEvent[]; readonly runId: string }> {
  const { signal } = host.interrupts;
  const manifest = await loadManifest({
    files: host.files,
    environment: host.environment,
    cwd: host.cwd,
    uid: host.uid,
    ...(options.manifestFile === undefined ? {} : { manifestFile: options.manifestFile }),
  });
  const spec = await bottleSpec(manifest, {
    agent: options.agent,
    args: [],
    prompt: options.prompt,
    remoteControl: false,
    proxy: "squid",
    runtime: undefined,
    host,
  });
  const plan = await options.backend.prepare(spec, signal);
  const env = await resolveEnv(spec.env, {
    environment: host.environment,
    ask: () => Promise.resolve(undefined),
  });
  row("bottle", `${plan.containerName}, ${plan.runtime}, ${spec.proxy.name}: ${spec.egressSummary}`);
  await using bottle = await options.backend.launch(plan, { signal, env, onEvent: () => {} });
  const { code } = await bottle.attach();
  return { code, events: await bottle.egressEvents(), runId: plan.runId };
}

async function objectsLeft(runId: string): Promise<number> {
  const filter = ["--filter", `label=${LABEL.run}=${runId}`];
  const listings = [["ps", "--all", "--quiet"], ["network", "ls", "--quiet"], ["volume", "ls", "--quiet"]];
  const counts = await Promise.all(listings.map(async (listing) => {
    const { success, stdout } = await new Deno.Command("docker", { args: [...listing, ...filter] }).output();
    if (!success) throw new Error(`docker ${listing.join(" ")} failed`);
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").length;
  }));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function withScriptedApi(
  real: Host,
  backend: (host: Host) => DockerBottleBackend,
  image: string,
): Promise<Shown> {
  const folder = await Deno.makeTempDir({ prefix: "claude-bottle-demo-" });
  try {
    await using api = await startScriptedApi({ image, host: API_HOST, signal: real.interrupts.signal });
    row("API", `a scripted Messages API over TLS at https://${API_HOST}, in a network of its own`);
    const caFile = join(folder, "ca.pem");
    const manifestFile = join(folder, "claude-bottle.json");
    await Deno.writeTextFile(caFile, api.caPem);
    await Deno.writeTextFile(manifestFile, scriptedManifest(api, caFile));
    const token = `demo-${crypto.randomUUID()}`;
    const output: string[] = [];
    const host = demoHost(real, { token, output });
    row("asked", SCRIPTED_PROMPT);
    const { code, events, runId } = await launch(host, {
      manifestFile,
      agent: "demo-agent",
      prompt: SCRIPTED_PROMPT,
      backend: backend(host),
    });
    const requests = await api.requests();
    const answer = output.join("");
    const fingerprint = await credentialFingerprint(token);
    const messages = requests.filter(({ path }) => path.startsWith("/v1/messages"));
    return {
      answer,
      events,
      requests: requests.map(({ method, path }) => `${method} ${path}`),
      problems: problemsOf([
        ["Claude Code exits with 0", code === 0],
        ["the refused host is in the answer", /403|not (in|on)|refused/i.test(answer)],
        ["the agent has no capabilities", /CapEff: 0000000000000000/.test(answer)],
        [
          "the API was asked with the token",
          messages.some(({ authorization }) => authorization === fingerprint),
        ],
        ["the sidecar let the API through", sawVerdict(events, { host: API_HOST, verdict: "allowed" })],
        [
          "the sidecar refused the other host",
          sawVerdict(events, { host: UNLISTED_HOST, verdict: "refused" }),
        ],
        ["nothing is left", await objectsLeft(runId) === 0],
      ]),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function withRealApi(
  real: Host,
  backend: (host: Host) => DockerBottleBackend,
  token: string,
): Promise<Shown> {
  const output: string[] = [];
  const host = demoHost(real, { token, output });
  row("API", "the real one, with CLAUDE_BOTTLE_OAUTH_TOKEN");
  row("asked", REAL_PROMPT);
  const { code, events, runId } = await launch(host, {
    agent: "claude",
    prompt: REAL_PROMPT,
    backend: backend(host),
  });
  const answer = output.join("");
  return {
    answer,
    events,
    requests: [],
    problems: problemsOf([
      ["Claude Code exits with 0", code === 0],
      ["there is an answer", answer.trim() !== ""],
      ["the sidecar let the API through", events.some(({ verdict }) => verdict === "allowed")],
      ["nothing is left", await objectsLeft(runId) === 0],
    ]),
  };
}

function sawVerdict(events: readonly EgressEvent[], wanted: Pick<EgressEvent, "host" | "verdict">): boolean {
  return events.some(({ host, verdict }) => host === wanted.host && verdict === wanted.verdict);
}

function problemsOf(checks: readonly (readonly [string, boolean])[]): readonly string[] {
  return checks.filter(([, holds]) => !holds).map(([what]) => what);
}

function show(shown: Shown, seconds: number): number {
  row("answered", shown.answer);
  const targets = new Set(shown.events.map(({ verdict, host, port }) => `${verdict} ${host}:${port}`));
  row("sidecar", [...targets].join("\n") || "saw nothing");
  if (shown.requests.length > 0) row("API saw", [...new Set(shown.requests)].join("\n"));
  if (shown.problems.length > 0) {
    for (const problem of shown.problems) row("WRONG", `not so: ${problem}`);
    return EXIT.failed;
  }
  row("removed", "both containers, both networks and the volume; nothing of this run is left");
  row("took", `${seconds.toFixed(1)} s`);
  say("");
  say(
    "Next: `claude-bottle start` for your own Claude Code, `claude-bottle start --dry-run` for what it would do",
  );
  return EXIT.done;
}

async function main(): Promise<void> {
  const host = denoHost();
  const { terminal, interrupts } = host;
  const paint = painter({
    choice: "auto",
    isTerminal: terminal.stderrIsTerminal,
    noColor: Deno.env.get("NO_COLOR"),
  });
  const reporter = new Reporter({ terminal, paint, verbose: false, json: false, now: host.now });
  let code: number = EXIT.failed;
  let interrupted: Interrupted | undefined;
  try {
    const backend = (on: Host): DockerBottleBackend =>
      new DockerBottleBackend({ host: on, context: undefined, onEvent: () => {} });
    const images = await backend(host).build({
      signal: interrupts.signal,
      onEvent: reporter.onEvent,
      ca: await extraAuthorities(host, undefined),
      force: false,
    });
    reporter.quiet();
    const started = performance.now();
    const token = Deno.env.get("CLAUDE_BOTTLE_OAUTH_TOKEN");
    const image = images.find(({ role }) => role === "agent")?.id ?? "";
    const shown = token
      ? await withRealApi(host, backend, token)
      : await withScriptedApi(host, backend, image);
    code = show(shown, (performance.now() - started) / 1000);
  } catch (error) {
    if (error instanceof Interrupted) interrupted = error;
    else if (error instanceof Failure) reporter.failure(error);
    else throw error;
  }
  interrupts.release();
  if (interrupted !== undefined) await endBySignal(interrupted.by);
  Deno.exit(code);
}

if (import.meta.main) await main();
