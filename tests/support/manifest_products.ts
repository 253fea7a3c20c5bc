import { resolve } from "node:path";
import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { environmentFrames } from "../../lib/backend/docker/frames.ts";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import { keyFrames } from "../../lib/backend/docker/provision/ssh.ts";
import { resolveEnv } from "../../lib/bottle/env.ts";
import { printedArguments, type Step, type TarFile } from "../../lib/bottle/invocation.ts";
import { planJson, preflightText, stepsText } from "../../lib/bottle/render.ts";
import { envPorts } from "../../lib/commands/env_ports.ts";
import { grantsOf } from "../../lib/commands/grants.ts";
import { jsonText } from "../../lib/commands/json_text.ts";
import { reviewText } from "../../lib/commands/review_text.ts";
import { bottleSpec } from "../../lib/commands/spec.ts";
import { pipelock } from "../../lib/egress/pipelock/pipelock.ts";
import { squid } from "../../lib/egress/squid/squid.ts";
import { Failure } from "../../lib/errors.ts";
import type { Files, FileStatus, OpenFile } from "../../lib/host/files.ts";
import { renderProblem } from "../../lib/manifest/diagnostics.ts";
import type { Manifest } from "../../lib/manifest/model.ts";
import { capabilitiesOf } from "../../lib/manifest/capabilities.ts";
import { manifestWarnings } from "../../lib/manifest/warnings.ts";
import { Reporter } from "../../lib/ui/reporter.ts";
import { table } from "../../lib/ui/table.ts";
import { scriptedEngine } from "./cli_harness.ts";
import { PROJECT, USUAL } from "./capabilities.ts";
import { type FakeHost, fakeHost } from "./fake_host.ts";
import { MemoryTerminal, PERSON } from "./memory_terminal.ts";
import { openSshKey } from "./private_keys.ts";

const HOME = "/home/somebody";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

/** One file that enters a container. */
export interface ProductFile {
  /** The step that brings it, and its path. */
  readonly place: string;
  /** Mode, owner and kind. */
  readonly meta: string;
  readonly text: string;
}

/** All that becomes of one agent of a manifest before anything runs. */
export interface Products {
  /** The words of every call of the engine's client, in the plan's order. */
  readonly calls: readonly { readonly id: string; readonly words: readonly string[] }[];
  readonly files: readonly ProductFile[];
  /** What a person reads, by its name. */
  readonly texts: Readonly<Record<string, string>>;
  /** What a program reads: JSON, and what it must mean. */
  readonly json: Readonly<Record<string, { readonly text: string; readonly data: unknown }>>;
  /** Words of the programs of the host that were started to fetch values. */
  readonly fetched: readonly (readonly string[])[];
  /** The environment, injected secrets and keys, each as one stdin has them. */
  readonly frames: {
    readonly env: Uint8Array;
    readonly injected: Uint8Array;
    readonly keys: Uint8Array;
  };
  readonly manifest: Manifest;
}

