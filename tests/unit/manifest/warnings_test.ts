import assert from "node:assert/strict";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { builtinManifest, parseManifest } from "../../../lib/manifest/load.ts";
import { looksSecret, looksSecretAs } from "../../../lib/manifest/secret_looks.ts";
import { manifestWarnings } from "../../../lib/manifest/warnings.ts";
import { HOST_KEY } from "../../support/plan_inputs.ts";

const TOKEN = `ghp_${"a1B2".repeat(9)}`;

async function warningsOf(lines: readonly string[], path = "m.yaml"): Promise<readonly string[]> {
  const bytes = new TextEncoder().encode(lines.join("\n"));
  const manifest = await parseManifest([{ path, bytes }]);
  return manifestWarnings(manifest).flatMap((problem) => renderProblem(problem).split("\n"));
}

Deno.test("manifestWarnings() has nothing to say of a manifest that grants what it names", async () => {
  assert.deepEqual(manifestWarnings(await parseManifest([builtinManifest()])), []);
  assert.deepEqual(
    await warningsOf([
      "bottles:",
      "  base: {}",
      "  dev:",
      "    extends: base",
      "    env: { A: some text, B: '${GH_PAT}', C: '?token', D: { secret: { file: ~/x } }, MAX_TOKENS: '1000' }",
      `    ssh: [{ Host: gitea, IdentityFile: ~/k, KnownHostKey: ${HOST_KEY} }]`,
      "    egress: { allowlist: [github.com, { host: deb.example.org, http: false }], private: [gitea] }",
      "agents:",
      "  a: { bottle: dev, command: [sh, -c, 'echo $HOME ${X}'], prompt: 'Use ${X}' }",
    ]),
    [],
  );
});

Deno.test("manifestWarnings() tells of hosts that are more, or something else, than they seem", async () => {
  assert.deepEqual(
    await warningsOf([
      "bottles:",
      "  dev:",
      "    egress:",
      "      allowlist:",
      '        - "*.example.com"',
      "        - localhost",
      "        - { host: deb.example.org, http: true }",
      '      private: ["*.example.com"]',
      "agents: { a: { bottle: dev } }",
    ]),
    [
      'm.yaml:5:11: bottles.dev.egress.allowlist[0]: "*.example.com" allows every name below example.com: whoever can make one receives what is sent there',
      '            - "*.example.com"',
      "              ^~~~~~~~~~~~~~~",
      "hint: List the names that are needed, unless all of them are yours",
      'm.yaml:6:11: bottles.dev.egress.allowlist[1]: "localhost" is not this machine to a bottle, and nothing is reached by that name',
      "            - localhost",
      "              ^~~~~~~~~",
      "hint: Run the service in a container, and give the bottle its network with `egress.networks`",
      "m.yaml:7:42: bottles.dev.egress.allowlist[2].http: plain HTTP can be read and changed by anybody on the way",
      "            - { host: deb.example.org, http: true }",
      "                                             ^~~~",
      "hint: Remove it where the host answers on HTTPS",
      'm.yaml:8:17: bottles.dev.egress.private[0]: "*.example.com" lets every name below example.com lead into your own network',
      '          private: ["*.example.com"]',
      "                    ^~~~~~~~~~~~~~~",
      "hint: List the names that do",
    ],
  );
});

Deno.test.each([
  ["$GH_PAT", "Write `${GH_PAT}` to take it from the host"],
  ["${localEnv:GH_PAT}", "Write `${GH_PAT}` to take it from the host"],
  ["${env:GH_PAT}", "Write `${GH_PAT}` to take it from the host"],
  ["${{ secrets.GH_PAT }}", "Write `${GH_PAT}` to take it from the host"],
  [
    "${{secrets.GH_PAT}}x",
    "A variable of the host is the whole value: `${NAME}`, with nothing before or behind it",
  ],
  [
    "${GH_PAT:-none}",
    "A variable of the host is the whole value: `${NAME}`, with nothing before or behind it",
  ],
  ["$(op read x)", "Write `{ secret: { command: [PROGRAM, …] } }` to have its output"],
  ["`date`", "Write `{ secret: { command: [PROGRAM, …] } }` to have its output"],
  ["op://dev/npm", 'Write `{ secret: { command: [op, read, "op://dev/npm"] } }` to have its output'],
])("manifestWarnings() tells of %s, which other tools put something in the place of", async (value, hint) => {
  const bottle = (env: string): readonly string[] => [
    "bottles:",
    "  dev:",
    `    env: { A: ${JSON.stringify(env)} }`,
    "agents: { a: { bottle: dev } }",
  ];
  const lines = await warningsOf(bottle(value));
  assert.match(lines[0] ?? "", /bottles\.dev\.env\.A: is taken as it stands, /);
  assert.equal(lines.at(-1), `hint: ${hint}`);
  assert.deepEqual(await warningsOf(bottle("costs 5$ (or less)")), []);
});

