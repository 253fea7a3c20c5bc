import canaryProgram from "../../../lib/assets/canary.pl" with { type: "text" };
import { docker, eventually } from "../engine.ts";
import { linkLocalNetwork, type Owned, type Place, privateNetwork, publicNetwork } from "./networks.ts";

/** TCP ports that the canary outside listens on: those that are granted, and those that are not. */
const PORTS = ["22", "25", "80", "443", "2222", "8080", "8443"];

/**
 * All that stands around the bottles of one suite: the outside, which is one canary with an address in each of three
 * networks; and the host, on all of whose addresses another canary listens.
 *
 * The three networks have no address of the host and no route leads to them, so that whatever happens stays in them.
 */
export interface AttackWorld extends AsyncDisposable {
  /** What sidecars join. */
  readonly public: Place;
  /** What a bottle without its protection joins; it has IPv6. */
  readonly private: Place & { readonly address6: string };
  readonly linkLocal: Place;
  /** The canary outside. */
  readonly canaryId: string;
  /** A volume with a socket in it that the canary listens to. */
  readonly sockets: string;
  readonly host: HostCanary;
  /** Everything that arrived at any canary so far. */
  records(): Promise<string>;
}

/** The host's canary, a container without a network of its own. */
export interface HostCanary {
  readonly id: string;
  readonly port: string;
  readonly udpPort: string;
  /** The host's own address, and that on the engine's default bridge. */
  readonly address: string;
  readonly bridge: string;
}

/** @param image what canaries are made from */
export async function openWorld(image: string): Promise<AttackWorld> {
  await using stack = new AsyncDisposableStack();
  const owned: Owned = { label: `claude-bottle-attack=${crypto.randomUUID()}`, stack };
  const networks = {
    public: await publicNetwork(owned),
    private: await privateNetwork(owned),
    linkLocal: await linkLocalNetwork(owned),
  };
  const sockets = await docker("volume", "create", "--label", owned.label);
  stack.defer(async () => void await docker("volume", "rm", "--force", sockets).catch(() => ""));
  const canaryId = await startOutside(owned, { ...networks, image, sockets });
  const host = await startHost(owned, image);
  const moved = stack.move();
  return {
    ...networks,
    sockets,
    canaryId,
    host,
    records: async () =>
      (await Promise.all([wholeLog(canaryId, PORTS[0] ?? ""), wholeLog(host.id, host.port)])).join("\n"),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** The link-local IPv6 address of the host on a network's bridge; `undefined` when it has none. */
export async function bridgeAddress6({ id }: HostCanary, networkId: string): Promise<string | undefined> {
  const table = await docker("exec", id, "cat", "/proc/net/if_inet6").catch(() => "");
  const bridge = ` br-${networkId.slice(0, 12)}`;
  const line = table.split("\n").find((one) => one.endsWith(bridge) && one.startsWith("fe80"));
  return line?.slice(0, 32).match(/.{4}/g)?.join(":");
}

type Outside = Pick<AttackWorld, "public" | "private" | "linkLocal" | "sockets"> & { readonly image: string };

async function startOutside({ label, stack }: Owned, outside: Outside): Promise<string> {
  const id = await docker(
    ...["create", "--init", "--label", label, "--network", outside.private.network],
    ...["--ip", outside.private.address, "--ip6", outside.private.address6],
    ...["--volume", `${outside.sockets}:/sockets`, "--log-driver", "local", "--log-opt", "max-size=100m"],
    ...["--user", "0:0", "--entrypoint", "perl", outside.image, "-e", canaryProgram],
    ...[...PORTS.map((port) => `tcp:${port}`), "udp:443", "icmp", "frames"],
    ...["unix:/sockets/containerd.sock", `dns:${outside.public.address}`],
    ...[`private.test=${outside.private.address}`, `metadata.test=${outside.linkLocal.address}`],
  );
  stack.defer(() => remove(id));
  for (const { network, address } of [outside.public, outside.linkLocal]) {
    await docker("network", "connect", "--ip", address, network, id);
  }
  await docker("start", id);
  await readyLine(id);
  return id;
}

async function startHost({ label, stack }: Owned, image: string): Promise<HostCanary> {
  const id = await docker(
    ...["run", "--detach", "--init", "--label", label, "--network", "host", "--user", "0:0"],
    ...["--log-driver", "local", "--entrypoint", "perl", image, "-e", canaryProgram, "tcp:0", "udp:0"],
  );
  stack.defer(() => remove(id));
  const ready = await readyLine(id);
  const port = (kind: string): string => new RegExp(`${kind}:(\\d+)`).exec(ready)?.[1] ?? "";
  const bridge = await docker(
    "network",
    "inspect",
    "--format",
    "{{(index .IPAM.Config 0).Gateway}}",
    "bridge",
  );
  const own = (await docker("exec", id, "hostname", "-I")).split(/\s+/).find((one) => /^[\d.]+$/.test(one));
  // A host without a network of its own still has the engine's bridge.
  return { id, port: port("tcp"), udpPort: port("udp"), bridge, address: own ?? bridge };
}

/** Everything up to now: the engine's log comes later than what it tells of, so a mark of our own is awaited in it. */
async function wholeLog(id: string, port: string): Promise<string> {
  const mark = `own-${crypto.randomUUID()}`;
  const script = "print { IO::Socket::INET->new($ARGV[0]) // die $@ } $ARGV[1]";
  await docker("exec", id, "perl", "-MIO::Socket::INET", "-e", script, `127.0.0.1:${port}`, mark);
  return await eventually("the canary's log is whole", async () => {
    const log = await docker("logs", id);
    return log.startsWith("ready ") && log.includes(mark) ? log : undefined;
  });
}

async function remove(id: string): Promise<void> {
  await docker("rm", "--force", "--volumes", id).catch(() => "");
}

async function readyLine(id: string): Promise<string> {
  return await eventually("the canary listens", async () => {
    const log = await docker("logs", id);
    if (log.startsWith("ready ")) return log.split("\n")[0];
    if (await docker("inspect", "--format", "{{.State.Running}}", id) !== "true") {
      throw new Error(`The canary ended: ${await canaryError(id)}`);
    }
    return undefined;
  });
}

/** What it said on stderr, which `docker logs` passes on as its own. */
async function canaryError(id: string): Promise<string> {
  const { stderr } = await new Deno.Command("docker", { args: ["logs", id], stdin: "null" }).output();
  return new TextDecoder().decode(stderr);
}
