import canaryProgram from "../../assets/canary.pl" with { type: "text" };
import type { Canary, CanaryOptions } from "../../bottle/canary.ts";
import { EXIT, Failure, printable } from "../../errors.ts";
import { addressIn, parseRange, type Range } from "./addresses.ts";
import { attackProbe } from "./attack_probe.ts";
import { labelArguments, proxyEnvironment } from "./arguments.ts";
import type { DockerClient } from "./client.ts";
import { createDemoNetwork, type DemoPorts, demoRun } from "./demo_network.ts";
import { AGENT_UID, imageRecipes } from "./images.ts";
import { DEMO_ROLE, type RunLabels } from "./labels.ts";
import { NAME_PREFIX, RUN_ID_BYTES, runIdFrom } from "./names.ts";
import { openReaper, removeReaped } from "./reaper.ts";

const READY_DEADLINE_MS = 15_000;
const RECORDED_DEADLINE_MS = 15_000;
/** Where it hears its own mark. */
const OWN_PORT = 9;

/**
 * Starts a canary in a container without capabilities, on two networks that lead nowhere and have no address of the
 * host. The image of bottles must be there. All carry a run's labels, so `cleanup` knows them.
 *
 * @throws Failure
 */
export async function openCanary(ports: DemoPorts, options: CanaryOptions): Promise<Canary> {
  const { host, client } = ports;
  const { signal } = options;
  const run = await demoRun(ports, { agent: "probe", signal });
  const name = `${NAME_PREFIX}canary-${run.run}`;
  const reaper = await openReaper(ports, run.run);
  const remove = (): Promise<string> => removeReaped({ ...host, client }, { run: run.run, reaper });
  try {
    const [places, hostAddress] = await Promise.all([
      createPlaces(ports, { name, run, signal }),
      defaultBridgeAddress(client, signal),
    ]);
    const { agent } = await imageRecipes(host.environment);
    const id = await startContainer(client, { ...options, ...places, image: agent.name, name, run });
    await ready(ports, { id, signal });
    const networks = [places.outside, places.inner].map(({ network }) => network);
    return {
      networks,
      address: places.outside.address,
      privateAddress: places.inner.address,
      hostAddress,
      records: () => wholeRecords(ports, { id, signal }),
      probe: (attempts) => attackProbe(client, { container: id, user: USER, attempts, signal }),
      async [Symbol.asyncDispose](): Promise<void> {
        const leftover = await remove();
        if (leftover !== "") options.onEvent({ kind: "notice", text: leftover });
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

const USER = { uid: AGENT_UID, gid: AGENT_UID };

/** Where the canary stands in one network. */
interface Place {
  readonly network: string;
  readonly address: string;
}

interface Places {
  /** With a public address. */
  readonly outside: Place;
  /** With a private one. */
  readonly inner: Place;
}

/** Ranges for documentation (RFC 5737): for a proxy they are public, and nothing is ever routed to them. */
const PUBLIC_RANGES = ["198.51.100.0/24", "203.0.113.0/24"];
/** A canary's networks are no way to the host. */
const NO_HOST = ["--opt", "com.docker.network.bridge.inhibit_ipv4=true"];

async function createPlaces(
  ports: DemoPorts,
  { name, run, signal }: { readonly name: string; readonly run: RunLabels; readonly signal: AbortSignal },
): Promise<Places> {
  const place = async (network: string, draw?: () => Range): Promise<Place> => {
    const asked = { name: network, run, extra: NO_HOST, signal };
    const subnet = await createDemoNetwork(ports, draw === undefined ? asked : { ...asked, draw });
    return { network, address: addressIn(subnet, 2) };
  };
  // One after the other: when one fails, nothing is made any more behind whoever removes the rest.
  const outside = await place(name, () => publicSubnet(ports.host.random(2))).catch((error) => {
    throw withoutRoom(error);
  });
  return { outside, inner: await place(`${name}-private`) };
}

/** What the engine says of a taken subnet names neither the ranges nor a way out: no setting changes these. */
function withoutRoom(error: unknown): unknown {
  if (!(error instanceof Failure) || error.code !== "subnet-taken") return error;
  const ranges = PUBLIC_RANGES.join(" and ");
  return new Failure("subnet-taken", `Other networks leave the canary no room in ${ranges}`, {
    hints: ["`docker network ls` lists them; remove what is not needed there, and run it again"],
    exit: EXIT.beforeAgent,
  });
}

/** One of the /28 of the documentation's ranges. */
function publicSubnet([which = 0, place = 0]: Uint8Array): Range {
  const range = parseRange(PUBLIC_RANGES[which % PUBLIC_RANGES.length] ?? "");
  if (range === undefined) throw new RangeError("Not a range");
  return { first: range.first + (place % 16) * 16, prefix: 28 };
}

/** The host's address on the engine's default bridge; an engine need not have one. */
async function defaultBridgeAddress(client: DockerClient, signal: AbortSignal): Promise<string | undefined> {
  const { code, stdout } = await client.outcome({
    what: "looking for the engine's default bridge",
    args: ["network", "inspect", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}", "bridge"],
    signal,
  });
  return code === 0 ? /\b\d+\.\d+\.\d+\.\d+\b/.exec(stdout)?.[0] : undefined;
}

async function startContainer(
  client: DockerClient,
  options: CanaryOptions & Places & {
    readonly image: string;
    readonly name: string;
    readonly run: RunLabels;
  },
): Promise<string> {
  const { image, name, run, outside, inner, signal } = options;
  const what = "starting the canary";
  const created = await client.run({
    what,
    args: [
      ...["container", "create", "--init", "--name", name],
      ...["--network", outside.network, "--ip", outside.address],
      ...aliases("--network-alias", options.names),
      ...["--user", `${USER.uid}:${USER.gid}`, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
      // Its ports are those of real servers.
      ...["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"],
      ...["--memory", "256m", "--pids-limit", "256", "--pull", "never"],
      ...["--log-driver", "local", "--log-opt", "max-size=10m"],
      // Unset, the client would fill them in with the user's own.
      ...Object.entries(proxyEnvironment("", "")).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
      ...labelArguments(run, DEMO_ROLE),
      ...["--entrypoint", "/usr/bin/perl", image, "-e", canaryProgram],
      ...options.tcpPorts.map((port) => `tcp:${port}`),
      ...options.udpPorts.map((port) => `udp:${port}`),
      `tcp:${OWN_PORT}`,
      `dns:${outside.address}`,
    ],
    signal,
  });
  const id = created.trim();
  const joined = [...aliases("--alias", options.privateNames), inner.network, id];
  await client.run({ what, args: ["network", "connect", "--ip", inner.address, ...joined], signal });
  await client.run({ what, args: ["container", "start", id], signal });
  return id;
}

function aliases(flag: string, names: readonly string[]): readonly string[] {
  return names.flatMap((name) => [flag, name]);
}

/**
 * Everything that arrived up to now. The engine's log comes later than what it tells of: a mark of the canary's own is
 * behind all the rest. A log without its beginning was rotated, and a canary that is gone recorded nothing at all.
 *
 * @throws Failure `canary-failed` also when some of it is lost
 */
async function wholeRecords(
  { host, client }: DemoPorts,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<string> {
  const mark = `own-${runIdFrom(host.random(RUN_ID_BYTES))}`;
  const attempts = [`own tcp % 127.0.0.1 ${OWN_PORT} ${mark}`];
  await attackProbe(client, { container: id, user: USER, attempts, signal });
  const what = "reading what arrived at the canary";
  const end = host.now() + RECORDED_DEADLINE_MS;
  for (;;) {
    const records = await client.run({ what, args: ["container", "logs", id], signal });
    if (records.startsWith(READY) && records.includes(mark)) return records;
    if (host.now() > end) {
      throw new Failure("canary-failed", "The canary's record of what got out is not complete", {
        hints: ["Run it again on a quiet machine"],
        exit: EXIT.failed,
      });
    }
    await host.sleep(100, signal);
  }
}

/** How its first line begins. */
const READY = "ready ";

/** Waits until it listens. @throws Failure `canary-failed` with its last words */
async function ready(
  { host, client }: DemoPorts,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<void> {
  const what = "waiting for the canary";
  const end = host.now() + READY_DEADLINE_MS;
  for (;;) {
    const { stdout, stderr } = await client.outcome({ what, args: ["container", "logs", id], signal });
    if (stdout.startsWith(READY)) return;
    if (host.now() > end || stderr.includes("cannot listen")) {
      throw new Failure("canary-failed", "The canary that records what gets out did not start", {
        problems: stderr.split("\n").filter((line) => line !== "").slice(-10)
          .map((line) => ({ message: printable(line) })),
        exit: EXIT.beforeAgent,
      });
    }
    await host.sleep(100, signal);
  }
}
