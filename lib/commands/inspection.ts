import { EXIT, Failure, type Problem } from "../errors.ts";
import { requireAgent } from "../manifest/agents.ts";
import { hostPlace, isInspected, secretPlace } from "../manifest/host_places.ts";
import type { AllowedHost, Bottle, Manifest, ProxyName } from "../manifest/model.ts";
import { linesOf, oncePerPlace, remarkAt, withoutLines } from "../manifest/problems.ts";

/** What inspects hosts. */
const INSPECTING: ProxyName = "squid";

export interface InspectionOptions {
  readonly agent: string;
  /** What was settled on; pipelock when nothing was. */
  readonly proxy: ProxyName | undefined;
  /** What of that the command line names. */
  readonly flag: ProxyName | undefined;
}

/**
 * Refuses a proxy that would let through more than the manifest says. Nothing is silently changed to the one that can
 * inspect: it is another program with other limits.
 *
 * @throws Failure `inspection-needs-squid` with a problem for each inspected host, `agent-unknown`
 */
export function requireInspection(manifest: Manifest, { agent, proxy, flag }: InspectionOptions): void {
  if (proxy === INSPECTING) return;
  const { bottle } = requireAgent(manifest, agent);
  const problems = inspectedHosts(manifest, bottle);
  const [first] = problems;
  if (first === undefined) return;
  const name = JSON.stringify(bottle.name);
  const isNamed = bottle.egress.proxy === INSPECTING;
  throw new Failure(
    "inspection-needs-squid",
    `Bottle ${name} has inspected hosts, which ${proxy ?? "pipelock"} cannot inspect`,
    {
      exit: EXIT.usage,
      problems,
      ...(first.where === undefined ? {} : { where: first.where }),
      hints: [
        ...(isNamed ? [] : [`Add to the bottle ${name}: egress: { proxy: ${INSPECTING} }`]),
        flag === undefined ? `Or, for once: --proxy ${INSPECTING}` : `Leave out \`--proxy ${flag}\``,
      ],
    },
  );
}

/** Each at its place, and no line that holds a secret itself. */
function inspectedHosts(manifest: Manifest, { name, egress }: Bottle): readonly Problem[] {
  const inspected = egress.allowlist.filter(isInspected);
  const at = (place: readonly (string | number)[], message: string): Problem =>
    remarkAt(manifest, ["bottles", name, ...place], { message });
  const literals = inspected.filter(({ inject }) => inject?.secret.kind === "literal");
  const hidden = linesOf(literals.map((allowed) => at(secretPlace(allowed), "")));
  return withoutLines(
    oncePerPlace(inspected.map((allowed) => at(hostPlace(allowed), reason(allowed)))),
    hidden,
  );
}

function reason({ allow, use }: AllowedHost): string {
  if (use !== undefined) return `the requests to ${use.service} are inspected`;
  return `its requests are inspected, because of \`${allow.length > 0 ? "allow" : "inject"}\``;
}
