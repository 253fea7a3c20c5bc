import type { BottlePlan } from "./plan.ts";

/** What a launch does, in the seed's words, for those who ask for more than progress: a line each. */
export function launchDetails({ spec, containerName, image, skills }: BottlePlan): readonly string[] {
  return [
    `starting container ${containerName} from ${image}`,
    ...skills.map(({ name }) => `copying skill ${name} into ${containerName}:${spec.skillsDir}/${name}`),
  ];
}