Deno.test("manifestWarnings() tells of a command line in the place of a command's first word", async () => {
  const agent = (command: string): readonly string[] => [
    "bottles: { dev: {} }",
    `agents: { a: { bottle: dev, command: ${command} } }`,
  ];
  assert.deepEqual(await warningsOf(agent("[claude --continue]")), [
    'm.yaml:2:39: agents.a.command[0]: a program named "claude --continue", with its spaces, is looked for',
    "    agents: { a: { bottle: dev, command: [claude --continue] } }",
    "                                          ^~~~~~~~~~~~~~~~~",
    "hint: Make its words items of their own: `[claude, --continue, …]`",
  ]);
  assert.deepEqual(await warningsOf(agent("[sh, -c, 'echo a b']")), []);
});

Deno.test("manifestWarnings() tells of hosts without a dot, unless something may have such a name", async () => {
  const bottle = (egress: string): readonly string[] => [
    `bottles: { dev: { egress: { ${egress} } } }`,
    "agents: { a: { bottle: dev } }",
  ];
  const [first = ""] = await warningsOf(bottle("allowlist: [github]"));
  assert.match(first, /"github" has no dot in it: no public host has such a name$/);
  assert.deepEqual(await warningsOf(bottle("allowlist: [nas], private: [nas]")), []);
  assert.deepEqual(await warningsOf(bottle("allowlist: [db], networks: [app_default]")), []);
});

Deno.test("manifestWarnings() tells of ssh hosts that others can pass for", async () => {
  assert.deepEqual(
    await warningsOf([
      "bottles:",
      "  dev:",
      "    ssh:",
      "      - { Host: a, IdentityFile: k, Port: 2222 }",
      "      - { Host: b, IdentityFile: l, unpinned: true }",
      `      - { Host: c, IdentityFile: m, unpinned: true, KnownHostKey: ${HOST_KEY} }`,
      "agents: { a: { bottle: dev } }",
    ]),
    [
      "m.yaml:4:9: bottles.dev.ssh[0]: has no KnownHostKey, so each launch asks whether the host's key is right, and a headless one refuses",
      "          - { Host: a, IdentityFile: k, Port: 2222 }",
      "            ^",
      "hint: `ssh-keyscan -p 2222 a` prints it for `KnownHostKey`; compare it with what the host's owner publishes",
      "m.yaml:5:47: bottles.dev.ssh[1].unpinned: whoever answers in that host's place is believed when nobody can be asked",
      "          - { Host: b, IdentityFile: l, unpinned: true }",
      "                                                  ^~~~",
      "hint: `ssh-keyscan b` prints it for `KnownHostKey`; compare it with what the host's owner publishes",
      "m.yaml:6:47: bottles.dev.ssh[2].unpinned: does nothing beside a KnownHostKey",
      `          - { Host: c, IdentityFile: m, unpinned: true, KnownHostKey: ${HOST_KEY} }`.slice(0, 104) +
      "…",
      "                                                  ^~~~",
      "hint: Remove it",
    ],
  );
});

Deno.test("manifestWarnings() tells of values that are taken as they stand", async () => {
  const lines = await warningsOf([
    "bottles:",
    "  dev:",
    "    env:",
    '      A: "x-${HOME}"',
    "      B: $HOME/bin",
    '      C: "${X:-y}"',
    "      D: costs 5$",
    "agents: { a: { bottle: dev } }",
  ]);
  assert.deepEqual(lines.filter((line) => line.startsWith("m.yaml")), [
    "m.yaml:4:10: bottles.dev.env.A: is taken as it stands, with its `$`",
    "m.yaml:5:10: bottles.dev.env.B: is taken as it stands, with its `$`",
    "m.yaml:6:10: bottles.dev.env.C: is taken as it stands, with its `$`",
  ]);
});

Deno.test("manifestWarnings() tells of a bottle that nobody uses", async () => {
  assert.deepEqual(await warningsOf(["bottles: { dev: {}, old: {} }", "agents: { a: { bottle: dev } }"]), [
    "m.yaml:1:21: bottles.old: no agent uses this bottle",
    "    bottles: { dev: {}, old: {} }",
    "                        ^~~",
    "hint: Name it where an agent is defined, `bottle: old`, or remove it",
  ]);
});

Deno.test("manifestWarnings() tells of secrets and never shows one, not even in the line of another warning", async () => {
  const manifests = [
    [
      "m.yaml",
      [
        "bottles:",
        "  dev:",
        `    env: { GITHUB_TOKEN: ${TOKEN}, OTHER: "a\${B}" }`,
        "    egress:",
        "      proxy: squid",
        "      allowlist:",
        `        - { host: a.example, inject: { env: X, secret: ${TOKEN}, as: bearer } }`,
        "  more:",
        `    env: { X: { secret: { command: [get, ${TOKEN}] } } }`,
        "agents:",
        `  a: { bottle: dev, command: [x, --key=${TOKEN}], prompt: 'The token is ${TOKEN}.' }`,
        "  b: { bottle: more }",
      ].join("\n"),
      6,
    ],
    ["m.json", JSON.stringify({ bottles: { dev: { env: { A: TOKEN } } }, agents: {} }), 2],
  ] as const;
  for (const [path, text, count] of manifests) {
    const manifest = await parseManifest([{ path, bytes: new TextEncoder().encode(text) }]);
    const warnings = manifestWarnings(manifest);
    assert.equal(warnings.length, count);
    assert.ok(warnings.every(({ where }) => where !== undefined && where.snippet === undefined));
    assert.doesNotMatch(JSON.stringify(warnings), /ghp_/);
  }
});

