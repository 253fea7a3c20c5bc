import { LABEL } from "../../lib/backend/docker/labels.ts";
import type { ScriptedProcesses } from "./scripted_processes.ts";

/** One object of a {@link LabelledEngine}. */
export interface EngineObject {
  readonly kind: "container" | "network" | "volume";
  readonly id: string;
  readonly name: string;
  /** Without it the object is not ours. */
  readonly run?: string;
  readonly agent?: string;
  readonly role?: string;
  readonly owner?: string;
  readonly created?: string;
  readonly running?: boolean;
  /** The engine's word; `running` or `exited` unless told. */
  readonly status?: string;
  readonly command?: readonly string[];
  /** It has its labels from its image, and was made by somebody else. */
  readonly inherited?: boolean;
}

/** An engine with given objects, which lists, inspects and removes. */
export class LabelledEngine {
  readonly objects: EngineObject[];
  /** What the engine says against removing an id. */
  readonly stubborn = new Map<string, string>();

  constructor(objects: readonly EngineObject[], processes: ScriptedProcesses) {
    this.objects = [...objects];
    processes
      .on(/^docker (container|network|volume) ls /, ({ args }) => {
        const run = args.map((word) => /^label=claude-bottle\.run=(.+)$/.exec(word)?.[1]).find(Boolean);
        const role = args.map((word) => /^label=claude-bottle\.role=(.+)$/.exec(word)?.[1]).find(Boolean);
        const found = this.objects.filter((object) =>
          object.kind === args[0] && object.run !== undefined && (run === undefined || object.run === run) &&
          (role === undefined || object.role === role)
        );
        const label = args.map((word) => /\{\{json \(\.Label "([^"]+)"\)\}\}/.exec(word)?.[1]).find(Boolean);
        if (label !== undefined) {
          const asked = found.filter(({ role }) => role !== "workspace");
          return {
            stdout: asked.map((object) => `${JSON.stringify(labelsOf(object)[label] ?? "")}\n`).join(""),
          };
        }
        const json = args.some((word) => word.startsWith("{{json"));
        return { stdout: found.map(({ id }) => `${json ? JSON.stringify(id) : id}\n`).join("") };
      })
      .on(/^docker (container|network|volume) inspect /, ({ args }) => {
        const wanted = args.slice(2);
        const found = this.objects.filter(({ id }) => wanted.includes(id));
        const missing = wanted.filter((id) => !found.some((object) => object.id === id));
        return {
          code: missing.length === 0 ? 0 : 1,
          stdout: JSON.stringify(found.map(inspectOf)),
          stderr: missing.map((id) => `Error: No such ${args[0]}: ${id}\n`).join(""),
        };
      })
      .on(/^docker (container|network|volume) rm /, ({ args }) => {
        const ids = args.slice(2).filter((word) => !word.startsWith("-"));
        const against = ids.map((id) => this.stubborn.get(id)).find((said) => said !== undefined);
        if (against !== undefined) return { code: 1, stderr: `Error response from daemon: ${against}\n` };
        const missing = ids.find((id) => !this.objects.some((object) => object.id === id));
        if (missing !== undefined) return { code: 1, stderr: `Error: No such ${args[0]}: ${missing}\n` };
        for (const id of ids) this.objects.splice(this.objects.findIndex((object) => object.id === id), 1);
        return {};
      });
  }
}

function labelsOf(object: EngineObject): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  if (object.run !== undefined) labels[LABEL.run] = object.run;
  if (object.agent !== undefined) labels[LABEL.agent] = object.agent;
  if (object.role !== undefined) labels[LABEL.role] = object.role;
  if (object.owner !== undefined) labels[LABEL.owner] = object.owner;
  labels[LABEL.bottle] = "dev";
  labels[LABEL.manifest] = `/a b/claude-bottle.yaml@sha256:${"d".repeat(64)}`;
  return labels;
}

function inspectOf(object: EngineObject): unknown {
  const labels = labelsOf(object);
  const created = object.created ?? "1970-01-01T00:10:00.123456789Z";
  if (object.kind === "volume") return { Name: object.name, CreatedAt: created, Labels: labels };
  if (object.kind === "network") {
    return { Id: object.id, Name: object.name, Created: created, Labels: labels };
  }
  const running = object.running ?? false;
  return {
    Id: object.id,
    Name: `/${object.name}`,
    Created: created,
    State: {
      Status: object.status ?? (running ? "running" : "exited"),
      Running: running,
      StartedAt: "1970-01-01T00:15:00Z",
    },
    Config: { Labels: labels, Cmd: object.command ?? null },
    HostConfig: {
      Runtime: "runc",
      ...(object.inherited === true ? {} : {
        CapDrop: ["ALL"],
        Tmpfs: { "/run/env": "uid=47291,gid=47291,mode=0700" },
      }),
    },
  };
}
