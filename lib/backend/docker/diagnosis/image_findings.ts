import { type Finding, note, ok, problem } from "../../../bottle/diagnosis.ts";
import type { Environment } from "../../../host/environment.ts";
import {
  agentUser,
  type ImageFacts,
  imageNamed,
  imageRecipes,
  PIPELOCK_IMAGE,
  refuseVolumes,
} from "../images.ts";

/** What the engine has, by name. */
export type FoundImages = ReadonlyMap<string, ImageFacts>;

/** One image that bottles are made from. */
interface Image {
  readonly check: string;
  readonly name: string;
  /** @throws Failure when what is there cannot be used */
  readonly finding: (found: FoundImages) => Finding;
}

/** Every image that a launch may need. @throws Failure `image-invalid` */
export async function wantedImages(environment: Environment): Promise<readonly Image[]> {
  const recipes = await imageRecipes(environment);
  const own = imageNamed(environment, "CLAUDE_BOTTLE_IMAGE");
  const pipelock = imageNamed(environment, "CLAUDE_BOTTLE_PIPELOCK_IMAGE") ?? PIPELOCK_IMAGE;
  const { base } = recipes.agent;
  const needed = [...(own === undefined ? [recipes.agent.name] : []), recipes.sidecar.name];
  return [
    own === undefined ? built("agent-image", recipes.agent.name) : given(own),
    built("squid-image", recipes.sidecar.name),
    {
      check: "pipelock-image",
      name: pipelock,
      finding: (found) =>
        found.has(pipelock) ? ok("pipelock-image", `${pipelock} is there`) : note(
          "pipelock-image",
          `${pipelock} is not there; a bottle with this proxy pulls it`,
          `\`docker pull ${pipelock}\`, or use \`--proxy squid\`, which needs no image registry`,
        ),
    },
    { check: "base-image", name: base, finding: (found) => baseFinding(base, { found, needed }) },
  ];
}

/** An image that `start` builds when it is missing. */
function built(check: string, name: string): Image {
  return {
    check,
    name,
    finding: (found) =>
      found.has(name)
        ? ok(check, `${name} is built`)
        : note(check, `${name} is not built yet; the first start takes longer`, "`claude-bottle build`"),
  };
}

/** The image that CLAUDE_BOTTLE_IMAGE names, which nobody builds. */
function given(name: string): Image {
  const check = "agent-image";
  return {
    check,
    name,
    finding(found): Finding {
      const facts = found.get(name);
      if (facts === undefined) {
        const remedy = `\`docker pull ${name}\` or build it; or unset CLAUDE_BOTTLE_IMAGE`;
        return problem(check, `${name}, which CLAUDE_BOTTLE_IMAGE names, is not there`, remedy);
      }
      refuseVolumes(name, facts);
      const { uid } = agentUser(name, facts);
      return ok(check, `${name}, which CLAUDE_BOTTLE_IMAGE names, is there; its agent's uid is ${uid}`);
    },
  };
}

function baseFinding(
  base: string,
  { found, needed }: { readonly found: FoundImages; readonly needed: readonly string[] },
): Finding {
  if (found.has(base)) return ok("base-image", `${base} is there`);
  if (needed.every((name) => found.has(name))) {
    return ok("base-image", `${base} is not there and not needed: the images are built`);
  }
  return note(
    "base-image",
    `${base} is not there; a build pulls it`,
    `\`docker pull ${base}\`, or \`sh scripts/bootstrap.sh images\` where no registry can be reached`,
  );
}
