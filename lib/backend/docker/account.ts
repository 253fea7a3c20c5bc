import type { ActiveBottle } from "../../bottle/active.ts";
import { EXIT, Failure, oneLine } from "../../errors.ts";
import { ENV_DIRECTORY } from "./arguments.ts";
import type { InspectedContainer } from "./inspected.ts";
import { SSH_DIRECTORY } from "./provision/ssh.ts";

/** What decides how commands run in a bottle that is there. Each part becomes a word of a command line. */
export interface BottleAccount {
  readonly user: { readonly uid: number; readonly gid: number };
  readonly sidecarAddress: string;
  readonly home: string;
  readonly workdir: string;
  /** Whether it has an ssh-agent. */
  readonly hasSsh: boolean;
}

/** Where a copied working directory stands below the home. */
const WORKSPACE = "workspace";

/** Ids that Linux can give to users and groups, but for root's and the one that means none. */
const LAST_ID = 4_294_967_294;

/**
 * Reads them from the engine's account of both containers. It is believed only where it has the form that we give
 * it: somebody else may have made or changed the bottle.
 *
 * @throws Failure `bottle-unreadable` with what is wrong
 */
export function bottleAccount(
  bottle: ActiveBottle,
  containers: { readonly agent: InspectedContainer; readonly sidecar: InspectedContainer },
): BottleAccount {
  const { agent, sidecar } = containers;
  const user = agentUserOf(agent);
  if (user === undefined) throw unreadable(bottle, `no private ${ENV_DIRECTORY} of an agent's user`);
  const home = agent.Config.WorkingDir ?? "";
  if (!isPlainPath(home)) throw unreadable(bottle, "no home of an agent");
  const sidecarAddress = commonAddress(agent, sidecar);
  if (sidecarAddress === undefined) {
    throw unreadable(bottle, "its agent is not alone with its sidecar on one network");
  }
  const workspace = `${home}/${WORKSPACE}`;
  const isMounted = (agent.Mounts ?? []).some(({ Type, Destination }) =>
    Type === "volume" && Destination === workspace
  );
  const hasSsh = agent.HostConfig.Tmpfs?.[SSH_DIRECTORY] !== undefined;
  return { user, home, sidecarAddress, workdir: isMounted ? workspace : home, hasSsh };
}

/** The agent's user, by the mount options of its tmpfs; never root. `undefined` for what no launch has made. */
export function agentUserOf(
  agent: Pick<InspectedContainer, "HostConfig">,
): BottleAccount["user"] | undefined {
  const options = agent.HostConfig.Tmpfs?.[ENV_DIRECTORY] ?? "";
  const [, uid, gid] = /^uid=([1-9][0-9]{0,9}),gid=([1-9][0-9]{0,9}),/.exec(options) ?? [];
  const user = { uid: Number(uid), gid: Number(gid) };
  return user.uid <= LAST_ID && user.gid <= LAST_ID ? user : undefined;
}

function isPlainPath(path: string): boolean {
  return path.length <= 255 && /^(\/[A-Za-z0-9._-]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path);
}

/** The sidecar's address on the agent's one network. */
function commonAddress(agent: InspectedContainer, sidecar: InspectedContainer): string | undefined {
  const [only, ...others] = Object.values(agent.NetworkSettings.Networks ?? {});
  if (only === undefined || others.length > 0) return undefined;
  const joined = Object.values(sidecar.NetworkSettings.Networks ?? {});
  const address = joined.find(({ NetworkID }) => NetworkID === only.NetworkID)?.IPAddress ?? "";
  return /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(address) ? address : undefined;
}

function unreadable(bottle: ActiveBottle, what: string): Failure {
  return new Failure("bottle-unreadable", `${oneLine(bottle.name)} is not as a launch makes it: ${what}`, {
    hints: [`Stop it and start again: claude-bottle stop ${oneLine(bottle.name)}`],
    exit: EXIT.beforeAgent,
  });
}
