import assert from "node:assert/strict";
import fc from "fast-check";
import { checkDisk, checkMemory, checkPort } from "../../../lib/manifest/amounts.ts";
import { checkEnvName, checkEnvText } from "../../../lib/manifest/env_entries.ts";
import { checkHost, checkSshHostname } from "../../../lib/manifest/hosts.ts";
import { checkKnownHostKey, KEY_TYPES } from "../../../lib/manifest/known_host_keys.ts";
import {
  checkAgentName,
  type Checked,
  checkImage,
  checkInjectionForm,
  checkName,
  checkNetwork,
  checkPackage,
  checkPath,
  checkSkill,
  checkSshWord,
  checkText,
  checkWord,
} from "../../../lib/manifest/names.ts";
import { checkRule } from "../../../lib/manifest/rules.ts";
import { PATTERNS } from "../../../lib/manifest/patterns.ts";
import { within } from "../../support/within.ts";

/** A check of text, what the JSON Schema has for it, and text that comes close to both sides of its border. */
interface Pair {
  readonly name: string;
  readonly check: (text: string) => Checked<unknown>;
  readonly pattern: keyof typeof PATTERNS;
  /** What the JSON Schema has besides. */
  readonly maxLength?: number;
  readonly texts: fc.Arbitrary<string>;
  /** Text that only the check can tell. */
  readonly beyond?: (text: string) => boolean;
}

/** Text made of some pieces, and now and then of one that belongs nowhere. */
function pieces(good: readonly string[], maxLength = 8): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...good) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "",
        " ",
        "\n",
        "\0",
        "\x7f",
        "é",
        "日",
        "🍾",
        "\u00a0",
        "-",
        ":",
        "/",
        "@",
        "%",
      ),
    },
  );
  return fc.array(piece, { maxLength }).map((parts) => parts.join(""));
}

function long(piece: string, around: number): fc.Arbitrary<string> {
  return fc.integer({ min: around - 2, max: around + 2 }).map((count) => piece.repeat(count));
}

/** Whole numbers around those at which something changes, in digits. */
function numbers(...borders: readonly number[]): fc.Arbitrary<string> {
  const near = fc.tuple(fc.constantFrom(...borders), fc.integer({ min: -2, max: 2 })).map(([border, by]) =>
    String(Math.max(0, border + by))
  );
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 18 });
  const changed = fc.tuple(near, fc.nat(17), fc.constantFrom(..."0123456789")).map(([number, at, digit]) =>
    number.slice(0, at) + digit + number.slice(at + 1)
  );
  const zeros = fc.constantFrom("", "", "0", "000");
  return fc.tuple(zeros, fc.oneof(near, digits, changed)).map((parts) => parts.join(""));
}

function sizes(least: number): fc.Arbitrary<string> {
  const borders = [1, 1024, 1024 ** 2, 1024 ** 3].flatMap((
    unit,
  ) => [Math.ceil(least / unit), 2 ** 50 / unit]);
  const unit = fc.constantFrom("b", "k", "m", "g", "B", "K", "M", "G", "K", "", " m", "mb", "t");
  return fc.tuple(numbers(...borders), unit).map(([number, unit]) => number + unit);
}

const HOSTS = fc.oneof(
  pieces([
    "a",
    "b-c",
    "-",
    "_",
    ".",
    "..",
    "0",
    "0x1f",
    "X",
    "*.",
    "127.0.0.1",
    "git.example.com",
    "xn--",
    "ä",
    "。",
  ]),
  pieces(["255", "256", "0", "01", "1", ".", "."], 9),
  long("a", 63),
  fc.tuple(long("abcdefghi.", 25), pieces(["a", "."], 6)).map((parts) => parts.join("")),
);

const KEYS = fc.tuple(
  fc.constantFrom("", "", "", " ", "\u00a0", "\t", "host "),
  fc.constantFrom(...KEY_TYPES, "ssh-dss"),
  fc.constantFrom(" ", "   ", "\t", ""),
  fc.constantFrom<string | undefined>(...KEY_TYPES, undefined, undefined),
  fc.uint8Array({ maxLength: 4 }),
  fc.constantFrom("", "", "", "=", "A", "-"),
  fc.constantFrom("", "", " ", " me@host", "\u00a0", "\u00a0me", " \u00a0", " me\n", " 日"),
).map(([before, type, space, inner, more, slip, after]) => {
  const name = inner ?? type;
  const bytes = String.fromCharCode(0, 0, 0, name.length) + name + String.fromCharCode(...more);
  return before + type + space + btoa(bytes) + slip + after;
});

const isInternational = (text: string): boolean => /\P{ASCII}|[Xx][Nn]--/u.test(text);
const PACKAGES = pieces(["a", "0", "+", ".", "-", "A", "_", "lib", "c++"]);

