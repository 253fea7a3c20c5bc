import assert from "node:assert/strict";
import fc from "fast-check";
import { approvalText, covers, difference, readApproval } from "../../../lib/manifest/approvals.ts";
import { hostWords } from "../../../lib/manifest/host_grants.ts";
import type { Capability } from "../../../lib/manifest/capabilities.ts";
import { line, projectManifest, requestedBy } from "../../support/capabilities.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl";

const AGENT = "agents: { a: { bottle: dev } }\n";

async function wanted(text: string): Promise<readonly Capability[]> {
  return requestedBy(await projectManifest(text));
}

/** What of `now` an approval of `before` does not cover. */
async function asked(before: string, now: string): Promise<readonly string[]> {
  return difference(await wanted(now), await wanted(before)).added.map(line);
}

const ssh = (rest: string): string => `ssh: [{ Host: git.test, IdentityFile: ~/k, ${rest} }]`;

/** Two bottles, of which the second is given more, and what is asked for after the first was approved. */
const WIDENINGS:
  readonly (readonly [title: string, narrow: string, wide: string, asked: readonly string[]])[] = [
    ["a host", "", "egress: { allowlist: [a.test] }", ["host | a.test"]],
    [
      "a wildcard for a host",
      "egress: { allowlist: [b.a.test] }",
      'egress: { allowlist: ["*.a.test"] }',
      ["host | *.a.test"],
    ],
    [
      "a wider wildcard",
      'egress: { allowlist: ["*.b.a.test"] }',
      'egress: { allowlist: ["*.a.test"] }',
      ["host | *.a.test"],
    ],
    [
      "plain HTTP",
      "egress: { allowlist: [a.test] }",
      "egress: { allowlist: [{ host: a.test, http: true }] }",
      ["http | a.test"],
    ],
    [
      "all requests instead of some",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x, GET /y] }] }",
      "egress: { allowlist: [a.test] }",
      ["host | a.test"],
    ],
    [
      "one more request",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x] }] }",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x, POST /x] }] }",
      ["host | a.test | POST /x"],
    ],
    [
      "any query",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x?y] }] }",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x] }] }",
      ["host | a.test | GET /x"],
    ],
    [
      "a folder",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x/y, GET /x/*/z?q] }] }",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x/*] }] }",
      ["host | a.test | GET /x/*"],
    ],
    [
      "another method",
      "egress: { allowlist: [{ host: a.test, allow: [GET /x/*] }] }",
      "egress: { allowlist: [{ host: a.test, allow: [POST /x/y] }] }",
      ["host | a.test | POST /x/y"],
    ],
    [
      "another credential than the injected secret",
      'egress: { allowlist: [{ host: a.test, inject: { env: A, secret: "?", as: bearer } }] }',
      "egress: { allowlist: [{ host: a.test, allow: [GET /x] }] }",
      ["host | a.test | GET /x"],
    ],
    [
      "another secret",
      'egress: { allowlist: [{ host: a.test, inject: { env: A, secret: "${A}", as: bearer } }] }',
      'egress: { allowlist: [{ host: a.test, inject: { env: A, secret: "${B}", as: bearer } }] }',
      ["inject | a.test | A | bearer | host | B"],
    ],
    [
      "another form",
      'egress: { allowlist: [{ host: a.test, inject: { env: A, secret: "?", as: bearer } }] }',
      'egress: { allowlist: [{ host: a.test, inject: { env: A, secret: "?", as: "basic:me" } }] }',
      ["inject | a.test | A | basic:me | prompt | "],
    ],
    [
      "a wildcard for the name that was inspected below it",
      'egress: { allowlist: ["*.a.test", { host: b.a.test, allow: [GET /x] }] }',
      'egress: { allowlist: ["*.a.test"] }',
      ["host | *.a.test"],
    ],
    [
      "more for a name below a wildcard that is inspected",
      'egress: { allowlist: [{ host: "*.a.test", allow: [GET /x] }] }',
      'egress: { allowlist: [{ host: "*.a.test", allow: [GET /x] }, b.a.test] }',
      ["host | b.a.test"],
    ],
    [
      "pushes to a repository",
      "egress: { allowlist: [{ use: { github: { repos: [me/app] } } }] }",
      "egress: { allowlist: [{ use: { github: { repos: [me/app], push: true } } }] }",
      [
        "host | github.com | GET /me/app/info/refs?service=git-receive-pack",
        "host | github.com | POST /me/app/git-receive-pack",
        "host | github.com | GET /me/app.git/info/refs?service=git-receive-pack",
        "host | github.com | POST /me/app.git/git-receive-pack",
      ],
    ],
    [
      "a service",
      "egress: { allowlist: [{ host: api.openai.com, allow: [POST /v1/responses, POST /v1/chat/completions, POST /v1/embeddings] }] }",
      "egress: { allowlist: [{ use: openai }] }",
      ["host | api.openai.com | GET /v1/models", "host | api.openai.com | GET /v1/models/*"],
    ],
    [
      "private addresses",
      "egress: { allowlist: [a.test] }",
      "egress: { allowlist: [a.test], private: [a.test] }",
      ["private | a.test"],
    ],
    ["a network", "", "egress: { networks: [n] }", ["network | n"]],
    ["another proxy than the default", "", "egress: { proxy: squid }", ["proxy | squid"]],
    ["another proxy, since none is named", "egress: { proxy: squid }", "", ["proxy | unnamed"]],
    [
      "another proxy",
      "egress: { proxy: squid }",
      "egress: { proxy: pipelock }",
      ["proxy | pipelock"],
    ],
    ["the default hosts", "egress: { defaults: false }", "", [
      "default host | api.test",
      "default host | update.test",
    ]],
    ["a literal", "", "env: { A: x }", ["env | A | literal"]],
    ["a variable for a literal", "env: { A: x }", 'env: { A: "${A}" }', ["env | A | host | A"]],
    ["another variable", 'env: { A: "${A}" }', 'env: { A: "${B}" }', ["env | A | host | B"]],
    ["another question", 'env: { A: "?a" }', 'env: { A: "?b" }', ["env | A | prompt | b"]],
    [
      "another command",
      "env: { A: { secret: { command: [op, a] } } }",
      "env: { A: { secret: { command: [op, a, b] } } }",
      ['env | A | command | ["op","a","b"]'],
    ],
    [
      "a file for a command",
      "env: { A: { secret: { command: [/f] } } }",
      "env: { A: { secret: { file: /f } } }",
      ["env | A | file | /f"],
    ],
    [
      "an ssh host",
      "",
      ssh(`KnownHostKey: ${KEY}`),
      ["ssh | git.test | 22", `key | ~/k | git | git.test | 22 | ${KEY}`],
    ],
    [
      "another user",
      ssh(`KnownHostKey: ${KEY}`),
      ssh(`KnownHostKey: ${KEY}, User: root`),
      [`key | ~/k | root | git.test | 22 | ${KEY}`],
    ],
    [
      "another port",
      ssh(`KnownHostKey: ${KEY}`),
      ssh(`KnownHostKey: ${KEY}, Port: 443`),
      ["ssh | git.test | 443", `key | ~/k | git | git.test | 443 | ${KEY}`],
    ],
    [
      "another Hostname",
      ssh(`KnownHostKey: ${KEY}`),
      ssh(`KnownHostKey: ${KEY}, Hostname: else.test`),
      ["ssh | else.test | 22", `key | ~/k | git | else.test | 22 | ${KEY}`],
    ],
    [
      "another key",
      ssh(`KnownHostKey: ${KEY}`),
      `ssh: [{ Host: git.test, IdentityFile: ~/other, KnownHostKey: ${KEY} }]`,
      [`key | ~/other | git | git.test | 22 | ${KEY}`],
    ],
    [
      "one more host key",
      ssh(`KnownHostKey: ${KEY}`),
      ssh(`KnownHostKey: [${KEY}, ${OTHER_KEY}]`),
      [`key | ~/k | git | git.test | 22 | ${OTHER_KEY}`],
    ],
    [
      "another way to know the host",
      ssh(`KnownHostKey: [${KEY}, ${OTHER_KEY}]`),
      ssh("Port: 22"),
      ["key | ~/k | git | git.test | 22 | learned"],
    ],
    [
      "another host key than the one that a person compares",
      ssh("Port: 22"),
      ssh(`KnownHostKey: ${KEY}`),
      [`key | ~/k | git | git.test | 22 | ${KEY}`],
    ],
    ["a host key for none that is known", ssh(`KnownHostKey: ${KEY}`), ssh("unpinned: true"), [
      "key | ~/k | git | git.test | 22 | unpinned",
    ]],
    ["unpinned", ssh("Port: 22"), ssh("unpinned: true"), ["key | ~/k | git | git.test | 22 | unpinned"]],
    ["signing", ssh("sign: false"), ssh("sign: true"), ["sign | ~/k"]],
    ["git's identity", "", "git: { identity: host }", ["git identity | host"]],
    ["auto for runsc", "runtime: runsc", "runtime: auto", ["runtime | auto"]],
    ["runc for auto", "runtime: auto", "runtime: runc", ["runtime | runc"]],
    ["runc for runsc", "runtime: runsc", "runtime: runc", ["runtime | runc"]],
    ["memory", "resources: { memory: 4g }", "resources: { memory: 8g }", ["memory | 8589934592"]],
    ["memory by default", "resources: { memory: 512m }", "", ["memory | 4294967296"]],
    ["cpus", "resources: { cpus: 1.5 }", "resources: { cpus: 2 }", ["cpus | 2"]],
    ["all cpus", "resources: { cpus: 1.5 }", "", ["cpus | unlimited"]],
    ["processes", "", "resources: { pids: 4096 }", ["pids | 4096"]],
    ["disk", "resources: { disk: 1g }", "", ["disk | 21474836480"]],
    ["a base image", "", "image: { base: debian }", ["image | debian"]],
    ["a package", "image: { packages: [jq] }", "image: { packages: [jq, gh] }", ["package | gh"]],
    ["authorities", "", "image: { ca: /ca.pem }", ["ca | /ca.pem"]],
    [
      "keys in a foreign image",
      "image: { base: debian }",
      `image: { base: debian }\n    ${ssh(`KnownHostKey: ${KEY}`)}`,
      [
        "ssh | git.test | 22",
        `key | ~/k | git | git.test | 22 | ${KEY}`,
        "image with keys | debian",
      ],
    ],
  ];

Deno.test("more of anything asks for exactly that, and less of it for nothing", async () => {
  for (const [title, narrow, wide, expected] of WIDENINGS) {
    const bottle = (body: string): string =>
      `bottles:\n  dev:\n    git: {}\n    ${body}\n${AGENT}`
        .replace(/ {4}git: \{\}\n(?= {4}git:)/, "");
    const lines = expected.map((text) => `bottle dev | ${text}`);
    assert.deepEqual(await asked(bottle(narrow), bottle(wide)), lines, title);
    // A source is none of another; going back to it is asked for, too.
    if (/^another|for a command|for a literal/.test(title)) continue;
    assert.deepEqual(await asked(bottle(wide), bottle(narrow)), [], `${title}, the other way round`);
  }
});

Deno.test("an agent's bottle, command and skills are asked for, its prompt is not", async () => {
  const agent = (rest: string): string =>
    `bottles: { dev: {}, more: {} }\nagents: { a: { ${rest} }, b: { bottle: more } }\n`;
  const before = agent("bottle: dev, skills: [s]");
  assert.deepEqual(await asked(before, agent("bottle: dev, prompt: anything else")), []);
  assert.deepEqual(await asked(before, agent("bottle: dev, skills: [s, t]")), ["agent a | skill | t"]);
  assert.deepEqual(await asked(before, agent("bottle: dev, command: [sh]")), ["agent a | command | sh"]);
  assert.deepEqual(await asked(before, agent("bottle: more")), ["agent a | bottle | more"]);
});

Deno.test("what one bottle has is no grant to another one", async () => {
  const bottles = (one: string, two: string): string =>
    `bottles: { one: ${one}, two: ${two} }\nagents: { a: { bottle: one }, b: { bottle: two } }\n`;
  const host = "{ egress: { allowlist: [a.test] } }";
  const secret = '{ env: { A: "${A}" } }';
  assert.deepEqual(await asked(bottles(host, secret), bottles(secret, host)), [
    "bottle one | env | A | host | A",
    "bottle two | host | a.test",
  ]);
});

Deno.test("difference() tells what is new, what stays and what is gone, a narrower one as both", async () => {
  const before = await wanted(
    `bottles: { dev: { egress: { defaults: false, allowlist: ["*.a.test", b.test] } } }\n${AGENT}`,
  );
  const now = await wanted(
    `bottles: { dev: { egress: { defaults: false, allowlist: [x.a.test, c.test] } } }\n${AGENT}`,
  );
  const { added, kept, removed } = difference(now, before);
  assert.deepEqual(added.map(line), ["bottle dev | host | c.test"]);
  assert.ok(kept.map(line).includes("bottle dev | host | x.a.test"));
  assert.deepEqual(removed.map(line), ["bottle dev | host | *.a.test", "bottle dev | host | b.test"]);
  assert.equal(added.length + kept.length, now.length);
});

const name = fc.constantFrom("test", "a.test", "b.test", "b.a.test", "c.b.a.test");
const pattern = fc.oneof(name, name.map((name) => `*.${name}`));
const rule = fc.option(
  fc.constantFrom(
    "GET /",
    "GET /*",
    "GET /x/*",
    "GET /x/y",
    "GET /x/y?q",
    "GET /x/*?q",
    "GET /x/*/z",
    "POST /x",
  ),
  { nil: undefined },
);
const bounds = fc.constantFrom([], [], ["injected"], ["not b.a.test"], ["injected", "not b.a.test"], [
  "not a.test",
]);
const amount = fc.oneof(fc.constantFrom("unlimited"), fc.integer({ min: 1, max: 4 }).map(String));

