import assert from "node:assert/strict";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { ROOT, TrustingMachine } from "../support/trusting_machine.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };

/** A bottle with that, whose agent is `a`. */
function bottle(body: string): string {
  return `bottles:\n  dev:\n    egress: { defaults: false, proxy: squid }\n    ${body}\nagents: { a: { bottle: dev } }\n`;
}

const KEY = { text: "a key", mode: 0o600 };

Deno.test("a path that a project writes relative to itself must stay in it, approved or not", async () => {
  const key = (path: string): string =>
    `ssh: [{ Host: git.test, IdentityFile: ${path}, KnownHostKey: ${HOST_KEY} }]`;
  const rows: readonly (readonly [body: string, place: string])[] = [
    [key("./key"), "bottles.dev.ssh[0].IdentityFile"],
    [key("key"), "bottles.dev.ssh[0].IdentityFile"],
    [key("linked/id"), "bottles.dev.ssh[0].IdentityFile"],
    [key("../.ssh/id"), "bottles.dev.ssh[0].IdentityFile"],
    ["env: { A: { secret: { file: key } } }", "bottles.dev.env.A"],
    ["env: { A: { secret: { command: [./key] } } }", "bottles.dev.env.A"],
    ["image: { ca: key }", "bottles.dev.image.ca"],
    ["image: { dockerfile: key }", "bottles.dev.image.dockerfile"],
  ];
  for (const [body, place] of rows) {
    const machine = new TrustingMachine(bottle(body), {
      "/home/somebody/.ssh/id": KEY,
      [`${ROOT}/key`]: { link: "../.ssh/id" },
      [`${ROOT}/linked`]: { link: "/home/somebody/.ssh" },
    });
    for (const argv of [["trust", "--yes"], ["trust", "--json"], ["start", "--prompt", "hi"]]) {
      const run = await machine.run(argv);
      assert.deepEqual(run.outcome, FAILED, `${body}: ${run.stderr}`);
      assert.match(run.stderr, /leads out of the project, to /);
      assert.ok(run.stderr.includes(place), run.stderr);
      assert.deepEqual(run.backend.calls, []);
    }
    assert.deepEqual(machine.stored, []);
    // It keeps nobody from looking.
    const info = await machine.run(["info"]);
    assert.deepEqual(info.outcome, DONE);
    assert.match(info.stderr, /leads out of the project/);
  }
});