/** What is made of an agent by the real thing, on a machine and an engine in memory. @throws Failure */
export async function productsOf(given: Manifest, agent: string): Promise<Products> {
  // The one thing that any change of the text changes.
  const manifest = { ...given, files: given.files.map((file) => ({ ...file, digest: "0".repeat(64) })) };
  const host = machineFor(manifest);
  const reporter = reporterOn(host.terminal, true);
  const ports = { host, reporter, paint: (_: unknown, text: string) => text, backends: new Map() };
  const { signal } = host.interrupts;
  const spec = await bottleSpec(manifest, {
    agent,
    args: [],
    prompt: undefined,
    remoteControl: false,
    host,
    cwd: false,
    exclude: [],
    proxy: "squid",
    runtime: undefined,
  });
  const backend = new DockerBottleBackend({ host, context: undefined, onEvent: reporter.onEvent });
  const plan = await backend.prepare(spec, signal);
  const passed = spec.policy.hosts.filter(({ inspection }) => inspection === undefined);
  const other = pipelock.program({ ...spec.policy, hosts: passed }, {
    listen: "10.213.0.2",
    egressSubnet: "10.213.0.16/28",
  });
  const steps = [...plan.steps, ...plan.agentSteps, ...plan.watchSteps, ...plan.teardownSteps];
  const env = await resolveEnv(spec.env, envPorts(ports));
  const injected = await resolveEnv(spec.injected, envPorts(ports));
  const grants = grantsOf(manifest, agent, host.environment);
  const warnings = manifestWarnings(manifest);
  const json = {
    plan: planJson(plan),
    info: grants.map(({ label, data }) => ({ label, ...data })),
    warnings,
  };
  return {
    manifest,
    calls: steps.map(({ id, invocation }) => ({ id, words: printedArguments(invocation) })),
    files: [
      ...steps.flatMap(filesOf),
      ...other.files.map(({ path, mode, text }) => ({ place: `pipelock ${path}`, meta: String(mode), text })),
    ],
    texts: {
      preflight: preflightText(plan),
      steps: stepsText(plan),
      limits: [...squid.limits(spec.policy), ...pipelock.limits(spec.policy)].map((line) => `${line}\n`).join(
        "",
      ),
      info: table(grants.map(({ label, text }) => [label, text])),
      review: reviewOf(manifest),
      warnings: warnings.map((problem) => `${renderProblem(problem)}\n`).join(""),
      talk: host.terminal.stderr,
    },
    json: Object.fromEntries(
      Object.entries(json).map(([name, data]) => [name, { text: jsonText(data), data }]),
    ),
    fetched: host.processes.calls.filter(({ args }) => args[2] === "sh").map(({ args }) => args),
    frames: { env: environmentFrames(env), injected: environmentFrames(injected), keys: loadedKeys(plan) },
  };
}

/** What `trust` would show of it, were it a project's: all of its grants, none of them approved. */
function reviewOf(manifest: Manifest): string {
  const subjects = { agents: [...manifest.agents.keys()], bottles: [...manifest.bottles.keys()] };
  const facts = { usual: USUAL, fingerprints: new Map<string, string>(), marks: new Map<string, string[]>() };
  const requested = capabilitiesOf(manifest, { subjects, facts });
  const review = {
    manifest,
    project: PROJECT,
    requested,
    difference: { added: requested, kept: [], removed: [] },
    notes: new Map<string, string>(),
    place: { path: "/approval", project: { root: PROJECT.root, folder: PROJECT.root, identity: "" } },
    stored: { kind: "none" },
  } as const;
  return reviewText(review, { columns: Infinity, paint: (_, text) => text, verbose: false });
}

/** What stderr shows of a failure. */
export function failureText(failure: Failure): string {
  const terminal = new MemoryTerminal();
  reporterOn(terminal, false).failure(failure);
  return terminal.stderr;
}

/** What every command that fetches a value fails with, shown. */
export async function fetchFailures(manifest: Manifest): Promise<readonly string[]> {
  const shown: string[] = [];
  for (const code of [1, 127]) {
    const host = machineFor(manifest);
    host.processes.on(/^sh -c .* sh /s, { code });
    const ports = {
      host,
      reporter: reporterOn(host.terminal, false),
      paint: (_: unknown, text: string) => text,
    };
    for (const { env } of manifest.bottles.values()) {
      try {
        await resolveEnv(env, envPorts({ ...ports, backends: new Map() }));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        shown.push(failureText(error));
      }
    }
  }
  return shown;
}

function reporterOn(terminal: MemoryTerminal, verbose: boolean): Reporter {
  return new Reporter({ terminal, paint: (_, text) => text, verbose, json: false, now: () => 0 });
}

function loadedKeys({ inputs }: DockerBottlePlan): Uint8Array {
  const known = inputs.sshKeys.filter(({ entries }) =>
    entries.every((entry) => entry.knownHostKeys.length > 0)
  );
  return keyFrames(known);
}

function filesOf({ id, invocation: { input } }: Step): readonly ProductFile[] {
  if (input?.kind === "tar") return input.files.map((file) => productFile(id, file));
  if (input?.kind !== "environment" && input?.kind !== "keys" && input?.kind !== "secrets") return [];
  // Their names alone are part of a plan.
  return [{
    place: `${id} ${input.kind}`,
    meta: "names",
    text: input.names.map((name) => `${name}\n`).join(""),
  }];
}

