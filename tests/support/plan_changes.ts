import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { Step } from "../../lib/bottle/invocation.ts";

/** Changes a plan before it is launched. */
export type Change = (plan: DockerBottlePlan) => DockerBottlePlan;

export type Arguments = Step["invocation"]["args"];

/** A plan in which the words of one step are others. */
export function withArguments(
  plan: DockerBottlePlan,
  id: string,
  edit: (args: Arguments) => Arguments,
): DockerBottlePlan {
  if (!plan.steps.some((step) => step.id === id)) throw new RangeError(`The plan has no step ${id}`);
  return {
    ...plan,
    steps: plan.steps.map((step) =>
      step.id === id
        ? { ...step, invocation: { ...step.invocation, args: edit(step.invocation.args) } }
        : step
    ),
  };
}

/** The words with others behind the first `word`. @throws RangeError when it is not there */
export function after(args: Arguments, word: string, added: Arguments): Arguments {
  const index = args.indexOf(word);
  if (index < 0) throw new RangeError(`No ${word} in ${JSON.stringify(args)}`);
  return [...args.slice(0, index + 1), ...added, ...args.slice(index + 1)];
}

/** A plan with one more step between others. */
export function withStep(
  plan: DockerBottlePlan,
  step: {
    readonly id: string;
    readonly after: readonly string[];
    readonly before: readonly string[];
    readonly args: Arguments;
  },
): DockerBottlePlan {
  const { id, args, before } = step;
  return {
    ...plan,
    steps: [
      ...plan.steps.map((one) => before.includes(one.id) ? { ...one, after: [...one.after, id] } : one),
      { id, after: step.after, invocation: { program: "docker" as const, args, why: "for the test" } },
    ],
  };
}

/**
 * A plan in which the sidecar reads other text. @throws RangeError when nothing was changed: a protection that was
 * not there proves nothing by its absence
 */
export function withConfiguration(
  plan: DockerBottlePlan,
  edit: (text: string, path: string) => string,
): DockerBottlePlan {
  let changed = false;
  const steps = plan.steps.map((step) => {
    const { input } = step.invocation;
    if (step.id !== "sidecar-config" || input?.kind !== "tar") return step;
    const files = input.files.map((file) => {
      if (file.kind !== undefined && file.kind !== "text") return file;
      const text = edit(file.text, file.path);
      changed ||= text !== file.text;
      return { ...file, text };
    });
    return { ...step, invocation: { ...step.invocation, input: { ...input, files } } };
  });
  if (!changed) throw new RangeError("Nothing of the sidecar's configuration was changed");
  return { ...plan, steps };
}

/** The plan whose sidecar asks the DNS server at `address`. */
export function withSidecarDns(plan: DockerBottlePlan, address: string): DockerBottlePlan {
  return withArguments(plan, "sidecar-create", (args) => after(args, "create", ["--dns", address]));
}

/** Leaves out the lines of squid's configurations that match; every pattern must leave out some. */
export function withoutLines(...patterns: readonly RegExp[]): Change {
  return (plan) => {
    let left = plan;
    for (const pattern of patterns) {
      left = withConfiguration(
        left,
        (text, path) =>
          path.endsWith(".conf") ? text.split("\n").filter((line) => !pattern.test(line)).join("\n") : text,
      );
    }
    return left;
  };
}
