import type { DockerBottlePlan } from "./plan.ts";
import { SSH_PRIVATE_SOCKET, SSH_SOCKET } from "./provision/ssh.ts";

/** What a launch does, in the seed's words, for those who ask for more than progress: a line each. */
export function launchDetails(
  { spec, containerName, image, skills, workspace }: DockerBottlePlan,
): readonly string[] {
  return [
    `starting container ${containerName} from ${image}`,
    ...(workspace === undefined
      ? []
      : [`copying ${workspace.directory} -> ${containerName}:${spec.workdir}`]),
    ...skills.map(({ name }) => `copying skill ${name} into ${containerName}:${spec.skillsDir}/${name}`),
    // The seed staged them on root's disk in the bottle first.
    ...spec.ssh.map(({ host }) =>
      `copying ssh key for '${host}' -> ${containerName} (root-only, never staged)`
    ),
    ...(spec.ssh.length === 0 ? [] : [
      `starting in-container ssh-agent at ${SSH_PRIVATE_SOCKET} (forwarded via ${SSH_SOCKET})`,
      `writing ${spec.home}/.ssh/config`,
      `writing ${spec.home}/.ssh/known_hosts`,
    ]),
  ];
}
