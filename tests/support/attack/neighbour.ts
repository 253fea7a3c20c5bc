import canaryProgram from "../../../lib/assets/canary.pl" with { type: "text" };
import { docker, eventually } from "../engine.ts";
import { launchBottle, type LaunchParts, type Neighbour } from "./bottles.ts";

const PORT = "4444";

/** Another bottle, and what arrived at the server in it. */
export interface NeighbourBottle extends Neighbour, AsyncDisposable {
  records(): Promise<string>;
}

/** Launches a second bottle of the same kind, whose agent runs a server that records. */
export async function launchNeighbour(parts: LaunchParts): Promise<NeighbourBottle> {
  const attacked = await launchBottle(parts);
  const { ids, plan } = attacked;
  const { uid, gid } = plan.inputs.user;
  const user = ["--user", `${uid}:${gid}`];
  const records = (): Promise<string> => docker("exec", ...user, ids.agent, "cat", "/tmp/records");
  await docker(
    ...["exec", "--detach", ...user, ids.agent, "sh", "-c", 'exec perl -e "$0" "$@" >/tmp/records 2>&1'],
    ...[canaryProgram, `tcp:${PORT}`, `udp:${PORT}`],
  );
  await eventually("the neighbour listens", async () => {
    const said = await records().catch(() => "");
    return said.startsWith("ready") ? said : undefined;
  });
  return {
    internal: ids.internal,
    world: {
      neighbour: plan.expected.agentAddress,
      neighbourPort: PORT,
      neighbourName: attacked.bottle.name,
      neighbourSidecar: plan.expected.sidecarAddress,
      neighbourSidecarOutside: attacked.world["sidecarOutside"],
    },
    records,
    [Symbol.asyncDispose]: () => attacked[Symbol.asyncDispose](),
  };
}
