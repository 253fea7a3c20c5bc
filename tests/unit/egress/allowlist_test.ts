import assert from "node:assert/strict";
import { allowlistSummary, DEFAULT_HOSTS, egressPolicy } from "../../../lib/egress/allowlist.ts";
import { EXIT, Failure } from "../../../lib/errors.ts";
import type { AllowedHost, EgressSettings, SshEntry } from "../../../lib/manifest/model.ts";

function allowed(host: string, http = false): AllowedHost {
  return { host, http, allow: [], inject: undefined };
}

function settings(change: Partial<EgressSettings> = {}): EgressSettings {
  return { defaults: false, allowlist: [], private: [], networks: [], proxy: "squid", ...change };
}

function entry(hostname: string, port = 22): SshEntry {
  return {
    host: "alias",
    identityFile: "~/.ssh/key",
    hostname,
    user: "git",
    port,
    knownHostKeys: [],
    unpinned: false,
    sign: false,
  };
}

Deno.test("egressPolicy() joins the seven default hosts, sorted and without duplicates", () => {
  const allowlist = [allowed("api.openai.com"), allowed("claude.ai"), allowed("api.openai.com")];
  assert.deepEqual(egressPolicy(settings({ defaults: true, allowlist }), []).hosts, [
    { host: "api.anthropic.com", private: false, http: false },
    { host: "api.openai.com", private: false, http: false },
    { host: "claude.ai", private: false, http: false },
    { host: "downloads.claude.ai", private: false, http: false },
    { host: "platform.claude.com", private: false, http: false },
    { host: "raw.githubusercontent.com", private: false, http: false },
    { host: "sentry.io", private: false, http: false },
    { host: "statsig.anthropic.com", private: false, http: false },
  ]);
});

Deno.test("egressPolicy() drops the default hosts when told to", () => {
  assert.deepEqual(egressPolicy(settings({ allowlist: [allowed("a.example")] }), []), {
    hosts: [{ host: "a.example", private: false, http: false }],
    ssh: [],
  });
});

Deno.test("egressPolicy() keeps each ssh entry's own port, out of the hosts", () => {
  const ssh = [entry("git.example", 2222), entry("git.example"), entry("git.example", 2222)];
  assert.deepEqual(egressPolicy(settings(), ssh), {
    hosts: [],
    ssh: [
      { host: "git.example", port: 22, private: false },
      { host: "git.example", port: 2222, private: false },
    ],
  });
});

Deno.test("egressPolicy() marks what is private, in the allowlist and among the ssh entries", () => {
  const policy = egressPolicy(
    settings({ allowlist: [allowed("a.lan"), allowed("b.lan")], private: ["B.lan.", "git.lan"] }),
    [entry("git.lan"), entry("other.lan")],
  );
  assert.deepEqual(policy, {
    hosts: [{ host: "a.lan", private: false, http: false }, { host: "b.lan", private: true, http: false }],
    ssh: [{ host: "git.lan", port: 22, private: true }, { host: "other.lan", port: 22, private: false }],
  });
});

Deno.test("egressPolicy() makes one name below a wildcard private, and not the others", () => {
  const policy = egressPolicy(settings({ allowlist: [allowed("*.lan")], private: ["git.lan"] }), []);
  assert.deepEqual(policy.hosts, [{ host: "*.lan", private: false, http: false }, {
    host: "git.lan",
    private: true,
    http: false,
  }]);
});

Deno.test("egressPolicy() takes a private wildcard for all names below it, also those that are granted by themselves", () => {
  const allowlist = [allowed("*.corp.lan"), allowed("deb.corp.lan", true), allowed("corp.lan.example")];
  const policy = egressPolicy(settings({ allowlist, private: ["*.corp.lan"] }), [
    entry("git.corp.lan"),
    entry("git.lan"),
  ]);
  assert.deepEqual(policy, {
    hosts: [
      { host: "*.corp.lan", private: true, http: false },
      { host: "corp.lan.example", private: false, http: false },
      { host: "deb.corp.lan", private: true, http: true },
    ],
    ssh: [{ host: "git.corp.lan", port: 22, private: true }, { host: "git.lan", port: 22, private: false }],
  });
});

Deno.test("egressPolicy() gives plain HTTP to the hosts that ask for it, whichever of their entries does", () => {
  const allowlist = [allowed("a.lan"), allowed("b.lan", true), allowed("B.lan."), allowed("sentry.io", true)];
  const { hosts } = egressPolicy(settings({ defaults: true, allowlist }), []);
  assert.deepEqual(hosts.filter(({ http }) => http).map(({ host }) => host), ["b.lan", "sentry.io"]);
  assert.equal(hosts.length, 9);
});

Deno.test("egressPolicy() gives a name below a wildcard the wildcard's plain HTTP, also when it is private", () => {
  const allowlist = [allowed("*.lan", true), allowed("*.deb.lan"), allowed("a.lan"), allowed("*.example")];
  const policy = egressPolicy(settings({ allowlist, private: ["git.lan", "git.example"] }), []);
  assert.deepEqual(policy.hosts, [
    { host: "*.deb.lan", private: false, http: true },
    { host: "*.example", private: false, http: false },
    { host: "*.lan", private: false, http: true },
    { host: "a.lan", private: false, http: true },
    { host: "git.example", private: true, http: false },
    { host: "git.lan", private: true, http: true },
  ]);
});

Deno.test("egressPolicy() lets an ssh entry's own address be a private one", () => {
  assert.deepEqual(egressPolicy(settings(), [entry("10.1.2.3")]).ssh, [
    { host: "10.1.2.3", port: 22, private: true },
  ]);
});

