import type { Bottle } from "../bottle/backend.ts";
import type { Canary } from "../bottle/canary.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import { EXIT } from "../errors.ts";
import { type ProtectionFinding, protectionFindings } from "../isolation/findings.ts";
import type { Result } from "../isolation/judge.ts";
import { PROBED, PROBED_CLOSED, PROBED_CONTROLS, PROBED_OUTSIDE } from "../isolation/probed.ts";
import { tryAll } from "../isolation/trials.ts";
import type { ProxyName, RuntimeChoice } from "../manifest/model.ts";
import { extraAuthorities } from "./authorities.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import type { DoctorOptions } from "./doctor.ts";
import {
  CANARY_NAMES,
  CANARY_PORTS,
  PROBE_AGENT,
  PROBE_MANIFEST,
  probeManifest,
  probeWorld,
} from "./doctor_probe_bottle.ts";
import { type Control, reportProbe } from "./doctor_probe_report.ts";
import { grantedManifest, shownManifest } from "./manifest_choice.ts";
import { proxyDefault } from "./proxy_choice.ts";
import { prepareThrowaway, remaining, type Remains, waiting } from "./throwaway.ts";
import { throwawayHost } from "./throwaway_host.ts";

/**
 * `doctor --probe`: attacks a bottle that is there for it alone, on the user's own engine, and tells which
 * protections held. What is tried goes to a host of its own and to the engine's host, nowhere else.
 *
 * @returns 1 when one did not hold, a control failed or something is left. @throws Failure, Interrupted
 */
export async function doctorProbe(options: DoctorOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const { onEvent } = reporter;
  const started = host.now();
  const choice = await bottleChoice(options, ports);
  const backend = await loadBackend(ports, options);
  const shown = waiting(reporter);
  const engine = await shown("asking the engine what it is", () => backend.identify({ signal }));
  // The canary is made from the agent's image.
  await backend.build({ signal, onEvent, ca: await extraAuthorities(host, undefined), force: false });
  const { remains, ...found } = await (async (): Promise<Probe> => {
    const asked = { ...CANARY_NAMES, ...CANARY_PORTS, signal, onEvent };
    await using canary = await shown("starting the canary", () => backend.openCanary(asked));
    return await probeIn(canary, { options: { ...options, ...choice }, ports });
  })();
  const left = await remaining(backend, { after: remains, signal });
  const seconds = (host.now() - started) / 1000;
  reportProbe({ ...found, engine, left, seconds }, { json: options.json, ports });
  const isOpen = found.findings.some(({ status }) => status === "not held");
  const isRight = !isOpen && found.doubt === undefined && left.length === 0;
  return isRight ? EXIT.done : EXIT.failed;
}

interface Probe {
  readonly plan: BottlePlan;
  readonly controls: readonly Control[];
  readonly findings: readonly ProtectionFinding[];
  /** Why what was stopped proves nothing. */
  readonly doubt: string | undefined;
  readonly remains: Remains;
}

/** What `start` would take here: of the manifest's bottles where they agree. @throws Failure */
async function bottleChoice(
  { proxy, runtime, manifest: file, json }: DoctorOptions,
  { host, reporter }: Pick<CommandPorts, "host" | "reporter">,
): Promise<{ readonly proxy: ProxyName | undefined; readonly runtime: RuntimeChoice | undefined }> {
  if (proxy !== undefined && runtime !== undefined) return { proxy, runtime };
  const shown = await shownManifest(host, file);
  const manifest = await grantedManifest({ host, reporter }, {
    manifest: shown,
    agent: undefined,
    mayAsk: !json,
  });
  const bottles = [...manifest.agents.values()].map(({ bottle }) => manifest.bottles.get(bottle));
  const usual = proxyDefault(host.environment.get("CLAUDE_BOTTLE_PROXY"));
  const proxies = bottles.map((bottle) => bottle?.egress.proxy ?? usual ?? "pipelock");
  const runtimes = bottles.map((bottle) => bottle?.runtime);
  if (!json) {
    if (proxy === undefined && !agree(proxies)) reporter.info(differing("proxy"));
    if (runtime === undefined && !agree(runtimes)) reporter.info(differing("runtime"));
  }
  return {
    proxy: proxy ?? (agree(proxies) ? proxies[0] : undefined) ?? usual,
    runtime: runtime ?? (agree(runtimes) ? runtimes[0] : undefined),
  };
}

