import { BUILTIN_FILE } from "../manifest/builtin.ts";
import type { CommandPorts } from "./context.ts";
import type { Validation, Warning } from "./validation.ts";

/** The most warnings that are shown to people. */
const WARNINGS_SHOWN = 200;

/** What is said of manifests without problems. */
export function showGood({ files, bottles, agents, warnings }: Validation, ports: CommandPorts): void {
  const { host, reporter } = ports;
  if (files.includes(BUILTIN_FILE)) {
    reporter.info("there is no manifest: this is the built-in one; `claude-bottle init` writes another");
  }
  const also = warnings.length === 0 ? "" : `, ${counted(warnings.length, "warning")}`;
  host.terminal.out(`${counted(bottles, "bottle")}, ${counted(agents, "agent")}: no problems${also}\n`);
}

function counted(count: number, what: string): string {
  return `${count} ${count === 1 ? what : `${what}s`}`;
}

/** Shows warnings to people: first those that are about the manifest, then those that are about this host. */
export function showWarnings(warnings: readonly Warning[], { reporter }: CommandPorts): void {
  const about = Map.groupBy(warnings, ({ concerns }) => concerns);
  const show = (all: readonly Warning[], title: string): void => {
    if (all.length === 0) return;
    reporter.warning(title, [
      ...all.slice(0, WARNINGS_SHOWN),
      ...(all.length > WARNINGS_SHOWN
        ? [{ message: `… and ${all.length - WARNINGS_SHOWN} more: \`validate --json\` tells them all` }]
        : []),
    ]);
  };
  const manifest = about.get("manifest") ?? [];
  const host = about.get("host") ?? [];
  show(
    manifest,
    manifest.length === 1
      ? "One thing in the manifest deserves a look"
      : `${manifest.length} things in the manifest deserve a look`,
  );
  show(
    host,
    host.length === 1
      ? "On this host one thing is missing or not as it must be; on another one it may be right"
      : `On this host ${host.length} things are missing or not as they must be; on another one they may be right`,
  );
}
