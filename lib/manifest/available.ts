import { EXIT, Failure, type Problem } from "../errors.ts";
import { requireAgent } from "./agents.ts";
import type { Agent, Bottle, Manifest } from "./model.ts";
import { type Path, pathText } from "./node.ts";

/** Something a manifest may say that this version cannot do yet: leave a row out once it can. */
interface Row {
  readonly feature: string;
  /** The paths below the bottle's or agent's entry that ask for it. */
  readonly asked: (bottle: Bottle, agent: Agent) => readonly Path[];
  readonly of: "bottles" | "agents";
}

const NOT_YET: readonly Row[] = [
  { of: "bottles", feature: "extending a bottle", asked: (bottle) => given(bottle.extends, ["extends"]) },
  {
    of: "bottles",
    feature: "a secret from a command or file",
    asked: (bottle) =>
      [...bottle.env].filter(([, source]) => source.kind === "command" || source.kind === "file")
        .map(([name]) => ["env", name]),
  },
  { of: "bottles", feature: "ssh", asked: (bottle) => bottle.ssh.map((_, index) => ["ssh", index]) },
  {
    of: "bottles",
    feature: "git identity",
    asked: (bottle) => given(bottle.gitIdentity, ["git", "identity"]),
  },
  {
    of: "bottles",
    feature: "plain HTTP",
    asked: (bottle) => allowed(bottle, "http"),
  },
  {
    of: "bottles",
    feature: "inspecting a host",
    asked: (bottle) => allowed(bottle, "allow"),
  },
  {
    of: "bottles",
    feature: "injecting a secret",
    asked: (bottle) => allowed(bottle, "inject"),
  },
  {
    of: "bottles",
    feature: "a disk limit",
    asked: (bottle) => given(bottle.resources.disk, ["resources", "disk"]),
  },
  {
    of: "bottles",
    feature: "another base image",
    asked: (bottle) => given(bottle.image.base, ["image", "base"]),
  },
  {
    of: "bottles",
    feature: "a Dockerfile",
    asked: (bottle) => given(bottle.image.dockerfile, ["image", "dockerfile"]),
  },
  {
    of: "bottles",
    feature: "installing packages",
    asked: (bottle) => bottle.image.packages.length > 0 ? [["image", "packages"]] : [],
  },
  {
    of: "agents",
    feature: "copying skills",
    asked: (_, agent) => agent.skills.length > 0 ? [["skills"]] : [],
  },
];

/**
 * Refuses to start an agent with anything left out that its manifest asks for.
 *
 * @throws Failure `not-available-yet` with one problem for each thing, `agent-unknown`
 */
export function refuseUnavailable(
  manifest: Manifest,
  agentName: string,
): void {
  const { agent, bottle } = requireAgent(manifest, agentName);
  const problems = NOT_YET.flatMap((row) =>
    row.asked(bottle, agent).map((below) => {
      const path = [row.of, row.of === "bottles" ? bottle.name : agent.name, ...below];
      return at(manifest, { path, message: `${row.feature} is not available yet` });
    })
  );
  const [first] = problems;
  if (first === undefined) return;
  throw new Failure(
    "not-available-yet",
    `Agent ${JSON.stringify(agentName)} asks for what is not there yet`,
    {
      exit: EXIT.usage,
      problems,
      ...(first.where === undefined ? {} : { where: first.where }),
    },
  );
}

function at(
  manifest: Manifest,
  what: { readonly path: Path; readonly message: string; readonly hints?: readonly string[] },
): Problem {
  const where = manifest.where(what.path);
  return {
    message: `${pathText(what.path)}: ${what.message}`,
    ...(where === undefined ? {} : { where }),
    ...(what.hints === undefined ? {} : { hints: what.hints }),
  };
}

function given(value: unknown, path: Path): readonly Path[] {
  return value === undefined ? [] : [path];
}

/** The entries of the allowlist that use a field. */
function allowed(bottle: Bottle, field: "http" | "allow" | "inject"): readonly Path[] {
  return bottle.egress.allowlist.flatMap((host, index) => {
    const value = host[field];
    const used = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
    return used ? [["egress", "allowlist", index, field]] : [];
  });
}