Deno.test("a file outside the project is approved by its real path, asks again once a link is turned, and is what the launch takes", async () => {
  const machine = new TrustingMachine(
    bottle(`ssh: [{ Host: git.test, IdentityFile: ~/link, KnownHostKey: ${HOST_KEY} }]
    env: { A: { secret: { file: /home/somebody/link } }, B: { secret: { command: [~/run, x] } } }`),
    {
      "/home/somebody/.ssh/id": KEY,
      "/home/somebody/.ssh/other": KEY,
      "/home/somebody/bin/get": { text: "", mode: 0o755 },
      "/home/somebody/run": { link: "bin/get" },
      "/home/somebody/link": { link: "/home/somebody/.ssh/id" },
    },
  );
  const shown = await machine.run(["trust", "--yes"]);
  assert.match(
    shown.stderr,
    /^! \+ key +\/home\/somebody\/\.ssh\/id signs in as git@git\.test, port 22; host key SHA256:\S+ \(written ~\/link; claude-bottle\.yaml:4\)$/m,
  );
  assert.match(
    shown.stderr,
    /A from the file \/home\/somebody\/\.ssh\/id \(written \/home\/somebody\/link; /,
  );
  assert.match(
    shown.stderr,
    /B from what runs on this machine: \/home\/somebody\/bin\/get x \(written ~\/run; /,
  );
  const { backend, outcome, stderr } = await machine.run(["start", "--prompt", "hi"]);
  assert.deepEqual(outcome, DONE, stderr);
  const [spec] = backend.specs;
  assert.equal(spec?.ssh[0]?.identityFile, "/home/somebody/.ssh/id");
  assert.deepEqual(spec?.env.get("A"), { kind: "file", path: "/home/somebody/.ssh/id", isReal: true });
  assert.deepEqual(spec?.env.get("B"), { kind: "command", argv: ["/home/somebody/bin/get", "x"] });
  machine.files["/home/somebody/link"] = { link: "/home/somebody/.ssh/other" };
  assert.equal((await machine.asked()).length, 2);
  assert.deepEqual((await machine.run(["start", "--prompt", "hi"])).backend.specs, []);
});

Deno.test("scripts of the project and Dockerfiles are approved with what is in them, wherever a command names them", async () => {
  const script = `${ROOT}/bin/get`;
  const path = { env: { PATH: `/usr/bin:${ROOT}/bin` } };
  const rows: readonly (readonly [body: string, asks: boolean])[] = [
    ["env: { A: { secret: { command: [./bin/get] } } }", true],
    [`env: { A: { secret: { command: [${script}] } } }`, true],
    ["env: { A: { secret: { command: [~/project/bin/get] } } }", true],
    ["env: { A: { secret: { command: [get] } } }", true],
    [`env: { A: { secret: { command: [sh, ${script}] } } }`, true],
    [`env: { A: { secret: { command: [sh, project/bin/get] } } }`, true],
    [`env: { A: { secret: { command: [sh, -c, "exec '${script}' --now"] } } }`, true],
    [`env: { A: { secret: { command: [sh, -c, "cd /; ~/project/bin/get|cat"] } } }`, true],
    [`env: { A: { secret: { command: [node, --require=${script}] } } }`, true],
    ["env: { A: { secret: { command: [env, get] } } }", true],
    [`env: { A: { secret: { command: [sh, -c, "get | tail -1"] } } }`, true],
    ["image: { dockerfile: bin/get }", true],
    ["image: { dockerfile: /home/somebody/Dockerfile }", true],
    ["image: { ca: bin/get }", true],
    // No program, and no content that anybody runs.
    ["env: { A: { secret: { file: bin/get } } }", false],
    ["image: { ca: ~/Dockerfile }", false],
    ["env: { A: { secret: { command: [~/Dockerfile] } } }", false],
  ];
  for (const [body, asks] of rows) {
    const machine = new TrustingMachine(bottle(body), {
      [script]: { text: "one", mode: 0o755 },
      "/home/somebody/Dockerfile": { text: "one", mode: 0o755 },
    });
    await machine.run(["trust", "--yes"], path);
    assert.deepEqual(await machine.asked(path), [], body);
    machine.files[script] = { text: "two", mode: 0o755 };
    machine.files["/home/somebody/Dockerfile"] = { text: "two", mode: 0o755 };
    const asked = await machine.asked(path);
    assert.equal(asked.length, asks ? 1 : 0, `${body}: ${asked}`);
  }
});

Deno.test("long names that begin alike each have their own script", async () => {
  const [one, two] = ["1", "2"].map((end) => `${"A".repeat(70)}${end}`);
  const body = `env:
      ${one}: { secret: { command: [./one.sh] } }
      ${two}: { secret: { command: [./two.sh] } }`;
  const script = (text: string) => ({ text, mode: 0o755 });
  const machine = new TrustingMachine(bottle(body), {
    [`${ROOT}/one.sh`]: script("one"),
    [`${ROOT}/two.sh`]: script("two"),
  });
  await machine.run(["trust", "--yes"]);
  for (const name of ["one.sh", "two.sh"]) {
    machine.files[`${ROOT}/${name}`] = script("another");
    assert.equal((await machine.asked()).length, 1, name);
    machine.files[`${ROOT}/${name}`] = script(name.slice(0, 3));
    assert.deepEqual(await machine.asked(), []);
  }
});

Deno.test("a program of the project's that a name leads to is run by its path; another one stays a name", async () => {
  const argv = async (files: ConstructorParameters<typeof TrustingMachine>[1]): Promise<unknown> => {
    const machine = new TrustingMachine(bottle("env: { A: { secret: { command: [get, x] } } }"), files);
    const path = { env: { PATH: `${ROOT}/bin:/usr/bin` } };
    await machine.run(["trust", "--yes"], path);
    const { backend, stderr } = await machine.run(["start", "--prompt", "hi"], path);
    return Object(backend.specs[0]?.env.get("A")).argv ?? stderr;
  };
  const program = { text: "x", mode: 0o755 };
  assert.deepEqual(await argv({ "/usr/bin/get": program }), ["get", "x"]);
  assert.deepEqual(await argv({ "/usr/bin/get": program, [`${ROOT}/bin/get`]: { text: "x", mode: 0o644 } }), [
    "get",
    "x",
  ]);
  assert.deepEqual(await argv({ "/usr/bin/get": program, [`${ROOT}/bin/get`]: program }), [
    `${ROOT}/bin/get`,
    "x",
  ]);
  // A link that stands in the project is the project's, wherever it leads.
  assert.deepEqual(await argv({ "/usr/bin/sh": program, [`${ROOT}/bin/get`]: { link: "/usr/bin/sh" } }), [
    "/usr/bin/sh",
    "x",
  ]);
});

Deno.test("a script that others may change is refused, and a missing file asks again once it is there", async () => {
  const script = `${ROOT}/get`;
  const text = bottle("env: { A: { secret: { command: [./get] } } }");
  for (const file of [{ mode: 0o757 }, { uid: 1001 }, { kind: "other" }] as const) {
    const machine = new TrustingMachine(text, { [script]: { text: "", mode: 0o755, ...file } });
    const run = await machine.run(["trust", "--yes"]);
    assert.deepEqual(run.outcome, FAILED);
    assert.match(run.stderr, /can be written by everyone|belongs to neither you nor root|is no regular file/);
    assert.match(run.stderr, /claude-bottle\.yaml:4:\d+: bottles\.dev\.env\.A: /);
  }
  const machine = new TrustingMachine(text);
  const shown = await machine.run(["trust", "--yes"]);
  assert.match(shown.stderr, /\/get \(missing\)/);
  assert.deepEqual(await machine.asked(), []);
  machine.files[script] = { text: "x", mode: 0o755 };
  assert.equal((await machine.asked()).length, 1);
});

Deno.test("what the user's own manifest adds is shown with its own place, and relative to its own folder", async () => {
  const user =
    `bottles: { mine: { ssh: [{ Host: git.test, IdentityFile: key, KnownHostKey: ${HOST_KEY} }] } }\n`;
  const machine = new TrustingMachine(
    "bottles: { dev: { extends: mine, egress: { defaults: false } } }\nagents: { a: { bottle: dev } }\n",
    {
      "/home/somebody/.config/claude-bottle/key": { link: "/home/somebody/.ssh/id" },
      "/home/somebody/.ssh/id": KEY,
    },
  );
  const run = await machine.run(["trust", "--yes"], { manifest: user });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.match(
    run.stderr,
    /\/home\/somebody\/\.ssh\/id signs in .*\(written key; \/home\/somebody\/\.config\/claude-bottle\/claude-bottle\.yaml:1\)/,
  );
});

Deno.test("a link to nothing counts as missing, and is refused once something outside is behind it", async () => {
  const machine = new TrustingMachine(bottle("env: { A: { secret: { file: dangling } } }"), {
    [`${ROOT}/dangling`]: { link: "/home/somebody/nothing" },
  });
  assert.match(
    (await machine.run(["trust", "--yes"])).stderr,
    /A from the file \/home\/somebody\/project\/dangling \(missing\)/,
  );
  machine.files["/home/somebody/nothing"] = KEY;
  const run = await machine.run(["start", "--prompt", "hi"]);
  assert.deepEqual(run.outcome, FAILED);
  assert.match(run.stderr, /"dangling" leads out of the project, to \/home\/somebody\/nothing/);
});

Deno.test("a folder of the project that a command is given is said to be open", async () => {
  const machine = new TrustingMachine(
    bottle(`env: { A: { secret: { command: [make, -C, ${ROOT}/ci] } } }`),
    { [`${ROOT}/ci/Makefile`]: "" },
  );
  const { stderr } = await machine.run(["trust", "--yes"]);
  assert.match(
    stderr,
    /make -C \S+\/ci \(what is in \/home\/somebody\/project\/ci may change without asking\)/,
  );
});

Deno.test("what nobody could look through is refused", async () => {
  const hosts = Array.from({ length: 400 }, (_, index) => `h${index}.test`).join(", ");
  const names = Array.from({ length: 260 }, (_, index) => `b${index}`);
  const machine = new TrustingMachine([
    `bottles:\n  base: { egress: { allowlist: [${hosts}] } }\n`,
    ...names.map((name) => `  ${name}: { extends: base }\n`),
    "agents:\n",
    ...names.map((name) => `  a${name}: { bottle: ${name} }\n`),
  ].join(""));
  const run = await machine.run(["trust", "--yes"]);
  assert.deepEqual(run.outcome, FAILED, run.stderr);
  assert.match(run.stderr, /asks for \d+ grants, more than anybody can look through/);
  assert.deepEqual(machine.stored, []);
});
