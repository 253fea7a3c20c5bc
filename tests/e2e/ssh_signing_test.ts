import assert from "node:assert/strict";
import { keyFrames } from "../../lib/backend/docker/provision/ssh.ts";
import { Secret } from "../../lib/bottle/env.ts";
import { hasProgram } from "../support/engine.ts";
import { testSshEntry, testSshKey } from "../support/plan_inputs.ts";
import { makeKey, type TestKey } from "../support/ssh_host.ts";
import { counted, hex, message, run, SshPrograms } from "../support/ssh_programs.ts";

const ignore = !await hasProgram("ssh-agent");

const LIST = 11;
const SIGN = 13;
const FAILURE = "0000000105";
const SUCCESS = "0000000106";

type Bytes = readonly number[];

const ascii = (text: string): Bytes => [...new TextEncoder().encode(text)];
const digest = (length: number): Bytes => Array.from({ length }, (_, index) => (index * 7 + 3) & 255);

/** The public half of a key, as the protocol has it. */
function half({ publicKey }: TestKey): Bytes {
  return [...atob(publicKey.split(" ")[1] ?? "")].map((character) => character.charCodeAt(0));
}

/** What is signed, by OpenSSH's PROTOCOL.sshsig. */
function blob(
  { magic = "SSHSIG", namespace = "git", reserved = "", hash = "sha512", bytes = digest(64) }: {
    readonly magic?: string;
    readonly namespace?: string;
    readonly reserved?: string;
    readonly hash?: string;
    readonly bytes?: Bytes;
  } = {},
): Bytes {
  return [
    ...ascii(magic),
    ...counted(namespace),
    ...counted(reserved),
    ...counted(hash),
    ...counted(bytes),
  ];
}

function request(key: Bytes, data: Bytes, flags = 0): string {
  return message(SIGN, [...counted(key), ...counted(data), 0, 0, 0, flags]);
}

/** What a login asks for: the session, then the request as the server sees it. */
function login(key: Bytes, session: Bytes): Bytes {
  return [
    ...counted(session),
    50,
    ...counted("git"),
    ...counted("ssh-connection"),
    ...counted("publickey"),
    1,
    ...counted("ssh-ed25519"),
    ...counted(key),
  ];
}

interface Scene extends AsyncDisposable {
  readonly programs: SshPrograms;
  readonly key: Bytes;
  readonly rsa: Bytes;
  readonly other: Bytes;
}

/** The relay of signatures with two keys, before what writes down all that reaches it. */
async function scene(): Promise<Scene> {
  const programs = await SshPrograms.made();
  const { folder } = programs;
  const key = await makeKey(folder, { name: "key" });
  const rsa = await makeKey(folder, { name: "rsa", options: ["-t", "rsa", "-b", "2048"] });
  const other = await makeKey(folder, { name: "other" });
  await Deno.writeTextFile(`${folder}/run/key1.pub`, `${key.publicKey}\n`);
  await Deno.writeTextFile(`${folder}/run/key2.pub`, `${other.publicKey}\n`);
  await Deno.writeTextFile(`${folder}/run/key3.pub`, `${rsa.publicKey}\n`);
  await programs.recordSigning(["key1.pub", "key3.pub"]);
  return {
    programs,
    key: half(key),
    rsa: half(rsa),
    other: half(other),
    [Symbol.asyncDispose]: () => programs[Symbol.asyncDispose](),
  };
}

async function said(programs: SshPrograms, requests: readonly string[]): Promise<readonly string[]> {
  return await programs.say(requests.map((one) => `a ${one}`), programs.signSocket);
}

Deno.test({
  name: "the relay of signatures passes listing and what git signs, word for word",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    const { programs, key, rsa } = made;
    const sha256 = blob({ hash: "sha256", bytes: digest(32) });
    const passed = [
      message(LIST),
      ...[0, 2, 4].flatMap((flags) => [request(key, blob(), flags), request(key, sha256, flags)]),
      ...[2, 4].map((flags) => request(rsa, blob(), flags)),
      request(key, blob({ bytes: new Array<number>(64).fill(0) })),
    ];
    assert.deepEqual(await said(programs, passed), passed.map(() => SUCCESS));
    assert.deepEqual(await programs.recorded(), passed);
  },
});

