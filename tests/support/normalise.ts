import type { DockerRecord } from "./fake_docker.ts";

/** A step as the plan's JSON tells it. */
export interface PrintedStep {
  readonly id: string;
  readonly after: readonly string[];
  readonly argv: readonly string[];
  readonly stdin?: {
    readonly kind: string;
    readonly entries: readonly string[];
    readonly bytes: number | null;
  };
}

/** What of a plan's JSON is compared with the calls that were made. */
export interface PrintedPlan {
  readonly steps: readonly PrintedStep[];
  readonly agentSteps: readonly PrintedStep[];
  readonly teardownSteps: readonly PrintedStep[];
}

/** The part of a dry run's JSON that is compared. */
export function printedPlan(json: string): PrintedPlan {
  const plan: Readonly<Record<string, readonly PrintedStep[]>> = JSON.parse(json);
  return {
    steps: plan["steps"] ?? [],
    agentSteps: plan["agent_steps"] ?? [],
    teardownSteps: plan["teardown_steps"] ?? [],
  };
}

/** All steps of a plan. */
export function stepsOf(plan: PrintedPlan): readonly PrintedStep[] {
  return [...plan.steps, ...plan.agentSteps, ...plan.teardownSteps];
}

/** The calls that do a plan's steps: without the probes, the sweep, the question how the bottle is, and the log. */
export function stepCalls(calls: readonly DockerRecord[]): readonly DockerRecord[] {
  return calls.filter(({ kind }) => !/^(info|ps|find-.*|explain|began|logs|list-.*|survey-.*)$/.test(kind));
}

/** Command lines with every full id written as the name of what it belongs to, as the recorded creates tell. */
export function withNames(calls: readonly DockerRecord[]): readonly (readonly string[])[] {
  const names = new Map<string, string>();
  for (const { kind, args, stdout } of calls) {
    const last = args.at(-1) ?? "";
    if (/^find-((agent|sidecar)-image|network)$/.test(kind)) {
      const id = /(sha256:)?[0-9a-f]{64}/.exec(stdout)?.[0];
      if (id !== undefined) names.set(id, last);
    } else if (kind.endsWith("-network") || /^(agent|sidecar)-image$/.test(kind)) {
      names.set(stdout.trim(), last);
    } else if (kind.endsWith("-create")) {
      names.set(stdout.trim(), args[args.indexOf("--name") + 1] ?? "");
    }
  }
  return calls.map(({ args }) =>
    args.map((word) => word.replaceAll(/(sha256:)?[0-9a-f]{64}/g, (id) => names.get(id) ?? id))
  );
}

/**
 * Command lines of one run with everything that is drawn anew for each run replaced by its name: the run id, the
 * owner, both subnets and both addresses, and the name of the agent's environment.
 */
export function withoutChance(lines: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const replacements = [
    ["RUN", valueAfter(lines, /^claude-bottle\.run=(.*)$/)],
    ["OWNER", valueAfter(lines, /^claude-bottle\.owner=(.*)$/)],
    ["INTERNAL", option(lines, { when: "--internal", name: "--subnet" })],
    ["EGRESS", option(lines, { when: "com.docker.network.bridge.enable_icc=false", name: "--subnet" })],
    ["SIDECAR", option(lines, { when: "connect", name: "--ip" })],
    ["AGENT", option(lines, { when: "--init", name: "--ip" })],
    ["TOKEN", option(lines, { when: "exec", name: "headless" })],
    ["TOKEN", option(lines, { when: "exec", name: "attached" })],
  ] as const;
  return lines.map((words) =>
    words.map((word) =>
      replacements.reduce((text, [name, value]) => value === "" ? text : text.replaceAll(value, name), word)
    )
  );
}

function valueAfter(lines: readonly (readonly string[])[], pattern: RegExp): string {
  for (const word of lines.flat()) {
    const match = pattern.exec(word);
    if (match !== null) return match[1] ?? "";
  }
  return "";
}

/** The word behind `name` in the first line that contains both. */
function option(
  lines: readonly (readonly string[])[],
  { when, name }: { readonly when: string; readonly name: string },
): string {
  const line = lines.find((words) => words.includes(when) && words.includes(name)) ?? [];
  return line[line.indexOf(name) + 1] ?? "";
}

/** The files of a tar stream: names and sizes in bytes. */
export function tarEntries(tar: Uint8Array): readonly { readonly path: string; readonly size: number }[] {
  const entries: { path: string; size: number }[] = [];
  const text = (from: number, length: number): string =>
    new TextDecoder().decode(tar.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let offset = 0; text(offset, 100) !== "";) {
    const size = parseInt(text(offset + 124, 12), 8);
    // A directory's ends with a slash.
    entries.push({ path: text(offset, 100).replace(/\/$/, ""), size });
    offset += 512 + 512 * Math.ceil(size / 512);
  }
  return entries;
}

/** The variables of an environment's frames, by name. */
export function frameEntries(frames: Uint8Array): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  const decode = (from: number, to: number): string => new TextDecoder().decode(frames.subarray(from, to));
  for (let offset = 0; offset < frames.length;) {
    const colon = frames.indexOf(0x3a, offset);
    const length = Number(decode(offset, colon));
    if (length === 0) return entries;
    const [name = "", value = ""] = decode(colon + 1, colon + 1 + length).split(/=(.*)/s);
    entries.set(name, value);
    offset = colon + 1 + length + 1;
  }
  throw new Error("frames without an end");
}
