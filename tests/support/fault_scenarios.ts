import { join } from "node:path";
import type { DockerRecord, FakeSettings, Fault } from "./fake_docker.ts";
import type { FakeInterrupts } from "./fake_host.ts";
import { type HastyResult, runHastily } from "./hasty_program.ts";
import { type MemoryTerminalOptions, PERSON } from "./memory_terminal.ts";
import { HOST_KEY } from "./plan_inputs.ts";
import { openSshKey } from "./private_keys.ts";
import { Sandbox } from "./program.ts";

/** One way of launching a bottle; together they make every docker call that a launch can make. */
export interface Scenario {
  readonly name: string;
  readonly settings: FakeSettings;
  readonly args: readonly string[];
  readonly terminal?: MemoryTerminalOptions;
  /** What happens while it runs. */
  readonly meanwhile?: (sandbox: Sandbox) => Promise<void>;
  readonly bottle?: object;
  readonly agent?: object;
  /** What it comes to when nothing goes wrong. */
  readonly code: number;
  /** Whether an agent runs; its last output is then {@link SAID}. */
  readonly startsAgent: boolean;
  /** Whether the bottle stays when nothing goes wrong. */
  readonly stays?: true;
}

/** What the agent prints at its end. */
export const SAID = "hello\n";
/** With which the agent ends: no code of ours. */
export const AGENT_CODE = 7;

const AGENT: FakeSettings = {
  agentSays: [SAID.trim()],
  agentCode: AGENT_CODE,
  // So that there is something to say of it.
  containers: ["claude-bottle-bench-of-somebody"],
};
const SQUID = { egress: { proxy: "squid" } };

const INSPECTED = {
  host: "api.test",
  allow: ["GET /v1/*"],
  inject: { env: "API_KEY", secret: { file: "~/token" }, as: "bearer" },
};

/** Something is measured only of an agent that runs for a while. */
async function untilWatched(sandbox: Sandbox): Promise<void> {
  await sandbox.docker.begun("watch-disk").catch(() => {});
  await sandbox.docker.release("agent");
}

/** In this order: a call is tried in the first one that makes it. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "an agent at a terminal",
    settings: { ...AGENT, hostKeys: [`git.example.com 22 ${HOST_KEY}`] },
    args: ["start", "bench", "--json", "--yes"],
    terminal: { terminals: PERSON, answers: ["y"] },
    bottle: { ...SQUID, ssh: [{ Host: "gitea", Hostname: "git.example.com", IdentityFile: "~/id" }] },
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "a headless agent",
    settings: AGENT,
    args: ["start", "bench", "--json", "--prompt", "hi"],
    bottle: SQUID,
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "with a workspace, a skill, a joined network",
    settings: { ...AGENT, networks: { app_back: "5".repeat(64) } },
    args: ["start", "bench", "--json", "--prompt", "hi", "--cwd"],
    bottle: { egress: { proxy: "squid", networks: ["app_back"] } },
    agent: { skills: ["review"] },
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "an agent that runs for a while",
    settings: { ...AGENT, agentWaits: true },
    args: ["start", "bench", "--json", "--prompt", "hi"],
    meanwhile: untilWatched,
    bottle: SQUID,
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "with no image there",
    settings: { ...AGENT, missingImages: ["agent", "sidecar", "other"] },
    args: ["start", "bench", "--json", "--prompt", "hi"],
    bottle: SQUID,
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "with pipelock",
    settings: AGENT,
    args: ["start", "bench", "--json", "--prompt", "hi", "--proxy", "pipelock"],
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "with pipelock, which is not there",
    settings: { ...AGENT, missingImages: ["other"] },
    args: ["start", "bench", "--json", "--prompt", "hi", "--proxy", "pipelock"],
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "with inspected hosts",
    settings: AGENT,
    args: ["start", "bench", "--json", "--prompt", "hi"],
    bottle: { egress: { proxy: "squid", allowlist: [INSPECTED] } },
    code: AGENT_CODE,
    startsAgent: true,
  },
  {
    name: "made ready",
    settings: {},
    args: ["start", "bench", "--json", "--detach", "--yes"],
    bottle: SQUID,
    code: 0,
    startsAgent: false,
    stays: true,
  },
  {
    name: "that fails and is removed by its labels",
    settings: { faults: [{ kind: "sidecar-start", nth: 1, fault: "exit1" }] },
    args: ["start", "bench", "--json", "--prompt", "hi", "--cwd"],
    bottle: SQUID,
    code: 125,
    startsAgent: false,
  },
];

/** One call of a scenario: the kind and which of its kind, from 1. */
export interface Place {
  readonly kind: string;
  readonly nth: number;
}

/** What a scenario came to. */
export interface Played extends HastyResult {
  readonly calls: readonly DockerRecord[];
  /** Names of objects that are left, without what all of them begin with, and of files in the temp folder. */
  readonly left: readonly string[];
}

/** Plays a scenario, with a fault at one place or none. */
export async function play(
  scenario: Scenario,
  { fault, meanwhile }: {
    readonly fault?: Place & { readonly fault: Fault };
    readonly meanwhile?: (sandbox: Sandbox, interrupts: FakeInterrupts) => Promise<void>;
  } = {},
): Promise<Played> {
  const faults = [...scenario.settings.faults ?? [], ...(fault === undefined ? [] : [fault])];
  await using sandbox = await Sandbox.create({ ...scenario.settings, faults });
  await sandbox.manifest({
    bottles: { dev: scenario.bottle ?? {} },
    agents: { bench: { bottle: "dev", ...scenario.agent } },
  });
  await Deno.writeTextFile(join(sandbox.folder, "home", "id"), openSshKey(), { mode: 0o600 });
  await Deno.writeTextFile(join(sandbox.folder, "home", "token"), "secret-token\n", { mode: 0o600 });
  await Deno.writeTextFile(join(sandbox.folder, "work", "file"), "text\n");
  const skill = join(sandbox.folder, "home", ".claude", "skills", "review");
  await Deno.mkdir(skill, { recursive: true });
  await Deno.writeTextFile(join(skill, "SKILL.md"), "---\nname: review\ndescription: x\n---\n");
  const result = await runHastily({
    args: scenario.args,
    env: sandbox.environment(),
    cwd: join(sandbox.folder, "work"),
    ...(scenario.terminal === undefined ? {} : { terminal: scenario.terminal }),
    meanwhile: async (interrupts) => {
      await Promise.all([scenario.meanwhile?.(sandbox), meanwhile?.(sandbox, interrupts)]);
    },
  });
  const objects = (await sandbox.docker.objects()).map((name) => name.replace(/^.*-/, ""));
  return {
    ...result,
    calls: await sandbox.docker.calls(),
    left: [...objects, ...await sandbox.temporaryFiles()],
  };
}

/** The calls that a run made, in the order in which they began. */
export function placesOf({ calls }: Played): readonly Place[] {
  const seen = new Map<string, number>();
  return calls.map(({ kind }) => {
    const nth = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, nth);
    return { kind, nth };
  });
}
