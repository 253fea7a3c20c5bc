import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../../../lib/errors.ts";
import type { EgressPolicy } from "../../../lib/egress/policy.ts";
import { backConfiguration, frontConfiguration } from "../../../lib/egress/squid/configuration.ts";
import { squid } from "../../../lib/egress/squid/squid.ts";

const PLACE = { listen: "10.213.0.2", egressSubnet: "10.213.0.16/28" };
const SMALL: EgressPolicy = { hosts: [{ host: "api.anthropic.com", private: false, http: false }], ssh: [] };
const FULL: EgressPolicy = {
  hosts: [
    { host: "*.example.com", private: false, http: false },
    { host: "a.example.com", private: false, http: false },
    { host: "deb.example.org", private: false, http: true },
    { host: "deb.lan", private: true, http: true },
    { host: "git.lan", private: true, http: false },
  ],
  ssh: [
    { host: "git.example.com", port: 2222, private: false },
    { host: "git.lan", port: 22, private: true },
  ],
};
const NOTHING: EgressPolicy = { hosts: [], ssh: [] };

/** A configuration written out in full. */
function written(name: string): string {
  return Deno.readTextFileSync(new URL(`testdata/${name}`, import.meta.url));
}

/** What the first of both refuses before anything else. */
function firstInFront(index: number): readonly string[] {
  return index === 0 ? ["http_access deny crowd why_crowd"] : [];
}

/** What the second of both asks once more of a connection that is to pass untouched. */
function againInBack(index: number): readonly string[] {
  return index === 1 ? ["http_access deny named_by_tls !same_name"] : [];
}

/** The words of all lines that begin with one directive. */
function lines(text: string, directive: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith(`${directive} `));
}

function bothFor(policy: EgressPolicy): readonly string[] {
  return [frontConfiguration(policy, PLACE), backConfiguration(policy, PLACE)];
}

Deno.test("frontConfiguration() of one host is as written out", () => {
  assert.equal(frontConfiguration(SMALL, PLACE), written("small_front.conf"));
});

Deno.test("backConfiguration() of one host is as written out", () => {
  assert.equal(backConfiguration(SMALL, PLACE), written("small_back.conf"));
});

Deno.test("frontConfiguration() of wildcard, private and ssh entries is as written out", () => {
  assert.equal(frontConfiguration(FULL, PLACE), written("full_front.conf"));
});

Deno.test("backConfiguration() of wildcard, private and ssh entries is as written out", () => {
  assert.equal(backConfiguration(FULL, PLACE), written("full_back.conf"));
});

Deno.test("both configurations judge names and ports before anything that resolves a name", () => {
  for (const [index, text] of bothFor(FULL).entries()) {
    assert.deepEqual(lines(text, "http_access"), [
      ...firstInFront(index),
      "http_access deny in_tunnel why_http",
      "http_access deny !connect !plain why_http",
      "http_access deny known !allowed why_port",
      "http_access deny !allowed why_host",
      ...againInBack(index),
      "http_access deny !resolved why_unresolved",
      "http_access deny never why_never",
      "http_access deny private !private_allowed why_private",
      "http_access allow allowed",
      "http_access deny all",
    ]);
    const resolving = new Set(
      lines(text, "acl").filter((line) => / dst /.test(line)).map((line) => line.split(" ")[1]),
    );
    assert.deepEqual([...resolving].sort(), ["never", "private", "resolved"]);
    for (const line of lines(text, "acl").filter((line) => line.includes(" dstdomain "))) {
      assert.match(line, / dstdomain -n \S+$/, "a dstdomain acl without -n looks addresses up");
    }
  }
});

Deno.test("both configurations give each ssh entry its own host and port", () => {
  for (const text of bothFor(FULL)) {
    assert.deepEqual(lines(text, "acl").filter((line) => /^acl ssh\d/.test(line)), [
      "acl ssh0_host dstdomain -n git.example.com",
      "acl ssh0_port port 2222",
      "acl ssh0 all-of connect ssh0_host ssh0_port",
      "acl ssh1_host dstdomain -n git.lan",
      "acl ssh1_port port 22",
      "acl ssh1 all-of connect ssh1_host ssh1_port",
    ]);
  }
});

