import canaryProgram from "../../../lib/assets/canary.pl" with { type: "text" };
import { addressText, parseRange } from "../../../lib/backend/docker/addresses.ts";
import { docker, eventually } from "../engine.ts";

/** Where a canary stands in one network. */
interface Place {
  readonly network: string;
  readonly address: string;
}

/** Ports that the canary of the outside listens on: those that are granted, and those that are not. */
const PORTS = ["22", "25", "53", "80", "443", "2222", "8080", "8443"];
/** Ranges for documentation (RFC 5737): for a proxy they are public, and nothing is ever routed to them. */
const PUBLIC_RANGES = ["198.51.100", "203.0.113"];
const PRIVATE_RANGE = "10.214";
const NETWORK_ATTEMPTS = 16;
/** Link-local addresses, of which 169.254.169.254 is the metadata service's. */
const LINK_LOCAL_RANGE = "169.254";

/**
 * All that stands around the bottles of one suite: the outside, which is one canary with several addresses, each in
 * a network that leads nowhere; and the host, on whose addresses another canary listens.
 *
 * The outside's public, documentation and link-local networks have no address of the host and no route to them, so
 * that whatever happens stays in them. Only sidecars join them.
 */
export class AttackWorld implements AsyncDisposable {
  readonly label: string;
  /** The image that bottles and canaries are made from. */
  readonly image: string;
  readonly #containers: string[] = [];
  readonly #networks: string[] = [];
  readonly #volumes: string[] = [];
  public!: Place;
  private!: Place & { readonly address6: string };
  linkLocal!: Place;
  /** The host's canary. */
  host!: {
    readonly port: string;
    readonly udpPort: string;
    readonly address: string;
    readonly bridge: string;
  };
  /** A volume with a socket in it that the canary listens to. */
  sockets!: string;
  canaryId!: string;
  #hostId!: string;

  private constructor(image: string) {
    this.image = image;
    this.label = `claude-bottle-attack=${crypto.randomUUID()}`;
  }

  static async open(image: string): Promise<AttackWorld> {
    const world = new AttackWorld(image);
    try {
      await world.#open();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(): Promise<void> {
    this.public = await this.#network("public", () => {
      const range = PUBLIC_RANGES[random(PUBLIC_RANGES.length)] ?? "";
      return `${range}.${random(16) * 16}/28`;
    });
    this.private = await this.#privateNetwork();
    this.linkLocal = await this.#network("link-local", () => `${LINK_LOCAL_RANGE}.${lowBytes()}/28`);
    this.sockets = await docker("volume", "create", "--label", this.label);
    this.#volumes.push(this.sockets);
    await Promise.all([this.#startOutside(), this.#startHost()]);
  }

  /** A network that no route leads to: the host has no address in it. */
  async #network(
    name: string,
    subnet: () => string,
    extra: readonly string[] = [],
  ): Promise<Place> {
    for (let attempt = 1;; attempt++) {
      const range = subnet();
      try {
        const network = `test-${name}-${crypto.randomUUID().slice(0, 8)}`;
        await docker(
          ...["network", "create", "--internal", "--label", this.label, "--subnet", range, ...extra],
          ...["--opt", "com.docker.network.bridge.inhibit_ipv4=true", network],
        );
        this.#networks.push(network);
        return { network, address: addressText((parseRange(range)?.first ?? 0) + 2) };
      } catch (error) {
        if (attempt === NETWORK_ATTEMPTS || !(error instanceof Error) || !/overlaps/i.test(error.message)) {
          throw error;
        }
      }
    }
  }

