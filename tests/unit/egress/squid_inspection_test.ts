import assert from "node:assert/strict";
import type { EgressPolicy, HostRule, Inspection } from "../../../lib/egress/policy.ts";
import { backConfiguration, frontConfiguration } from "../../../lib/egress/squid/configuration.ts";
import { inspectionRules } from "../../../lib/egress/squid/inspection.ts";
import { spellings } from "../../../lib/egress/squid/reviewed_names.ts";
import { squid } from "../../../lib/egress/squid/squid.ts";

const PLACE = { listen: "10.213.0.2", egressSubnet: "10.213.0.16/28", authorities: "PEM\n" };

function host(name: string, inspection?: Inspection): HostRule {
  return { host: name, private: false, http: false, ...(inspection === undefined ? {} : { inspection }) };
}

const RULES: Inspection = { rules: [{ method: "GET", path: "/v1/*" }], secret: undefined };
const POLICY: EgressPolicy = {
  hosts: [
    host("api.example.com", {
      rules: [{ method: "POST", path: "/v1/messages" }, { method: "GET", path: "/v1/models*" }],
      secret: { env: "API_TOKEN", form: { kind: "bearer" } },
    }),
    host("git.example.com", {
      rules: undefined,
      secret: { env: "GIT_TOKEN", form: { kind: "basic", user: "me" } },
    }),
    host("key.example.com", {
      rules: undefined,
      secret: { env: "KEY", form: { kind: "header", name: "X-Own-Key" } },
    }),
    host("plain.example.com"),
  ],
  ssh: [],
};

/** A configuration written out in full. */
function written(name: string): string {
  return Deno.readTextFileSync(new URL(`testdata/${name}`, import.meta.url));
}

function bumps(policy: EgressPolicy): readonly string[] {
  return backConfiguration(policy, PLACE).split("\n").filter((line) => line.startsWith("ssl_bump "));
}

Deno.test("backConfiguration() of inspected hosts is as written out", () => {
  assert.equal(backConfiguration(POLICY, PLACE), written("inspected_back.conf"));
});

Deno.test("inspectionRules() are as written out", () => {
  assert.equal(inspectionRules(POLICY), written("inspected_rules"));
});

Deno.test("frontConfiguration() is the same whether hosts are inspected or not, but for what it logs", () => {
  const plain = { ...POLICY, hosts: POLICY.hosts.map(({ host: name }) => host(name)) };
  const more = frontConfiguration(POLICY, PLACE).split("\n").filter((line) =>
    !frontConfiguration(plain, PLACE).split("\n").includes(line)
  );
  assert.deepEqual(more, [
    ...["api", "git", "key"].map((name) => `acl inspected dstdomain -n ${name}.example.com`),
    'logformat end {"by":"front","time":%ts.%03tu,"to":"%<lp"}',
    "access_log stdio:/dev/stdout logformat=end connect inspected !refused",
  ]);
  assert.notEqual(backConfiguration(POLICY, PLACE), backConfiguration(plain, PLACE));
});

Deno.test("backConfiguration() lets the most specific entry decide, and no other after it", () => {
  assert.deepEqual(
    bumps({ hosts: [host("*.x.test", RULES), host("git.x.test"), host("*.deep.x.test")], ssh: [] }),
    [
      "ssl_bump peek step1",
      "ssl_bump splice untouched0 same_name",
      "ssl_bump terminate untouched0",
      "ssl_bump splice untouched1 same_name",
      "ssl_bump terminate untouched1",
      "ssl_bump bump opened2 same_name",
      "ssl_bump terminate opened2",
      "ssl_bump splice same_name",
      "ssl_bump terminate all",
    ],
  );
  assert.deepEqual(bumps({ hosts: [host("*.x.test"), host("api.x.test", RULES)], ssh: [] }), [
    "ssl_bump peek step1",
    "ssl_bump bump opened0 same_name",
    "ssl_bump terminate opened0",
    "ssl_bump splice same_name",
    "ssl_bump terminate all",
  ]);
});

Deno.test("an inspected host below a wildcard with plain HTTP is asked nothing over it, and its neighbours are", () => {
  const http = (name: string): HostRule => ({ ...host(name), http: true });
  const lines = (hosts: readonly HostRule[]): readonly string[] =>
    [backConfiguration, frontConfiguration].flatMap((configuration) =>
      configuration({ hosts, ssh: [] }, PLACE).split("\n").filter((line) =>
        /^acl (plain_http|closed) /.test(line)
      )
    );
  const open = "acl plain_http all-of plain_method plain_scheme plain_port";
  const closed = ["acl closed dstdomain -n api.x.test", `${open} !closed`];
  assert.deepEqual(lines([http("*.x.test"), host("api.x.test", RULES)]), [...closed, ...closed]);
  // An exact name counts before a wildcard.
  assert.deepEqual(lines([host("*.x.test", RULES), http("deb.x.test")]), [open, open]);
});

