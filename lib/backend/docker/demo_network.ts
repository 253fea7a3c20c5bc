import { Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { VERSION } from "../../version.ts";
import { drawSubnets, type Range, rangeText, subnetPool } from "./addresses.ts";
import { labelArguments } from "./arguments.ts";
import type { DockerClient } from "./client.ts";
import { DEMO_ROLE, ownerLabel, type RunLabels } from "./labels.ts";
import { machineFacts } from "./machine.ts";
import { RUN_ID_BYTES, runIdFrom } from "./names.ts";
import { takenRanges } from "./taken_subnets.ts";

const SUBNET_ATTEMPTS = 16;

/** What hosts of our own are made with. */
export interface DemoPorts {
  readonly host: Host;
  readonly client: DockerClient;
}

/** The labels of what is made for one tour or one probe; `agent` says which. */
export async function demoRun(
  { host }: DemoPorts,
  { agent, signal }: { readonly agent: string; readonly signal: AbortSignal },
): Promise<RunLabels> {
  const { owner } = await machineFacts(host, signal);
  return {
    run: runIdFrom(host.random(RUN_ID_BYTES)),
    agent,
    bottle: agent,
    manifestFiles: [],
    version: VERSION,
    owner: ownerLabel(owner),
  };
}

/** Creates a network that leads nowhere, for hosts of our own. The subnet that it has. @throws Failure */
export async function createDemoNetwork(
  { host, client }: DemoPorts,
  { name, run, extra = [], draw, signal }: {
    readonly name: string;
    readonly run: RunLabels;
    /** More words of the engine's command. */
    readonly extra?: readonly string[];
    /** Draws a subnet; one of those that bottles have unless told. */
    readonly draw?: () => Range;
    readonly signal: AbortSignal;
  },
): Promise<Range> {
  const pool = subnetPool(host.environment.get("CLAUDE_BOTTLE_SUBNETS") || undefined);
  for (let attempt = 1;; attempt++) {
    const subnet = draw?.() ?? await beside({ host, client }, { pool, who: run.agent, signal });
    try {
      await client.run({
        what: `creating the ${run.agent}'s network`,
        args: [
          ...["network", "create", "--internal", "--ipv6=false", "--subnet", rangeText(subnet)],
          ...extra,
          ...labelArguments(run, DEMO_ROLE),
          name,
        ],
        signal,
      });
      return subnet;
    } catch (error) {
      const taken = error instanceof Failure && error.code === "subnet-taken";
      if (!taken || attempt === SUBNET_ATTEMPTS) throw error;
    }
  }
}

/** A subnet that leaves two others for the bottle. @throws Failure `subnets-exhausted` */
async function beside(
  { host, client }: DemoPorts,
  { pool, who, signal }: { readonly pool: Range; readonly who: string; readonly signal: AbortSignal },
): Promise<Range> {
  const taken = await takenRanges({ host, client }, signal);
  const wanted = { count: 1, room: 3, why: `the ${who} and its bottle take 3` };
  const [subnet] = drawSubnets(pool, { taken, wanted, random: host.random });
  if (subnet === undefined) throw new RangeError("No subnet was drawn");
  return subnet;
}
