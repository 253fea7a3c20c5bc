import { checkHost } from "./hosts.ts";
import { enoughOf, type Found, problemAt } from "./issues.ts";
import { effectiveValue, type Lineage, placeBelow } from "./lineage.ts";
import { aboveOf } from "./host_grants.ts";
import { type Path, pathKey } from "./node.ts";
import { hostsOfUse } from "./ready_made/services.ts";
import { quoted } from "./text.ts";
import { isMapping, valueAt } from "./values.ts";

/** The lists of hosts that are compared with each other. */
const HOST_LISTS: readonly Path[] = [["egress", "allowlist"], ["ssh"], ["egress", "private"]];

/** The bottles, as paths, whose lists of hosts are wrong in themselves, so that comparing them would mislead. */
export function badLists(found: readonly Found[]): ReadonlySet<string> {
  const bad = new Set<string>();
  for (const { path: [kind, name, ...below] } of found) {
    const concerns = HOST_LISTS.some((list) =>
      list.every((step, index) => below[index] === undefined || below[index] === step)
    );
    if (kind === "bottles" && typeof name === "string" && concerns) bad.add(pathKey([kind, name]));
  }
  return bad;
}

/** What the lists of hosts of one bottle, with all that it extends, say about each other. */
export function hostProblems(lineage: Lineage): readonly Found[] {
  const changed = HOST_LISTS.filter((below) => isOwn(lineage, below));
  // Otherwise what is wrong is wrong with what it extends, and told there.
  if (changed.length === 0) return [];
  const value = effectiveValue(lineage);
  const entries = list(value, ["egress", "allowlist"]);
  const isGranted = granting(value);
  return [
    ...(isOwn(lineage, ["egress", "allowlist"]) ? repeatedHosts(lineage, entries) : []),
    ...enoughOf(
      list(value, ["egress", "private"]),
      (entry, index) =>
        isGranted(String(entry)) ? [] : privateProblems(lineage, { changed, name: String(entry), index }),
    ),
  ];
}

/** Whether a name is one that the lists of a bottle let through. */
function granting(value: unknown): (name: string) => boolean {
  const hosts = list(value, ["egress", "allowlist"]).flatMap(hostsOf);
  const connections = list(value, ["ssh"]).filter(isMapping).flatMap((entry) =>
    [entry["Host"], entry["Hostname"]].filter((name) => typeof name === "string")
  );
  const granted = new Set([...hosts, ...connections, ...connections.map(canonical)]);
  return (name) => {
    const host = canonical(name);
    return granted.has(name) || granted.has(host) ||
      aboveOf(host).some((above) => granted.has(`*.${above}`));
  };
}

/** What is said of a private name that is granted nowhere. */
function privateProblems(
  lineage: Lineage,
  { changed, name, index }: {
    readonly changed: readonly Path[];
    readonly name: string;
    readonly index: number;
  },
): readonly Found[] {
  const below = ["egress", "private", index];
  const { path: [, owner] } = placeBelow(lineage, below);
  const [, parent, ...others] = lineage.layers;
  if (owner !== lineage.name && parent !== undefined) {
    const whole = effectiveValue({ ...lineage, layers: [parent, ...others] });
    // What is wrong without this bottle's own lists is told there.
    if (!granting(whole)(name)) return [];
    return [entryProblem(lineage, {
      below: changed[0] ?? below,
      message: `leaves out ${quoted(name)}, which egress.private has from bottle ${
        quoted(String(owner))
      }: lists are replaced`,
      hint: "Add it here too, or give this bottle an egress.private of its own",
    })];
  }
  return [entryProblem(lineage, {
    below,
    message: `${quoted(name)} is neither in egress.allowlist nor an ssh entry's Host or Hostname`,
    hint: /^[\d.]+$|:/.test(name)
      ? "Write the name that leads to that address, and allow it there as well"
      : "Allow it there as well, or remove it here",
  })];
}

/** Whether an entry says something itself, and does not take it over. */
function isOwn({ layers: [{ source, path }] }: Lineage, below: Path): boolean {
  return valueAt(source.value, [...path, ...below]) !== undefined;
}

function list(value: unknown, path: Path): readonly unknown[] {
  const found = valueAt(value, path);
  return Array.isArray(found) ? found : [];
}

/** A problem with a value of an effective entry, in whichever file it stands. */
function entryProblem(
  lineage: Lineage,
  what: { readonly below: Path; readonly message: string; readonly hint: string },
): Found {
  const place = placeBelow(lineage, what.below);
  return problemAt(place.source, { ...what, path: place.path });
}

function canonical(host: string): string {
  const checked = checkHost(host);
  return checked.kind === "good" ? checked.value : host;
}

/** The hosts of an entry, in the form that is compared. */
function hostsOf(entry: unknown): readonly string[] {
  if (!isMapping(entry)) return [canonical(String(entry))];
  return entry["use"] === undefined ? [canonical(String(entry["host"]))] : hostsOfUse(entry["use"]);
}

/** A host twice as plain names is one host; with rules of its own it would be two that contradict each other. */
function repeatedHosts(lineage: Lineage, entries: readonly unknown[]): readonly Found[] {
  const first = new Map<string, unknown>();
  return enoughOf(entries, (entry, index) => {
    const repeated = hostsOf(entry).filter((host) => {
      const other = first.get(host);
      if (!first.has(host)) first.set(host, entry);
      return other !== undefined && !(typeof entry === "string" && typeof other === "string");
    });
    const [host] = repeated;
    if (host === undefined) return [];
    const isService = [entry, first.get(host)].some((one) => isMapping(one) && one["use"] !== undefined);
    return [entryProblem(lineage, {
      below: ["egress", "allowlist", index],
      message: `${quoted(host)} is in the allowlist already`,
      hint: isService
        ? "`use` stands for it too: `claude-bottle info` shows its hosts, which can be written one by one instead"
        : "Write one entry for each host",
    })];
  });
}
