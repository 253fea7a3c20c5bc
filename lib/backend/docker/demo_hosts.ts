import demoDockerfile from "../../assets/demo.dockerfile" with { type: "text" };
import demoHosts from "../../assets/demo_hosts.sh" with { type: "text" };
import scriptedApi from "../../assets/scripted_api.mjs" with { type: "text" };
import tourProbe from "../../assets/tour_probe.pl" with { type: "text" };
import type { DemoHosts, DemoHostsOptions } from "../../bottle/demo_hosts.ts";
import { Secret } from "../../bottle/env.ts";
import { EXIT, Failure, printable } from "../../errors.ts";
import { sha256 } from "../../host/digest.ts";
import { VERSION } from "../../version.ts";
import { addressIn } from "./addresses.ts";
import { labelArguments, proxyEnvironment } from "./arguments.ts";
import type { DockerClient } from "./client.ts";
import { createDemoNetwork, type DemoPorts, demoRun } from "./demo_network.ts";
import { findImages } from "./engine.ts";
import { executeSteps } from "./execute.ts";
import { imageSteps } from "./image_steps.ts";
import { AGENT_UID, imageRecipes } from "./images.ts";
import { DEMO_ROLE, type RunLabels } from "./labels.ts";
import { NAME_PREFIX } from "./names.ts";
import { stdinOf } from "./stdin.ts";
import { tarOf } from "./tar.ts";
import { openReaper, removeReaped } from "./reaper.ts";

/** The agent's user of our image: the only one that the ssh server can log in without privileges. */
const USER = "node";
const READY_DEADLINE_MS = 15_000;

/**
 * Starts the hosts of a tour in one container without capabilities, on a network that leads nowhere. The images
 * of bottles must be there. They carry a run's labels, so `cleanup` knows them.
 *
 * @throws Failure
 */
export async function openDemoHosts(ports: DemoPorts, options: DemoHostsOptions): Promise<DemoHosts> {
  const { host, client } = ports;
  const { signal } = options;
  const image = await demoImage(ports, options);
  const run = await demoRun(ports, { agent: "demo", signal });
  const name = `${NAME_PREFIX}demo-${run.run}`;
  const reaper = await openReaper(ports, run.run);
  const remove = (): Promise<string> => removeReaped({ ...host, client }, { run: run.run, reaper });
  try {
    const subnet = await createDemoNetwork(ports, { name, run, signal });
    const address = addressIn(subnet, 2);
    const id = await startContainer(client, { ...options, image, name, run, address });
    const { caPem, clientKey, hostKey } = await ready(ports, { id, signal });
    return {
      objects: [`container ${name}`, `network ${name}`],
      network: name,
      address,
      gateway: addressIn(subnet, 1),
      caPem,
      user: USER,
      clientKey: new Secret(clientKey),
      hostKey,
      probe: ["/usr/bin/perl", "-e", tourProbe],
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

/** The id of the hosts' image, built when it is missing. */
async function demoImage(
  { host, client }: DemoPorts,
  { ca, signal, onEvent }: DemoHostsOptions,
): Promise<string> {
  const { agent } = await imageRecipes(host.environment);
  const digest = await sha256(JSON.stringify([demoDockerfile, agent.name]));
  const name = `claude-bottle-demo:${digest.slice(0, 12)}`;
  const found = (await findImages(client, { names: [name], signal })).get(name);
  if (found !== undefined) return found.id;
  const build = {
    role: "demo",
    dockerfile: demoDockerfile,
    base: agent.name,
    pull: false,
    ca: ca ?? "",
    version: VERSION,
    fresh: false,
  } as const;
  const steps = imageSteps({ name, id: undefined, build }, {
    globalArguments: client.globalArguments,
    after: [],
  });
  const ids = new Map<string, string>();
  await executeSteps(steps, { client, ids, signal, onEvent, stdin: stdinOf });
  return ids.get("demo-image") ?? "";
}

async function startContainer(
  client: DockerClient,
  { image, name, run, address, names, ports, signal }: DemoHostsOptions & {
    readonly image: string;
    readonly name: string;
    readonly run: RunLabels;
    readonly address: string;
  },
): Promise<string> {
  const what = "starting the demo's hosts";
  const created = await client.run({
    what,
    args: [
      // Its stdin stays open until it is removed.
      ...[
        "container",
        "create",
        "--interactive",
        "--init",
        "--name",
        name,
        "--network",
        name,
        "--ip",
        address,
      ],
      ...names.flatMap((alias) => ["--network-alias", alias]),
      ...[
        "--user",
        `${AGENT_UID}:${AGENT_UID}`,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--memory",
        "512m",
        "--pids-limit",
        "128",
      ],
      ...["--pull", "never", "--log-driver", "local", "--log-opt", "max-size=1m"],
      // Unset, the client would fill them in with the user's own.
      ...Object.entries(proxyEnvironment("", "")).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
      ...["--env", `SCRIPTED_HOSTS=${names.join(",")}`, "--env", `SCRIPTED_PORTS=${ports.join(",")}`],
      ...labelArguments(run, DEMO_ROLE),
      ...["--entrypoint", "sh", image, "/opt/demo/hosts.sh"],
    ],
    signal,
    deadline: "change",
  });
  const id = created.trim();
  const file = { mode: 0o644, uid: 0, gid: 0 };
  const input = tarOf([
    { path: "opt/demo/hosts.sh", ...file, text: demoHosts },
    { path: "opt/demo/scripted_api.mjs", ...file, text: scriptedApi },
  ]);
  await client.run({ what, args: ["container", "cp", "-", `${id}:/`], input, signal, deadline: "copy" });
  await client.run({ what, args: ["container", "start", id], signal, deadline: "change" });
  return id;
}

/** Waits until they answer. @throws Failure `demo-hosts-failed` with their last words */
async function ready(
  { host, client }: DemoPorts,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<{ readonly caPem: string; readonly clientKey: string; readonly hostKey: string }> {
  const what = "waiting for the demo's hosts";
  const end = host.now() + READY_DEADLINE_MS;
  for (;;) {
    const { stdout, stderr } = await client.outcome({
      what,
      args: ["container", "logs", id],
      signal,
      deadline: "log",
    });
    const caPem = readyRecord(stdout);
    if (caPem !== undefined) {
      const script = "cat /tmp/demo/host_key.pub /tmp/demo/client_key";
      const keys = await client.run({ what, args: ["container", "exec", id, "sh", "-c", script], signal });
      const [hostKey = "", ...clientKey] = keys.split("\n");
      // Without the comment behind type and key.
      return { caPem, hostKey: hostKey.split(" ", 2).join(" "), clientKey: clientKey.join("\n") };
    }
    if (host.now() > end) {
      throw new Failure("demo-hosts-failed", "The demo's own hosts did not start", {
        problems: `${stdout}\n${stderr}`.split("\n").filter((line) => line !== "").slice(-10)
          .map((line) => ({ message: printable(line) })),
        exit: EXIT.beforeAgent,
      });
    }
    await host.sleep(100, signal);
  }
}

/** The authority of the line that says so; `undefined` while there is none. */
function readyRecord(log: string): string | undefined {
  const line = log.split("\n").find((line) => line.startsWith('{"kind":"ready"'));
  if (line === undefined) return undefined;
  try {
    const { caPem } = JSON.parse(line);
    return typeof caPem === "string" ? caPem : undefined;
  } catch {
    // The rest of the line is still to come.
    return undefined;
  }
}