/** Of one subject, from few values, so that many of them have to do with each other. */
const capability: fc.Arbitrary<Capability> = fc.record({
  subject: fc.constantFrom("bottle a", "bottle b"),
  of: fc.oneof(
    fc.record({
      kind: fc.constant("host"),
      parts: fc.tuple(pattern, rule, bounds).map(([host, rule, bounds]) => hostWords(host, { rule, bounds })),
    }),
    fc.record({
      kind: fc.constant("http"),
      parts: fc.tuple(pattern, bounds).map(([host, bounds]) => hostWords(host, { bounds })),
    }),
    fc.record({ kind: fc.constant("private"), parts: fc.tuple(pattern) }),
    fc.record({ kind: fc.constantFrom("cpus", "memory", "pids", "disk"), parts: fc.tuple(amount) }),
    fc.record({ kind: fc.constant("runtime"), parts: fc.tuple(fc.constantFrom("runc", "auto", "runsc")) }),
    fc.record({
      kind: fc.constant("env"),
      parts: fc.tuple(
        fc.constantFrom("A", "B"),
        fc.constantFrom(["literal"], ["host", "X"], ["host", "Y"], ["prompt", ""]),
      ).map(([name, source]) => [name, ...source]),
    }),
    fc.record({
      kind: fc.constant("key"),
      parts: fc.tuple(
        fc.constantFrom("/k", "/l"),
        fc.constantFrom("git", "root"),
        fc.constant("a.test"),
        fc.constant("22"),
        fc.constantFrom("SHA256:x", "SHA256:y", "learned", "unpinned"),
        fc.constantFrom([], ["missing"]),
      ).map(([path, user, host, port, key, marks]) => [path, user, host, port, key, ...marks]),
    }),
    fc.record({ kind: fc.constantFrom("package", "toString", "__proto__"), parts: fc.array(name) }),
  ),
}).map(({ subject, of: { kind, parts } }) => ({ subject, kind, parts }));