Deno.test({
  name:
    "the relay of signatures passes no login, no other namespace, no other key and nothing that is not whole",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    const { programs, key, rsa, other } = made;
    const good = blob();
    const data: readonly Bytes[] = [
      login(key, digest(32)),
      login(key, digest(64)),
      // A session that reads like the beginning of a signature.
      login(key, good),
      [...good, ...login(key, digest(32))],
      [],
      ascii("SSHSIG"),
      digest(200),
      ...["", "file", "email", "Git", "git\0", "gi", "gitx", "git ", "git,file"].map((namespace) =>
        blob({ namespace })
      ),
      ...["SSHSIH", "sshsig", "SSHSIG\0", "", "SSHSI"].map((magic) => blob({ magic })),
      ...["\0", "x", "git"].map((reserved) => blob({ reserved })),
      ...["sha1", "SHA512", "sha384", "sha512\0", "", "md5", "sha-512", "sha256"].map((hash) =>
        blob({ hash })
      ),
      blob({ hash: "sha512", bytes: digest(32) }),
      ...[0, 1, 31, 33, 64].map((length) => blob({ hash: "sha256", bytes: digest(length) })),
      ...[0, 63, 65, 128].map((length) => blob({ bytes: digest(length) })),
      [...good, 0],
      [...good, ...good],
      [0, ...good],
      ...good.map((_, length) => good.slice(0, length)),
    ];
    const whole = request(key, good);
    const body = whole.slice(8).match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
    const refused = [
      ...data.map((one) => request(key, one)),
      request(other, good),
      request([], good),
      request([...key, 0], good),
      request(key.slice(0, -1), good),
      request(rsa, good, 0),
      ...[1, 3, 5, 6, 7, 8, 128, 255].map((flags) => request(key, good, flags)),
      message(SIGN, [...counted(key), ...counted(good), 1, 0, 0, 0]),
      message(SIGN, [...counted(key), ...counted(good)]),
      message(SIGN, [...counted(key), ...counted(good), 0, 0, 0]),
      message(SIGN, [...counted(key), ...counted(good), 0, 0, 0, 0, 0]),
      message(SIGN),
      ...Array.from({ length: 256 }, (_, type) => type).filter((type) => type !== LIST && type !== SIGN)
        .flatMap((type) => [message(type), message(type, body.slice(1))]),
      message(27, [...counted("session-bind@openssh.com"), ...counted(key), 0]),
    ];
    assert.deepEqual(await said(programs, refused), refused.map(() => FAILURE));
    assert.deepEqual(await programs.recorded(), []);
    assert.deepEqual(await said(programs, [whole]), [SUCCESS]);
  },
});

/** Numbers from 0 below 1, the same in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Bodies of good requests with bytes changed, left out, repeated and added, each with its right length before it. */
function mutated(bases: readonly string[], count: number): readonly string[] {
  const next = numbers(20_261_126);
  const below = (limit: number): number => Math.floor(next() * limit);
  return Array.from({ length: count }, () => {
    const base = bases[below(bases.length)] ?? "";
    const bytes = base.slice(8).match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
    for (let changes = below(3); changes >= 0; changes--) {
      const at = below(bytes.length);
      const what = below(4);
      if (what === 0) bytes[at] = below(256);
      else if (what === 1) bytes.splice(at, 1 + below(3));
      else if (what === 2) bytes.splice(at, 0, below(256));
      else bytes.push(...bytes.slice(at));
    }
    return message(bytes[0] ?? 0, bytes.slice(1));
  });
}

/** Reads a request again, by itself: whether it is one that may pass. */
function isGood(text: string, keys: readonly Bytes[]): boolean {
  const bytes = text.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  if (bytes[4] === LIST) return true;
  const take = (from: Bytes, at: number): { readonly value: Bytes; readonly end: number } => {
    const length = from.slice(at, at + 4).reduce((sum, byte) => sum * 256 + byte, 0);
    return { value: from.slice(at + 4, at + 4 + length), end: at + 4 + length };
  };
  const key = take(bytes, 5);
  const data = take(bytes, key.end);
  const flags = hex(bytes.slice(data.end));
  const isRsa = hex(key.value.slice(4, 11)) === hex(ascii("ssh-rsa"));
  const namespace = take(data.value, 6);
  const reserved = take(data.value, namespace.end);
  const hash = take(data.value, reserved.end);
  const sum = take(data.value, hash.end);
  const length = { [hex(ascii("sha256"))]: 32, [hex(ascii("sha512"))]: 64 }[hex(hash.value)];
  return bytes[4] === SIGN && keys.some((one) => hex(one) === hex(key.value)) &&
    ["00000002", "00000004", ...(isRsa ? [] : ["00000000"])].includes(flags) &&
    sum.end === data.value.length &&
    hex(data.value.slice(0, 6)) === hex(ascii("SSHSIG")) && hex(namespace.value) === hex(ascii("git")) &&
    reserved.value.length === 0 && sum.value.length === length;
}