function agree(values: readonly unknown[]): boolean {
  return values.every((value) => value === values[0]);
}

function differing(flag: "proxy" | "runtime"): string {
  return `the manifest's bottles differ in their ${flag}: one is attacked, and --${flag} names it`;
}

interface Setting {
  readonly options: DoctorOptions;
  readonly ports: CommandPorts;
}

/** Launches the bottle, makes every attempt, removes the bottle. */
async function probeIn(canary: Canary, { options, ports }: Setting): Promise<Probe> {
  const { host, reporter } = ports;
  const { proxy, runtime, backend: name, context } = options;
  const within = throwawayHost(host, {
    files: new Map([[PROBE_MANIFEST, JSON.stringify(probeManifest(canary))]]),
    environment: new Map(),
    onOutput: () => {},
  });
  const { backend, plan, env } = await prepareThrowaway({
    ...{ within, manifestFile: PROBE_MANIFEST, agent: PROBE_AGENT, prompt: undefined },
    ...{ proxy, runtime, backend: name, context },
    adjust: (spec) => ({ ...spec, ssh: [] }),
  }, ports);
  const { signal } = host.interrupts;
  await using bottle = await backend.launch(plan, { signal, env, onEvent: reporter.onEvent });
  await bottle.ready();
  reporter.quiet();
  const attacked = await attack(bottle, { canary, plan, ports });
  return { ...attacked, plan, remains: { runs: [plan.runId], networks: canary.networks } };
}

/** Everything that is tried, and what is granted, in the same moment; then again without the sidecar. */
async function attack(
  bottle: Bottle,
  { canary, plan, ports }: {
    readonly canary: Canary;
    readonly plan: BottlePlan;
    readonly ports: CommandPorts;
  },
): Promise<Pick<Probe, "controls" | "doubt" | "findings">> {
  const { host, reporter } = ports;
  const shown = waiting(reporter);
  const scene = {
    world: probeWorld(canary, bottle.addresses),
    records: () => canary.records(),
    random: (bytes: number) => host.random(bytes),
  };
  const inside = { ...scene, probe: (words: readonly string[]) => bottle.probe(words) };
  const outside = { ...scene, probe: (words: readonly string[]) => canary.probe(words) };
  const [within, beside] = await shown("attacking the bottle from inside", () =>
    Promise.all([
      tryAll([...PROBED, ...PROBED_CONTROLS], inside),
      tryAll(PROBED_OUTSIDE, outside),
    ]));
  const closed = await shown("attacking it without its sidecar", async () => {
    await bottle.killSidecar();
    return await tryAll(PROBED_CLOSED, inside);
  });
  const results = [...within, ...beside, ...closed];
  const controls = PROBED_CONTROLS.map(({ id, title }) => controlOf({ id, title }, results));
  const doubt = doubtOf(controls, results);
  return {
    controls,
    doubt,
    findings: protectionFindings({
      attempts: [...PROBED, ...PROBED_OUTSIDE, ...PROBED_CLOSED],
      results,
      proxy: plan.spec.proxy.name,
      doubt,
    }),
  };
}

function controlOf(
  { id, title }: Pick<Control, "id" | "title">,
  results: readonly Result[],
): Control {
  const result = results.find((one) => one.id === id);
  return { id, title, passed: result?.verdict === "through", said: result?.said ?? "" };
}

/** Nothing when all that is granted got through, and all that was tried is known of. */
function doubtOf(controls: readonly Control[], results: readonly Result[]): string | undefined {
  if (controls.some(({ passed }) => !passed)) return "what is granted did not get through either";
  const unknown = results.filter(({ verdict }) => verdict === "unknown").length;
  return unknown === 0 ? undefined : `nothing is known of ${unknown} of the attempts`;
}
