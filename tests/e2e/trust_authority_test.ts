import assert from "node:assert/strict";
import program from "../../lib/assets/trust_authority.pl" with { type: "text" };
import { HASH, PEM } from "../support/inspection.ts";

/*
 * The program as it is, on this machine's perl, but for its fixed paths, which stand in a temporary folder.
 */

interface Trusting extends AsyncDisposable {
  readonly folder: string;
  trust(input: string): Promise<{ readonly code: number; readonly stderr: string }>;
  text(name: string): Promise<string | undefined>;
}

async function trusting(files: Readonly<Record<string, string>>): Promise<Trusting> {
  const folder = await Deno.makeTempDir({ prefix: "claude-bottle-trust-" });
  await Deno.mkdir(`${folder}/extra`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const script = program.replace("/usr/local/share/claude-bottle/", `${folder}/extra/`)
    .replaceAll("/etc/", `${folder}/etc/`);
  return {
    folder,
    async trust(input): Promise<{ readonly code: number; readonly stderr: string }> {
      const child = new Deno.Command("perl", {
        args: ["-e", script],
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
      const { code, stderr } = await child.output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    },
    text: (name) => Deno.readTextFile(`${folder}/${name}`).catch(() => undefined),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

const INPUT = `${HASH}\n${PEM}`;
const BUNDLE = "etc/ssl/certs/ca-certificates.crt";
const EXTRA = "extra/ca.pem";
const SAID = "claude-bottle: the sidecar's authority cannot be trusted:";
const BY_HASH = `etc/ssl/certs/${HASH}`;

Deno.test("an authority comes to stand beside the system's and a company's, and everybody can read it", async () => {
  await using bottle = await trusting({
    [BUNDLE]: "SYSTEM\n",
    [EXTRA]: "COMPANY\n",
    [`${BY_HASH}.0`]: "OTHER\n",
  });
  assert.deepEqual(await bottle.trust(INPUT), { code: 0, stderr: "" });
  assert.equal(await bottle.text(BUNDLE), `SYSTEM\n\n${PEM}`);
  assert.equal(await bottle.text(EXTRA), `COMPANY\n\n${PEM}`);
  // That name was taken by an authority of the same hash.
  assert.equal(await bottle.text(`${BY_HASH}.0`), "OTHER\n");
  assert.equal(await bottle.text(`${BY_HASH}.1`), PEM);
  assert.equal(((await Deno.stat(`${bottle.folder}/${BY_HASH}.1`)).mode ?? 0) & 0o777, 0o644);
});

Deno.test("an image of another make has its own bundle changed, and one without any gets none", async () => {
  await using fedora = await trusting({ "etc/pki/tls/certs/ca-bundle.crt": "FEDORA\n" });
  await Deno.chmod(`${fedora.folder}/etc/pki/tls/certs/ca-bundle.crt`, 0o444);
  assert.deepEqual(await fedora.trust(INPUT), { code: 0, stderr: "" });
  assert.equal(await fedora.text("etc/pki/tls/certs/ca-bundle.crt"), `FEDORA\n\n${PEM}`);
  assert.equal(await fedora.text(BUNDLE), undefined);
  await using bare = await trusting({});
  assert.deepEqual(await bare.trust(INPUT), { code: 0, stderr: "" });
  assert.equal(await bare.text(EXTRA), `\n${PEM}`);
  const left = await Array.fromAsync(Deno.readDir(bare.folder));
  assert.deepEqual(left.map(({ name }) => name), ["extra"]);
});

Deno.test("what is no hash and one certificate changes nothing", async () => {
  for (
    const input of [
      "",
      PEM,
      HASH,
      `${HASH}\n`,
      `../../x\n${PEM}`,
      `${HASH}\n${PEM}${PEM}`,
      `${HASH}\n${PEM}more`,
    ]
  ) {
    await using bottle = await trusting({ [BUNDLE]: "SYSTEM\n" });
    const { code, stderr } = await bottle.trust(input);
    assert.deepEqual([code, stderr], [1, `${SAID} it is no certificate authority\n`], input);
    assert.equal(await bottle.text(BUNDLE), "SYSTEM\n");
    assert.equal(await bottle.text(EXTRA), undefined);
  }
});

Deno.test("what cannot be written is a failure in words", async () => {
  await using bottle = await trusting({ [`${EXTRA}/x`]: "" });
  const { code, stderr } = await bottle.trust(INPUT);
  assert.equal(code, 1);
  assert.ok(stderr.startsWith(`${SAID} cannot write ${bottle.folder}/extra/ca.pem: `), stderr);
});
