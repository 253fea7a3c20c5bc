import assert from "node:assert/strict";
import { Failure } from "../../lib/errors.ts";
import { parseManifest } from "../../lib/manifest/load.ts";
import type { Manifest } from "../../lib/manifest/model.ts";
import { manifestSchema } from "../../lib/manifest/schema.ts";
import { HOSTILE, HOSTILE_WITHIN } from "../support/hostile_strings.ts";
import { fetchFailures, type Products, productsOf } from "../support/manifest_products.ts";
import {
  assertCalls,
  assertFailure,
  assertFetched,
  assertFiles,
  assertFrames,
  assertLines,
  assertRefused,
  assertTexts,
} from "../support/product_checks.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { fieldsOf, placesOf, type StringField, withText } from "../support/string_fields.ts";

/** Every field that a manifest can have, each in every form. */
const HARMLESS = {
  bottles: {
    base: {},
    dev: {
      extends: "base",
      env: {
        PLAIN: "some text",
        FROM_HOST: "${GH_PAT}",
        ASKED: "?the token",
        BY_COMMAND: { secret: { command: ["op", "read", "op://dev/npm"] } },
        BY_FILE: { secret: { file: "~/.npm-token" } },
      },
      ssh: [
        {
          Host: "gitea",
          IdentityFile: "~/.ssh/first",
          Hostname: "git.example.com",
          User: "git",
          Port: "2222",
          KnownHostKey: HOST_KEY,
        },
        { Host: "box.example.org", IdentityFile: "second", KnownHostKey: [HOST_KEY], sign: true },
        { Host: "third", IdentityFile: "/keys/third", Hostname: "third.example.org", User: "me" },
      ],
      git: { identity: "host" },
      egress: {
        defaults: true,
        allowlist: [
          "git.example.net",
          "*.example.net",
          { host: "deb.example.com", http: true },
          {
            host: "api.example.org",
            allow: ["GET /v1"],
            inject: { env: "API_KEY", secret: "${API_KEY}", as: "bearer" },
          },
          {
            host: "b.example.org",
            inject: { env: "B", secret: { command: ["op", "b"] }, as: "header:X-Key" },
          },
          { host: "c.example.org", inject: { env: "C", secret: { file: "~/c" }, as: "basic:me" } },
          { use: "pypi" },
          { use: { github: { repos: ["me/app"], push: true, token: "${GH_PAT}" } } },
          { use: { npm: { token: "${NPM}" } } },
          { use: { anthropic: { token: "?token" } } },
          { use: { openai: { key: { command: ["op", "key"] } } } },
        ],
        private: ["git.example.net", "third"],
        networks: ["app_default"],
        proxy: "squid",
      },
      runtime: "auto",
      resources: { cpus: 2, memory: "4g", pids: 100, disk: "20g" },
      image: { base: "debian:trixie-slim", dockerfile: "~/Dockerfile", packages: ["git"], ca: "~/ca.pem" },
    },
    // What one allowlist cannot have twice.
    more: uses(
      { pypi: {} },
      { github: { repos: ["me/app"], token: { command: ["op", "b"] } } },
      { npm: { token: { file: "~/c" } } },
      { anthropic: { key: "?key" } },
      { openai: { key: { file: "~/d" } } },
    ),
    others: uses(
      { github: { repos: ["me/app"], token: { file: "~/e" } } },
      { npm: { token: { command: ["op", "f"] } } },
      { anthropic: { token: { file: "~/g" } } },
      { openai: { key: "${OPENAI}" } },
    ),
    keys: uses({ anthropic: { key: { file: "~/h" } } }),
    tokens: uses({ anthropic: { token: { command: ["op", "i"] } } }),
    last: uses({ anthropic: { key: { command: ["op", "j"] } } }),
  },
  agents: {
    reviewer: {
      bottle: "dev",
      skills: ["code-review"],
      prompt: "You review.",
      command: ["claude", "--model", "opus"],
    },
    lister: { bottle: "dev", extends: "reviewer", prompt: "", command: ["ls", "-l"] },
  },
};

function uses(...services: readonly unknown[]): unknown {
  return { egress: { proxy: "squid", allowlist: services.map((use) => ({ use })) } };
}

/** One way of putting a hostile string into a place: instead of what is there, or behind it. */
interface Attempt extends StringField {
  readonly behind: boolean;
}

/**
 * The first place of each field, and of lists and agents the first two, since a command's first word is not like the
 * others; behind what is there in the first of each form, so that a question is still one.
 */
