import type { ResolvedEnv } from "../../bottle/env.ts";
import { type Placeholders, requestForms } from "../../bottle/injected.ts";
import { Redactor } from "../../bottle/redactor.ts";
import type { EgressPolicy } from "../../egress/policy.ts";
import type { EgressProxy } from "../../egress/proxy.ts";
import { EXIT, Failure, oneLine } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";
import { engineFailure } from "./failures.ts";
import { hasEnded, InspectionLaunch } from "./inspection_launch.ts";
import { sidecarFailure } from "./sidecar_log.ts";

/** No network at all: which one the sidecar is in does not decide how it is opened. */
const NOWHERE = "192.0.2.0/32";

interface Place {
  /** The bottle's. */
  readonly name: string;
  /** Full id of the sidecar. */
  readonly sidecar: string;
  /** `undefined` when it is not to be recognised. */
  readonly proxy: EgressProxy | undefined;
  /** Its internal address. */
  readonly listen: string;
}

/**
 * Gives the sidecar of a bottle that runs other secrets.
 *
 * @throws Failure `sidecar-closed` for one that takes none, `sidecar-failed`, `sidecar-answer`, or as the engine says
 */
export async function injectSecrets(
  { name, sidecar, proxy, listen }: Place,
  secrets: ResolvedEnv,
  { policy, client, host, signal }: {
    readonly policy: EgressPolicy;
    readonly client: DockerClient;
    readonly host: Pick<Host, "random">;
    readonly signal: AbortSignal;
  },
): Promise<Placeholders> {
  const inspection = new InspectionLaunch({ env: new Map(), policy, injected: secrets }, host);
  const program = proxy?.program(policy, { listen, egressSubnet: NOWHERE });
  if (program?.open === undefined) {
    throw new Failure("sidecar-closed", `The sidecar of ${oneLine(name)} takes no secrets`, {
      hints: [`Stop it and start again: claude-bottle stop ${oneLine(name)}`],
      exit: EXIT.beforeAgent,
    });
  }
  const user = `${program.uid}:${program.gid}`;
  const what = "giving the sidecar its secrets";
  const redactor = new Redactor([...secrets.values(), ...requestForms(secrets, policy)]);
  return await redactor.guard(async () => {
    const outcome = await client.outcome({
      what,
      args: ["container", "exec", "--interactive", "--user", user, sidecar, ...program.open ?? []],
      input: inspection.frames(),
      signal,
      deadline: "change",
    });
    if (outcome.code !== 0) {
      throw hasEnded(outcome)
        ? await sidecarFailure(client, { id: sidecar, proxy: proxy?.name ?? "unknown" })
        : engineFailure(what, outcome);
    }
    inspection.learn(outcome.stdout);
    return inspection.placeholders();
  });
}
