import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { addressIn } from "../../../lib/backend/docker/addresses.ts";
import type { DockerBottlePlan } from "../../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { shownManifest } from "../../../lib/commands/manifest_choice.ts";
import { bottleSpec } from "../../../lib/commands/spec.ts";
import { environmentOf } from "../fake_host.ts";
import { denoHost } from "../../../lib/host/deno.ts";
import type { Host } from "../../../lib/host/host.ts";
import type { ProxyName, RuntimeChoice } from "../../../lib/manifest/model.ts";
import type { World } from "../../../lib/isolation/attempt.ts";
import { docker, eventually, Workbench } from "../engine.ts";
import { type Change, withSidecarDns, withStep } from "../plan_changes.ts";
import { openSshKey } from "../private_keys.ts";
import { type AttackWorld, bridgeAddress6 } from "./world.ts";

/** Names of the outside. All but `other`, and those below `domain`, are granted in one way or another. */
export const NAMES = {
  allowed: "allowed.test",
  ALLOWED: "ALLOWED.TEST",
  allowed2: "allowed2.test",
  wildcard: "wild.test",
  httpHost: "http.test",
  sshHost: "git.test",
  sshHost2: "git2.test",
  privateName: "private.test",
  linkLocalName: "metadata.test",
  other: "other.test",
  domain: "leak.test",
} as const;

const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

/** A running bottle of a suite, and what it was made from. */
export interface AttackedBottle extends AsyncDisposable {
  readonly bottle: Bottle;
  readonly plan: DockerBottlePlan;
  readonly ids: {
    readonly agent: string;
    readonly sidecar: string;
    readonly internal: string;
    readonly egress: string;
  };
  /** Where things are for whoever is in it. */
  readonly world: World;
}

export interface LaunchParts {
  readonly world: AttackWorld;
  readonly proxy: ProxyName;
  readonly runtime: RuntimeChoice;
  /** What is taken off, or added, before it is launched. */
  readonly change?: Change;
  /** A bottle whose parts the attempts may name. */
  readonly neighbour?: Neighbour;
}

/** Another bottle, in which a server of its agent listens. */
export interface Neighbour {
  readonly world: World;
  readonly internal: string;
}

/**
 * Launches a bottle as `start` does, with all checks unless something is taken off. Its sidecar asks the canary for
 * names, and the canary is a third one on its internal network: what the agent could reach there, it may not send.
 */
