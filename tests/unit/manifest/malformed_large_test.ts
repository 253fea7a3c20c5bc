import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import { MANIFEST_BYTES } from "../../../lib/manifest/source.ts";
import { within } from "../../support/within.ts";

/** Files as large as may be, each made of what a reader has most trouble with. */
const LARGE: Readonly<
  Record<string, { readonly file: string; readonly text: string; readonly says: RegExp }>
> = {
  "nothing but brackets": { file: "m.yaml", text: filled("["), says: /Nested too deep/ },
  "nothing but brackets in JSON": { file: "m.json", text: filled("["), says: /Nested too deep/ },
  "nothing but dashes": { file: "m.yaml", text: filled("- "), says: /Nested too deep/ },
  "nothing but anchors": { file: "m.yaml", text: filled("&a "), says: /:1:4: / },
  "nothing but question marks": { file: "m.yaml", text: filled("? "), says: /Nested too deep/ },
  "nothing but quotes": { file: "m.yaml", text: filled("'x "), says: /:1:/ },
  "a key and a thousand colons": { file: "m.yaml", text: filled("a: "), says: /:1:/ },
  "an open quote": { file: "m.yaml", text: `a: "${filled("x\n ")}`, says: /The closing quote is missing/ },
  "an open quote with escapes": { file: "m.yaml", text: `a: "${filled("\\n")}`, says: /quote is missing/ },
  "an open bracket": { file: "m.yaml", text: `a: [${filled("x, ")}`, says: /This \[ is never closed/ },
  "an open bracket over lines": { file: "m.yaml", text: `a: [${filled("x,\n ")}`, says: /never closed/ },
  "an open string in JSON": {
    file: "m.json",
    text: `["${filled("x")}`,
    says: /The closing quote is missing/,
  },
  "an open list in JSON": { file: "m.json", text: `["${filled("x")}"`, says: /This \[ is never closed/ },
  "a slip behind a long line": { file: "m.yaml", text: `a: ${filled("x")}\n b: c`, says: /:2:2: / },
  "a slip behind many lines": { file: "m.yaml", text: `a:\n${filled("# x\n")} - b\n c`, says: /:/ },
  "a slip behind many items": { file: "m.yaml", text: `a:\n${filled("  - x\n")} - b`, says: /fits no line/ },
  "values without end": { file: "m.yaml", text: `a: [${filled("1,")}1]`, says: /more than 200000 values/ },
  "values without end in JSON": {
    file: "m.json",
    text: `[${filled("1,")}1]`,
    says: /more than 200000 values/,
  },
  "unknown keys": { file: "m.yaml", text: numbered((n) => `k${n}: 1\n`), says: /k0: unknown key/ },
  "unknown keys in JSON": {
    file: "m.json",
    text: `{${numbered((n) => `"k${n}":1,`)}"z":1}`,
    says: /k0: unknown/,
  },
  "unknown keys deep inside": {
    file: "m.yaml",
    text: `bottles:\n  dev:\n    ssh:\n${numbered((n) => `    - {k${n}: 1}\n`)}`,
    says: /ssh\[0\]\.k0: unknown key/,
  },
  "one key again and again": { file: "m.yaml", text: filled("aaa: bbb\n"), says: /"aaa" stands here twice/ },
  "bad names": {
    file: "m.yaml",
    text: `bottles:\n${numbered((n) => `  /${n}: {}\n`)}`,
    says: /the name may/,
  },
  "agents without a bottle": {
    file: "m.yaml",
    text: `agents:\n${numbered((n) => `  a${n}: { bottle: b }\n`)}`,
    says: /no bottle is named "b"/,
  },
  "bad variables of thousands of bottles, all on one line": {
    file: "m.json",
    text: `{"bottles":{${numbered((n) => `"b${n}":{"env":{"1":"x"}},`)}"z":{}}}`,
    says: /: the name /,
  },
  "private hosts beside as many wildcards, all on one line": {
    file: "m.json",
    text: `{"bottles":{"b":{"egress":{"allowlist":[${
      numbered((n) => `"*.a${n}.x",`, MANIFEST_BYTES / 2)
    }"b.x"],"private":[${numbered((n) => `"c${n}.x",`, MANIFEST_BYTES / 2)}"b.x"]}}}}`,
    says: /"c0\.x" is neither in egress\.allowlist nor/,
  },
  "a word of a whole file": { file: "m.yaml", text: filled("x"), says: /must be a mapping/ },
  "a key of a whole file": { file: "m.yaml", text: `? ${filled("x")}\n: 1`, says: /unknown key/ },
  "a key of dashes": { file: "m.json", text: `{"bottles":{"a":{"${filled("-")}":1}}}`, says: /unknown key/ },
  "nothing but beginnings": {
    file: "m.yaml",
    text: filled("---\n"),
    says: /:2:1: A manifest is one document/,
  },
  "tags without end on one line": {
    file: "m.yaml",
    text: `["${filled(",!")} z", !!a!b]`,
    says: /:1:/,
  },
  "a long key that thousands take over": {
    file: "m.json",
    text: `{"bottles":{"a":{"ssh":[{"Host":"h","IdentityFile":"k","KnownHostKey":"ssh-ed25519 ${
      "A".repeat(600_000)
    }"}]},${numbered((n) => `"b${n}":{"extends":"a"},`, 300_000)}"z":{}}}`,
    says: /take over more than 200000 values|not a whole key/,
  },
  "long commands that thousands take over": {
    file: "m.json",
    text: `{"bottles":{"d":{}},"agents":{"a":{"bottle":"d","command":["claude","${"x".repeat(125_000)}"]},${
      numbered((n) => `"b${n}":{"extends":"a"},`, 600_000)
    }"z":{"bottle":"d"}}}`,
    says: /take over more than 200000 values/,
  },
  "bytes that are no UTF-8": { file: "m.yaml", text: filled("\n"), says: /not valid UTF-8/ },
};

/** So much of a pattern that a file is nearly full of it. */
function filled(pattern: string): string {
  return pattern.repeat(Math.floor((MANIFEST_BYTES - 100) / pattern.length));
}

function numbered(entry: (index: number) => string, most = MANIFEST_BYTES): string {
  const entries: string[] = [];
  let length = 100;
  for (let index = 0; length < most; index++) {
    const text = entry(index);
    length += text.length + 20;
    entries.push(text);
  }
  return entries.join("");
}

for (const [name, { file, text, says }] of Object.entries(LARGE)) {
  Deno.test(`parseManifest() refuses ${name}, in under a second`, async () => {
    const encoded = new TextEncoder().encode(text);
    const bytes = name.startsWith("bytes") ? new Uint8Array([...encoded, 0xff]) : encoded;
    assert.ok(bytes.length <= MANIFEST_BYTES);
    let shown = "";
    const quick = await within(1000, async () => {
      const refused = await refusal(file, bytes);
      shown = refused.problems.map(renderProblem).join("\n");
    });
    assert.ok(quick, "more than a second");
    assert.match(shown, says);
    assert.ok(shown.length < 200_000, `${shown.length} characters`);
  });
}

Deno.test("parseManifest() tells the few problems of a large manifest, wherever they are", async () => {
  const agents = Array.from({ length: 4000 }, (_, index) => {
    const skills = index === 3 || index === 3500 ? "skils" : "skills";
    return `  a${index}: { bottle: dev, ${skills}: [x] }`;
  });
  const hosts = Array.from({ length: 1000 }, (_, index) => index === 900 ? "a b" : `h${index}.example.org`);
  const text = `bottles: { dev: { egress: { allowlist: [${hosts.join(", ")}] } } }\nagents:\n${
    agents.join("\n")
  }`;
  const { problems } = await refusal("m.yaml", new TextEncoder().encode(text));
  assert.deepEqual(problems.map(({ path }) => path), [
    "bottles.dev.egress.allowlist[900]",
    "agents.a3.skils",
    "agents.a3500.skils",
  ]);
});

async function refusal(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<Failure> {
  try {
    await parseManifest([{ path: file, bytes }]);
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error;
  }
  throw new Error("it was not refused");
}