const capabilities = fc.array(capability, { maxLength: 12 });
const RUNS = { numRuns: 2000 };

/** Whether an approval of `a` is one of `b`. */
function isApproval(a: readonly Capability[], b: readonly Capability[]): boolean {
  return difference(b, a).added.length === 0;
}

Deno.test("covers() is reflexive and transitive", () => {
  fc.assert(fc.property(capability, (a) => covers(a, a)), RUNS);
  let chains = 0;
  fc.assert(
    fc.property(fc.array(capability, { minLength: 3, maxLength: 20 }), (all) => {
      for (const a of all) {
        for (const b of all.filter((b) => covers(a, b))) {
          for (const c of all.filter((c) => covers(b, c))) {
            if (a !== b && b !== c) chains++;
            assert.ok(covers(a, c), [a, b, c].map(line).join("\n"));
          }
        }
      }
    }),
    RUNS,
  );
  assert.ok(chains > 1000, `${chains}`);
});

Deno.test("approval is monotone: of a set it is one of every subset and every narrowing, and more is no less", () => {
  fc.assert(
    fc.property(capabilities, capabilities, capabilities, (a, b, c) => {
      assert.ok(isApproval(a, a));
      assert.ok(isApproval([...a, ...b], a));
      // What b has of a's, or narrower ones.
      const within = b.filter((one) => a.some((other) => covers(other, one)));
      assert.ok(isApproval(a, within));
      for (let size = 0; size <= within.length; size++) assert.ok(isApproval(a, within.slice(size)));
      assert.ok(isApproval([...a, ...c], within));
      if (isApproval(a, b) && isApproval(b, c)) assert.ok(isApproval(a, c));
      // And it is nothing more.
      const beyond = b.filter((one) => !within.includes(one));
      assert.equal(isApproval(a, b), beyond.length === 0);
      assert.deepEqual(difference(b, a).added, beyond);
    }),
    RUNS,
  );
});

