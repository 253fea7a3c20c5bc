import { bad, type Checked, checkSshWord, good } from "./names.ts";

const OCTET = /^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** What leaves no trace in a name, but for the two joiners that some languages spell with. */
const UNSEEN = /(?![\u200c\u200d])\p{Cf}/u;
const EXAMPLE = "Write a name such as `git.example.com`, or `*.example.com` for it and all names below it";
const ONE_EXAMPLE = "Write a name such as `git.example.com`";

/** An IPv4 address in its one canonical form. */
export function isAddress(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => OCTET.test(part));
}

/** A host name, or `*.name` for it and all names below it, in the form that the sidecar compares. */
export function checkHost(text: string): Checked<string> {
  if (text === "*") return bad("would allow every host", EXAMPLE);
  if (!text.startsWith("*.")) return checkHostname(text);
  const below = checkHostname(text.slice(2));
  return below.kind === "good" ? good(`*.${below.value}`) : below;
}

/** A host name without a wildcard: lower case, without a trailing dot, international names in their ASCII form. */
export function checkHostname(text: string): Checked<string> {
  const wrong = misplaced(text);
  if (wrong !== undefined) return wrong;
  const name = asciiName(text);
  if (name === undefined) return noAsciiName(text);
  if (/^[\d.]+$/.test(name)) return addressRefused();
  const labels = name.split(".");
  const last = labels.at(-1) ?? "";
  if (/^(\d+|0x[0-9a-f]*)$/.test(last)) return bad("is not a host name: its last part is a number", EXAMPLE);
  if (name.length > 253) return bad("is not a host name: it has more than 253 characters");
  if (labels.some((label) => label.length > 63)) {
    return bad("is not a host name: a part of it has more than 63 characters");
  }
  if (!labels.every((label) => LABEL.test(label))) return bad("is not a host name", EXAMPLE);
  return good(name);
}

/** An ssh entry's Hostname: a host name or an IPv4 address. */
export function checkSshHostname(text: string): Checked<string> {
  if (isAddress(text)) return good(text);
  if (text.length > 1000) return bad("is too long for a host name");
  if (/^[\d.]+$/.test(text)) return bad("is not an IPv4 address of four numbers from 0 to 255");
  if (isIpv6(text)) {
    return bad("is an IPv6 address, which no bottle can reach", "Use a host name or IPv4 address");
  }
  const hint = separateHint("Hostname", text);
  if (hint !== undefined) return bad("is more than a host", hint);
  if (text.includes("*")) return bad("is a wildcard, where one host is wanted", ONE_EXAMPLE);
  const checked = checkHostname(text);
  return checked.kind === "bad" && checked.hint === EXAMPLE ? bad(checked.message, ONE_EXAMPLE) : checked;
}

/** What ssh calls Host. */
export function checkSshName(text: string): Checked<string> {
  const checked = checkSshWord(text);
  const hint = checked.kind === "good" ? undefined : separateHint("Host", text);
  return checked.kind === "good" || hint === undefined ? checked : bad(checked.message, hint);
}

/** What people give to ssh and git: a host with a user, a port or both. */
const DESTINATION = /^(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/** Where the parts of such a text belong; `undefined` for any other. */
function separateHint(key: string, text: string): string | undefined {
  if (text.length > 253) return undefined;
  const [, user, host, port] = DESTINATION.exec(text) ?? [];
  if (user === undefined && port === undefined) return undefined;
  const parts = [
    `\`${key}: ${host}\``,
    ...(user === undefined ? [] : [`\`User: ${user}\``]),
    ...(port === undefined ? [] : [`\`Port: ${port}\``]),
  ];
  return `Write ${parts.join(" and ")}, each on a line of its own`;
}

function noAsciiName(text: string): Checked<never> {
  // deno-lint-ignore no-control-regex -- all of ASCII is meant
  if (/^[\u0000-\u007f]*$/.test(text)) return bad("is not a host name", EXAMPLE);
  return bad(
    "is not a host name: it has no form in ASCII (punycode), which is what names are looked up in",
    EXAMPLE,
  );
}

/** More than a name, each with its own reason. */
function misplaced(text: string): Checked<never> | undefined {
  if (text === "") return bad("must not be empty");
  if (text.length > 1000) return bad("is too long for a host name");
  if (/,/.test(text)) {
    return bad("is not a host name: it contains a comma", "Write each host as an item of its own");
  }
  if (/\s/.test(text)) return bad("is not a host name: it contains a space", EXAMPLE);
  if (/^\.[A-Za-z0-9]/.test(text)) {
    return bad("begins with a dot", `Write \`*${text}\` for it and all names below it`);
  }
  if (UNSEEN.test(text)) {
    return bad("is not a host name: it contains a character that cannot be seen", EXAMPLE);
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) {
    const host = hostOfUrl(text);
    return bad("is a URL, where a host name is wanted", host === undefined ? EXAMPLE : `Write \`${host}\``);
  }
  if (isIpv6(text)) return addressRefused();
  if (/[/\\?#]/.test(text)) {
    if (/^[\d.]+\/\d+$/.test(text)) {
      return bad("is a range of addresses, but connections are let through by name", EXAMPLE);
    }
    return bad("has a path, where a host name is wanted", `${plainName(text)}: all of a host is allowed`);
  }
  if (text.includes("@")) return bad("has a user, where a host name is wanted", plainName(text));
  if (text.includes(":")) {
    return bad(
      "has a port, but an allowed host is reached on 443",
      `${plainName(text)}: \`http: true\` adds plain HTTP on 80, and other ports are for ssh entries`,
    );
  }
  if (text.includes("*")) return bad("has a wildcard elsewhere than at its beginning, as in `*.example.com`");
  return undefined;
}

/** What to write instead of a name with more around it. */
function plainName(text: string): string {
  const host = hostOfUrl(`https://${text}`);
  return host === undefined || host === "" ? EXAMPLE : `Write \`${host}\``;
}

function addressRefused(): Checked<never> {
  return bad(
    "is an IP address, but connections are let through by name",
    "Use the host's name; an ssh entry's Hostname may be an IPv4 address",
  );
}

function isIpv6(text: string): boolean {
  return /^\[.*\](:\d+)?$/.test(text) || /^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%.*)?$/.test(text);
}

function hostOfUrl(text: string): string | undefined {
  const host = URL.parse(text)?.hostname ?? "";
  return /^[a-z0-9.-]+$/.test(host) ? host : undefined;
}

/** What a URL's host would leave as it is: lower case, nothing of IDNA, and no address. */
const PLAIN = /^(?!.*xn--)[a-z0-9._-]*(?<![^.])[a-z_][a-z0-9_-]*$/;

/** `undefined` for what no resolver would take; digits and dots alone for an address in whatever spelling. */
function asciiName(text: string): string | undefined {
  const name = text.replace(/\.$/, "");
  if (name.endsWith(".")) return undefined;
  // deno-lint-ignore no-control-regex -- all of ASCII is meant
  if (/[\u0000-\u007f]/.test(name.replaceAll(/[A-Za-z0-9._-]/g, ""))) return undefined;
  if (PLAIN.test(name)) return name;
  const host = URL.parse(`http://${name}/`)?.hostname;
  return host?.replace(/\.$/, "");
}
