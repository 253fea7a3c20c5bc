import assert from "node:assert/strict";
import {
  hostKeyAlgorithms,
  isHostKey,
  type UnknownHost,
  unknownHostNotices,
  unknownHosts,
  whereKnown,
} from "../../../lib/bottle/host_keys.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";
import { HOST_KEY, testSshEntry } from "../../support/plan_inputs.ts";

const RSA = "ssh-rsa AAAAB3NzaC1yc2E=";
const NEW = testSshEntry({ knownHostKeys: [] });
const FILE = "/home/me/.ssh/known_hosts";

function hosts(file: string | MemoryFile | undefined, more = [NEW]): Promise<readonly UnknownHost[]> {
  const files = memoryFiles({ "/x": "", ...(file === undefined ? {} : { [FILE]: file }) });
  return unknownHosts(more, { files, home: "/home/me" });
}

async function host(file?: string): Promise<UnknownHost> {
  const [found] = await hosts(file);
  assert.ok(found !== undefined);
  return found;
}

Deno.test("unknownHosts() has each host once, and none that is pinned or unpinned", async () => {
  const found = await hosts(undefined, [
    NEW,
    testSshEntry({ host: "again", knownHostKeys: [], user: "me" }),
    testSshEntry({ host: "port", knownHostKeys: [], port: 2222 }),
    testSshEntry({ host: "pinned", hostname: "p.example" }),
    testSshEntry({ host: "loose", hostname: "l.example", knownHostKeys: [], unpinned: true }),
  ]);
  assert.deepEqual(found, [
    { hostname: "git.example.com", port: 22, user: "git", names: ["gitea", "again"], known: [] },
    { hostname: "git.example.com", port: 2222, user: "git", names: ["port"], known: [] },
  ]);
});

Deno.test("unknownHosts() compares with what the manifest pins for the same host", async () => {
  const [found] = await hosts(undefined, [NEW, testSshEntry({ host: "alt" })]);
  assert.ok(found !== undefined);
  assert.equal(await whereKnown(found, HOST_KEY), "the KnownHostKey of alt");
  await assert.rejects(() => whereKnown(found, RSA), { code: "host-key-changed" });
});

Deno.test("unknownHosts() says why known_hosts cannot be read, and reads none where nothing is learned", async () => {
  const file = { text: "", error: new Deno.errors.PermissionDenied("no") };
  await assert.rejects(() => hosts(file), {
    code: "known-hosts-unreadable",
    message: `${FILE} cannot be read: no`,
  });
  assert.deepEqual(await hosts(file, [testSshEntry()]), []);
  assert.deepEqual(await unknownHosts([NEW], { files: memoryFiles({ "/x": "" }), home: undefined }), [
    { hostname: "git.example.com", port: 22, user: "git", names: ["gitea"], known: [] },
  ]);
});

Deno.test("whereKnown() is where the same key stands, and nothing for a host that is nowhere", async () => {
  assert.equal(
    await whereKnown(await host(`x ${RSA}\ngit.example.com ${HOST_KEY}\n`), HOST_KEY),
    `${FILE}:2`,
  );
  assert.equal(await whereKnown(await host(`other.example ${HOST_KEY}\n`), HOST_KEY), undefined);
  assert.equal(await whereKnown(await host(), HOST_KEY), undefined);
  assert.equal(await whereKnown(await host(`@cert-authority * ${HOST_KEY}\n`), HOST_KEY), undefined);
});

Deno.test("whereKnown() refuses another key than the known one, of whatever type, and a revoked one", async () => {
  for (const line of [`git.example.com ${RSA}`, `git.example.com ${HOST_KEY.replace("GPK", "GPL")}`]) {
    await assert.rejects(async () => await whereKnown(await host(`${line}\n`), HOST_KEY), {
      code: "host-key-changed",
      message:
        /^The host key of gitea \(git\.example\.com:22\) is NOT the one .* shows ssh-ed25519 SHA256:qH8baHr/,
    });
  }
  const revoked = `@revoked git.example.com ${HOST_KEY}\ngit.example.com ${HOST_KEY}\n`;
  await assert.rejects(async () => await whereKnown(await host(revoked), HOST_KEY), {
    code: "host-key-revoked",
  });
  assert.equal(await whereKnown(await host(`@revoked * ${RSA}\n`), HOST_KEY), undefined);
});

Deno.test("whereKnown() lets a line for the name alone confirm a host on another port, never contradict it", async () => {
  const entry = testSshEntry({ knownHostKeys: [], port: 2222 });
  const [same] = await hosts(`git.example.com ${HOST_KEY}\n`, [entry]);
  const [other] = await hosts(`git.example.com ${RSA}\n`, [entry]);
  assert.ok(same !== undefined && other !== undefined);
  assert.equal(await whereKnown(same, HOST_KEY), `${FILE}:1`);
  assert.equal(await whereKnown(other, HOST_KEY), undefined);
});

Deno.test("hostKeyAlgorithms() asks for a known type first, and never for a certificate", async () => {
  const all = hostKeyAlgorithms(await host());
  assert.match(all, /^ssh-ed25519,ecdsa-sha2-nistp256,.*,rsa-sha2-512,rsa-sha2-256$/);
  assert.equal(all.includes("cert"), false);
  const known = hostKeyAlgorithms(await host(`git.example.com ${RSA}\n`));
  assert.match(known, /^rsa-sha2-512,rsa-sha2-256,ssh-ed25519,/);
  assert.equal(known.length, all.length);
});

Deno.test("unknownHostNotices() says whether a person will be asked, and why an authority is not used", async () => {
  const said = async (text?: string): Promise<readonly string[]> => unknownHostNotices(await hosts(text));
  const asked = "host key of gitea unknown: it will be learned through the sidecar and you will be asked";
  assert.deepEqual(await said(), [asked]);
  assert.deepEqual(await said(`git.example.com ${HOST_KEY}\n`), [
    `host key of gitea: it will be learned through the sidecar and compared with ${FILE}:1`,
  ]);
  const [first, second = ""] = await said(`@cert-authority *.example.com ${RSA}\n`);
  assert.equal(first, asked);
  assert.match(
    second,
    /^\/home\/me\/\.ssh\/known_hosts:1: a @cert-authority of git\.example\.com is not used: /,
  );
});

Deno.test("isHostKey() takes a plain key and nothing that could be more", () => {
  assert.ok(isHostKey(HOST_KEY) && isHostKey(RSA));
  for (
    const text of [
      "",
      "ssh-rsa",
      "ssh-rsa AAA",
      `${RSA} x`,
      `${RSA}\nx`,
      "ssh-dss AAAA",
      `* ${RSA}`,
      "ssh-rsa \u001b[m=",
    ]
  ) assert.equal(isHostKey(text), false, text);
});
