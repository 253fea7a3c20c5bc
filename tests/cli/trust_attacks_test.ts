import assert from "node:assert/strict";
import { runCli } from "../support/cli_harness.ts";
import { memoryFiles } from "../support/memory_files.ts";
import { PERSON } from "../support/memory_terminal.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { PROJECT_FILE, ROOT, TrustingMachine } from "../support/trusting_machine.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

/** A bottle with that, whose agent is `a`. */
function bottle(body: string, egress = "defaults: false, proxy: squid"): string {
  return `bottles:\n  dev:\n    egress: { ${egress} }\n    ${body}\nagents: { a: { bottle: dev } }\n`;
}

Deno.test("a project that no longer names the stricter proxy asks again", async () => {
  const machine = new TrustingMachine(bottle("env: {}"));
  await machine.run(["trust", "--yes"]);
  assert.deepEqual(await machine.asked(), []);
  machine.files[PROJECT_FILE] = bottle("env: {}", "defaults: false");
  assert.deepEqual(await machine.asked(), ["bottle dev: proxy by default"]);
  const refused = await machine.run(["start", "--prompt", "hi"]);
  assert.deepEqual(refused.outcome, FAILED);
  assert.deepEqual(refused.backend.specs, []);
});

Deno.test("a host key that a person was to compare is not replaced by the project's own word for it", async () => {
  const entry = (rest: string): string => bottle(`ssh: [{ Host: git.test, IdentityFile: ~/k${rest} }]`);
  const machine = new TrustingMachine(entry(""), { "/home/somebody/k": { text: "a key", mode: 0o600 } });
  await machine.run(["trust", "--yes"]);
  machine.files[PROJECT_FILE] = entry(`, KnownHostKey: ${HOST_KEY}`);
  const [asked = "", ...more] = await machine.asked();
  assert.match(asked, /^bottle dev: key .* host key SHA256:/);
  assert.deepEqual(more, []);
  await machine.run(["trust", "--yes"]);
  assert.deepEqual(await machine.asked(), []);
});

Deno.test("no row of a review is forged by a word that a terminal breaks, and none pushed out of sight", async () => {
  const blank = "\u00a0";
  const forged = `! + host  forged.test (claude-bottle.yaml:4)`.replaceAll(" ", blank);
  const machine = new TrustingMachine(bottle(
    `env: { A: { secret: { command: [sh, -c, "${"x".repeat(200)}${forged}", "${
      " ".repeat(5000)
    }; evil\u2800\u3164\u2003here"] } } }`,
  ));
  for (const columns of [40, 80, 81, 82, 83]) {
    const { stderr } = await machine.run(["trust", "--color", "never"], { columns, terminals: ["stderr"] });
    const rows = stderr.split("\n");
    const review = rows.slice(2, rows.findIndex((row) => row.includes("exclamation mark")));
    assert.ok(review.every((row) => row.length <= columns), `${columns}`);
    const alarming = review.flatMap((row) => /^! \+ (\S+)/.exec(row)?.[1] ?? []);
    assert.deepEqual(alarming, ["env", "token"], stderr);
    const empty = rows.findIndex((row, index) => row.trim() === "" && rows[index + 1]?.trim() === "");
    assert.equal(empty, -1, "an empty place");
    assert.match(stderr.replaceAll(/[\s]+/g, ""), /;evil···here/);
    assert.match(stderr.replaceAll(/[\s]+/g, ""), /·{4000}/);
  }
});

Deno.test("what changes while a person looks at the grants is not what they approve", async () => {
  const text = bottle("image: { ca: ca.pem }\n    env: { T: { secret: { file: ./token } } }");
  const own = { [PROJECT_FILE]: text, [`${ROOT}/ca.pem`]: "mine", [`${ROOT}/token`]: "t" };
  const others = [
    { ...own, [`${ROOT}/ca.pem`]: "another's" },
    { ...own, [`${ROOT}/token`]: { link: "/home/somebody/.netrc" }, "/home/somebody/.netrc": "secret" },
    own,
  ];
  for (const files of others) {
    const run = await runCli(["start"], {
      files: own,
      terminals: PERSON,
      arrange(host): void {
        host.terminal.readLine = () => {
          Object.assign(host, { files: memoryFiles(files) });
          return Promise.resolve("y");
        };
      },
    });
    const isStored = run.host.processes.calls.some(({ args }) => String(args[3]).endsWith("/trust"));
    assert.equal(isStored, files === own, run.stderr);
    if (files === own) continue;
    assert.deepEqual(run.outcome, FAILED, run.stderr);
    assert.match(run.stderr, /asks for something else by now|may not name/);
    assert.deepEqual(run.backend.specs, []);
  }
});

