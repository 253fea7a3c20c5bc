import type { ProtectionId } from "../../../lib/isolation/protections.ts";
import type { DockerBottlePlan } from "../../../lib/backend/docker/plan.ts";
import { addressIn } from "../../../lib/backend/docker/addresses.ts";
import { after, type Change, type Neighbour, withArguments, withConfiguration, withStep } from "./bottles.ts";
import { type AttackWorld, hex } from "./world.ts";

/** What taking a protection off may need. */
export interface WeakeningParts {
  readonly world: AttackWorld;
  readonly neighbour: Neighbour;
}

type Weakening = (parts: WeakeningParts) => Change;

const AGENT = { ref: "agent", name: "agent" } as const;
const SIDECAR = { ref: "sidecar", name: "sidecar" } as const;

/** How each protection is taken off: by changing what the code asks of the engine or tells the sidecar. */
const WEAKENINGS: Readonly<Record<ProtectionId, Weakening>> = {
  "no-capabilities": () => (plan) => ({
    ...withArguments(plan, "agent-create", (args) => without(args, "--cap-drop", "ALL")),
    inputs: { ...plan.inputs, user: { uid: 0, gid: 0 } },
  }),
  "no-mounts": ({ world }) => (plan) =>
    withArguments(
      plan,
      "agent-create",
      (args) => after(args, "create", ["--mount", `type=volume,src=${world.sockets},dst=/run/containerd`]),
    ),
  "internal": () => (plan) => withArguments(plan, "internal-network", (args) => without(args, "--internal")),
  "no-host-address": () => (plan) =>
    withArguments(
      plan,
      "internal-network",
      (args) => args.filter((arg, index) => !(isOption(arg) || arg === "--opt" && isOption(args[index + 1]))),
    ),
  "one-network": ({ world }) => (plan) =>
    withStep(plan, {
      id: "agent-joins-outside",
      after: ["agent-create"],
      before: ["agent-start"],
      args: ["network", "connect", world.private.network, AGENT],
    }),
  "no-ipv6": () => (plan) => {
    const block = `fd00:${hex()}:${hex()}:${hex()}::/64`;
    const network = withArguments(
      plan,
      "internal-network",
      (args) => args.flatMap((arg) => arg === "--ipv6=false" ? ["--ipv6", "--subnet", block] : [arg]),
    );
    return withArguments(
      network,
      "agent-create",
      (args) => after(args, "create", ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"]),
    );
  },
  "no-dns": () => (plan) =>
    withArguments(
      plan,
      "agent-create",
      (args) => args.map((arg, index) => args[index - 1] === "--dns" ? canaryInside(plan) : arg),
    ),
  "own-networks": ({ neighbour }) => (plan) =>
    withStep(
      withStep(plan, {
        id: "agent-joins-neighbour",
        after: ["agent-create"],
        before: ["agent-start"],
        args: ["network", "connect", neighbour.internal, AGENT],
      }),
      {
        id: "sidecar-joins-neighbour",
        after: ["sidecar-create"],
        before: ["sidecar-start"],
        args: ["network", "connect", neighbour.internal, SIDECAR],
      },
    ),
  "listens-inside": () => (plan) =>
    withConfiguration(
      plan,
      (text) =>
        text.replace(/^http_port [\d.]+:8888/m, "http_port 8888").replace(
          /"listen": "[\d.]+:8888"/,
          '"listen": "0.0.0.0:8888"',
        ),
    ),
  "proxy-hosts": () => (plan) =>
    withConfiguration(
      plan,
      (text) =>
        text.replace(/^http_access deny !allowed .*$/m, "").replace(
          /^http_access deny all$/m,
          "http_access allow all",
        )
          .replace('"mode": "strict"', '"mode": "balanced"'),
    ),
  "proxy-ports": () => (plan) =>
    withConfiguration(plan, (text) => text.replaceAll(/^(acl \w+_port port) \d+$/gm, "$1 0-65535")),
  "proxy-tls": () => (plan) =>
    withConfiguration(plan, (text) =>
      text.replace("ssl_bump splice same_name", "ssl_bump splice all")
        .replace("on_unsupported_protocol respond all", "on_unsupported_protocol tunnel all")
        .replace('"sni_verification": true', '"sni_verification": false')),
  "proxy-methods": () => (plan) =>
    withConfiguration(plan, (text) => text.replaceAll(/^http_access deny (!connect|in_tunnel) .*$/gm, "")),
  "proxy-never": () => (plan) =>
    withConfiguration(
      plan,
      (text) => text.replace(/^http_access deny never .*$/m, "").replace(/^ *"169\.254\.0\.0\/16",\n/m, ""),
    ),
  "proxy-private": () => (plan) =>
    withConfiguration(
      plan,
      (text) => text.replace(/^http_access deny private.*$/m, "").replace(/^ *"10\.0\.0\.0\/8",\n/m, ""),
    ),
};

/** A bottle with several protections off at once. */
export function weakened(protections: readonly ProtectionId[], parts: WeakeningParts): Change {
  return (plan) => protections.reduce((changed, id) => WEAKENINGS[id](parts)(changed), plan);
}

function canaryInside(plan: DockerBottlePlan): string {
  return addressIn(plan.inputs.subnets.internal, 5);
}

type Arguments = Parameters<Parameters<typeof withArguments>[2]>[0];

/** @throws RangeError when the words are not there */
function without(args: Arguments, ...words: readonly string[]): Arguments {
  const index = args.findIndex((_, at) => words.every((word, offset) => args[at + offset] === word));
  if (index < 0) throw new RangeError(`No ${words.join(" ")} in ${JSON.stringify(args)}`);
  return [...args.slice(0, index), ...args.slice(index + words.length)];
}

function isOption(arg: Arguments[number] | undefined): boolean {
  return typeof arg === "string" && /bridge\.(inhibit_ipv4|gateway_mode_ipv4)=/.test(arg);
}
