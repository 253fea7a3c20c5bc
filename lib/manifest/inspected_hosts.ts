import { hostPlace, injectPlace, isInspected } from "./host_places.ts";
import { aboveOf, boundsOf, includesName } from "./host_grants.ts";
import { type Found, problemAt } from "./issues.ts";
import { effectiveValue, type Lineage, placeBelow } from "./lineage.ts";
import type { AllowedHost, Bottle } from "./model.ts";
import { FOUND_LIMIT, type Path, pathKey } from "./node.ts";
import { toBottle } from "./resolve.ts";
import { bottleSchema } from "./schema.ts";
import { quoted } from "./text.ts";
import { isMapping, valueAt } from "./values.ts";

/** What must fit together once a host is inspected. */
const CONCERNED: readonly Path[] = [["egress", "allowlist"], ["egress", "proxy"], ["env"], ["ssh"]];

/** A problem and where it stands below the bottle. */
interface Remark {
  readonly below: Path;
  readonly message: string;
  readonly hint: string;
}

/** What the inspected hosts of bottles, with all that these extend, have against the rest of them; each thing once. */
export function inspectionProblems(lineages: readonly Lineage[]): readonly Found[] {
  const found = new Map<string, Found>();
  for (const lineage of lineages) {
    for (const { below, message, hint } of remarksOn(lineage)) {
      if (found.size >= FOUND_LIMIT) return [...found.values()];
      const { source, path } = placeBelow(lineage, below);
      const key = `${source.file}\n${pathKey(path)}\n${message}`;
      if (!found.has(key)) found.set(key, problemAt(source, { path, message, hint }));
    }
  }
  return [...found.values()];
}

function remarksOn(lineage: Lineage): readonly Remark[] {
  // Otherwise what is wrong is wrong with what it extends, and told there.
  const [{ source, path }] = lineage.layers;
  if (CONCERNED.every((below) => valueAt(source.value, [...path, ...below]) === undefined)) return [];
  const value = effectiveValue(lineage);
  if (!mayInspect(value)) return [];
  const parsed = bottleSchema.safeParse(value);
  // What is wrong with it is told already.
  if (!parsed.success) return [];
  const bottle = toBottle(lineage.name, parsed.data);
  const inspected = bottle.egress.allowlist.filter(isInspected);
  const isOwnProxy = valueAt(source.value, [...path, "egress", "proxy"]) !== undefined;
  return [
    ...proxyRemarks(bottle, { inspected, isOwnProxy }),
    ...secretRemarks(bottle),
    ...overlaps(bottle.egress.allowlist),
    ...longNames(inspected),
    ...sshRemarks(bottle, inspected),
  ];
}

/** Nobody waits for thousands of plain hosts to be looked through again. */
function mayInspect(value: unknown): boolean {
  const allowlist = valueAt(value, ["egress", "allowlist"]);
  return Array.isArray(allowlist) &&
    allowlist.some((entry) =>
      isMapping(entry) && ["allow", "inject", "use"].some((key) => Object.hasOwn(entry, key))
    );
}

function proxyRemarks(
  { egress: { proxy } }: Bottle,
  { inspected, isOwnProxy }: { readonly inspected: readonly AllowedHost[]; readonly isOwnProxy: boolean },
): readonly Remark[] {
  const [first] = inspected;
  if (proxy !== "pipelock" || first === undefined) return [];
  if (isOwnProxy) {
    return [{
      below: ["egress", "proxy"],
      message: `\`pipelock\` cannot inspect hosts, and ${quoted(first.host)} is to be`,
      hint: "Write `proxy: squid`",
    }];
  }
  return [{
    below: hostPlace(first),
    message: "is to be inspected, which the proxy that this bottle takes over, `pipelock`, cannot do",
    hint: "Add `proxy: squid` to this bottle's `egress`",
  }];
}

/** The most characters of a name that a certificate can be made for. */
const NAME_LIMIT = 64;

function longNames(inspected: readonly AllowedHost[]): readonly Remark[] {
  return inspected.filter(({ host }) => host.length > NAME_LIMIT).map((allowed) => ({
    below: hostPlace(allowed),
    message: `${quoted(allowed.host)} is too long to be inspected`,
    hint: `No certificate has a name of more than ${NAME_LIMIT} characters: inspect a wildcard above it`,
  }));
}

/** One variable has one placeholder, for one secret. */
function secretRemarks({ env, egress }: Bottle): readonly Remark[] {
  const first = new Map<string, string>();
  return egress.allowlist.flatMap((allowed): readonly Remark[] => {
    const { inject } = allowed;
    if (inject === undefined) return [];
    const below = injectPlace(allowed);
    const source = JSON.stringify(inject.secret);
    const other = first.get(inject.env);
    if (other === undefined) first.set(inject.env, source);
    return [
      ...(env.has(inject.env) && other === undefined
        ? [{
          below: ["env", inject.env],
          message: `is to hold the placeholder of the secret for ${
            quoted(allowed.host)
          }, and no value of its own`,
          hint: "Remove it here: the agent has the placeholder in this variable",
        }]
        : []),
      ...(other === undefined || other === source ? [] : [{
        below,
        message: `another secret has its placeholder in ${inject.env}`,
        hint: "Name another variable with `env`, or take both from one source",
      }]),
    ];
  });
}

/** The most names below one wildcard that count for themselves: each of its rules tells them all in a review. */
const BELOW_LIMIT = 100;

/** Of two wildcards nobody could tell which one counts. */
function overlaps(allowlist: readonly AllowedHost[]): readonly Remark[] {
  const bounds = boundsOf(allowlist);
  const wildcards = new Map(
    allowlist.filter(({ host }) => host.startsWith("*.")).map((allowed) => [allowed.host, allowed] as const),
  );
  return [...wildcards.values()].flatMap((allowed): readonly Remark[] => {
    const wider = aboveOf(allowed.host.slice(2)).slice(1).map((above) => wildcards.get(`*.${above}`))
      .find((one) => one !== undefined);
    if (bounds(allowed).length > BELOW_LIMIT) {
      return [{
        below: hostPlace(allowed),
        message: `${quoted(allowed.host)} has more than ${BELOW_LIMIT} inspected hosts below it`,
        hint: "Inspect the wildcard itself, or name single hosts alone",
      }];
    }
    if (wider === undefined || !(isInspected(allowed) || isInspected(wider))) return [];
    return [{
      below: hostPlace(allowed),
      message: `${quoted(allowed.host)} is below ${quoted(wider.host)}, and one of them is inspected`,
      hint: "Name single hosts: an exact name counts before a wildcard",
    }];
  });
}

/** What ssh reaches on a port is not opened, whoever speaks to it. */
function sshRemarks({ ssh }: Bottle, inspected: readonly AllowedHost[]): readonly Remark[] {
  return ssh.flatMap(({ hostname, port }, index): readonly Remark[] => {
    if (port !== 443) return [];
    const allowed = inspected.find(({ host }) => includesName(host, hostname));
    if (allowed === undefined) return [];
    return [{
      below: ["ssh", index],
      message: `reaches ${quoted(hostname)} on port 443, where ${quoted(allowed.host)} is inspected`,
      hint: "Use another port for ssh, or remove one of the two",
    }];
  });
}
