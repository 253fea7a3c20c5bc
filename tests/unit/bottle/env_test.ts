import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkedValue,
  ENV_ENTRY_LIMIT,
  ENV_LIMIT,
  type EnvPorts,
  missingHostVariables,
  requireHostVariables,
  resolveEnv,
  Secret,
} from "../../../lib/bottle/env.ts";
import { Failure } from "../../../lib/errors.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { environmentOf } from "../../support/fake_host.ts";

/** A host with these variables where nothing is to be asked or fetched unless told. */
function portsOf(variables: Readonly<Record<string, string>>, changes: Partial<EnvPorts> = {}): EnvPorts {
  return {
    environment: environmentOf(variables),
    ask: () => Promise.reject(new Error("nothing is to be asked")),
    fetch: () => Promise.reject(new Error("nothing is to be fetched")),
    ...changes,
  };
}

Deno.test("Secret shows its value to whoever reveals it and to nobody else", () => {
  const secret = new Secret("hunter2");
  assert.equal(secret.reveal(), "hunter2");
  assert.equal(String(secret), "***");
  assert.equal(`${secret}`, "***");
  assert.equal("" + secret, "***");
  assert.equal(JSON.stringify({ secret, list: [secret] }), '{"secret":"***","list":["***"]}');
  assert.equal(Deno.inspect(secret), "Secret(***)");
  assert.equal(
    Deno.inspect({ a: [secret], b: new Map([["k", secret]]) }, { depth: 9 }).includes("hunter2"),
    false,
  );
  assert.deepEqual(Object.entries(secret), []);
  assert.deepEqual(Reflect.ownKeys(secret), []);
});

Deno.test("Secret never prints, whatever its value", () => {
  fc.assert(fc.property(fc.uuid(), (value) => {
    const secret = new Secret(value);
    const failure = new Failure("x", `of ${secret}`, { cause: secret });
    const printed = [String(secret), JSON.stringify([secret]), Deno.inspect([secret, failure])].join();
    assert.equal(printed.includes(value), false);
  }));
});

Deno.test("resolveEnv() keeps the manifest's order and asks in it", async () => {
  const env = new Map<string, EnvSource>([
    ["Z", { kind: "prompt", text: "first?" }],
    ["A", { kind: "literal", value: "${NOT_A_WHOLE}x" }],
    ["M", { kind: "host", variable: "GH_PAT" }],
    ["B", { kind: "prompt", text: "" }],
  ]);
  const asked: string[] = [];
  const resolved = await resolveEnv(
    env,
    portsOf({ GH_PAT: "from\nthe host" }, {
      ask: (question) => Promise.resolve(`answer ${asked.push(question)}`),
    }),
  );
  assert.deepEqual([...resolved].map(([name, value]) => [name, value.reveal()]), [
    ["Z", "answer 1"],
    ["A", "${NOT_A_WHOLE}x"],
    ["M", "from\nthe host"],
    ["B", "answer 2"],
  ]);
  assert.deepEqual(asked, ["value of Z (first?)", "value of B"]);
});

const WANTING = new Map<string, EnvSource>([
  ["A", { kind: "host", variable: "ONE" }],
  ["B", { kind: "prompt", text: "?" }],
  ["C", { kind: "host", variable: "EMPTY" }],
  ["D", { kind: "host", variable: "TWO" }],
]);

Deno.test("requireHostVariables() names every missing one; an empty variable is set", () => {
  const environment = environmentOf({ EMPTY: "" });
  assert.deepEqual(missingHostVariables(WANTING, environment), [
    { name: "A", variable: "ONE" },
    { name: "D", variable: "TWO" },
  ]);
  assert.throws(() => requireHostVariables(WANTING, environment), {
    code: "env-unset",
    message: "The host does not set what the bottle's env takes from it: A (from ONE), D (from TWO)",
    hints: ["Set ONE, TWO, or change where the manifest takes it from"],
  });
  requireHostVariables(WANTING, environmentOf({ EMPTY: "", ONE: "1", TWO: "2" }));
});

Deno.test("resolveEnv() asks nothing when a host variable is missing", async () => {
  await assert.rejects(resolveEnv(WANTING, portsOf({})), {
    code: "env-unset",
  });
});

