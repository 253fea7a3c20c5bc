import type { Step } from "../../bottle/invocation.ts";
import { LABEL } from "./labels.ts";

/** An image that a launch needs: there already, or to be built or pulled first. */
export interface ImageChoice {
  readonly name: string;
  /** `undefined` when it is not there. */
  readonly id: string | undefined;
  /** `undefined` for an image of somebody else's, which is pulled. */
  readonly build: ImageBuild | undefined;
}

/** How an image is built. */
export interface ImageBuild {
  readonly role: "agent" | "sidecar" | "demo";
  readonly dockerfile: string;
  readonly base: string;
  /** Whether the base must be pulled first. */
  readonly pull: boolean;
  /** Extra certificate authorities, PEM; empty when there are none. */
  readonly ca: string;
  readonly version: string;
  /** Uses nothing of an earlier build. */
  readonly fresh: boolean;
}

/** The steps that build or pull what is missing; none when nothing is. The id of each last step is `<role>-image`. */
export function buildSteps(
  images: { readonly agent: ImageChoice; readonly sidecar: ImageChoice },
  globalArguments: readonly string[],
): readonly Step[] {
  const wanted = [images.agent, images.sidecar].filter(({ id }) => id === undefined);
  const base = wanted.find(({ build }) => build?.pull === true)?.build?.base;
  return [
    ...(base === undefined ? [] : [pullStep(base, globalArguments)]),
    ...wanted.flatMap((image) =>
      imageSteps(image, { globalArguments, after: base === undefined ? [] : ["base-image"] })
    ),
  ];
}

function pullStep(base: string, globalArguments: readonly string[]): Step {
  return {
    id: "base-image",
    after: [],
    slow: true,
    remedy:
      "Where no registry can be reached, `sh scripts/bootstrap.sh images` builds the base from Debian's packages",
    invocation: {
      program: "docker",
      args: [...globalArguments, "image", "pull", base],
      why: "what the images are built on",
    },
  };
}

/** A proxy whose image cannot be had is never exchanged for another one in silence. */
function pulledSidecarSteps(name: string, globalArguments: readonly string[]): readonly Step[] {
  return [
    {
      id: "sidecar-pull",
      after: [],
      slow: true,
      remedy: "Use squid instead: `--proxy squid`, or `proxy: squid` in the manifest",
      invocation: {
        program: "docker",
        args: [...globalArguments, "image", "pull", name],
        why: "the egress proxy",
      },
    },
    inspectStep(name, { role: "sidecar", after: "sidecar-pull", globalArguments }),
  ];
}

function inspectStep(
  name: string,
  options: {
    readonly role: ImageBuild["role"];
    readonly after: string;
    readonly globalArguments: readonly string[];
  },
): Step {
  return {
    id: `${options.role}-image`,
    after: [options.after],
    creates: `${options.role}-image`,
    invocation: {
      program: "docker",
      args: [...options.globalArguments, "image", "inspect", "--format", "{{.Id}}", name],
      why: "containers are created from its id",
    },
  };
}

/** The steps that build or pull one image. */
export function imageSteps(
  { name, build }: ImageChoice,
  options: { readonly globalArguments: readonly string[]; readonly after: readonly string[] },
): readonly Step[] {
  if (build === undefined) return pulledSidecarSteps(name, options.globalArguments);
  const file = { mode: 0o644, uid: 0, gid: 0 };
  return [
    {
      id: `${build.role}-build`,
      after: options.after,
      slow: true,
      invocation: {
        program: "docker",
        args: [
          ...options.globalArguments,
          "image",
          "build",
          // A failed legacy build would otherwise leave its container behind.
          "--force-rm",
          ...(build.fresh ? ["--no-cache"] : []),
          "--build-arg",
          `BASE=${build.base}`,
          "--label",
          `${LABEL.version}=${build.version}`,
          "--tag",
          name,
          "-",
        ],
        input: {
          kind: "tar",
          files: [{ path: "Dockerfile", ...file, text: build.dockerfile }, {
            path: "ca.pem",
            ...file,
            text: build.ca,
          }],
        },
        why: "not there yet, or made from something else",
      },
    },
    inspectStep(name, {
      role: build.role,
      after: `${build.role}-build`,
      globalArguments: options.globalArguments,
    }),
  ];
}