Deno.test("egressPolicy() refuses a private name that is granted nowhere", () => {
  assert.throws(
    () => egressPolicy(settings({ allowlist: [allowed("a.lan")], private: ["b.lan\u001b[0m"] }), []),
    (error) =>
      error instanceof Failure && error.code === "private-not-granted" && error.exit === EXIT.usage &&
      error.message === "egress.private names 'b.lan?[0m', which the bottle may not reach at all",
  );
});

Deno.test("allowlistSummary() counts and names the first three", () => {
  const summary = (hosts: readonly string[]): string =>
    allowlistSummary(egressPolicy(settings({ allowlist: hosts.map((host) => allowed(host)) }), []));
  assert.equal(summary([]), "no hosts allowed");
  assert.equal(summary(["a.example"]), "1 host allowed (a.example)");
  assert.equal(summary(["b.example", "a.example"]), "2 hosts allowed (a.example, b.example)");
  assert.equal(summary(["c.x", "b.x", "a.x"]), "3 hosts allowed (a.x, b.x, c.x)");
  assert.equal(summary(["d.x", "c.x", "b.x", "a.x"]), "4 hosts allowed (a.x, b.x, c.x, +1 more)");
});

Deno.test("allowlistSummary() counts default, allowed and ssh hosts once each", () => {
  const text = (ssh: readonly SshEntry[], more: readonly string[]): string =>
    allowlistSummary(
      egressPolicy(settings({ defaults: true, allowlist: more.map((host) => allowed(host)) }), ssh),
    );
  assert.equal(text([], []), "7 hosts allowed (api.anthropic.com, claude.ai, downloads.claude.ai, +4 more)");
  assert.equal(
    text([entry("zz.example"), entry("zz.example", 2222)], ["api.openai.com"]),
    "9 hosts allowed (api.anthropic.com, api.openai.com, claude.ai, +6 more)",
  );
  assert.equal(DEFAULT_HOSTS.length, 7);
});

const INSPECTED: AllowedHost = { ...allowed("*.corp.example"), allow: ["GET /x?y=1", "POST /z/*"] };
const RULES = {
  rules: [{ method: "GET", path: "/x?y=1" }, { method: "POST", path: "/z/*" }],
  secret: undefined,
};

Deno.test("egressPolicy() has the rules of inspected hosts, and where their secrets stand", () => {
  const secret = { kind: "prompt", text: "" } as const;
  const allowlist: readonly AllowedHost[] = [
    INSPECTED,
    { ...allowed("a.example"), inject: { env: "A", secret, as: "bearer" } },
    { ...allowed("b.example"), inject: { env: "A", secret, as: "basic:me" } },
    { ...allowed("c.example"), inject: { env: "C", secret, as: "header:X-Api-Key" }, allow: ["GET /"] },
  ];
  const host = { private: false, http: false };
  assert.deepEqual(egressPolicy(settings({ allowlist }), []).hosts, [
    { ...host, host: "*.corp.example", inspection: RULES },
    {
      ...host,
      host: "a.example",
      inspection: { rules: undefined, secret: { env: "A", form: { kind: "bearer" } } },
    },
    {
      ...host,
      host: "b.example",
      inspection: { rules: undefined, secret: { env: "A", form: { kind: "basic", user: "me" } } },
    },
    {
      ...host,
      host: "c.example",
      inspection: {
        rules: [{ method: "GET", path: "/" }],
        secret: { env: "C", form: { kind: "header", name: "X-Api-Key" } },
      },
    },
  ]);
});

Deno.test("egressPolicy() opens no name below an inspected wildcard by naming it private", () => {
  const names = (allowlist: readonly AllowedHost[], names: readonly string[]): unknown =>
    egressPolicy(settings({ allowlist, private: names }), []).hosts
      .map(({ host, private: isPrivate, inspection }) => [host, isPrivate, inspection]);
  assert.deepEqual(names([INSPECTED], ["git.corp.example"]), [
    ["*.corp.example", false, RULES],
    ["git.corp.example", true, RULES],
  ]);
  // A name of its own keeps what it says itself.
  assert.deepEqual(names([INSPECTED, allowed("git.corp.example")], ["git.corp.example"]), [
    ["*.corp.example", false, RULES],
    ["git.corp.example", true, undefined],
  ]);
  assert.deepEqual(names([allowed("*.corp.example")], ["git.corp.example"]), [
    ["*.corp.example", false, undefined],
    ["git.corp.example", true, undefined],
  ]);
});

Deno.test("egressPolicy() leaves no default host unopened that an inspected wildcard stands for", () => {
  const hosts = (allowlist: readonly AllowedHost[]): readonly string[] =>
    egressPolicy(settings({ defaults: true, allowlist }), []).hosts.map(({ host }) => host);
  const below = DEFAULT_HOSTS.filter((host) => host.endsWith(".anthropic.com"));
  assert.equal(below.length, 2);
  const narrowed = hosts([{ ...allowed("*.anthropic.com"), allow: ["GET /"] }]);
  assert.ok(below.every((host) => !narrowed.includes(host)) && narrowed.length === DEFAULT_HOSTS.length - 1);
  const open = hosts([allowed("*.anthropic.com")]);
  assert.ok(below.every((host) => open.includes(host)) && open.length === DEFAULT_HOSTS.length + 1);
});

Deno.test("egressPolicy() gives plain HTTP of a wildcard to no inspected name below it", () => {
  const policy = egressPolicy(
    settings({ allowlist: [allowed("*.corp.example", true), { ...INSPECTED, host: "api.corp.example" }] }),
    [],
  );
  assert.deepEqual(policy.hosts.map(({ host, http }) => [host, http]), [
    ["*.corp.example", true],
    ["api.corp.example", false],
  ]);
});