Deno.test("resolveEnv() fails when a question is not answered; an empty answer is one", async () => {
  const env = new Map<string, EnvSource>([["T", { kind: "prompt", text: "token" }]]);
  await assert.rejects(resolveEnv(env, portsOf({}, { ask: () => Promise.resolve(undefined) })), {
    code: "env-unanswered",
    message: "No value was given for T",
  });
  const resolved = await resolveEnv(env, portsOf({}, { ask: () => Promise.resolve("") }));
  assert.equal(resolved.get("T")?.reveal(), "");
});

Deno.test("resolveEnv() takes values up to the bytes that Linux allows", async () => {
  assert.equal(ENV_ENTRY_LIMIT, 131_071);
  const resolve = (value: string): Promise<unknown> =>
    resolveEnv(new Map([["N", { kind: "literal", value }]]), portsOf({}));
  await resolve("x".repeat(131_069));
  const tooLong = {
    code: "env-invalid",
    message: "The value of N is longer than the 131071 bytes Linux allows",
  };
  await assert.rejects(resolve("x".repeat(131_070)), tooLong);
  await assert.rejects(resolve("é".repeat(65_535)), tooLong);
  await resolve("é".repeat(65_534));
});

Deno.test("resolveEnv() takes an environment of up to 1,000,000 bytes, names included", async () => {
  assert.equal(ENV_LIMIT, 1_000_000);
  const resolve = (bytes: number): Promise<unknown> => {
    // Ten of `N0=…`, in characters of two bytes but for the last one's rest.
    const values = Array.from({ length: 10 }, (_, index) => {
      const room = index < 9 ? 100_000 - 3 : bytes - 900_000 - 3;
      return [`N${index}`, { kind: "literal", value: "é".repeat(room >> 1) + "x".repeat(room & 1) }] as const;
    });
    return resolveEnv(new Map(values), portsOf({}));
  };
  await resolve(1_000_000);
  await assert.rejects(resolve(1_000_001), {
    code: "env-invalid",
    message: "The bottle's env has 1000001 bytes, more than the 1000000 it may have",
    hints: ["Put large values into files of the image instead"],
  });
});

Deno.test("checkedValue() gives back what a process can be given", () => {
  assert.equal(checkedValue("N", "a\nb=é"), "a\nb=é");
  assert.equal(checkedValue("N", ""), "");
  assert.throws(() => checkedValue("N", "\0"), { code: "env-invalid" });
});

Deno.test("resolveEnv() refuses a NUL byte without showing the value", async () => {
  const env = new Map<string, EnvSource>([["N", { kind: "literal", value: "hunter2\0" }]]);
  await assert.rejects(resolveEnv(env, portsOf({})), {
    code: "env-invalid",
    message: "The value of N contains a NUL byte, which no environment can hold",
  });
});

Deno.test("resolveEnv() asks and fetches one after the other, in the manifest's order", async () => {
  const env = new Map<string, EnvSource>([
    ["C", { kind: "command", argv: ["op", "read"] }],
    ["P", { kind: "prompt", text: "" }],
    ["F", { kind: "file", path: "/x" }],
  ]);
  const done: string[] = [];
  const resolved = await resolveEnv(
    env,
    portsOf({}, {
      ask: (question) => Promise.resolve(`asked ${done.push(question)}`),
      async fetch(name, source): Promise<string> {
        await Promise.resolve();
        return `fetched ${done.push(`${name} ${JSON.stringify(source)}`)}`;
      },
    }),
  );
  assert.deepEqual([...resolved].map(([name, value]) => [name, value.reveal()]), [
    ["C", "fetched 1"],
    ["P", "asked 2"],
    ["F", "fetched 3"],
  ]);
  assert.deepEqual(done, [
    'C {"kind":"command","argv":["op","read"]}',
    "value of P",
    'F {"kind":"file","path":"/x"}',
  ]);
});

Deno.test("resolveEnv() checks what was fetched like any value", async () => {
  const env = new Map<string, EnvSource>([["F", { kind: "file", path: "/x" }]]);
  await assert.rejects(resolveEnv(env, portsOf({}, { fetch: () => Promise.resolve("hunter2\0") })), {
    code: "env-invalid",
    message: "The value of F contains a NUL byte, which no environment can hold",
  });
});