Deno.test("backConfiguration() looks for placeholders in plain HTTP, where there are any, and refuses nothing for it", () => {
  const http = { ...host("deb.test"), http: true };
  const asked = (hosts: readonly HostRule[]): readonly string[] =>
    backConfiguration({ hosts, ssh: [] }, PLACE).split("\n").filter((line) => /watch|url_rewrite/.test(line))
      .map((line) => line.replace(/ ttl=.* \/usr/, " … /usr"));
  assert.deepEqual(asked([...POLICY.hosts, http]), [
    "external_acl_type watch … /usr/bin/perl /config/inspect.pl watch",
    "acl watched external watch",
    "url_rewrite_program /bin/false",
    "url_rewrite_children 1 startup=0 idle=1",
    "url_rewrite_access deny plain watched",
    "url_rewrite_access deny all",
  ]);
  assert.deepEqual(asked([host("x.test", RULES), http]), []);
  assert.deepEqual(asked(POLICY.hosts), []);
});

Deno.test("backConfiguration() lets no inspected host pass unopened, whatever ssl_bump could not judge", () => {
  const again = (...hosts: readonly HostRule[]): readonly string[] =>
    backConfiguration({ hosts, ssh: [] }, PLACE).split("\n").filter((line) =>
      line.startsWith("http_access deny named_by_tls ")
    );
  assert.deepEqual(again(host("api.x.test", RULES), host("*.x.test")), [
    "http_access deny named_by_tls opened0",
    "http_access deny named_by_tls !same_name",
  ]);
  assert.deepEqual(again(host("*.x.test", RULES), host("git.x.test"), host("*.deep.x.test")), [
    "http_access deny named_by_tls !untouched0 !untouched1 opened2",
    "http_access deny named_by_tls !same_name",
  ]);
});

Deno.test("backConfiguration() has no line that squid would cut in two, whatever headers secrets leave in", () => {
  const hosts = Array.from({ length: 8 }, (_, index) =>
    host(`h${index}.test`, {
      rules: undefined,
      secret: { env: "A", form: { kind: "header", name: `X-${index}-${"a".repeat(59)}` } },
    }));
  const longest = Math.max(
    ...backConfiguration({ hosts: [...hosts, { ...host("deb.test"), http: true }], ssh: [] }, PLACE).split(
      "\n",
    )
      .map(({ length }) => length),
  );
  assert.ok(longest < 8191, `${longest}`);
});

Deno.test("spellings() are what servers take for one header", () => {
  assert.deepEqual(spellings("Key"), ["Key"]);
  assert.deepEqual(spellings("Api-Key"), ["Api-Key", "Api_Key"]);
  assert.deepEqual(spellings("X-Api-Key"), ["X-Api-Key", "X-Api_Key", "X_Api-Key", "X_Api_Key"]);
  assert.deepEqual(spellings("X-HTTP-Method-Override"), ["X-HTTP-Method-Override", "X_HTTP_Method_Override"]);
  assert.deepEqual(spellings("_method"), ["_method"]);
});

Deno.test("squid.program() of inspected hosts waits to be opened, and holds secrets in memory alone", () => {
  const program = squid.program(POLICY, PLACE);
  assert.deepEqual(program.open, ["perl", "/config/open.pl"]);
  assert.deepEqual(program.tmpfs, [{ path: "/run/inspection", sizeMiB: 16, mode: 0o700 }]);
  assert.equal(program.files.find(({ path }) => path === "authorities.pem")?.text, "PEM\n");
  const plain = squid.program({ hosts: [host("plain.example.com")], ssh: [] }, PLACE);
  assert.deepEqual([plain.open, plain.tmpfs], [undefined, []]);
});

Deno.test("squid.program() takes nothing into its files that would be more than one word of a rule", () => {
  const secret = (form: NonNullable<Inspection["secret"]>["form"], env = "A"): Inspection => ({
    rules: undefined,
    secret: { env, form },
  });
  const path = (text: string, method = "GET"): Inspection => ({
    rules: [{ method, path: text }],
    secret: undefined,
  });
  const bad: readonly Inspection[] = [
    path("/a b"),
    path("/a\nhost evil.test"),
    path("a"),
    path("/a#b"),
    path("/a", "GET POST"),
    path("/a", "get"),
    secret({ kind: "bearer" }, "A B"),
    secret({ kind: "basic", user: "me you" }),
    secret({ kind: "basic", user: "me:you" }),
    secret({ kind: "header", name: "X Y" }),
    secret({ kind: "header", name: "Host" }),
    secret({ kind: "header", name: "Content-Length" }),
  ];
  for (const inspection of bad) {
    const policy = { hosts: [host("a.test", inspection)], ssh: [] };
    assert.throws(
      () => squid.program(policy, PLACE),
      { code: "egress-inspection" },
      JSON.stringify(inspection),
    );
  }
  for (const good of [path("/a*?b=*"), secret({ kind: "basic", user: "x-access-token" })]) {
    squid.program({ hosts: [host("a.test", good)], ssh: [] }, PLACE);
  }
  assert.throws(() => squid.program({ hosts: [host(`${"a".repeat(60)}.test`, RULES)], ssh: [] }, PLACE), {
    code: "egress-inspection",
  });
});
