import type { Problem } from "../errors.ts";
import { checkHost } from "./hosts.ts";
import { problemAt } from "./issues.ts";
import { bad, type Checked, good } from "./names.ts";
import { FOUND_LIMIT, type Path } from "./node.ts";
import type { Source } from "./source.ts";
import { quoted } from "./text.ts";
import { isMapping, valueAt } from "./values.ts";

/** Who gives away the names below a public suffix: a registry (`co.uk`), or a company to its customers (`github.io`). */
type Section = "registry" | "company";

/** The section of the public suffix list that a name stands in; `undefined` for one that is no public suffix. */
export type SuffixSection = (name: string) => Section | undefined;

/** In the list, but never delegated: the zone of one's own network at home (RFC 8375). */
const OWN_ZONE = "home.arpa";

/** One host of a manifest in its checked form. */
interface NamedHost {
  readonly path: Path;
  readonly written: string;
  readonly host: string;
}

/**
 * Refuses hosts that are public suffixes, below which names belong to anybody. The list of them is read only where
 * a host might be one: it takes as long as the rest of a manifest.
 */
export async function suffixProblems(sources: readonly Source[]): Promise<readonly Problem[]> {
  const hosts = sources.map((source) => ({ source, named: namedHosts(source) }));
  if (!hosts.some(({ named }) => named.some(({ host }) => mayBeSuffix(host)))) return [];
  const sectionOf = await suffixList();
  return hosts.flatMap(({ source, named }) =>
    named.flatMap(({ path, written, host }) => {
      const checked = checkSuffix(host, sectionOf);
      if (checked.kind === "good") return [];
      const message = `${quoted(written)} ${checked.message}`;
      return [problemAt(source, { path, message, hint: checked.hint }).problem];
    }).slice(0, FOUND_LIMIT)
  );
}

/** The hosts of every allowlist and `private` that are names; what is no name is refused elsewhere. */
function namedHosts(source: Source): readonly NamedHost[] {
  const bottles = valueAt(source.value, ["bottles"]);
  if (!isMapping(bottles)) return [];
  return Object.keys(bottles).flatMap((bottle) =>
    ["allowlist", "private"].flatMap((list) => {
      const at = ["bottles", bottle, "egress", list];
      const entries = valueAt(source.value, at);
      return Array.isArray(entries)
        ? entries.flatMap((entry, index) => {
          const path = isMapping(entry) ? [...at, index, "host"] : [...at, index];
          return namedHost(path, valueAt(source.value, path));
        })
        : [];
    })
  );
}

function namedHost(path: Path, written: unknown): readonly NamedHost[] {
  if (typeof written !== "string") return [];
  const checked = checkHost(written);
  return checked.kind === "good" ? [{ path, written, host: checked.value }] : [];
}

/** Top-level domains of countries that are used like those of none: what is everybody's there has at most four letters. */
const LIKE_GENERIC = /[a-z0-9-]{5,}\.(ai|co|io|me|sh)$/;
/** Only registries of countries, these few and international names have public suffixes of several parts. */
const WITH_SUFFIXES = /.\.([a-z]{2}|aero|arpa|int|pro|xn--[a-z0-9-]+)$/;

/** False only for a host that is surely none, whatever the list says. */
export function mayBeSuffix(host: string): boolean {
  return host.startsWith("*.") || WITH_SUFFIXES.test(host) && !LIKE_GENERIC.test(host);
}

/**
 * An allowed host that is no public suffix. A name of one part is a name of one's own network, a compose service `app`
 * among them, so only what is below it is everybody's; and what a company gives away is a host of that company as well.
 */
export function checkSuffix(host: string, sectionOf: SuffixSection): Checked<string> {
  const wildcard = host.startsWith("*.");
  const name = wildcard ? host.slice(2) : host;
  if (name === OWN_ZONE || (!wildcard && !name.includes("."))) return good(host);
  const section = sectionOf(name);
  if (section === undefined || (!wildcard && section === "company")) return good(host);
  if (!wildcard) {
    return bad(
      "is a public suffix and no host: names below it belong to anybody",
      `Write the host's own name, such as \`www.example.${name}\``,
    );
  }
  return bad(
    section === "registry"
      ? "would allow whatever anybody registers there"
      : `would allow what anybody can set up below ${name}`,
    `Write the names that are meant, such as \`example.${name}\``,
  );
}

/** The public suffix list, as the library of that release has it. */
export async function suffixList(): Promise<SuffixSection> {
  const { parse } = await import("./suffix_library.ts");
  return (name) => {
    const { publicSuffix, isIcann, isPrivate } = parse(name, {
      allowPrivateDomains: true,
      extractHostname: false,
      validateHostname: false,
    });
    if (publicSuffix !== name) return undefined;
    return isIcann ? "registry" : isPrivate ? "company" : undefined;
  };
}