Deno.test({
  name: "of 2,000 mangled requests only those that are whole reach the ssh-agent",
  ignore,
  async fn(): Promise<void> {
    await using made = await scene();
    const { programs, key, rsa } = made;
    const bases = [
      request(key, blob()),
      request(key, blob({ hash: "sha256", bytes: digest(32) })),
      request(rsa, blob(), 4),
    ];
    const all = mutated(bases, 2000);
    const answers = (await Promise.all([0, 1, 2, 3].map((part) =>
      said(programs, all.slice(part * 500, part * 500 + 500))
    ))).flat();
    const good = all.filter((one) => isGood(one, [key, rsa]));
    // Those with another digest.
    assert.ok(good.length > 50, String(good.length));
    assert.deepEqual(all.filter((_, index) => answers[index] === SUCCESS), good);
    assert.deepEqual((await programs.recorded()).toSorted(), good.toSorted());
    assert.deepEqual(await said(programs, [bases[0] ?? ""]), [SUCCESS]);
  },
});

for (
  const options of [
    ["-t", "ed25519"],
    ["-t", "rsa", "-b", "2048"],
    ["-t", "rsa", "-b", "2048", "-m", "PEM"],
    ["-t", "ecdsa", "-b", "256"],
    ["-t", "ecdsa", "-b", "521"],
  ]
) {
  Deno.test({
    name: `a real ssh-agent signs for git and for nothing else (${options.join(" ")})`,
    ignore,
    async fn(): Promise<void> {
      await using programs = await SshPrograms.made();
      const { folder } = programs;
      const made = await makeKey(folder, { name: "signing", options });
      const plain = await makeKey(folder, { name: "plain" });
      const read = async ({ path }: TestKey): Promise<Secret> => new Secret(await Deno.readTextFile(path));
      const keys = [
        testSshKey({ text: await read(plain) }),
        testSshKey({ text: await read(made), entries: [testSshEntry({ sign: true })] }),
      ];
      await Deno.remove(made.path);
      assert.deepEqual(await programs.load(keyFrames(keys)), { code: 0, out: "", err: "" });

      const sign = (namespace: string, number: number, socket: string): ReturnType<typeof run> =>
        programs.client(
          ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", `${folder}/run/key${number}.pub`],
          "text",
          socket,
        );
      const { code, out, err } = await sign("git", 2, programs.signSocket);
      assert.equal(code, 0, err);
      await Deno.writeTextFile(`${folder}/signature`, out);
      const allowed = `${folder}/run/allowed_signers`;
      assert.equal(await Deno.readTextFile(allowed), `* namespaces="git" ${made.publicKey}\n`);
      const verified = await run(
        ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", "a@b", "-f", allowed, "-s", `${folder}/signature`],
        { input: "text" },
      );
      assert.match(verified.out, /^Good "git" signature/);

      for (const namespace of ["file", "email"]) {
        assert.notEqual((await sign(namespace, 2, programs.signSocket)).code, 0, namespace);
        const unfiltered = await sign(namespace, 2, `${folder}/run/private/sign_agent.sock`);
        assert.equal(unfiltered.code, 0, "the ssh-agent itself does");
      }
      assert.notEqual((await sign("git", 1, programs.signSocket)).code, 0, "not with a key that may not");
      // Bound is what it stays where logins are signed.
      assert.notEqual((await sign("git", 2, programs.socket)).code, 0);
      const listed = async (socket: string): Promise<readonly string[]> =>
        (await programs.client(["ssh-add", "-L"], "", socket)).out.trim().split("\n")
          .map((line) => line.split(" ").slice(0, 2).join(" "));
      assert.deepEqual(await listed(programs.signSocket), [made.publicKey]);
      assert.deepEqual(await listed(programs.socket), [plain.publicKey, made.publicKey]);
      for (const words of [["-D"], ["-d", `${folder}/run/key2.pub`], [plain.path]]) {
        assert.notEqual((await programs.client(["ssh-add", ...words], "", programs.signSocket)).code, 0);
      }
      assert.equal((await sign("git", 2, programs.signSocket)).code, 0);
      assert.equal(((await Deno.stat(programs.signSocket)).mode ?? 0) & 0o777, 0o660);
    },
  });
}