Deno.test("both configurations let plain HTTP through only to port 80 of the hosts that have it", () => {
  for (const text of bothFor(FULL)) {
    assert.deepEqual(lines(text, "acl").filter((line) => /plain|http_/.test(line)), [
      "acl plain_method method GET HEAD POST PUT PATCH DELETE OPTIONS",
      "acl plain_scheme proto HTTP",
      "acl plain_port port 80",
      "acl plain_http all-of plain_method plain_scheme plain_port",
      "acl http_hosts dstdomain -n deb.example.org",
      "acl plain_hosts all-of plain_http http_hosts",
      "acl http_private_hosts dstdomain -n deb.lan",
      "acl plain_private_hosts all-of plain_http http_private_hosts",
      "acl plain any-of plain_hosts",
      "acl plain any-of plain_private_hosts",
      "acl allowed any-of plain_hosts",
      "acl allowed any-of plain_private_hosts",
      "acl private_allowed any-of plain_private_hosts",
    ]);
  }
  for (const [index, text] of bothFor(SMALL).entries()) {
    assert.doesNotMatch(text, /plain_|!plain/);
    assert.deepEqual(lines(text, "http_access").slice(0, 3 - index), [
      ...firstInFront(index),
      "http_access deny in_tunnel why_http",
      "http_access deny !connect why_http",
    ]);
  }
});

Deno.test("both configurations let CONNECT to port 443 through, and no other request", () => {
  for (const text of bothFor(FULL)) {
    assert.deepEqual(lines(text, "acl").filter((line) => line.startsWith("acl tls_")), [
      "acl tls_port port 443",
      "acl tls_hosts all-of connect hosts tls_port",
      "acl tls_private_hosts all-of connect private_hosts tls_port",
    ]);
  }
});

Deno.test("both configurations leave the type of what an allowed host answers over plain HTTP, and of nothing else", () => {
  const types = (policy: EgressPolicy): readonly (readonly string[])[] =>
    bothFor(policy).map((text) =>
      lines(text, "reply_header_access").filter((line) => line.includes("Content-Type"))
    );
  assert.deepEqual(types(SMALL), [["reply_header_access Content-Type deny all"], []]);
  assert.deepEqual(types(FULL), [
    [
      "reply_header_access Content-Type deny !plain",
      "reply_header_access Content-Type deny refused",
      "reply_header_access Content-Type deny own_page",
    ],
    ["reply_header_access Content-Type deny answered_here"],
  ]);
});

Deno.test("both configurations refuse everything when nothing is allowed", () => {
  for (const [index, text] of bothFor(NOTHING).entries()) {
    assert.deepEqual(lines(text, "http_access"), [
      ...firstInFront(index),
      "http_access deny in_tunnel why_http",
      "http_access deny !connect why_http",
      "http_access deny all why_host",
      ...againInBack(index),
      "http_access deny !resolved why_unresolved",
      "http_access deny never why_never",
      "http_access deny private why_private",
      "http_access deny all",
    ]);
    assert.doesNotMatch(text, /allow allowed|any-of/);
  }
});

Deno.test("backConfiguration() splices only what names its host, and ssh entries", () => {
  assert.deepEqual(lines(backConfiguration(FULL, PLACE), "ssl_bump"), [
    "ssl_bump splice step1 ssh0",
    "ssl_bump splice step1 ssh1",
    "ssl_bump peek step1",
    "ssl_bump splice same_name",
    "ssl_bump terminate all",
  ]);
});

Deno.test("both configurations listen on one address each, and not on every interface", () => {
  const [front, back] = bothFor(SMALL).map((text) =>
    lines(text, "http_port").map((line) => line.split(" ")[1])
  );
  assert.deepEqual([front, back], [["10.213.0.2:8888"], ["127.0.0.1:3128"]]);
});

Deno.test("both configurations refuse hosts that are no plain names", () => {
  const hostile = [
    "",
    ".",
    "a..b",
    ".example.com",
    "a.example.com.",
    "A.example.com",
    "*",
    "*.*.example.com",
    "a*.example.com",
    "-i",
    "-n",
    "a b",
    "a\nhttp_access allow all",
    "a\r",
    "a\t",
    'a"',
    "a#b",
    "a\\",
    "/etc/passwd",
    '"/etc/passwd"',
    "${HOME}",
    "a.example.com:22",
    "user@a.example.com",
    "é.example",
    "10.0.0.1",
    "*.1",
    "2130706433",
    "0x7f.0x1",
    "a.017",
    "[::1]",
    "x".repeat(64),
    `${"a.".repeat(130)}b`,
  ];
  for (const host of hostile) {
    for (const write of [frontConfiguration, backConfiguration]) {
      const refused = (error: unknown): boolean => error instanceof Failure && error.code === "egress-host";
      assert.throws(
        () => write({ hosts: [{ host, private: false, http: false }], ssh: [] }, PLACE),
        refused,
        host,
      );
      if (host !== "10.0.0.1") {
        assert.throws(
          () => write({ hosts: [], ssh: [{ host, port: 22, private: false }] }, PLACE),
          refused,
          host,
        );
      }
    }
  }
});