  /** The one that a bottle without its protection joins; it has IPv6. */
  async #privateNetwork(): Promise<Place & { readonly address6: string }> {
    const block = `fd00:${hex()}:${hex()}:${hex()}`;
    const extra = ["--ipv6", "--subnet", `${block}::/64`];
    const place = await this.#network("private", () => `${PRIVATE_RANGE}.${lowBytes()}/28`, extra);
    return { ...place, address6: `${block}::2` };
  }

  async #startOutside(): Promise<void> {
    const id = await docker(
      ...["create", "--init", "--label", this.label, "--network", this.private.network],
      ...["--ip", this.private.address, "--ip6", this.private.address6],
      ...["--volume", `${this.sockets}:/sockets`, "--log-driver", "local", "--log-opt", "max-size=100m"],
      ...["--user", "0:0", "--entrypoint", "perl", this.image, "-e", canaryProgram],
      ...[...PORTS.filter((port) => port !== "53").map((port) => `tcp:${port}`), "udp:443", "icmp", "frames"],
      ...["unix:/sockets/containerd.sock", `dns:${this.public.address}`],
      ...[`private.test=${this.private.address}`, `metadata.test=${this.linkLocal.address}`],
    );
    this.#containers.push(id);
    this.canaryId = id;
    for (const place of [this.public, this.linkLocal]) {
      await docker("network", "connect", "--ip", place.address, place.network, id);
    }
    await docker("start", id);
    await readyLine(id);
  }

  async #startHost(): Promise<void> {
    const id = await docker(
      ...["run", "--detach", "--init", "--label", this.label, "--network", "host", "--user", "0:0"],
      ...["--log-driver", "local", "--entrypoint", "perl", this.image, "-e", canaryProgram, "tcp:0", "udp:0"],
    );
    this.#containers.push(id);
    this.#hostId = id;
    const ready = await readyLine(id);
    const port = (kind: string): string => new RegExp(`${kind}:(\\d+)`).exec(ready)?.[1] ?? "";
    const bridge = await docker(
      "network",
      "inspect",
      "--format",
      "{{(index .IPAM.Config 0).Gateway}}",
      "bridge",
    );
    const own = (await docker("exec", id, "hostname", "-I")).split(/\s+/).filter((one) =>
      /^[\d.]+$/.test(one)
    );
    // A host without a network of its own still has the engine's bridge.
    this.host = { port: port("tcp"), udpPort: port("udp"), bridge, address: own[0] ?? bridge };
  }

  /** The link-local IPv6 address of a network's bridge; `undefined` when it has none. */
  async bridgeAddress6(networkId: string): Promise<string | undefined> {
    const table = await docker("exec", this.#hostId, "cat", "/proc/net/if_inet6").catch(() => "");
    const line = table.split("\n").find((one) =>
      one.endsWith(` br-${networkId.slice(0, 12)}`) && one.startsWith("fe80")
    );
    return line?.slice(0, 32).match(/.{4}/g)?.join(":");
  }

  /** Runs a command beside the host's canary, as a process of the host would. */
  async onHost(...command: readonly string[]): Promise<string> {
    return await docker("exec", this.#hostId, ...command);
  }

  /** Everything that arrived at any canary so far. */
  async records(): Promise<string> {
    return (await Promise.all(this.#containers.map((id) => docker("logs", id)))).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#containers.length > 0) {
      await docker("rm", "--force", "--volumes", ...this.#containers).catch(() => "");
    }
    for (const network of this.#networks) await docker("network", "rm", network).catch(() => "");
    for (const volume of this.#volumes) await docker("volume", "rm", "--force", volume).catch(() => "");
  }
}

async function readyLine(id: string): Promise<string> {
  return await eventually("the canary listens", async () => {
    const log = await docker("logs", id);
    if (log.startsWith("ready ")) return log.split("\n")[0];
    const running = await docker("inspect", "--format", "{{.State.Running}}", id);
    if (running !== "true") throw new Error(`The canary ended: ${await canaryError(id)}`);
    return undefined;
  });
}

/** What it said on stderr, which `docker logs` passes on as its own. */
async function canaryError(id: string): Promise<string> {
  const { stderr } = await new Deno.Command("docker", { args: ["logs", id], stdin: "null" }).output();
  return new TextDecoder().decode(stderr);
}

/** The last two bytes of a range of 16 addresses. */
function lowBytes(): string {
  return `${1 + random(254)}.${random(16) * 16}`;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

/** Up to four hexadecimal digits, as a group of an IPv6 address. */
export function hex(): string {
  return random(0x10000).toString(16);
}
