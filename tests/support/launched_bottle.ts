import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../lib/bottle/backend.ts";
import { bottleSpec } from "../../lib/commands/spec.ts";
import { denoHost } from "../../lib/host/deno.ts";
import type { ProxyName, RuntimeChoice } from "../../lib/manifest/model.ts";
import { loadManifest } from "../../lib/manifest/load.ts";
import type { Workbench } from "./engine.ts";
import type { Change } from "./plan_changes.ts";

export interface BottleOptions {
  readonly proxy: ProxyName;
  readonly runtime?: RuntimeChoice;
  /** Takes a protection off, or puts something in: the plan is executed as this leaves it. */
  readonly change?: Change;
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
