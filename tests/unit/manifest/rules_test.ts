import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRule, coversRule, widerRules } from "../../../lib/manifest/rules.ts";

const COVERED: readonly (readonly [rule: string, other: string])[] = [
  ["GET /a", "GET /a"],
  ["GET /a", "GET /a?b"],
  ["GET /*", "GET /a/b"],
  ["GET /a/*", "GET /a/"],
  ["GET /a/*", "GET /a/*/c?d"],
  ["GET /a/*?q", "GET /a/b?q"],
];

const NOT_COVERED: readonly (readonly [rule: string, other: string])[] = [
  ["GET /a", "POST /a"],
  ["GET /a?b", "GET /a"],
  ["GET /a?b", "GET /a?c"],
  ["GET /a", "GET /a/b"],
  ["GET /a/*", "GET /a"],
  ["GET /a/*", "GET /ab"],
  ["GET /a/b", "GET /a/*"],
  // No `*` stands for an encoded slash.
  ["GET /*", "GET /@*%2f*"],
  // Perhaps, but not surely.
  ["GET /*/b/*", "GET /a/b/c"],
];

Deno.test("coversRule() says of a rule what it surely lets through besides", () => {
  for (const [rule, other] of COVERED) {
    assert.ok(coversRule(rule, other), `${rule} ${other}`);
    assert.ok(widerRules(other).includes(rule), `${rule} ${other}`);
  }
  for (const [rule, other] of NOT_COVERED) assert.ok(!coversRule(rule, other), `${rule} ${other}`);
});

/** What a rule lets through, read word for word as its description says. */
function letsThrough(rule: string, request: string): boolean {
  const [path = "", query] = rule.split("?");
  const [asked = "", askedQuery = ""] = request.split("?");
  const form = (text: string): RegExp =>
    new RegExp(`^${text.replace(/\*$/, "\0").replaceAll("*", "[^/]+").replace("\0", ".*")}$`);
  return form(path).test(asked) && (query === undefined || form(query).test(askedQuery));
}

const piece = fc.constantFrom("/a", "/b", "/*", "/a*", "/", "*");
const path = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) =>
  `/${pieces.join("").replace(/^\//, "")}`
);
const rule = fc.tuple(path, fc.constantFrom("", "", "?q", "?r")).map(([path, query]) => `GET ${path}${query}`)
  .filter((rule) => checkRule(rule).kind === "good");
const request = fc.tuple(
  fc.array(fc.constantFrom("/a", "/b", "/ab", "/"), { minLength: 1, maxLength: 4 }),
  fc.constantFrom("", "?q", "?r"),
).map(([pieces, query]) => `GET ${pieces.join("")}${query}`);

Deno.test("whatever a rule lets through, one that covers it lets through, and widerRules() has every such rule", () => {
  let covered = 0;
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 2, maxLength: 8 }),
      fc.array(request, { minLength: 5 }),
      (rules, asked) => {
        for (const a of rules) {
          for (const b of rules.filter((b) => coversRule(a, b))) {
            if (a !== b) covered++;
            assert.ok(widerRules(b).includes(a), `${a} ${b}`);
            for (const request of asked.filter((request) => letsThrough(b, request))) {
              assert.ok(letsThrough(a, request), `${a} ${b} ${request}`);
            }
          }
        }
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(covered > 100, `${covered}`);
});
