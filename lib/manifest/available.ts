import { EXIT, Failure, type Problem } from "../errors.ts";
import { requireAgent } from "./agents.ts";
import type { Bottle, Manifest } from "./model.ts";
import type { Path } from "./node.ts";
import { remarkAt } from "./problems.ts";

/** Something a manifest may say that this version cannot do yet: leave a row out once it can. */
interface Row {
  readonly feature: string;
  /** The paths below the bottle's entry that ask for it. */
  readonly asked: (bottle: Bottle) => readonly Path[];
}

const NOT_YET: readonly Row[] = [
  {
    feature: "another base image",
    asked: (bottle) => given(bottle.image.base, ["image", "base"]),
  },
  {
    feature: "a Dockerfile",
    asked: (bottle) => given(bottle.image.dockerfile, ["image", "dockerfile"]),
  },
  {
    feature: "installing packages",
    asked: (bottle) => bottle.image.packages.length > 0 ? [["image", "packages"]] : [],
  },
];

/** What an agent's manifest asks for and is not there yet. @throws Failure `agent-unknown` */
export function unavailable(manifest: Manifest, agentName: string): readonly Problem[] {
  const { bottle } = requireAgent(manifest, agentName);
  return NOT_YET.flatMap(({ feature, asked }) =>
    asked(bottle).map((below) =>
      remarkAt(manifest, ["bottles", bottle.name, ...below], { message: `${feature} is not available yet` })
    )
  );
}

/**
 * Refuses to start an agent with anything left out that its manifest asks for.
 *
 * @throws Failure `not-available-yet` with one problem for each thing, `agent-unknown`
 */
export function refuseUnavailable(manifest: Manifest, agentName: string): void {
  const problems = unavailable(manifest, agentName);
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

function given(value: unknown, path: Path): readonly Path[] {
  return value === undefined ? [] : [path];
}
