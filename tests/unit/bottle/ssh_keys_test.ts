import assert from "node:assert/strict";
import {
  isBound,
  passphraseNotices,
  plannedSsh,
  readSshKeys,
  unboundKeyNotices,
} from "../../../lib/bottle/ssh_keys.ts";
import { Failure } from "../../../lib/errors.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";
import { HOST_KEY, testSshEntry } from "../../support/plan_inputs.ts";
import { openSshKey } from "../../support/private_keys.ts";

const PATH = "/home/somebody/.ssh/gitea";
const FILES: Readonly<Record<string, MemoryFile>> = {
  [PATH]: { text: openSshKey(), mode: 0o600 },
  "/keys/copy": { text: openSshKey({ comment: "the same, copied" }), mode: 0o400 },
  "/keys/other": { text: openSshKey({ point: 8 }), mode: 0o600 },
  "/keys/link": { link: PATH },
};

async function refusal(file: MemoryFile | undefined): Promise<readonly string[]> {
  const files = memoryFiles({ "/x": "", ...(file === undefined ? {} : { [PATH]: file }) });
  try {
    await readSshKeys([testSshEntry()], files);
    return [];
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.exit, 1);
    assert.equal(error.message.includes("\n"), false);
    return [error.code, error.message, ...error.hints];
  }
}

Deno.test("readSshKeys() takes a private key for its owner alone", async () => {
  const [key, ...more] = await readSshKeys([testSshEntry()], memoryFiles(FILES));
  assert.ok(key !== undefined);
  assert.deepEqual(more, []);
  assert.equal(key.path, PATH);
  assert.equal(key.text.reveal(), openSshKey());
  assert.equal(String(key.text), "***");
  assert.equal(JSON.stringify(key).includes("OPENSSH"), false);
  assert.equal(Deno.inspect(key).includes("OPENSSH"), false);
  assert.deepEqual(key.entries, [testSshEntry()]);
});

Deno.test("readSshKeys() reads a key once, however many entries, links and copies use it", async () => {
  const entries = [
    testSshEntry(),
    testSshEntry({ host: "b", hostname: "b.example", identityFile: "/keys/other" }),
    testSshEntry({ host: "c", hostname: "c.example", identityFile: "/keys/link" }),
    testSshEntry({ host: "d", hostname: "d.example", identityFile: "/keys/copy" }),
    testSshEntry({ host: "e", hostname: "e.example" }),
  ];
  const keys = await readSshKeys(entries, memoryFiles(FILES));
  assert.deepEqual(
    keys.map(({ path, entries }) => [path, entries.map(({ host }) => host).join(" ")]),
    [[PATH, "gitea c d e"], ["/keys/other", "b"]],
  );
  assert.deepEqual(
    plannedSsh(entries, keys).map(({ host, key }) => `${host} ${key}`),
    [`gitea ${PATH}`, "b /keys/other", `c ${PATH}`, `d ${PATH}`, `e ${PATH}`],
  );
});

for (const identityFile of [PATH, "/keys/copy", "/keys/link"]) {
  Deno.test(`readSshKeys() refuses a key that is pinned once and once not, there as ${identityFile}`, async () => {
    const entries = [
      testSshEntry({ host: "loose", hostname: "l.example", knownHostKeys: [], unpinned: true }),
      testSshEntry({ identityFile }),
    ];
    await assert.rejects(() => readSshKeys(entries, memoryFiles(FILES)), {
      code: "ssh-key-conflict",
      message: `The ssh key ${PATH} is used with a known host key (gitea) and without one (loose)`,
    });
    const [first = testSshEntry()] = entries;
    const apart = await readSshKeys(
      [first, testSshEntry({ identityFile: "/keys/other" })],
      memoryFiles(FILES),
    );
    assert.deepEqual(apart.map(isBound), [false, true]);
    assert.deepEqual(unboundKeyNotices(apart), [
      `ssh key ${PATH} (loose): not bound to user and host: signs for anything while the bottle runs`,
    ]);
  });
}

Deno.test("readSshKeys() counts an entry with a known host key as pinned, whatever else it says", async () => {
  const keys = await readSshKeys([testSshEntry({ unpinned: true })], memoryFiles(FILES));
  assert.deepEqual(keys.map(isBound), [true]);
  assert.deepEqual(unboundKeyNotices(keys), []);
});

