import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { Bottle, LaunchOptions } from "../../lib/bottle/backend.ts";
import type { BottlePlan } from "../../lib/bottle/plan.ts";
import type { BackendChoice } from "../../lib/commands/context.ts";
import type { Change } from "./plan_changes.ts";

/** How the bottles of a {@link WeakenedBackend} differ. */
export interface Weakness {
  readonly change: Change;
  /** Whether a sidecar outlives being killed. */
  readonly survives?: boolean;
  /** Done before a bottle is removed. */
  readonly before?: (plan: DockerBottlePlan) => Promise<void>;
}

/** Launches bottles without some of their protections, and without the comparison that would find it. */
export class WeakenedBackend extends DockerBottleBackend {
  readonly #weakness: Weakness;

  constructor(choice: BackendChoice, weakness: Weakness) {
    super(choice);
    this.#weakness = weakness;
  }

  override async launch(plan: BottlePlan, options: LaunchOptions): Promise<Bottle> {
    const { change, survives = false, before } = this.#weakness;
    const changed = change(plan as DockerBottlePlan);
    const unverified = { ...changed, steps: changed.steps.filter(({ id }) => id !== "verify") };
    // The wrapper would run nothing in it, and so does not tell when the sidecar answers.
    const hasCapabilities = !argumentsOf(unverified, "agent-create").includes("--cap-drop");
    const bottle = await super.launch(unverified, options);
    return new Proxy(bottle, {
      get(target, name): unknown {
        if (name === "killSidecar" && survives) return () => Promise.resolve();
        if (name === "ready" && hasCapabilities) return () => settled();
        if (name === Symbol.asyncDispose && before !== undefined) {
          return async (): Promise<void> => {
            await before(unverified);
            await target[Symbol.asyncDispose]();
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

function argumentsOf({ steps }: DockerBottlePlan, id: string): readonly unknown[] {
  return steps.find((step) => step.id === id)?.invocation.args ?? [];
}

/** Longer than any sidecar takes to listen. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 3_000));
}
