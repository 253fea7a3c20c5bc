import assert from "node:assert/strict";
import { checkHost } from "../../../lib/manifest/hosts.ts";
import { isInspected, rulePlace, secretPlace } from "../../../lib/manifest/host_places.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import type { AllowedHost, Manifest } from "../../../lib/manifest/model.ts";
import { checkInjectedName } from "../../../lib/manifest/env_entries.ts";
import { checkInjectionForm } from "../../../lib/manifest/names.ts";
import {
  expansionOf,
  hostsOfUse,
  SERVICE_NAMES,
  type Use,
} from "../../../lib/manifest/ready_made/services.ts";
import { checkRule } from "../../../lib/manifest/rules.ts";

async function parsed(text: string): Promise<Manifest> {
  return await parseManifest([{ path: "m.yaml", bytes: new TextEncoder().encode(text) }]);
}

async function hostsOf(allowlist: string): Promise<readonly AllowedHost[]> {
  const manifest = await parsed(
    `bottles: { dev: { egress: { proxy: squid, allowlist: ${allowlist} } } }\nagents: { a: { bottle: dev } }\n`,
  );
  return manifest.bottles.get("dev")?.egress.allowlist ?? [];
}

/** Each host with its rules, and what is injected there. */
async function shown(allowlist: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const hosts = await hostsOf(allowlist);
  return Object.fromEntries(hosts.map(({ host, allow, inject }) => [
    host,
    inject === undefined
      ? allow
      : [...allow, `${inject.env} as ${inject.as} from ${JSON.stringify(inject.secret)}`],
  ]));
}

const SECRET = "${TOKEN}";
/** Every service with and without each of its options. */
const USES: readonly Use[] = [
  ...SERVICE_NAMES,
  { github: { repos: ["me/app"], push: false, token: SECRET } },
  { github: { push: false, repos: ["me/app", "you/.github"] } },
  { github: { push: true, repos: ["me/app"] } },
  { github: { push: true, repos: ["me/app"], token: SECRET } },
  { npm: { token: SECRET } },
  { pypi: {} },
  { anthropic: { token: SECRET } },
  { anthropic: { key: SECRET } },
  { openai: { key: SECRET } },
];

Deno.test("what services stand for passes the checks of what is written by hand", () => {
  assert.deepEqual(SERVICE_NAMES, ["github", "npm", "pypi", "anthropic", "openai"]);
  for (const use of USES) {
    const { hosts } = expansionOf(use);
    const names = hosts.map(({ host }) => host);
    assert.deepEqual(names, hostsOfUse(use), JSON.stringify(use));
    assert.equal(new Set(names).size, names.length);
    for (const { host, allow, inject } of hosts) {
      assert.deepEqual(checkHost(host), { kind: "good", value: host });
      assert.ok(allow.length > 0, host);
      assert.equal(new Set(allow).size, allow.length, host);
      for (const rule of allow) assert.equal(checkRule(rule).kind, "good", rule);
      if (inject === undefined) continue;
      assert.equal(checkInjectedName(inject.env).kind, "good", inject.env);
      assert.equal(checkInjectionForm(inject.as).kind, "good", inject.as);
      assert.equal(inject.secret, SECRET);
    }
  }
});

Deno.test("a service says only where its hosts are, whatever it is", () => {
  for (const other of [undefined, null, 1, "", "toString", "__proto__", [], ["npm"], {}, { toString: {} }]) {
    assert.deepEqual(hostsOfUse(other), [], JSON.stringify(other));
  }
});

const GIT_READ = [
  "GET /*/*/info/refs?service=git-upload-pack",
  "POST /*/*/git-upload-pack",
];
const DOWNLOADS = ["GET /*/*/archive/*", "GET /*/*/releases/download/*"];
const API = ["GET /rate_limit", "GET /repos/*"];
const FILES = {
  "codeload.github.com": ["GET /*"],
  "objects.githubusercontent.com": ["GET /*"],
  "release-assets.githubusercontent.com": ["GET /*"],
  "raw.githubusercontent.com": ["GET /*"],
};

function git(repo: string, service: string): readonly string[] {
  return [repo, `${repo}.git`].flatMap((path) => [
    `GET /${path}/info/refs?service=git-${service}`,
    `POST /${path}/git-${service}`,
  ]);
}

Deno.test("use: github reads any public repository and pushes to none", async () => {
  const expected = { "github.com": [...GIT_READ, ...DOWNLOADS], "api.github.com": API, ...FILES };
  assert.deepEqual(await shown("[{ use: github }]"), expected);
  assert.deepEqual(await shown("[{ use: { github: {} } }]"), expected);
  assert.deepEqual(await shown("[{ use: { github: { repos: [me/app] } } }]"), expected);
  for (const rules of Object.values(expected)) {
    assert.ok(rules.every((rule) => rule.startsWith("GET ") || rule.endsWith("/git-upload-pack")));
  }
});

Deno.test("use: github pushes to the repositories that are named, and to no other", async () => {
  const { "github.com": rules = [], ...others } = await shown(
    "[{ use: { github: { repos: [me/app, me/b.c], push: true } } }]",
  );
  assert.deepEqual(rules, [
    ...GIT_READ,
    ...git("me/app", "receive-pack"),
    ...git("me/b.c", "receive-pack"),
    ...DOWNLOADS,
  ]);
  assert.deepEqual(others, { "api.github.com": API, ...FILES });
  assert.ok(rules.filter((rule) => rule.includes("receive-pack")).every((rule) => !rule.includes("*")));
});