export async function launchBottle(parts: LaunchParts): Promise<AttackedBottle> {
  const { world, change } = parts;
  const bench = await Workbench.create();
  const host = hostOf(bench);
  const notices: string[] = [];
  const onEvent = (event: { readonly kind: string; readonly text?: string }): void => {
    if (event.kind === "notice") notices.push(event.text ?? "");
  };
  const backend = new DockerBottleBackend({ host, context: undefined, onEvent });
  const { signal } = host.interrupts;
  const dispose = async (): Promise<void> => {
    host.interrupts.release();
    // A launch that failed could not remove a network with the canary in it; the bench does.
    await letGo(bench.agent, world);
    await bench[Symbol.asyncDispose]();
  };
  try {
    for (let attempt = 1;; attempt++) {
      const prepared = await backend.prepare(await specOf(bench, { host, ...parts }), signal);
      const plan = change === undefined
        ? fixture(prepared, world)
        : unverified(change(fixture(prepared, world)));
      const bottle = await backend.launch(plan, { signal, env: new Map(), onEvent });
      // Another attempt of the launch has lost what was changed.
      const isOurs = !notices.some((text) => text.includes("retrying"));
      if (isOurs) return await attacked(parts, { bottle, plan, dispose });
      notices.length = 0;
      await bottle[Symbol.asyncDispose]();
      if (attempt === 5) throw new Error("The names or subnets of this test were taken five times");
    }
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Takes the canary out of the internal networks of a bench's bottles. */
async function letGo(agent: string, { canaryId }: AttackWorld): Promise<void> {
  const labels = [`label=claude-bottle.agent=${agent}`, "label=claude-bottle.role=internal"];
  const networks = await docker("network", "ls", "--quiet", ...labels.flatMap((one) => ["--filter", one]));
  for (const id of networks.split("\n").filter((line) => line !== "")) {
    await docker("network", "disconnect", "--force", id, canaryId).catch(() => "");
  }
}

function hostOf(bench: Workbench): Host {
  const host = denoHost();
  const environment = environmentOf(bench.environment());
  return { ...host, environment, cwd: bench.folder };
}

async function specOf(
  bench: Workbench,
  { host, world, proxy, runtime }: LaunchParts & { readonly host: Host },
): ReturnType<typeof bottleSpec> {
  const key = await bench.file("key", openSshKey());
  const ssh = [{ Host: NAMES.sshHost, Port: 22 }, { Host: NAMES.sshHost2, Port: 2222 }];
  await bench.manifest({
    bottle: {
      runtime,
      ssh: ssh.map((entry) => ({ ...entry, IdentityFile: key, KnownHostKey: HOST_KEY })),
      egress: {
        defaults: false,
        allowlist: [
          NAMES.allowed,
          NAMES.allowed2,
          `*.${NAMES.wildcard}`,
          { host: NAMES.httpHost, http: true },
          NAMES.privateName,
          NAMES.linkLocalName,
        ],
        networks: [world.public, world.private, world.linkLocal].map(({ network }) => network),
        proxy,
      },
    },
    agent: { command: ["sleep", "infinity"] },
  });
  const manifest = await shownManifest(host, bench.manifestFile);
  const spec = await bottleSpec(manifest, {
    agent: bench.agent,
    args: [],
    prompt: undefined,
    remoteControl: false,
    cwd: false,
    exclude: [],
    proxy,
    runtime,
    host,
  });
  // What ssh may reach is in the policy; its keys are the business of other tests.
  return { ...spec, ssh: [] };
}

/** What a suite needs, and what takes no protection off. */
function fixture(plan: DockerBottlePlan, world: AttackWorld): DockerBottlePlan {
  const inside = addressIn(plan.inputs.subnets.internal, CANARY_PLACE);
  const named = withSidecarDns(plan, world.private.address);
  return withStep(named, {
    id: "canary-joins",
    after: ["internal-network"],
    before: ["agent-start"],
    args: ["network", "connect", "--ip", inside, { ref: "internal", name: "internal" }, world.canaryId],
  });
}

/** The canary's place in an internal network, behind sidecar and agent. */
const CANARY_PLACE = 5;

/** The comparison after start is what finds a missing protection: here one is missing on purpose. */
function unverified(plan: DockerBottlePlan): DockerBottlePlan {
  return { ...plan, steps: plan.steps.filter(({ id }) => id !== "verify") };
}

async function attacked(
  { world, neighbour }: LaunchParts,
  { bottle, plan, dispose }: {
    readonly bottle: Bottle;
    readonly plan: DockerBottlePlan;
    readonly dispose: () => Promise<void>;
  },
): Promise<AttackedBottle> {
  const { run } = plan.inputs.run;
  const idOf = async (kind: "container" | "network", role: string): Promise<string> =>
    await docker(
      ...[kind, "ls", "--no-trunc", "--quiet", "--filter", `label=claude-bottle.run=${run}`],
      ...["--filter", `label=claude-bottle.role=${role}`],
    );
  const [agent, sidecar, internal, egress] = await Promise.all([
    idOf("container", "agent"),
    idOf("container", "sidecar"),
    idOf("network", "internal"),
    idOf("network", "egress"),
  ]);
  const ids = { agent, sidecar, internal, egress };
  await sidecarAnswers(agent, plan.expected.sidecarAddress);
  return {
    bottle,
    plan,
    ids,
    world: { ...neighbour?.world, ...await worldOf(world, { plan, ids }) },
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("network", "disconnect", "--force", internal, world.canaryId).catch(() => "");
      await bottle[Symbol.asyncDispose]();
      await dispose();
    },
  };
}

/** What the wrapper waits for; it would not run at all in a bottle without its protections. */
async function sidecarAnswers(agent: string, address: string): Promise<void> {
  const script = `exit !IO::Socket::INET->new(PeerAddr => "${address}:8888", Timeout => 1)`;
  await eventually("the sidecar answers", async () => {
    const asked = docker("exec", agent, "perl", "-MIO::Socket::INET", "-e", script);
    return await asked.then(() => true, () => undefined);
  });
}

async function worldOf(
  world: AttackWorld,
  { plan, ids }: Pick<AttackedBottle, "plan" | "ids">,
): Promise<World> {
  const { subnets } = plan.inputs;
  const address = world.public.address;
  const number = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return {
    ...NAMES,
    canary: world.private.address,
    canary6: world.private.address6,
    canaryInside: addressIn(subnets.internal, CANARY_PLACE),
    public: address,
    publicDecimal: String(number),
    publicHex: `0x${number.toString(16)}`,
    sidecar: plan.expected.sidecarAddress,
    sidecarOutside: await outsideAddress(ids),
    gateway: addressIn(subnets.internal, 1),
    egressGateway: addressIn(subnets.egress, 1),
    bridge: world.host.bridge,
    bridge6: await bridgeAddress6(world.host, ids.internal),
    hostAddress: world.host.address,
    hostPort: world.host.port,
    hostUdpPort: world.host.udpPort,
  };
}

/** The sidecar's address on its egress network. */
async function outsideAddress({ egress, sidecar }: AttackedBottle["ids"]): Promise<string> {
  const format =
    `{{range .NetworkSettings.Networks}}{{if eq .NetworkID "${egress}"}}{{.IPAddress}}{{end}}{{end}}`;
  return await docker("inspect", "--format", format, sidecar);
}