Deno.test("a file that has become a link between approval and launch is not followed", async () => {
  const link = { link: "/home/somebody/.netrc" };
  for (const isTurned of [false, true]) {
    const machine = new TrustingMachine(
      bottle("env: { T: { secret: { file: ./token } } }"),
      { [`${ROOT}/token`]: { text: "value", mode: 0o600 }, "/home/somebody/.netrc": "secret" },
    );
    await machine.run(["trust", "--yes"]);
    const run = await machine.run(["start", "a"], {
      terminals: PERSON,
      arrange(host): void {
        host.terminal.readLine = () => {
          const files = isTurned ? { ...machine.files, [`${ROOT}/token`]: link } : machine.files;
          Object.assign(host, { files: memoryFiles(files) });
          return Promise.resolve("y");
        };
      },
    });
    assert.equal(run.backend.launches.length, isTurned ? 0 : 1, run.stderr);
    if (isTurned) assert.match(run.stderr, /the approved one any more[^]*has become a link/);
    else assert.equal(run.backend.launches[0]?.env.get("T")?.reveal(), "value");
  }
});

Deno.test("a script of the project is known also behind an option's letter and from the home on", async () => {
  const words = [
    `make, "-f${ROOT}/tool.sh"`,
    `sh, -c, '. $HOME/project/tool.sh'`,
    `sh, -c, '. "\${HOME}/project/tool.sh"'`,
  ];
  for (const argv of words) {
    const machine = new TrustingMachine(
      bottle(`env: { T: { secret: { command: [${argv}] } } }`),
      { [`${ROOT}/tool.sh`]: "echo 1" },
    );
    const { stderr } = await machine.run(["trust", "--yes"]);
    assert.match(stderr, /tool\.sh: sha256 [0-9a-f]{12}\) \(other files that it reads may change/, argv);
    assert.deepEqual(await machine.asked(), []);
    machine.files[`${ROOT}/tool.sh`] = "echo 2";
    assert.equal((await machine.asked()).length, 1, argv);
  }
});

Deno.test("validate shows nothing of what a link in the project leads out to, and what the file itself says", async () => {
  const secret = "token: sk-secret\n";
  const linked = {
    [`${ROOT}/m.yaml`]: { link: "/home/somebody/.npmrc" },
    [`${ROOT}/folder`]: { link: "/home/somebody" },
    "/home/somebody/.npmrc": secret,
  };
  for (const file of ["m.yaml", "folder/.npmrc"]) {
    const { outcome, stdout, stderr } = await runCli(["validate", file], { files: linked });
    assert.deepEqual(outcome, USAGE);
    assert.match(stdout + stderr, /leads out of the project by a link/);
    assert.doesNotMatch(stdout + stderr, /sk-secret/);
  }
  // Named as it is it is the user's own choice; and a link within the project leads nowhere new.
  for (const file of ["/home/somebody/.npmrc", "inner.yaml"]) {
    const files = { ...linked, [`${ROOT}/inner.yaml`]: { link: "real.yaml" }, [`${ROOT}/real.yaml`]: secret };
    const { stdout, stderr } = await runCli(["validate", file], { files });
    assert.match(stdout + stderr, /token: unknown key[^]*sk-secret/, file);
  }
});

Deno.test("a manifest of a megabyte is looked through in seconds, approved or changed, or refused", async () => {
  const list = (count: number, item: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => item(index)).join(",");
  const one = (bottle: string): string => `{"bottles":{"dev":{${bottle}}},"agents":{"a":{"bottle":"dev"}}}`;
  const hosts = (name: string): string =>
    one(`"egress":{"allowlist":[${list(30_000, (index) => `"${name}${index}.example.com"`)}]}`);
  const json = `${ROOT}/claude-bottle.json`;
  const machine = new TrustingMachine("");
  delete machine.files[PROJECT_FILE];
  const started = Date.now();
  for (const [name, count] of [["a", 30_000], ["b", 30_000]] as const) {
    machine.files[json] = hosts(name);
    assert.equal((await machine.asked()).filter((one) => one.includes(name)).length >= count, true);
    assert.deepEqual((await machine.run(["trust", "--yes"])).outcome, DONE);
  }
  machine.files[json] = one(
    `"env":{"T":{"secret":{"command":["sh","-c","${list(15_000, (i) => `a${i}`)}"]}}}`,
  );
  const refused = await machine.run(["trust", "--yes"]);
  assert.deepEqual(refused.outcome, FAILED);
  assert.match(refused.stderr, /names more files and words of commands than anybody can look through/);
  assert.ok(Date.now() - started < 60_000, `${Date.now() - started} ms`);
});
