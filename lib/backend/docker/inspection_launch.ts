import type { ResolvedEnv } from "../../bottle/env.ts";
import { type Placeholders, requireInjectable } from "../../bottle/injected.ts";
import { placeholderFor } from "../../bottle/placeholders.ts";
import { type Opening, openingFrames, readOpening } from "../../egress/opening.ts";
import type { EgressPolicy } from "../../egress/policy.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Outcome } from "../../host/processes.ts";

/** What a sidecar is given, and what it answers. Of one attempt of a launch: another one has another sidecar. */
export class InspectionLaunch {
  readonly #injected: ResolvedEnv;
  readonly #random: Host["random"];
  #opening: Opening | undefined;

  /** @throws Failure for a secret that cannot be injected */
  constructor(
    { env, policy, injected = new Map() }: {
      /** What the bottle is given besides. */
      readonly env: ResolvedEnv;
      readonly policy: EgressPolicy;
      readonly injected: ResolvedEnv | undefined;
    },
    { random }: Pick<Host, "random">,
  ) {
    requireInjectable(injected, { env, policy });
    this.#injected = injected;
    this.#random = random;
  }

  /** The secrets, each with a placeholder that the sidecar takes unless it has one already. */
  frames(): Uint8Array {
    return openingFrames(
      [...this.#injected].map(([env, secret]) => {
        const value = secret.reveal();
        return { env, placeholder: placeholderFor(value, this.#random), secret: value };
      }),
    );
  }

  /** Reads what the sidecar answered. @throws Failure `sidecar-answer` */
  learn(stdout: string): void {
    const opening = readOpening(stdout);
    const silent = [...this.#injected.keys()].filter((name) => !opening.placeholders.has(name));
    if (silent.length > 0) {
      throw new Failure("sidecar-answer", `The sidecar took no secret for ${silent.join(", ")}`, {
        exit: EXIT.beforeAgent,
      });
    }
    this.#opening = opening;
  }

  /** What the bottle's root reads. @throws RangeError before {@link learn} */
  authority(): Uint8Array {
    if (this.#opening === undefined) throw new RangeError("The sidecar was not opened");
    const { hash, pem } = this.#opening.authority;
    return new TextEncoder().encode(`${hash}\n${pem}`);
  }

  /** Those of the secrets that were given, and of no others. */
  placeholders(): Placeholders {
    const all = this.#opening?.placeholders ?? new Map<string, string>();
    return new Map([...all].filter(([name]) => this.#injected.has(name)));
  }
}

/** Whether opening a sidecar failed since it ended: its log then says more. */
export function hasEnded({ code, stderr }: Outcome): boolean {
  return code >= 128 || /is not running|no such container/i.test(stderr);
}
