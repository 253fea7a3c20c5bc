import assert from "node:assert/strict";
import fc from "fast-check";
import { fingerprint, knownHostLines } from "../../../lib/bottle/known_hosts.ts";
import { HOST_KEY } from "../../support/plan_inputs.ts";

const OTHER = "ssh-rsa AAAAB3NzaC1yc2E=";
/** As `ssh-keygen -H` wrote them for git.example.com, on 22 and on 2222. */
const HASHED_22 = "|1|iZ1ahBJ/5Br0CbR3PAQTMHdjxhw=|BJSaC0rkwhpH1RttzuG9XwL6WOU=";
const HASHED_2222 = "|1|zV+eOQS/rv5BKKcCGFK82bgiaU8=|P9EPF65UocWFSilYBQJ34YJr21M=";

/** `LINE KIND[ other port]` of each line that is about the host. */
async function found(
  text: string,
  host: { readonly hostname?: string; readonly port?: number } = {},
): Promise<readonly string[]> {
  const lines = await knownHostLines(text, { hostname: "git.example.com", port: 22, file: "f", ...host });
  return lines.map(({ kind, where, exact }) => `${where} ${kind}${exact ? "" : " other port"}`);
}

Deno.test("knownHostLines() finds a host by name, among others, by pattern, whatever the case", async () => {
  for (
    const names of [
      "git.example.com",
      "a,git.example.com,10.0.0.1",
      "*.example.com",
      "git.e?ample.com",
      "*",
      "GIT.Example.com",
      HASHED_22,
    ]
  ) assert.deepEqual(await found(`# mine\n\n${names} ${HOST_KEY} a comment\r\n`), ["f:3 key"], names);
  assert.deepEqual(await found(`git.example.com ${HOST_KEY}`, { hostname: "Git.Example.COM" }), ["f:1 key"]);
});

Deno.test("knownHostLines() finds no other host", async () => {
  for (
    const names of [
      "example.com",
      "git.example.com.evil",
      "gitXexample.com",
      "*.example.com,!git.example.com",
      "!git.example.com",
      "git.example.co?m",
      "[git.example.com]:2222",
      HASHED_2222,
      HASHED_22.replace("iZ1", "iZ2"),
      "|2|iZ1ahBJ/5Br0CbR3PAQTMHdjxhw=|BJSaC0rkwhpH1RttzuG9XwL6WOU=",
      "|1|x|y",
      "#git.example.com",
    ]
  ) assert.deepEqual(await found(`${names} ${HOST_KEY}\n`), [], names);
});

Deno.test("knownHostLines() knows a host on another port by that port, and says what the name alone has", async () => {
  const text = `[git.example.com]:2222 ${HOST_KEY}\n${HASHED_2222} ${HOST_KEY}\ngit.example.com ${OTHER}\n` +
    `[git.example.com]:2223 ${OTHER}\n`;
  assert.deepEqual(await found(text, { port: 2222 }), ["f:1 key", "f:2 key", "f:3 key other port"]);
  assert.deepEqual(await found(text), ["f:3 key"]);
});

Deno.test("knownHostLines() tells revoked keys and certificate authorities from keys", async () => {
  const text =
    `@revoked * ${HOST_KEY}\n@cert-authority *.example.com ${OTHER}\n@other * ${OTHER}\n@revoked\tx ${OTHER}\n`;
  assert.deepEqual(await found(text), ["f:1 revoked", "f:2 authority"]);
});

Deno.test("knownHostLines() passes over what is no key, and never throws", async () => {
  for (const rest of ["", "ssh-rsa", "ssh-rsa AAAA*", "ssh-rsa AAA", "1024 35 1234567"]) {
    assert.deepEqual(await found(`git.example.com ${rest}\n`), [], rest);
  }
  await fc.assert(fc.asyncProperty(fc.string(), async (text) => {
    await knownHostLines(`${text}\n|1|${text} ${HOST_KEY}`, { hostname: "h", port: 22, file: "f" });
  }));
});

Deno.test("fingerprint() is what ssh-keygen says", async () => {
  assert.equal(await fingerprint(HOST_KEY), "SHA256:qH8baHrA5X0qCBovKCZyM02Q7TFtK4GMqVgOo4TZJAE");
});