Deno.test("manifestWarnings() knows a service that is taken for a host", async () => {
  const lines = await warningsOf([
    "bottles: { dev: { egress: { allowlist: [npm] } } }",
    "agents: { a: { bottle: dev } }",
  ]);
  assert.match(lines[0] ?? "", /"npm" has no dot in it/);
  assert.ok(lines.includes("hint: Write `- use: npm` for the service of that name"), lines.join("\n"));
});

Deno.test("manifestWarnings() tells of inspected hosts without a proxy, and of a secret for a whole domain", async () => {
  assert.deepEqual(
    (await warningsOf([
      "bottles:",
      "  dev:",
      "    egress:",
      "      allowlist:",
      '        - { host: "*.example.org", inject: { env: A, secret: "?", as: bearer } }',
      "        - use: pypi",
      "agents: { a: { bottle: dev } }",
    ])).filter((line) => line.startsWith("m.yaml")).toSorted(),
    [
      "m.yaml:5:11: bottles.dev.egress.allowlist[0]: is inspected, for which the bottle must name `squid` as its proxy",
      'm.yaml:5:11: bottles.dev.egress.allowlist[0]: "*.example.org" allows every name below example.org: whoever can make one receives what is sent there',
      "m.yaml:5:36: bottles.dev.egress.allowlist[0].inject: is sent to every name below example.org that the agent asks",
    ].toSorted(),
  );
});

Deno.test("manifestWarnings() says once what several bottles take from one place", async () => {
  const bytes = new TextEncoder().encode("bottles: { a: {}, b: {} }\nagents: { x: { bottle: a } }");
  const manifest = await parseManifest([{ path: "m.yaml", bytes }]);
  const place = { file: "m.yaml", line: 3, column: 5 };
  const bottle = manifest.bottles.get("a");
  assert.ok(bottle !== undefined);
  const env = new Map([["A", { kind: "literal", value: TOKEN }]] as const);
  const bottles = new Map(
    ["a", "b", "c"].map((name) => [name, { ...bottle, name, env, extends: "a" }] as const),
  );
  const same = manifestWarnings({
    ...manifest,
    bottles,
    agents: new Map(
      ["a", "b", "c"].map((name) =>
        [name, { name, extends: undefined, bottle: name, skills: [], prompt: "", command: ["x"] }] as const
      ),
    ),
    where: (path) => path.includes("env") ? place : { ...place, line: 9 },
  });
  assert.deepEqual(same.map(({ where }) => where), [place]);
});

Deno.test.each([
  TOKEN,
  `github_pat_${"a1_B".repeat(8)}`,
  `glpat-${"a1-B".repeat(5)}`,
  `sk-ant-api03-${"a1-B".repeat(8)}`,
  `sk-proj-${"a1_B".repeat(8)}`,
  "AKIAIOSFODNN7EXAMPLE",
  `AIza${"a1-B_".repeat(7)}`,
  `npm_${"a1B2".repeat(9)}`,
  `xoxb-${"1234567890"}-abc`,
  `hf_${"a1B2".repeat(8)}`,
  `sk_live_${"a1B2".repeat(5)}`,
  `eyJhbGciOiJI.eyJzdWIiOiIx.c2ln`,
  "-----BEGIN OPENSSH PRIVATE KEY-----",
  "postgres://me:hunter2@db.example/x",
])("looksSecret() knows %s", (text) => {
  assert.ok(looksSecret(text));
  assert.ok(looksSecret(`a value: ${text}`));
});

Deno.test("looksSecretAs() takes a variable's name into account", () => {
  for (
    const [name, value] of [["GITEA_TOKEN", "0123456789abcdef"], ["db_password", "hunter2!"], [
      "API_KEY",
      "a-b.c9xyz",
    ]]
  ) {
    assert.ok(looksSecretAs(name ?? "", value ?? ""), name);
  }
  for (
    const [name, value] of [
      ["GITEA_TOKEN", ""],
      ["GITEA_TOKEN", "changeme"],
      ["MAX_THINKING_TOKENS", "12345678"],
      ["API_KEY", "1234567890"],
      ["API_KEY", "${OTHER}-1"],
      ["GREETING", "0123456789abcdef"],
      ["URL", "https://example.com/a@b"],
      ["URL", "postgres://db.example:5432/x"],
    ]
  ) assert.equal(looksSecretAs(name ?? "", value ?? ""), false, value);
});

Deno.test("looksSecret() takes no longer for a text that is nearly one, over and over", () => {
  const begun = performance.now();
  for (const piece of ["eyJaaaaaaaa-", "SG.aaaaaaaaaaaaaaaa", "a://b:", "sk-", "-----BEGIN A"]) {
    looksSecret(piece.repeat(Math.ceil(300_000 / piece.length)));
  }
  assert.ok(performance.now() - begun < 5_000);
});