const project = { root: "/repo", identity: "12:34", folder: "/repo/a" };

Deno.test("readApproval() reads what approvalText() wrote, for that project alone", () => {
  fc.assert(fc.property(capabilities, (approved) => {
    const text = approvalText(project, approved);
    assert.deepEqual(readApproval(text, project), { kind: "good", approved });
    for (
      const other of [{ ...project, root: "/other" }, { ...project, identity: "12:35" }, {
        ...project,
        folder: "/repo",
      }]
    ) {
      assert.deepEqual(readApproval(text, other), { kind: "bad", why: "is the approval of another project" });
    }
  }));
});

Deno.test("readApproval() takes nothing that it does not understand as a whole", () => {
  const good = { version: 1, ...project, approved: [{ subject: "bottle a", kind: "host", parts: ["x"] }] };
  assert.equal(readApproval(JSON.stringify(good), project).kind, "good");
  const rows: readonly (readonly [unknown, string])[] = [
    [{ ...good, version: 2 }, "was written by another version"],
    [{ ...good, version: "1" }, "was written by another version"],
    [{ ...good, approved: undefined }, "is damaged"],
    [{ ...good, approved: {} }, "is damaged"],
    [{ ...good, approved: [null] }, "is damaged"],
    [{ ...good, approved: [...good.approved, { subject: "a", kind: "host" }] }, "is damaged"],
    [{ ...good, approved: [...good.approved, { subject: "a", kind: "host", parts: [1] }] }, "is damaged"],
    [[], "is not an approval"],
    [null, "is not an approval"],
    ["", "is not an approval"],
  ];
  for (const [value, why] of rows) {
    assert.deepEqual(readApproval(JSON.stringify(value), project), { kind: "bad", why });
  }
  for (const text of ["", "{", JSON.stringify(good).slice(0, -1), "\0"]) {
    assert.deepEqual(readApproval(text, project), { kind: "bad", why: "is not JSON" });
  }
});