Deno.test("readSshKeys() counts an entry whose host's key is learned as bound, beside a pinned one too", async () => {
  const entry = testSshEntry({ host: "new", hostname: "n.example", knownHostKeys: [] });
  const keys = await readSshKeys([entry, testSshEntry()], memoryFiles(FILES));
  assert.deepEqual(keys.map(isBound), [true]);
  assert.deepEqual(unboundKeyNotices(keys), []);
  assert.deepEqual(
    plannedSsh([entry, testSshEntry()], keys).map(({ host, pinned, learned }) => [host, pinned, learned]),
    [["new", false, true], ["gitea", true, false]],
  );
  const unpinned = testSshEntry({ host: "loose", hostname: "l.example", knownHostKeys: [], unpinned: true });
  await assert.rejects(() => readSshKeys([entry, unpinned], memoryFiles(FILES)), {
    code: "ssh-key-conflict",
  });
});

Deno.test("readSshKeys() takes a key with a passphrase and says that it is asked", async () => {
  const files = memoryFiles({ [PATH]: { text: openSshKey({ cipher: "aes256-ctr" }), mode: 0o600 } });
  const keys = await readSshKeys([testSshEntry()], files);
  assert.deepEqual(keys.map(({ encrypted }) => encrypted), [true]);
  assert.deepEqual(passphraseNotices(keys), [`ssh key ${PATH} has a passphrase: you will be asked for it`]);
  assert.deepEqual(plannedSsh([testSshEntry()], keys).map(({ passphrase }) => passphrase), [true]);
  const open = await readSshKeys([testSshEntry()], memoryFiles(FILES));
  assert.deepEqual(passphraseNotices(open), []);
});

Deno.test("readSshKeys() refuses a missing file and a folder in the seed's words", async () => {
  for (const file of [undefined, { kind: "directory" }, { kind: "other" }] as const) {
    const [code, message] = await refusal(file);
    assert.equal(code, "ssh-key-missing");
    assert.equal(message, `ssh key file not found for host 'gitea': ${PATH}`);
  }
});

Deno.test("readSshKeys() refuses a key that others can read or change, with what to type", async () => {
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o777]) {
    const bits = mode.toString(8).padStart(4, "0");
    assert.deepEqual(await refusal({ text: openSshKey(), mode }), [
      "ssh-key-exposed",
      `The ssh key for host 'gitea' can be read or changed by others: ${PATH} has mode ${bits}`,
      `\`chmod 600 ${PATH}\``,
    ]);
  }
  for (const mode of [0o600, 0o400, 0o700]) {
    assert.deepEqual(await refusal({ text: openSshKey(), mode }), []);
  }
});

for (
  const [text, code, said] of [
    [`${HOST_KEY}\n`, "ssh-key-public", "is a public key, and the private one is needed"],
    [
      openSshKey({ type: "sk-ssh-ed25519@openssh.com" }),
      "ssh-key-hardware",
      "is in a security key, which no bottle can reach",
    ],
    [openSshKey({ type: "ssh-dss" }), "ssh-key-outdated", "is a DSA key, which ssh no longer takes"],
    [openSshKey({ cut: 60 }), "ssh-key-broken", "is not whole"],
    ["hello", "ssh-key-invalid", "is no private key in a form of OpenSSH or OpenSSL"],
    ["x".repeat(65_537), "ssh-key-invalid", "is no private key in a form of OpenSSH or OpenSSL"],
    [
      " ".repeat(65_536) + openSshKey(),
      "ssh-key-invalid",
      "is no private key in a form of OpenSSH or OpenSSL",
    ],
  ] as const
) {
  Deno.test(`readSshKeys() refuses one that ${said} (${text.length} bytes)`, async () => {
    const [found, message, ...hints] = await refusal({ text, mode: 0o600 });
    assert.equal(found, code);
    assert.equal(message, `The ssh key for host 'gitea' ${said}: ${PATH}`);
    assert.equal(hints.length, 1);
  });
}

Deno.test("readSshKeys() says why a key cannot be read", async () => {
  const error = new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  assert.deepEqual(await refusal({ text: openSshKey(), mode: 0o600, error }), [
    "ssh-key-unreadable",
    `The ssh key for host 'gitea' cannot be read: ${PATH}: Permission denied (os error 13)`,
    "Make it readable for yourself alone, or name another IdentityFile",
  ]);
});

Deno.test("readSshKeys() prints no control character of a path", async () => {
  const files = memoryFiles({ "/x": "" });
  await assert.rejects(() => readSshKeys([testSshEntry({ identityFile: "/a\u001b[31m\n" })], files), {
    message: "ssh key file not found for host 'gitea': /a·[31m·",
  });
});