const PAIRS: readonly Pair[] = [
  {
    name: "names",
    check: checkName,
    pattern: "name",
    texts: fc.oneof(pieces(["a", "Z", "0", " ", ".", "_", "-"]), long("a", 64)),
  },
  {
    name: "agents' names",
    check: checkAgentName,
    pattern: "agentName",
    texts: pieces(["demo", "DEMO", "d", "e", "Mo", "-", ".", " ", "_", "é"], 5),
  },
  {
    name: "variables",
    check: checkEnvName,
    pattern: "envName",
    texts: pieces(["A", "z", "_", "0", "NO_PROXY", "https_Proxy", "FTP_PROXY"], 4),
  },
  {
    name: "values",
    check: checkEnvText,
    pattern: "envText",
    texts: pieces(["a", "?", "\n", " ", "\t", "\u00a0", "\0", "\x1b", "${A}"]),
  },
  { name: "text", check: checkText, pattern: "text", texts: pieces(["a", "\n", "\0", "🍾"]) },
  { name: "words", check: checkWord, pattern: "word", texts: pieces(["a", "-", "\n", "\0", "🍾"], 3) },
  {
    name: "paths",
    check: checkPath,
    pattern: "path",
    texts: pieces(["~", "/", "a", "..", "\t", "é", "$", "$A", "${B}", "~/"], 4),
  },
  { name: "hosts", check: checkHost, pattern: "host", texts: HOSTS, beyond: isInternational },
  {
    name: "Hostnames",
    check: checkSshHostname,
    pattern: "sshHostname",
    texts: HOSTS,
    beyond: isInternational,
  },
  {
    name: "ssh's words",
    check: checkSshWord,
    pattern: "sshWord",
    texts: fc.oneof(pieces(["a", "Z", "0", ".", "_", "-", "@"], 4), long("a", 253)),
  },
  {
    name: "ports",
    check: checkPort,
    pattern: "port",
    texts: fc.oneof(numbers(1, 9, 99, 9999, 65_535), pieces(["1", "0", "+", "٣"])),
  },
  { name: "host keys", check: checkKnownHostKey, pattern: "hostKey", texts: KEYS },
  {
    name: "skills",
    check: checkSkill,
    pattern: "skill",
    maxLength: 128,
    texts: fc.oneof(pieces(["a", "Z", "0", ".", "_", "-", "/"], 4), long("a", 128)),
  },
  {
    name: "networks",
    check: checkNetwork,
    pattern: "network",
    maxLength: 128,
    texts: fc.oneof(pieces(["a", "host", "none", "0", ".", "_", "-"], 3), long("a", 128)),
  },
  {
    name: "packages",
    check: checkPackage,
    pattern: "package",
    maxLength: 128,
    texts: fc.oneof(PACKAGES, long("a", 128)),
  },
  {
    name: "images",
    check: checkImage,
    pattern: "image",
    maxLength: 512,
    texts: fc.oneof(
      pieces([
        "a",
        "A",
        "0",
        ".",
        "_",
        "__",
        "___",
        "--",
        "/",
        ":",
        "localhost:5000",
        "@sha256:",
        "0".repeat(64),
      ]),
      long("a", 512),
    ),
  },
  {
    name: "rules",
    check: checkRule,
    pattern: "rule",
    texts: fc.oneof(
      pieces(["/", "/", "a", "*", ".", "..", "%2f", "%2E", "%20", "%", "?", ";", "~", "é", "!", "#"], 8)
        .map((path) => `GET /${path}`),
      pieces(["GET", "POST", "TRACE", "A", " ", "/", "a", "**"], 4),
      long("a", 1000).map((path) => `GET /${path}`),
    ),
  },
  {
    name: "ways to inject",
    check: checkInjectionForm,
    pattern: "injectionForm",
    texts: fc.oneof(
      pieces(["bearer", "basic:", "header:", "Host", "host", "Proxy-", "X-Key", "te", "a", "-", "@"], 4),
      long("a", 64).map((name) => `header:${name}`),
      long("a", 128).map((name) => `basic:${name}`),
    ),
  },
  { name: "memory", check: checkMemory, pattern: "memory", texts: sizes(64 * 1024 ** 2) },
  { name: "disk", check: checkDisk, pattern: "disk", texts: sizes(16 * 1024 ** 2) },
];

for (const { name, check, pattern, maxLength = Infinity, texts, beyond } of PAIRS) {
  Deno.test(`PATTERNS say of ${name} what their check says`, () => {
    const right = new RegExp(PATTERNS[pattern], "u");
    const matches = (text: string): boolean =>
      right.test(text) &&
      [...text].length <= maxLength;
    const seen = { good: 0, bad: 0 };
    fc.assert(
      fc.property(texts, (text) => {
        const { kind } = check(text);
        if (kind === "bad" && beyond?.(text)) return;
        seen[kind]++;
        assert.equal(matches(text) ? "good" : "bad", kind, JSON.stringify(text));
      }),
      { numRuns: 2000 },
    );
    assert.ok(seen.good > 20 && seen.bad > 20, `too few of one kind: ${JSON.stringify(seen)}`);
  });
}

Deno.test("PATTERNS need no longer for what is almost right", async () => {
  const texts = [
    `${"a".repeat(62)}.`.repeat(20),
    `${"a-".repeat(120)}!`,
    `${"a--".repeat(200)}!`,
    `${"a.".repeat(400)}/`,
    `${"0".repeat(100_000)}x`,
    `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5${"A".repeat(100_000)}!`,
    `${" ".repeat(50_000)}x`,
    `é${"a".repeat(2000)}`,
  ];
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    for (const text of texts) {
      // Going back over so much text would take many seconds.
      const quick = await within(1000, () => Promise.resolve(new RegExp(pattern, "u").test(text)));
      assert.ok(quick, `${name}: ${text.slice(0, 20)}…`);
    }
  }
});
