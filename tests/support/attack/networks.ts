import { addressText, parseRange } from "../../../lib/backend/docker/addresses.ts";
import { docker } from "../engine.ts";

/** Where a canary stands in one network. */
export interface Place {
  readonly network: string;
  readonly address: string;
}

/** Ranges for documentation (RFC 5737): for a proxy they are public, and nothing is ever routed to them. */
const PUBLIC_RANGES = ["198.51.100", "203.0.113"];
const PRIVATE_RANGE = "10.214";
/** Link-local addresses, of which 169.254.169.254 is the metadata service's. */
const LINK_LOCAL_RANGE = "169.254";
/** How often another range is drawn when one is taken. */
const ATTEMPTS = 16;
/** The canary's place in each network. */
const PLACE = 2;

/** A network of public addresses. */
export async function publicNetwork(owned: Owned): Promise<Place> {
  return await network(owned, {
    name: "public",
    subnet: () => `${PUBLIC_RANGES[random(PUBLIC_RANGES.length)] ?? ""}.${random(16) * 16}/28`,
  });
}

export async function linkLocalNetwork(owned: Owned): Promise<Place> {
  return await network(owned, { name: "link-local", subnet: () => `${LINK_LOCAL_RANGE}.${lowBytes()}/28` });
}

/** One of private addresses that has IPv6 as well. */
export async function privateNetwork(owned: Owned): Promise<Place & { readonly address6: string }> {
  const block = randomBlock6();
  const place = await network(owned, {
    name: "private",
    subnet: () => `${PRIVATE_RANGE}.${lowBytes()}/28`,
    extra: ["--ipv6", "--subnet", `${block}::/64`],
  });
  return { ...place, address6: `${block}::${PLACE}` };
}

/** The first 64 bits of a unique local range (RFC 4193). */
export function randomBlock6(): string {
  const group = (): string => random(0x10000).toString(16);
  return `fd00:${group()}:${group()}:${group()}`;
}

/** The label of everything that a world is made of, and what removes it. */
export interface Owned {
  readonly label: string;
  readonly stack: AsyncDisposableStack;
}

/** A network that no route leads to: the host has no address in it. */
async function network(
  { label, stack }: Owned,
  { name, subnet, extra = [] }: {
    readonly name: string;
    readonly subnet: () => string;
    readonly extra?: readonly string[];
  },
): Promise<Place> {
  for (let attempt = 1;; attempt++) {
    const range = subnet();
    const network = `test-${name}-${crypto.randomUUID().slice(0, 8)}`;
    try {
      await docker(
        ...["network", "create", "--internal", "--label", label, "--subnet", range, ...extra],
        ...["--opt", "com.docker.network.bridge.inhibit_ipv4=true", network],
      );
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof Error) || !/overlaps/i.test(error.message)) throw error;
      continue;
    }
    stack.defer(async () => void await docker("network", "rm", network).catch(() => ""));
    return { network, address: addressText((parseRange(range)?.first ?? 0) + PLACE) };
  }
}

/** The last two bytes of a range of 16 addresses. */
function lowBytes(): string {
  return `${1 + random(254)}.${random(16) * 16}`;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}
