import { shellQuoted } from "../bottle/invocation.ts";
import {
  type Capability,
  DEFAULT_HOST,
  LEARNED,
  TOKEN_INSIDE,
  UNLIMITED,
  UNNAMED,
  UNPINNED,
} from "../manifest/capabilities.ts";
import { boundsText } from "../manifest/host_grants.ts";
import { exactBytesText } from "../ui/amount.ts";

/** A capability for people. */
export interface GrantText {
  readonly label: string;
  readonly text: string;
  /** Whether it reaches the user's secrets, keys or files, what runs on the host, or more than one public host. */
  readonly isFar: boolean;
}

type Parts = readonly string[];

/** What a capability means; foreign text, not yet fit for a terminal. */
export function grantText({ kind, parts }: Capability): GrantText {
  return TEXTS.get(kind)?.(parts) ?? { label: kind, text: parts.join(" "), isFar: true };
}

function plain(label: string, text: string): GrantText {
  return { label, text, isFar: false };
}

function far(label: string, text: string): GrantText {
  return { label, text, isFar: true };
}

const TEXTS: ReadonlyMap<string, (parts: Parts) => GrantText> = new Map([
  // An agent's.
  ["bottle", ([name = ""]) => plain("bottle", name)],
  ["command", (words) => plain("command", shellQuoted(words))],
  ["skill", ([name = ""]) => plain("skill", name)],
  // A bottle's.
  ["env", ([name = "", ...source]) => ({ ...sourceText(name, source), label: "env" })],
  ["host", hostText],
  [DEFAULT_HOST, hostText],
  [
    TOKEN_INSIDE,
    () => far("token", "your CLAUDE_BOTTLE_OAUTH_TOKEN itself, which squid then keeps outside no more"),
  ],
  [
    "http",
    ([host = "", , ...bounds]) =>
      plain("http", [`${host}, over plain HTTP`, ...boundsText(bounds)].join(", ")),
  ],
  ["private", ([host = ""]) => far("private", `${host} may be an address of a private network`)],
  ["network", ([name = ""]) => far("network", `the engine's network ${name}`)],
  ["proxy", ([name = ""]) => plain("proxy", name === UNNAMED ? "by default" : name)],
  ["inject", ([host = "", env = "", as = "", ...source]) => {
    const { text } = sourceText(env, source);
    return far("inject", `${text}; put into requests to ${host} as ${as}`);
  }],
  ["ssh", ([host = "", port = ""]) => ({
    label: "ssh",
    text: `${host}, port ${port}`,
    isFar: /^[\d.]+$/.test(host),
  })],
  ["key", keyText],
  ["sign", ([path = "", ...marks]) => far("sign", `${path} signs any commit${marksText(marks, path)}`)],
  ["git identity", () => plain("git identity", "your git's user.name and user.email")],
  ["image", ([name = ""]) => far("image", `built on ${name}`)],
  ["dockerfile", ([path = "", ...marks]) => far("dockerfile", `${path}${marksText(marks, path)}`)],
  ["image with keys", ([name = ""]) => far("image", `what is built from ${name} holds your ssh keys`)],
  ["package", ([name = ""]) => plain("package", name)],
  ["ca", ([path = "", ...marks]) => far("ca", `trusts the authorities of ${path}${marksText(marks, path)}`)],
  [
    "runtime",
    ([name = ""]) =>
      name === "runc" ? far("runtime", "runc, also where gVisor is there") : plain("runtime", name),
  ],
  ["cpus", ([amount = ""]) => plain("cpus", amount)],
  ["memory", ([bytes = ""]) => plain("memory", sizeText(bytes))],
  ["pids", ([amount = ""]) => plain("pids", `${amount} processes`)],
  ["disk", ([bytes = ""]) => plain("disk", sizeText(bytes))],
]);

function sizeText(bytes: string): string {
  return bytes === UNLIMITED ? bytes : exactBytesText(Number(bytes));
}

function sourceText(name: string, [kind, value = "", ...marks]: Parts): Omit<GrantText, "label"> {
  const from = (text: string, path?: string): Omit<GrantText, "label"> => ({
    text: `${name} from ${text}${marksText(marks, path)}`,
    isFar: true,
  });
  switch (kind) {
    case "literal":
      return { text: `${name}, a literal`, isFar: false };
    case "host":
      return from(`your variable ${value}`);
    case "prompt":
      return from(`you, asked at the launch${value === "" ? "" : `: ${JSON.stringify(value)}`}`);
    case "command":
      return { text: `${name} from ${runText(value, marks)}`, isFar: true };
    case "file":
      return from(`the file ${value}`, value);
    default:
      return from([kind, value].join(" "));
  }
}

/** A script that is known by its content may read others that are not. */
function runText(argv: string, marks: Parts): string {
  const text = `what runs on this machine: ${commandText(argv)}${marksText(marks, commandText(argv))}`;
  return marks.some((mark) => mark.startsWith("sha256 "))
    ? `${text} (other files that it reads may change without asking)`
    : text;
}

/** Stored words may be anything. */
function commandText(argv: string): string {
  try {
    const words: unknown = JSON.parse(argv);
    return Array.isArray(words) ? shellQuoted(words.map(String)) : argv;
  } catch {
    return argv;
  }
}

function hostText([host = "", rule = "", ...bounds]: Parts): GrantText {
  const isWildcard = host.startsWith("*.");
  const name = isWildcard ? `${host}: ${host.slice(2)} and every name below it` : host;
  const narrowed = [...(rule === "" ? [] : [`only ${rule}`]), ...boundsText(bounds)];
  return { label: "host", text: [name, ...narrowed].join(", "), isFar: isWildcard };
}

function keyText([path = "", user = "", host = "", port = "", hostKey = "", ...marks]: Parts): GrantText {
  const to = `${path} signs in as ${user}@${host}, port ${port}`;
  const known = hostKey === UNPINNED
    ? "whatever key that host has: not bound, it signs for anything"
    : hostKey === LEARNED
    ? "whatever key that host shows at the launch"
    : `host key ${hostKey}`;
  return far("key", `${to}; ${known}${marksText(marks)}`);
}

/** How much of a digest people compare. */
const SHORT = 12;

/** What counts of the files besides their paths; one that is named already is not named again. */
function marksText(marks: Parts, named = ""): string {
  return marks.map((mark) => {
    const [, digest, path] = /^sha256 ([0-9a-f]{64}) (.*)$/s.exec(mark) ?? [];
    const [, folder] = /^folder (.*)$/s.exec(mark) ?? [];
    if (folder !== undefined) return ` (what is in ${folder} may change without asking)`;
    if (digest === undefined) return ` (${mark})`;
    return ` (${path === named ? "" : `${path}: `}sha256 ${digest.slice(0, SHORT)})`;
  }).join("");
}
