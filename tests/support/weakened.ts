import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../lib/bottle/backend.ts";
import type { Step, TarFile } from "../../lib/bottle/invocation.ts";
import { bottleSpec } from "../../lib/commands/spec.ts";
import { denoHost } from "../../lib/host/deno.ts";
import type { ProxyName, RuntimeChoice } from "../../lib/manifest/model.ts";
import { loadManifest } from "../../lib/manifest/load.ts";
import type { Workbench } from "./engine.ts";

export interface BottleOptions {
  readonly proxy: ProxyName;
  readonly runtime?: RuntimeChoice;
  /** Takes a protection off, or puts something in: the plan is executed as this leaves it. */
  readonly change?: (plan: DockerBottlePlan) => DockerBottlePlan;
}

/** A bottle of a test's manifest in this process, and the plan it was made from. */
export interface LaunchedBottle extends AsyncDisposable {
  readonly bottle: Bottle;
  readonly plan: DockerBottlePlan;
  /** The stdout of a shell script that is run in it. */
  run(script: string): Promise<string>;
}

/** Launches a bottle as `start` would, but for the changes to its plan. */
export async function launchBottle(bench: Workbench, options: BottleOptions): Promise<LaunchedBottle> {
  const host = denoHost();
  try {
    const { signal } = host.interrupts;
    const manifest = await loadManifest({ ...host, manifestFile: bench.manifestFile });
    const spec = await bottleSpec(manifest, {
      agent: bench.agent,
      args: [],
      prompt: undefined,
      remoteControl: false,
      host,
      cwd: false,
      exclude: [],
      proxy: options.proxy,
      runtime: options.runtime,
    });
    const onEvent = (): void => {};
    const backend = new DockerBottleBackend({ host, context: undefined, onEvent });
    const planned = await backend.prepare(spec, signal);
    const plan = options.change?.(planned) ?? planned;
    const bottle = await backend.launch(plan, { signal, onEvent, env: new Map() });
    return {
      bottle,
      plan,
      run: async (script) => (await bottle.capture(["bash", "-c", script])).stdout,
      async [Symbol.asyncDispose](): Promise<void> {
        await bottle[Symbol.asyncDispose]();
        host.interrupts.release();
      },
    };
  } catch (error) {
    host.interrupts.release();
    throw error;
  }
}

/** The plan with other words in the one step of that id. */
export function withStep(
  plan: DockerBottlePlan,
  id: string,
  change: (step: Step) => Step,
): DockerBottlePlan {
  if (!plan.steps.some((step) => step.id === id)) throw new Error(`The plan has no step ${id}`);
  return { ...plan, steps: plan.steps.map((step) => step.id === id ? change(step) : step) };
}

/** The plan whose sidecar asks the DNS server at `address`. */
export function withSidecarDns(plan: DockerBottlePlan, address: string): DockerBottlePlan {
  return withStep(plan, "sidecar-create", ({ invocation, ...step }) => {
    const at = invocation.args.indexOf("create") + 1;
    const args = invocation.args.toSpliced(at, 0, "--dns", address);
    return { ...step, invocation: { ...invocation, args } };
  });
}

/**
 * The plan whose sidecar reads other configuration. @throws Error when `change` changes nothing: a protection that
 * was not there proves nothing by its absence
 */
export function withSidecarFiles(
  plan: DockerBottlePlan,
  change: (path: string, text: string) => string,
): DockerBottlePlan {
  let changed = 0;
  const rewritten = (file: TarFile): TarFile => {
    if (!("text" in file)) return file;
    const text = change(file.path, file.text);
    if (text !== file.text) changed++;
    return { ...file, text };
  };
  const weakened = withStep(plan, "sidecar-config", ({ invocation, ...step }) => {
    const { input } = invocation;
    if (input?.kind !== "tar") throw new Error("The sidecar's configuration is no tar stream");
    const files = input.files.map(rewritten);
    return { ...step, invocation: { ...invocation, input: { ...input, files } } };
  });
  if (changed === 0) throw new Error("Nothing of the sidecar's configuration was changed");
  return weakened;
}

/** Leaves out the lines of squid's configurations that match; every pattern must leave out some. */
export function withoutLines(...patterns: readonly RegExp[]): (plan: DockerBottlePlan) => DockerBottlePlan {
  return (plan) => {
    let left = plan;
    for (const pattern of patterns) {
      left = withSidecarFiles(
        left,
        (path, text) =>
          path.endsWith(".conf") ? text.split("\n").filter((line) => !pattern.test(line)).join("\n") : text,
      );
    }
    return left;
  };
}
