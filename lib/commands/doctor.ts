import { failed, type Finding, note, ok, problem } from "../bottle/diagnosis.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { BUILTIN_FILE } from "../manifest/builtin.ts";
import type { ProxyName, RuntimeChoice } from "../manifest/model.ts";
import type { Terminal } from "../host/terminal.ts";
import type { Style } from "../ui/style.ts";
import { hanging, resultColumns } from "../ui/wrap.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";
import { approvalWarning } from "./approval.ts";
import { shownManifest } from "./manifest_choice.ts";
import { type UpkeepOptions, withoutAgent } from "./upkeep.ts";

export interface DoctorOptions extends UpkeepOptions {
  /** `--manifest FILE`. */
  readonly manifest: string | undefined;
  /** Attacks a bottle instead of looking at what bottles depend on. */
  readonly probe: boolean;
  /** Of that bottle. */
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
}

/** How each status is painted. */
const STYLES: Readonly<Record<Finding["status"], Style>> = {
  ok: "success",
  note: "warning",
  problem: "error",
};

/** `doctor`: looks at everything that bottles depend on; 1 when there is a problem. @throws Failure, Interrupted */
export async function doctor(options: DoctorOptions, ports: CommandPorts): Promise<number> {
  if (options.probe) {
    const { doctorProbe } = await import("./doctor_probe.ts");
    return await withoutAgent(() => doctorProbe(options, ports));
  }
  requireNoBottle(options);
  const { host, reporter } = ports;
  const backend = await loadBackend(ports, options);
  reporter.onEvent({ kind: "started", id: "doctor", title: "looking at the engine", slow: false });
  const [engine, manifest] = await Promise.all([
    backend.diagnose({ signal: host.interrupts.signal }),
    manifestFinding(host, options.manifest),
  ]);
  reporter.quiet();
  const findings = [...engine, manifest, tokenFinding(host), terminalFinding(host.terminal)];
  const problems = findings.filter(({ status }) => status === "problem").length;
  if (options.json) {
    host.terminal.out(jsonText({ findings: findings.map(findingJson), problems }));
  } else {
    host.terminal.out(findingsText(findings, ports));
    const count = problems === 1 ? "1 problem" : `${problems} problems`;
    reporter.info(problems === 0 ? "no problems" : `${count}; what to do stands behind the arrows`);
  }
  return problems === 0 ? EXIT.done : EXIT.failed;
}

/** What describes the probe's bottle means nothing without one. @throws Failure `usage` */
function requireNoBottle({ proxy, runtime }: DoctorOptions): void {
  const given = [
    ...(proxy === undefined ? [] : ["--proxy"]),
    ...(runtime === undefined ? [] : ["--runtime"]),
  ];
  if (given.length === 0) return;
  throw new Failure(
    "usage",
    `${given.join(" and ")} ${given.length === 1 ? "requires" : "require"} --probe`,
    {
      hints: ["`claude-bottle doctor --probe` attacks a bottle with them; without it there is none"],
      exit: EXIT.usage,
    },
  );
}

function findingJson({ check, status, sentence, remedy }: Finding): unknown {
  return { check, status, sentence, remedy: remedy ?? null };
}

/** A line each, or more where the terminal is narrow, and one for what to do. Equal sentences are told once. */
function findingsText(findings: readonly Finding[], { host: { terminal }, paint }: CommandPorts): string {
  const alike = Map.groupBy(findings, ({ sentence }) => sentence);
  const single = [...alike.values()].filter(({ length }) => length === 1).flat();
  const statusWidth = Math.max(...findings.map(({ status }) => status.length)) + 2;
  const indent = statusWidth + Math.max(0, ...single.map(({ check }) => check.length)) + 2;
  const width = resultColumns(terminal);
  return [...alike.values()].map((group) => {
    const [first] = group;
    if (first === undefined) return "";
    const { status, sentence, remedy } = first;
    const checks = oneLine(group.map(({ check }) => check).join(", "));
    const told = group.length === 1
      ? hanging(status.padEnd(statusWidth) + checks.padEnd(indent - statusWidth), oneLine(sentence), width)
      : hanging(status.padEnd(statusWidth), `${checks}: ${oneLine(sentence)}`, width);
    const todo = remedy === undefined
      ? ""
      : `${paint("hint", hanging(" ".repeat(indent), `→ ${oneLine(remedy)}`, width))}\n`;
    return `${paint(STYLES[status], status)}${told.slice(status.length)}\n${todo}`;
  }).join("");
}

/** The manifest that `start` would use from here. */
async function manifestFinding(host: Host, file: string | undefined): Promise<Finding> {
  try {
    const manifest = await shownManifest(host, file);
    const { files, bottles, agents } = manifest;
    const paths = files.map(({ path }) => path);
    if (paths.includes(BUILTIN_FILE)) {
      return ok("manifest", "there is none: `start` runs the built-in agent in the built-in bottle");
    }
    const warning = await approvalWarning(host, manifest);
    if (warning !== undefined) return problem("manifest", warning.sentence, warning.remedy);
    return ok(
      "manifest",
      `${paths.join(" and ")} is valid; bottles: ${bottles.size}, agents: ${agents.size}`,
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code !== "manifest-invalid") return failed("manifest", error);
    const { message, where } = error;
    const sentence = where === undefined ? message : `${message}: ${where.file}:${where.line}`;
    return problem("manifest", sentence, "`claude-bottle validate` tells every problem and where it is");
  }
}

/** The user's token, of which nothing is shown. */
function tokenFinding({ environment }: Host): Finding {
  const variable = "CLAUDE_BOTTLE_OAUTH_TOKEN";
  const remedy = `\`claude setup-token\` makes one; \`export ${variable}=…\``;
  const token = environment.get(variable);
  if (!token) {
    return note("token", `${variable} is not set: Claude Code asks for a login in each bottle`, remedy);
  }
  if (/[^\x21-\x7e]/.test(token)) {
    return problem(
      "token",
      `${variable} holds a space, a line break or another character that no token has`,
      remedy,
    );
  }
  return /^sk-ant-oat\d\d-[A-Za-z0-9_-]{20,}$/.test(token)
    ? ok("token", `${variable} is set`)
    : note("token", `${variable} is set, but does not look like what \`claude setup-token\` prints`, remedy);
}

/** Whether a person can be asked. */
function terminalFinding({ stdinIsTerminal, stderrIsTerminal }: Terminal): Finding {
  return stdinIsTerminal && stderrIsTerminal ? ok("terminal", "stdin and stderr are a terminal") : note(
    "terminal",
    `${stdinIsTerminal ? "stderr" : "stdin"} is no terminal: nothing can be asked here`,
    "`claude-bottle start --prompt TEXT` runs without one",
  );
}
