import { binaryText } from "../../bottle/disk_limit.ts";
import type { BottleSpec } from "../../bottle/spec.ts";
import { EXIT, Failure, type Problem } from "../../errors.ts";
import type { EngineInfo } from "./engine.ts";

/** What an engine must be able to bound for every bottle and cannot. An engine that says nothing of it can. */
export function unboundable(info: EngineInfo): readonly string[] {
  return [
    ...(info.MemoryLimit === false ? ["memory"] : []),
    ...(info.PidsLimit === false ? ["processes"] : []),
  ];
}

/** How an engine learns to bound it. */
export function boundsRemedy(info: EngineInfo): string {
  return hasSecurityOption(info, "rootless")
    ? "A rootless engine needs cgroup v2 with systemd: https://docs.docker.com/engine/security/rootless/"
    : "Enable the memory and pids cgroups of its kernel: `cgroup_enable=memory` on the kernel's command line";
}

/** Whether an engine has one of its security options, such as `rootless`. */
export function hasSecurityOption({ SecurityOptions }: EngineInfo, name: string): boolean {
  const options: unknown = SecurityOptions;
  return Array.isArray(options) &&
    options.some((option) => option === `name=${name}` || String(option).startsWith(`name=${name},`));
}

/**
 * Refuses a bottle whose resources the engine does not have, or cannot hold it to.
 *
 * @throws Failure `limits-missing` for an engine that bounds no bottle, `resources-missing` for too much of one
 */
export function requireBounds({ bottle, resources }: BottleSpec, info: EngineInfo): void {
  const missing = unboundable(info);
  if (missing.length > 0) {
    throw new Failure(
      "limits-missing",
      `The engine cannot bound ${missing.join(" and ")}, so it can start no bottle`,
      {
        hints: [boundsRemedy(info), "Or use another engine with `--context`"],
        exit: EXIT.beforeAgent,
      },
    );
  }
  const problems = beyond(resources, info).map(({ field, why }): Problem => ({
    message: `bottles.${bottle}.resources.${field}: ${why}`,
  }));
  if (problems.length === 0) return;
  throw new Failure("resources-missing", "The engine does not have what the manifest's resources ask for", {
    problems,
    hints: ["Ask for less in the manifest, or use a bigger engine with `--context`"],
    exit: EXIT.beforeAgent,
  });
}

interface Beyond {
  readonly field: keyof BottleSpec["resources"];
  readonly why: string;
}

/** No engine tells how many processes or how much disk it has. */
function beyond({ cpus, memory }: BottleSpec["resources"], info: EngineInfo): readonly Beyond[] {
  const { NCPU: processors = 0, MemTotal: bytes = 0, CpuCfsQuota: canBound } = info;
  const found: Beyond[] = [];
  if (cpus !== undefined && canBound === false) {
    found.push({ field: "cpus", why: `${cpus} asked, and the engine cannot bound processors` });
  } else if (cpus !== undefined && processors > 0 && cpus > processors) {
    found.push({ field: "cpus", why: `${cpus} asked, and the engine has ${processors}` });
  }
  if (memory !== undefined && bytes > 0 && memory > bytes) {
    found.push({
      field: "memory",
      why: `${binaryText(memory)} asked, and the engine has ${binaryText(bytes)}`,
    });
  }
  return found;
}