function productFile(id: string, file: TarFile): ProductFile {
  const { path, mode, uid, gid, kind = "text" } = file;
  return {
    place: `${id} ${path}`,
    meta: `${mode} ${uid} ${gid} ${kind}`,
    text: file.kind === "link" ? file.target : "text" in file ? file.text : "",
  };
}

/** Linux with an engine that has every network, and files at every path. */
function machineFor(manifest: Manifest): FakeHost {
  const processes = scriptedEngine()
    .on(/^sh -c cd \/ && exec git /, { stdout: "user.name\nSome Body\0user.email\nme@example.org\0" })
    .on(/^sh -c .* sh /s, { stdout: "fetched value" })
    .on(/^docker network inspect /, ({ args }) => {
      const Name = args.at(-1) ?? "";
      return {
        stdout: JSON.stringify([{ Name, Id: "5".repeat(64), Driver: "bridge", Internal: true, Labels: {} }]),
      };
    });
  return fakeHost({
    processes,
    env: {
      PATH: "/usr/bin",
      HOME,
      GH_PAT: "pat-4711",
      API_KEY: "key-4712",
      NPM: "npm-4713",
      OPENAI: "o-4714",
    },
    files: filesEverywhere(manifest),
    terminal: new MemoryTerminal({
      terminals: PERSON,
      answers: Array.from({ length: 9 }, () => "an answer"),
    }),
  });
}

const SKILLS = `${HOME}/.claude/skills`;

/** A key of its own for each ssh entry, certificates where they are wanted, skills, and a value in any other file. */
function filesEverywhere(manifest: Manifest): Files {
  const special = new Map<string, string>();
  for (const { ssh, image } of manifest.bottles.values()) {
    ssh.forEach(({ identityFile }, index) =>
      special.set(absolute(identityFile), openSshKey({ point: index + 1 }))
    );
    if (image.ca !== undefined) special.set(absolute(image.ca), CERTIFICATE);
  }
  const kindOf = (path: string): FileStatus["kind"] | undefined => {
    if (path === `${HOME}/.ssh/known_hosts` || path === "/etc/ssh/ssh_known_hosts") return undefined;
    const isFolder = path === SKILLS || path === `${HOME}/.claude` || /^.*\/skills\/[^/]+$/s.test(path);
    return isFolder ? "directory" : "file";
  };
  const bytesOf = (path: string): Uint8Array | undefined =>
    kindOf(path) === "file" ? new TextEncoder().encode(special.get(path) ?? "a value") : undefined;
  const statusOf = (path: string): FileStatus | undefined => {
    const kind = kindOf(path);
    if (kind === undefined) return undefined;
    return {
      kind,
      size: bytesOf(path)?.length ?? 0,
      mode: 0o600,
      uid: 1000,
      modified: 0,
      identity: path,
      birth: "",
    };
  };
  return {
    readBytes: (path) => Promise.resolve(bytesOf(path)),
    status: (path) => Promise.resolve(statusOf(path)),
    linkStatus: (path) => Promise.resolve(statusOf(path)),
    realPath: (path) => Promise.resolve(path),
    readLink: () => Promise.resolve(undefined),
    readDirectory: () => Promise.resolve([{ name: "SKILL.md", kind: "file" }]),
    open(path): Promise<OpenFile | undefined> {
      const status = statusOf(path);
      const bytes = bytesOf(path);
      if (status === undefined || bytes === undefined) return Promise.resolve(undefined);
      let offset = 0;
      return Promise.resolve({
        status: () => Promise.resolve(status),
        read(into: Uint8Array): Promise<number | undefined> {
          const part = bytes.subarray(offset, offset + into.length);
          into.set(part);
          offset += part.length;
          return Promise.resolve(part.length === 0 ? undefined : part.length);
        },
        [Symbol.dispose]: () => {},
      });
    },
  };
}

/** As the program finds a path of a manifest in `/m`. */
function absolute(path: string): string {
  return path.startsWith("~/") ? resolve(HOME, path.slice(2)) : resolve("/m", path);
}
