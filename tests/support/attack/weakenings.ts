import type { ProtectionId } from "../../../lib/isolation/protections.ts";
import type { DockerBottlePlan } from "../../../lib/backend/docker/plan.ts";
import { addressIn } from "../../../lib/backend/docker/addresses.ts";
import type { ProxyName } from "../../../lib/manifest/model.ts";
import { NAMES, type Neighbour } from "./bottles.ts";
import {
  after,
  type Arguments,
  type Change,
  withArguments,
  withConfiguration,
  withStep,
} from "../plan_changes.ts";
import { randomBlock6 } from "./networks.ts";

/** What taking a protection off may need. */
export interface WeakeningParts {
  readonly world: {
    /** A network outside. */
    readonly private: { readonly network: string };
    /** A volume with a socket in it. */
    readonly sockets: string;
    /** The host's address outside; needed for `internal`. */
    readonly host?: { readonly bridge: string };
  };
  /** Needed for `own-networks`. */
  readonly neighbour?: Pick<Neighbour, "internal">;
}

type Weakening = (parts: WeakeningParts) => Change;

const AGENT = { ref: "agent", name: "agent" } as const;
/** What engines from 28 on call a network without the host; they accept it for internal ones alone. */
const ISOLATED = /bridge\.gateway_mode_ipv4=/;
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
  // An engine that lets containers out also tells them the host's name, as Docker Desktop does.
  "internal": ({ world }) => (plan) =>
    withArguments(
      withArguments(plan, "internal-network", (args) => withoutOption(without(args, "--internal"), ISOLATED)),
      "agent-create",
      (args) =>
        after(args, "create", ["--add-host", `host.docker.internal:${world.host?.bridge ?? "0.0.0.0"}`]),
    ),
  "no-host-address": () => (plan) =>
    withArguments(plan, "internal-network", (args) => withoutOption(args, /bridge\.inhibit_ipv4=/, ISOLATED)),
  "one-network": ({ world }) => (plan) =>
    withStep(plan, {
      id: "agent-joins-outside",
      after: ["agent-create"],
      before: ["agent-start"],
      args: ["network", "connect", world.private.network, AGENT],
    }),
  "no-ipv6": () => (plan) => {
    const block = `${randomBlock6()}::/64`;
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
  "own-networks": ({ neighbour }) => (plan) => {
    if (neighbour === undefined) throw new RangeError("There is no neighbour");
    return withStep(
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
    );
  },
  "listens-inside": () => (plan) => {
    const listening = edited({
      squid: [[/^http_port [\d.]+:8888/m, "http_port 8888"]],
      pipelock: [[/"listen": "[\d.]+:8888"/, '"listen": "0.0.0.0:8888"']],
    })(plan);
    return withArguments(
      listening,
      "sidecar-create",
      (args) =>
        args.map((arg) => typeof arg === "string" && /^[\d.]+:8888$/.test(arg) ? "0.0.0.0:8888" : arg),
    );
  },
  "proxy-hosts": () =>
    edited({
      squid: [[/^http_access deny !allowed .*$/m, ""], [/^http_access deny all$/m, "http_access allow all"]],
      pipelock: [['"mode": "strict"', '"mode": "balanced"']],
    }),
  "proxy-ports": () =>
    edited({
      squid: [[/^(acl \w+_port port) \d+$/gm, "$1 0-65535"]],
      pipelock: [],
    }),
  "proxy-tls": () =>
    edited({
      squid: [
        ["ssl_bump splice same_name", "ssl_bump splice all"],
        // The same, asked for once more.
        ["http_access deny named_by_tls !same_name", ""],
        ["on_unsupported_protocol respond all", "on_unsupported_protocol tunnel all"],
      ],
      pipelock: [['"sni_verification": true', '"sni_verification": false']],
    }),
  "proxy-methods": () =>
    edited({
      squid: [
        [/^http_access deny (!connect|in_tunnel) .*$/gm, ""],
        ["acl plain_hosts all-of plain_http http_hosts", "acl plain_hosts all-of plain_http hosts"],
      ],
      pipelock: [],
    }),
  "proxy-never": () =>
    edited({
      squid: [[/^http_access deny never .*$/m, ""]],
      pipelock: [[/"trusted_domains": \[/, `"trusted_domains": ["${NAMES.linkLocalName}"`]],
    }),
  "proxy-private": () =>
    edited({
      squid: [[/^http_access deny private.*$/m, ""]],
      pipelock: [[/"trusted_domains": \[/, `"trusted_domains": ["${NAMES.privateName}"`]],
    }),
};

/** Replacements in the text of a sidecar's configuration; none where a proxy does not have the protection. */
type Edits = Readonly<Record<ProxyName, readonly (readonly [string | RegExp, string])[]>>;

function edited(edits: Edits): Change {
  return (plan) => {
    const list = edits[plan.spec.proxy.name];
    if (list.length === 0) return plan;
    return withConfiguration(
      plan,
      (text) => list.reduce((whole, [pattern, by]) => whole.replace(pattern, by), text),
    );
  };
}

/** A bottle with several protections off at once. */
export function weakened(protections: readonly ProtectionId[], parts: WeakeningParts): Change {
  return (plan) => {
    const changed = protections.reduce((soFar, id) => WEAKENINGS[id](parts)(soFar), plan);
    if (changed === plan) throw new Error(`${plan.spec.proxy.name} has no such protection`);
    return changed;
  };
}

function canaryInside(plan: DockerBottlePlan): string {
  return addressIn(plan.inputs.subnets.internal, 5);
}

/** @throws RangeError when the words are not there */
function without(args: Arguments, ...words: readonly string[]): Arguments {
  const index = args.findIndex((_, at) => words.every((word, offset) => args[at + offset] === word));
  if (index < 0) throw new RangeError(`No ${words.join(" ")} in ${JSON.stringify(args)}`);
  return [...args.slice(0, index), ...args.slice(index + words.length)];
}

/** Options of the bridge that match, each with its `--opt`. */
function withoutOption(args: Arguments, ...patterns: readonly RegExp[]): Arguments {
  const matches = (arg: Arguments[number] | undefined): boolean =>
    typeof arg === "string" && patterns.some((pattern) => pattern.test(arg));
  return args.filter((arg, index) => !(matches(arg) || arg === "--opt" && matches(args[index + 1])));
}
