import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../../../lib/errors.ts";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { checkHost, checkHostname, checkSshHostname, checkSshName } from "../../../lib/manifest/hosts.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import { checkSuffix, mayBeSuffix, suffixList } from "../../../lib/manifest/public_suffixes.ts";

Deno.test.each([
  ["GitHub.com.", "github.com"],
  ["bücher.example", "xn--bcher-kva.example"],
  ["BÜCHER.example", "xn--bcher-kva.example"],
  ["xn--bcher-kva.example", "xn--bcher-kva.example"],
  ["straße.example", "xn--strae-oqa.example"],
  ["日本語。jp", "xn--wgv71a119e.jp"],
  // Latin and Cyrillic in one: what is shown is the ASCII form, in which they differ.
  ["аpple.com", "xn--pple-43d.com"],
  ["_dmarc.example.com", "_dmarc.example.com"],
  ["a_b", "a_b"],
  ["app", "app"],
  ["localhost", "localhost"],
  ["*.Bücher.example", "*.xn--bcher-kva.example"],
])("checkHost() has %s in the form that is looked up", (text, host) => {
  assert.deepEqual(checkHost(text), { kind: "good", value: host });
});

Deno.test.each([
  ["", "must not be empty"],
  ["*", "would allow every host"],
  ["*.", "must not be empty"],
  ["*.*.com", "wildcard elsewhere"],
  ["a*.com", "wildcard elsewhere"],
  ["a b", "contains a space"],
  ["a\u00a0b.com", "contains a space"],
  ["git\u00adhub.com", "cannot be seen"],
  ["github.com\u200b", "cannot be seen"],
  ["\u202egithub.com", "cannot be seen"],
  ["\ufeffgithub.com", "contains a space"],
  ["xn--a.example", "is not a host name"],
  ["a\ufffd.example", "no form in ASCII"],
  ["é".repeat(64) + ".example", "a part of it has more than 63"],
  ["a..b", "is not a host name"],
  [".a", "begins with a dot"],
  ["a.com,b.com", "contains a comma"],
  ["10.0.0.0/8", "is a range of addresses"],
  ["-a.com", "is not a host name"],
  ["a-.com", "is not a host name"],
  ["a%00.com", "is not a host name"],
  ["a\0.com", "is not a host name"],
  ["https://a.com/x", "is a URL"],
  ["a.com/x", "has a path"],
  ["me@a.com", "has a user"],
  ["a.com:443", "has a port"],
  ["1.2.3.4", "is an IP address"],
  ["127.1", "is an IP address"],
  ["0x7f.1", "is an IP address"],
  ["１２７.0.0.1", "is an IP address"],
  ["[::1]", "is an IP address"],
  ["a".repeat(64), "more than 63"],
  [Array.from({ length: 64 }, () => "abc").join("."), "more than 253"],
])("checkHost() refuses %s", (text, message) => {
  const checked = checkHost(text);
  assert.ok(checked.kind === "bad" && checked.message.includes(message), JSON.stringify(checked));
});

Deno.test("checkHostname() and checkSshHostname() differ in addresses alone", () => {
  assert.equal(checkHostname("10.0.0.7").kind, "bad");
  assert.deepEqual(checkSshHostname("10.0.0.7"), { kind: "good", value: "10.0.0.7" });
  for (const check of [checkHostname, checkSshHostname]) {
    assert.equal(check("*.example.com").kind, "bad");
    assert.deepEqual(check("Git.Example.com"), { kind: "good", value: "git.example.com" });
  }
});

Deno.test.each(
  [
    [checkHost, "a.com/x", "Write `a.com`: all of a host is allowed"],
    [checkHost, "me@a.com", "Write `a.com`"],
    [
      checkHost,
      "A.com:8443",
      "Write `a.com`: `http: true` adds plain HTTP on 80, and other ports are for ssh entries",
    ],
    [checkHost, ".a.com", "Write `*.a.com` for it and all names below it"],
    [
      checkSshHostname,
      "me@a.com:22",
      "Write `Hostname: a.com` and `User: me` and `Port: 22`, each on a line of its own",
    ],
    [checkSshHostname, "*.a.com", "Write a name such as `git.example.com`"],
    [checkSshHostname, "a_-.com", "Write a name such as `git.example.com`"],
    [checkSshName, "git@a.com", "Write `Host: a.com` and `User: git`, each on a line of its own"],
    [checkSshName, "a.com:22", "Write `Host: a.com` and `Port: 22`, each on a line of its own"],
    [checkSshName, "-a", undefined],
    [checkSshName, "a".repeat(254), undefined],
  ] as const,
)("what is written around a host's name is told where it belongs: %s %s", (check, text, hint) => {
  const checked = check(text);
  assert.ok(checked.kind === "bad");
  assert.equal(checked.hint, hint);
  assert.equal(check("a.com").kind, "good");
});

const sectionOf = await suffixList();

