import { type Finding, note, ok, problem } from "../../../bottle/diagnosis.ts";
import { boundsRemedy, hasSecurityOption, unboundable } from "../bounds.ts";
import type { EngineInfo } from "../engine.ts";

/** The oldest engine that bottles are tested with. */
const OLDEST = { major: 20, minor: 10 };

/** Where the engine is, as its client says. */
export interface EngineContext {
  readonly name: string;
  readonly endpoint: string;
}

/** Which engine it is, and whether bottles can run on it. */
export function engineFinding(info: EngineInfo, context: EngineContext | undefined): Finding {
  const version = info.ServerVersion ?? "";
  const where = context === undefined ? "" : ` at ${context.endpoint} (context ${context.name})`;
  const traits = [
    `${info.OSType ?? "unknown system"}/${info.Architecture ?? "unknown architecture"}`,
    `cgroup v${info.CgroupVersion ?? "1"}`,
    info.Driver ?? "unknown storage driver",
    ...(hasSecurityOption(info, "rootless") ? ["rootless"] : []),
    ...(hasSecurityOption(info, "userns") ? ["user namespaces"] : []),
  ];
  const sentence = `engine ${version || "of unknown version"}${where} answers: ${traits.join(", ")}`;
  if (info.OSType !== undefined && info.OSType !== "linux") {
    return problem("engine", `${sentence}; bottles are Linux containers`, "Switch it to Linux containers");
  }
  if (isOld(version)) {
    return problem(
      "engine",
      `${sentence}; it is older than ${OLDEST.major}.${OLDEST.minor}, the oldest that bottles are tested with`,
      "Install a newer engine: https://docs.docker.com/engine/install/",
    );
  }
  return ok("engine", sentence);
}

function isOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return false;
  return Number(major) < OLDEST.major || (Number(major) === OLDEST.major && Number(minor) < OLDEST.minor);
}

/** An engine in debug mode writes what it is asked into its log. */
export function debugFinding(info: EngineInfo): Finding {
  return info.Debug === true
    ? note(
      "debug",
      "the engine is in debug mode and logs its requests; a bottle's secrets are not in them, those of " +
        "`docker run --env` and `docker exec --env` are",
      'Take `"debug": true` out of its daemon.json, or `--debug` off its command line, and restart it',
    )
    : ok("debug", "the engine is not in debug mode");
}

/** Whether the engine can bound what a bottle takes. */
export function limitsFinding(info: EngineInfo): Finding {
  const missing = unboundable(info);
  if (missing.length > 0) {
    return problem(
      "limits",
      `the engine cannot bound ${missing.join(" and ")}, so it can start no bottle`,
      boundsRemedy(info),
    );
  }
  const soft = [
    ...(info.SwapLimit === false ? ["swap"] : []),
    ...(info.CpuCfsQuota === false ? ["processors"] : []),
  ];
  if (soft.length === 0) return ok("limits", "memory, swap, processes and processors can be bounded");
  return note(
    "limits",
    `the engine cannot bound ${soft.join(" and ")}`,
    info.SwapLimit === false ? "`swapaccount=1` on the kernel's command line bounds swap" : undefined,
  );
}

/** Whether system calls are filtered. */
export function seccompFinding(info: EngineInfo): Finding {
  if (!Array.isArray(info.SecurityOptions)) {
    return note("seccomp", "the engine does not say whether it filters system calls");
  }
  const option = optionsOf(info).find((one) => one.startsWith("name=seccomp"));
  if (option !== undefined && !option.includes("unconfined")) {
    return ok("seccomp", "system calls of bottles are filtered");
  }
  return option === undefined
    ? problem(
      "seccomp",
      "the engine does not filter system calls",
      "Use an engine built with seccomp, on a kernel with CONFIG_SECCOMP",
    )
    : problem(
      "seccomp",
      "the engine's default is not to filter system calls",
      'Take `"seccomp-profile": "unconfined"` out of its daemon.json and restart it',
    );
}

/** Which runtimes bottles can have. */
export function runtimesFinding(info: EngineInfo): Finding {
  if (!info.Runtimes) return note("runtimes", "the engine does not say which runtimes it has");
  const names = Object.keys(info.Runtimes);
  const ours = names.filter((name) => name === "runc" || name === "runsc");
  if (ours.includes("runsc")) return ok("runtimes", `${ours.join(" and ")}: bottles run in gVisor`);
  const gvisor =
    "Install gVisor (https://gvisor.dev/docs/user_guide/install/), `sudo runsc install`, and restart the engine";
  if (ours.includes("runc")) {
    return note("runtimes", "runc alone, without gVisor: bottles share the engine's kernel", gvisor);
  }
  return problem("runtimes", `neither runc nor runsc, only ${names.join(", ") || "nothing"}`, gvisor);
}

function optionsOf(info: EngineInfo): readonly string[] {
  const options: unknown = info.SecurityOptions;
  return Array.isArray(options) ? options.filter((option) => typeof option === "string") : [];
}
