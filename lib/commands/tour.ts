import type { Bottle } from "../bottle/backend.ts";
import type { DemoHosts } from "../bottle/demo_hosts.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import { EXIT, Failure } from "../errors.ts";
import { extraAuthorities } from "./authorities.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import type { StartOptions } from "./start.ts";
import { sweepBeside } from "./sweeping.ts";
import { prepareThrowaway, remaining, type Remains, waiting } from "./throwaway.ts";
import { throwawayHost } from "./throwaway_host.ts";
import { type Attempt, attemptOf, judged, probeArguments, TOUR } from "./tour_attempts.ts";
import { TourReport } from "./tour_report.ts";

/** Those of `start` that the tour has a use for. */
type TourOptions = Pick<StartOptions, "backend" | "context" | "json" | "proxy" | "runtime">;

/** Where the tour's own files seem to be. */
const FOLDER = "/claude-bottle-tour";
const FILE = { manifest: `${FOLDER}/claude-bottle.json`, key: `${FOLDER}/key`, ca: `${FOLDER}/ca.pem` };

/** What Claude Code is asked: the scripted API has it run a command, whose output is then its answer. */
const PROMPT = 'run: echo "Hello from a bottle: I am $(id -un), with capabilities ' +
  "$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)\"";

/**
 * `start demo`: shows, inside a real bottle, what is granted and what is refused. Needs neither account nor manifest.
 *
 * @returns 0 when every attempt came out as promised, else 1. @throws Failure, Interrupted
 */
export async function tour(options: StartOptions, ports: CommandPorts): Promise<number> {
  requireNothingElse(options);
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const { onEvent } = reporter;
  const started = host.now();
  const backend = await loadBackend(ports, options);
  await using _sweeping = sweepBeside(backend, ports);
  const ca = await extraAuthorities(host, undefined);
  // The hosts are made from the agent's image.
  await backend.build({ signal, onEvent, ca, force: false });
  const report = new TourReport({ terminal: host.terminal, paint: ports.paint, json: options.json });
  const after = await (async (): Promise<Remains & { readonly names: readonly string[] }> => {
    const demo = { names: Object.values(TOUR.hosts), ports: [443, TOUR.otherPort], ca, signal, onEvent };
    await using hosts = await waiting(reporter)(
      "starting the demo's hosts",
      () => backend.openDemoHosts(demo),
    );
    const { runId, name } = await inBottle(hosts, { options, ports, report });
    return { runs: [runId], names: [name, ...hosts.objects], networks: [hosts.network] };
  })();
  report.end({
    left: await remaining(backend, { after, signal }),
    removed: after.names,
    seconds: (host.now() - started) / 1000,
  });
  return report.wrong === 0 ? EXIT.done : EXIT.failed;
}

/** What a launch of one's own is told would be ignored. @throws Failure `usage` */
function requireNothingElse(options: StartOptions): void {
  const given = [
    ...(options.dryRun ? ["--dry-run"] : []),
    ...(options.format === undefined ? [] : ["--format"]),
    ...(options.prompt === undefined ? [] : ["--prompt"]),
    ...(options.remoteControl ? ["--remote-control"] : []),
    ...(options.cwd ? ["--cwd"] : []),
    ...(options.manifest === undefined ? [] : ["--manifest"]),
    ...(options.detach ? ["--detach"] : []),
    ...(options.keep ? ["--keep"] : []),
    ...(options.args.length === 0 ? [] : ["arguments"]),
  ];
  if (given.length === 0) return;
  throw new Failure("usage", `start demo has no use for ${given.join(", ")}`, {
    hints: ["It needs neither account nor manifest: claude-bottle start demo"],
    exit: EXIT.usage,
  });
}

/** Launches the bottle, tries everything, runs Claude Code, removes the bottle. */
async function inBottle(
  hosts: DemoHosts,
  { options, ports, report }: {
    readonly options: TourOptions;
    readonly ports: CommandPorts;
    readonly report: TourReport;
  },
): Promise<{ readonly runId: string; readonly name: string }> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const token = `tour-${Array.from(host.random(16), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const output: string[] = [];
  const within = throwawayHost(host, {
    files: new Map([
      [FILE.manifest, JSON.stringify(manifestOf(hosts))],
      [FILE.key, hosts.clientKey.reveal()],
      [FILE.ca, hosts.caPem],
    ]),
    environment: new Map([["CLAUDE_BOTTLE_OAUTH_TOKEN", token]]),
    onOutput: (text) => output.push(text),
  });
  const { backend, plan, env } = await prepareThrowaway({
    ...{ within, manifestFile: FILE.manifest, agent: TOUR.agent, prompt: PROMPT },
    ...{ proxy: options.proxy ?? "squid", runtime: options.runtime },
    ...{ backend: options.backend, context: options.context },
  }, ports);
  await using bottle = await backend.launch(plan, { signal, env, onEvent: reporter.onEvent });
  reporter.quiet();
  report.begin(plan);
  const shown = waiting(reporter);
  const tried = await shown("trying it from inside", () => attempts(bottle, { hosts, plan }));
  for (const attempt of tried) report.attempt(attempt);
  report.attempt(judged("token", await tokenVerdict(bottle, token)));
  const { code } = await shown("asking Claude Code", () => bottle.attach());
  report.attempt(judged("claude", claudeVerdict(code, output.join(""))));
  return { runId: plan.runId, name: plan.containerName };
}

/** What the tour's bottle is granted. */
function manifestOf(hosts: DemoHosts): unknown {
  const { api, git } = TOUR.hosts;
  return {
    bottles: {
      [TOUR.agent]: {
        env: { ANTHROPIC_BASE_URL: `https://${api}` },
        ssh: [{
          Host: TOUR.sshHost,
          Hostname: git,
          User: hosts.user,
          IdentityFile: FILE.key,
          KnownHostKey: hosts.hostKey,
        }],
        egress: { defaults: false, allowlist: [api], private: [api, git], networks: [hosts.network] },
        image: { ca: FILE.ca },
      },
    },
    agents: { [TOUR.agent]: { bottle: TOUR.agent } },
  };
}

/** Everything that is tried from inside, with what the sidecar says of it. */
async function attempts(
  bottle: Bottle,
  { hosts, plan }: { readonly hosts: DemoHosts; readonly plan: BottlePlan },
): Promise<readonly Attempt[]> {
  const { stdout, stderr } = await bottle.capture([...hosts.probe, ...probeArguments(hosts)]);
  const events = await bottle.egressEvents();
  const context = { hosts, proxy: plan.spec.proxy.name, events };
  return TOUR.probed.map((id) => attemptOf(id, { said: stdout, complaint: stderr, ...context }));
}

/** Whether the token stands in what the engine tells everybody who may ask it. */
async function tokenVerdict(
  bottle: Bottle,
  token: string,
): Promise<{ readonly verdict: "reached" | "refused"; readonly cameBack: string }> {
  const inspection = await bottle.inspection();
  const kib = (inspection.length / 1024).toFixed(0);
  return inspection.includes(token)
    ? { verdict: "reached", cameBack: "the token stands in it" }
    : { verdict: "refused", cameBack: `not in its ${kib} KiB` };
}

function claudeVerdict(
  code: number,
  output: string,
): { readonly verdict: "reached" | "refused"; readonly cameBack: string } {
  const answer = output.trim();
  return code === 0 && answer.startsWith("Hello from a bottle")
    ? { verdict: "reached", cameBack: answer }
    : { verdict: "refused", cameBack: answer === "" ? `ended with ${code}` : answer };
}