Deno.test.each([
  "example.com",
  "www.example.co.uk",
  "*.example.com",
  "*.example.co.uk",
  // Hosts of the company that gives away what is below them.
  "github.io",
  "s3.amazonaws.com",
  // Names of one part are looked up in one's own network, whatever else they are.
  "com",
  "app",
  "dev",
  "gitlab",
  // Zones that nobody delegates, and an exception of the list.
  "*.lan",
  "*.internal",
  "*.local",
  "*.home.arpa",
  "home.arpa",
  "www.ck",
])("%s is no public suffix", (host) => {
  assert.deepEqual(checkSuffix(host, sectionOf), { kind: "good", value: host });
});

Deno.test.each([
  ["co.uk", "is a public suffix and no host"],
  ["com.au", "is a public suffix and no host"],
  ["kawasaki.jp", "is a public suffix and no host"],
  ["pvt.k12.ma.us", "is a public suffix and no host"],
  ["foo.ck", "is a public suffix and no host"],
  ["xn--55qx5d.cn", "is a public suffix and no host"],
  ["*.com", "whatever anybody registers"],
  ["*.app", "whatever anybody registers"],
  ["*.co.uk", "whatever anybody registers"],
  ["*.xn--p1ai", "whatever anybody registers"],
  ["*.github.io", "anybody can set up below github.io"],
  ["*.s3.amazonaws.com", "anybody can set up below s3.amazonaws.com"],
  ["*.pages.dev", "anybody can set up below pages.dev"],
])("%s is a public suffix, and the hint says what to write", (host, message) => {
  assert.ok(mayBeSuffix(host));
  const checked = checkSuffix(host, sectionOf);
  assert.ok(checked.kind === "bad" && checked.message.includes(message), JSON.stringify(checked));
  assert.match(checked.hint ?? "", /such as `(www\.)?example\.[a-z0-9.-]+`$/);
});

Deno.test("the list is read for what might be in it, and for what most manifests have it is not", () => {
  for (
    const host of [
      "github.com",
      "gitlab",
      "registry.example.org",
      "files.example.net",
      "sentry.io",
      "example.io",
      "web.dev",
    ]
  ) {
    assert.equal(mayBeSuffix(host), false, host);
    assert.equal(sectionOf(host), undefined, host);
  }
  for (const country of ["ai", "co", "io", "me", "sh"]) {
    for (const name of ["ac", "co", "com", "edu", "gov", "its", "mil", "net", "nom", "off", "org", "priv"]) {
      const host = `${name}.${country}`;
      assert.ok(mayBeSuffix(host) || sectionOf(host) === undefined, host);
    }
  }
});

Deno.test("parseManifest() points at the suffix, in text and in mappings, and at nothing else", async () => {
  const text = [
    "bottles:",
    "  dev:",
    "    egress:",
    "      allowlist:",
    "        - github.com",
    "        - CO.uk.",
    '        - { host: "*.GitHub.io" }',
    '        - "*.example.org"',
    '      private: ["*.com"]',
  ].join("\n");
  const bytes = new TextEncoder().encode(text);
  await assert.rejects(parseManifest([{ path: "m.yaml", bytes }]), (error) => {
    assert.ok(error instanceof Failure);
    const lines = error.problems.flatMap((problem) => renderProblem(problem).split("\n"));
    assert.deepEqual(lines, [
      'm.yaml:6:11: bottles.dev.egress.allowlist[1]: "CO.uk." is a public suffix and no host: names below it belong to anybody',
      "            - CO.uk.",
      "              ^~~~~~",
      "hint: Write the host's own name, such as `www.example.co.uk`",
      'm.yaml:7:19: bottles.dev.egress.allowlist[2].host: "*.GitHub.io" would allow what anybody can set up below github.io',
      '            - { host: "*.GitHub.io" }',
      "                      ^~~~~~~~~~~~~",
      "hint: Write the names that are meant, such as `example.github.io`",
      'm.yaml:9:17: bottles.dev.egress.private[0]: "*.com" is neither in egress.allowlist nor an ssh entry\'s Host or Hostname',
      '          private: ["*.com"]',
      "                    ^~~~~~~",
      "hint: Allow it there as well, or remove it here",
      'm.yaml:9:17: bottles.dev.egress.private[0]: "*.com" would allow whatever anybody registers there',
      '          private: ["*.com"]',
      "                    ^~~~~~~",
      "hint: Write the names that are meant, such as `example.com`",
    ]);
    return true;
  });
});

Deno.test("checkHostname() gives the name that a URL has for its host", () => {
  const piece = fc.constantFrom("a", "b-", "_", ".", "0", "0x", "9", "xn--", "A", "ü", "-", "c.d");
  const seen = { plain: 0, other: 0 };
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
      const text = pieces.join("");
      const checked = checkHostname(text);
      if (checked.kind === "bad") return;
      assert.equal(checked.value, URL.parse(`http://${text}/`)?.hostname.replace(/\.$/, ""), text);
      if (checked.value === text) seen.plain++;
      else seen.other++;
    }),
    { numRuns: 5000 },
  );
  assert.ok(seen.plain > 100 && seen.other > 100, JSON.stringify(seen));
});