Deno.test("both configurations take an IPv4 address for an ssh entry, in its one canonical form", () => {
  const policy = (host: string): EgressPolicy => ({ hosts: [], ssh: [{ host, port: 22, private: true }] });
  for (const text of bothFor(policy("10.0.0.1"))) {
    assert.match(text, /^acl ssh0_host dstdomain -n 10\.0\.0\.1$/m);
  }
  for (const host of ["010.0.0.1", "10.1", "256.0.0.1", "1.2.3.4.5"]) {
    assert.throws(() => bothFor(policy(host)), Failure, host);
  }
});

Deno.test("both configurations refuse ports and addresses that are none", () => {
  for (const port of [0, -1, 65536, 22.5, NaN, Infinity]) {
    assert.throws(() => bothFor({ hosts: [], ssh: [{ host: "a.example", port, private: false }] }), Failure);
  }
  for (
    const listen of ["", "0x0a.0.0.1", "10.0.0.1:1 ", "10.0.0.1\nhttp_access allow all", "::1", "10.0.0"]
  ) {
    for (const write of [frontConfiguration, backConfiguration]) {
      assert.throws(
        () => write(SMALL, { ...PLACE, listen }),
        Failure,
      );
    }
  }
});

Deno.test("both configurations gain no directive from any host name", () => {
  const directives = (text: string): ReadonlySet<string> =>
    new Set(text.split("\n").map((line) => line.replace(/ .*/, "")).filter((word) => !word.startsWith("#")));
  const known = directives(bothFor(FULL).join("\n"));
  const name = fc.oneof(
    fc.domain(),
    fc.domain().map((domain) => `*.${domain}`),
    fc.string({ unit: "binary" }),
    fc.constantFrom("a\nb", "a b", "a.example #", "a.example\\"),
  );
  let written = 0;
  fc.assert(
    fc.property(name, name, (host, other) => {
      const policy = {
        hosts: [{ host, private: false, http: false }, { host: other, private: true, http: false }],
        ssh: [{ host, port: 22, private: false }],
      };
      let text: string;
      try {
        text = bothFor(policy).join("\n");
      } catch (error) {
        assert.ok(error instanceof Failure);
        return;
      }
      written++;
      for (const directive of directives(text)) assert.ok(known.has(directive), directive);
    }),
  );
  assert.ok(written > 0);
});

Deno.test("squid.program() runs the supervisor as Debian's proxy user and writes nowhere", () => {
  const program = squid.program(FULL, PLACE);
  assert.deepEqual([program.uid, program.gid, program.command, program.tmpfs], [
    13,
    13,
    ["perl", "/config/supervisor.pl"],
    [],
  ]);
  const files = program.files.map(({ path, mode }) => `${path} ${mode.toString(8)}`);
  assert.deepEqual(files.filter((file) => !file.startsWith("ERR_")), [
    "supervisor.pl 644",
    "sni.pl 644",
    "front.conf 644",
    "back.conf 644",
    "refused_crowd.txt 644",
    "refused_http.txt 644",
    "refused_host.txt 644",
    "refused_port.txt 644",
    "refused_unresolved.txt 644",
    "refused_never.txt 644",
    "refused_private.txt 644",
    "error-details.txt 644",
  ]);
});

Deno.test("squid.program() tells the agent in one line what was refused and where it would be granted", () => {
  const page = squid.program(SMALL, PLACE).files.find((file) => file.path === "refused_host.txt");
  assert.equal(
    page?.text,
    "claude-bottle refused %H:%p: the manifest does not list this host in the bottle's egress.allowlist\n",
  );
});

Deno.test("squid.limits() says which allowed host's TLS an ssh entry on 443 leaves unchecked", () => {
  const ssh = [
    { host: "a.example.com", port: 443, private: false },
    { host: "git.lan", port: 443, private: false },
    { host: "b.example.com", port: 22, private: false },
  ];
  assert.deepEqual(squid.limits({ hosts: [{ host: "*.example.com", private: false, http: false }], ssh }), [
    "a.example.com:443 is an ssh entry, so what its TLS names is not checked",
  ]);
  assert.deepEqual(squid.limits(FULL), []);
});