Deno.test("use: github injects a token where it is asked for, and then reads what is named alone", async () => {
  const inject = (as: string): string => `GITHUB_TOKEN as ${as} from {"kind":"prompt","text":""}`;
  assert.deepEqual(await shown('[{ use: { github: { token: "?", repos: [me/app] } } }]'), {
    "github.com": [
      ...git("me/app", "upload-pack"),
      "GET /me/app/archive/*",
      "GET /me/app/releases/download/*",
      inject("basic:x-access-token"),
    ],
    "api.github.com": ["GET /rate_limit", "GET /repos/me/app", "GET /repos/me/app/*", inject("bearer")],
    ...FILES,
  });
});

Deno.test("use: npm and pypi install and publish nothing", async () => {
  const hosts = await hostsOf("[{ use: npm }, { use: pypi }]");
  assert.deepEqual(hosts.map(({ host }) => host), [
    "registry.npmjs.org",
    "pypi.org",
    "files.pythonhosted.org",
  ]);
  const methods = new Set(hosts.flatMap(({ allow }) => allow).map((rule) => rule.split(" ")[0]));
  assert.deepEqual([...methods], ["GET", "POST", "HEAD"]);
  const posts = hosts.flatMap(({ allow }) => allow).filter((rule) => rule.startsWith("POST "));
  assert.ok(posts.length === 3 && posts.every((rule) => /^POST \/-\/npm\/v1\/security\/[a-z/]+$/.test(rule)));
});

Deno.test("use: anthropic and openai ask the model, and store nothing", async () => {
  const hosts = await hostsOf(
    '[{ use: { anthropic: { key: "${K}" } } }, { use: { openai: { key: { file: k } } } }]',
  );
  assert.deepEqual(hosts.map(({ host, inject }) => [host, inject?.env, inject?.as, inject?.secret]), [
    ["api.anthropic.com", "ANTHROPIC_API_KEY", "header:X-Api-Key", { kind: "host", variable: "K" }],
    ["api.openai.com", "OPENAI_API_KEY", "bearer", { kind: "file", path: "k" }],
  ]);
  for (const { allow } of hosts) {
    assert.ok(allow.some((rule) => rule.startsWith("POST /v1/")));
    assert.ok(
      allow.every((rule) => !/files|batches|assistants|uploads|\/\*$(?<!models\/\*)/.test(rule)),
      allow.join(),
    );
  }
  const [token] = await hostsOf('[{ use: { anthropic: { token: "${T}" } } }]');
  assert.deepEqual([token?.inject?.env, token?.inject?.as], ["CLAUDE_CODE_OAUTH_TOKEN", "bearer"]);
  assert.deepEqual((await hostsOf("[{ use: anthropic }]")).map(({ inject }) => inject), [undefined]);
});

Deno.test("what a service stands for has the service's place, and what follows it keeps its own", async () => {
  const manifest = await parsed(`bottles:
  base:
    egress:
      proxy: squid
      allowlist:
        - first.example.org
        - use: pypi
        - use: { github: { repos: [me/app], token: "?" } }
        - host: last.example.org
          allow: [GET /a, GET /b]
  dev:
    extends: base
agents: { a: { bottle: dev } }
`);
  const allowlist = manifest.bottles.get("dev")?.egress.allowlist ?? [];
  const place = (below: readonly (string | number)[]): string => {
    const { line, column } = manifest.where(["bottles", "dev", ...below]) ?? {};
    return `${line}:${column}`;
  };
  assert.deepEqual(allowlist.map(({ at = [], use }) => [use?.service, at.join("."), place(at)]), [
    [undefined, "egress.allowlist.0", "6:11"],
    ...[0, 1].map(() => ["pypi", "egress.allowlist.1.use", "7:16"]),
    ...[0, 1, 2, 3, 4, 5].map(() => ["github", "egress.allowlist.2.use", "8:11"]),
    [undefined, "egress.allowlist.3", "9:11"],
  ]);
  const [, pypi, , github, , codeload, , , , last] = allowlist;
  assert.ok(pypi !== undefined && github !== undefined && codeload !== undefined && last !== undefined);
  assert.equal(place(rulePlace(pypi, 1)), "7:16");
  assert.equal(place(secretPlace(github)), "8:52");
  assert.deepEqual(secretPlace(codeload), codeload.at);
  assert.equal(place(rulePlace(last, 1)), "10:27");
  assert.ok(
    allowlist.slice(1).every(isInspected) && allowlist.slice(0, 1).every((host) => !isInspected(host)),
  );
});

Deno.test("a list of one's own replaces the services that were taken over", async () => {
  const manifest = await parsed(`bottles:
  base: { egress: { proxy: squid, allowlist: [{ use: pypi }] } }
  dev: { extends: base, egress: { allowlist: [{ use: { openai: { key: "?" } } }], private: [api.openai.com] } }
  wrong: { extends: base, egress: { allowlist: [a.example.org] } }
agents: { a: { bottle: dev } }
`);
  const hosts = (name: string): unknown =>
    manifest.bottles.get(name)?.egress.allowlist.map(({ host }) => host);
  assert.deepEqual(hosts("dev"), ["api.openai.com"]);
  assert.deepEqual(hosts("wrong"), ["a.example.org"]);
});