const ATTEMPTS: readonly Attempt[] = placesOf(manifestSchema, { value: HARMLESS }).flatMap(
  (place, index, all) => {
    const before = all.slice(0, index).filter((other) => other.template === place.template);
    const form = place.written.charAt(0) === "?";
    const isFirst = before.every(({ written }) => (written.charAt(0) === "?") !== form);
    return [
      ...(before.length < (isSeveral(place) ? 2 : 1) ? [{ ...place, behind: false }] : []),
      ...(isFirst && place.kind !== "unknown" ? [{ ...place, behind: true }] : []),
    ];
  },
);

function isSeveral({ template, kind }: StringField): boolean {
  return kind !== "unknown" && (template.endsWith("[]") || template.startsWith(".agents."));
}

const BASE = await productsFor(HARMLESS, "reviewer");
const BASES: ReadonlyMap<string, Products> = new Map([
  ["reviewer", BASE],
  ["lister", await productsFor(HARMLESS, "lister")],
]);

async function productsFor(manifest: unknown, agent: string): Promise<Products> {
  return await productsOf(await parsed("/m/m.json", manifest), agent);
}

async function parsed(path: string, manifest: unknown): Promise<Manifest> {
  const bytes = new TextEncoder().encode(JSON.stringify(manifest, undefined, 1));
  return await parseManifest([{ path, bytes }]);
}

/** The manifest, or why it is refused. */
async function verdict(path: string, manifest: unknown): Promise<Manifest | Failure> {
  try {
    return await parsed(path, manifest);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/** The agent that a place of the manifest concerns, by its old name and its new one. */
function agentOf({ path, kind, written }: StringField, text: string): readonly [string, string] {
  if (path[0] !== "agents") return ["reviewer", "reviewer"];
  if (path.length === 1) return kind === "key" ? [written, text] : ["reviewer", "reviewer"];
  return [String(path[1]), String(path[1])];
}

async function assertSafe(manifest: Manifest, place: StringField, text: string): Promise<"refused" | "safe"> {
  const [before, agent] = agentOf(place, text);
  const base = BASES.get(before) ?? BASE;
  let mine: Products;
  try {
    mine = await productsOf(manifest, agent);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    assertFailure(error);
    return "refused";
  }
  assertCalls(mine, base, place.template);
  assertFiles(mine, base);
  assertTexts(mine, base);
  assertFrames(mine, base);
  assertFetched(mine, base);
  if (place.template.startsWith(".bottles.*.env.*.secret.")) {
    for (const shown of await fetchFailures(manifest)) {
      for (const line of assertLines(shown, place.template)) assert.match(line, /^($|error: |hint: )/);
    }
  }
  return "safe";
}

Deno.test("the manifest of these tests has every text field of the schema, in every form", () => {
  const fields = new Set(fieldsOf(manifestSchema));
  assert.deepEqual([...new Set(ATTEMPTS.map(({ template }) => template))].sort(), [...fields].sort());
});

Deno.test("there are at least 40 hostile strings, all different", () => {
  assert.ok(HOSTILE.length >= 40);
  assert.equal(new Set(HOSTILE).size, HOSTILE.length);
});

let tried = 0;
const outcomes = { refused: 0, late: 0, safe: 0 };

for (const template of new Set(ATTEMPTS.map((attempt) => attempt.template))) {
  Deno.test(`no hostile string in ${template} becomes anything but itself`, async () => {
    for (const place of ATTEMPTS.filter((other) => other.template === template)) {
      for (const hostile of place.behind ? HOSTILE_WITHIN : HOSTILE) {
        const text = place.behind ? place.written + hostile : hostile;
        tried++;
        const manifest = withText(HARMLESS, place, text);
        const told = `${JSON.stringify(text.slice(0, 60))} at ${place.path.join(".")}`;
        try {
          const json = await verdict("/m/m.json", manifest);
          if (json instanceof Failure) {
            assertRefused(json, place, text);
            outcomes.refused++;
            continue;
          }
          const yaml = await verdict("/m/m.yaml", manifest);
          if (yaml instanceof Failure) assertRefused(yaml, place, text);
          else assert.deepEqual([yaml.bottles, yaml.agents], [json.bottles, json.agents]);
          outcomes[await assertSafe(json, place, text) === "safe" ? "safe" : "late"]++;
        } catch (error) {
          throw new Error(told, { cause: error });
        }
      }
    }
  });
}

Deno.test("every hostile string was tried in every text field, at least 40 for each", () => {
  const fields = fieldsOf(manifestSchema).length;
  assert.ok(
    tried >= 40 * fields && tried > ATTEMPTS.length * 40,
    `${tried} of ${fields} fields`,
  );
  assert.equal(outcomes.refused + outcomes.late + outcomes.safe, tried);
  assert.ok(outcomes.safe > 500 && outcomes.refused > 500, JSON.stringify(outcomes));
});
