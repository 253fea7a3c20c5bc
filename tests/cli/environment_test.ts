import assert from "node:assert/strict";
import { dockerCalls, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

const NO_PROXY = "bottles: { dev: {} }\nagents: { reviewer: { bottle: dev } }\n";

const PROBES = [
  ...["image inspect", "image inspect", "image inspect"],
  ...["info --format", "network ls", "ps --all"],
];

Deno.test("CLAUDE_BOTTLE_DRY_RUN is a dry run when it is 1, and only then", async () => {
  for (const [value, dry] of [["1", true], ["0", false], ["true", false], ["", false]] as const) {
    const run = await runCli(["start", "reviewer", "--yes"], {
      manifest: TWO_AGENTS,
      terminals: PERSON,
      env: { CLAUDE_BOTTLE_DRY_RUN: value },
    });
    assert.deepEqual(run.outcome, DONE);
    assert.equal(run.backend.calls.includes("launch"), !dry, value);
  }
  const json = await runCli(["start", "reviewer", "--format", "json"], {
    manifest: TWO_AGENTS,
    env: { CLAUDE_BOTTLE_DRY_RUN: "1" },
  });
  assert.equal(JSON.parse(json.stdout).agent, "reviewer");
});

Deno.test("CLAUDE_BOTTLE_BACKEND must be known; --backend counts more, an empty one not at all", async () => {
  const unknown = await runCli(["start", "--prompt", "hi"], { env: { CLAUDE_BOTTLE_BACKEND: "podman" } });
  assert.deepEqual(unknown.outcome, USAGE);
  assert.equal(unknown.stderr, 'error: There is no backend "podman"\n\nhint: Backends: docker\n');
  assert.deepEqual(unknown.backend.calls, []);
  const named = await runCli(["start", "--prompt", "hi", "--backend", "docker"], {
    env: { CLAUDE_BOTTLE_BACKEND: "podman" },
  });
  assert.deepEqual(named.outcome, DONE);
  const empty = await runCli(["start", "--prompt", "hi"], { env: { CLAUDE_BOTTLE_BACKEND: "" } });
  assert.deepEqual(empty.outcome, DONE);
});

Deno.test("CLAUDE_BOTTLE_DERIVED_IMAGE is told to have no effect, in one line", async () => {
  const notice = "claude-bottle: CLAUDE_BOTTLE_DERIVED_IMAGE has no effect: no image is derived any more\n";
  const set = await runCli(["start", "--prompt", "hi"], { env: { CLAUDE_BOTTLE_DERIVED_IMAGE: "x" } });
  assert.deepEqual(set.outcome, DONE);
  assert.ok(set.stderr.startsWith(notice), set.stderr);
  const unset = await runCli(["start", "--prompt", "hi"], { env: { CLAUDE_BOTTLE_DERIVED_IMAGE: "" } });
  assert.ok(!unset.stderr.includes("derived"));
});

Deno.test("CLAUDE_BOTTLE_PROXY counts where neither command line nor manifest names a proxy", async () => {
  const used = await runCli(["start", "--prompt", "hi"], {
    manifest: NO_PROXY,
    env: { CLAUDE_BOTTLE_PROXY: "squid" },
  });
  assert.deepEqual(used.outcome, DONE, used.stderr);
  assert.equal(used.backend.specs[0]?.proxy.name, "squid");
  const bad = await runCli(["start", "--prompt", "hi"], {
    manifest: NO_PROXY,
    env: { CLAUDE_BOTTLE_PROXY: "nginx" },
  });
  assert.deepEqual(bad.outcome, USAGE);
  assert.equal(bad.stderr, 'error: CLAUDE_BOTTLE_PROXY must be pipelock or squid, not "nginx"\n');
  for (const argv of [["start", "reviewer"], ["start", "reviewer", "--proxy", "squid"]]) {
    const run = await runCli([...argv, "--prompt", "hi"], {
      manifest: argv.includes("--proxy") ? NO_PROXY : TWO_AGENTS,
      env: { CLAUDE_BOTTLE_PROXY: "pipelock" },
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(run.backend.specs[0]?.proxy.name, "squid");
  }
});

Deno.test("the proxy is the flag's, else the manifest's, else the variable's, else pipelock", async () => {
  const rows = [
    { argv: [], manifest: NO_PROXY, env: {}, proxy: "pipelock" },
    { argv: ["--proxy", "pipelock"], manifest: TWO_AGENTS, env: {}, proxy: "pipelock" },
    { argv: ["--proxy", "squid"], manifest: NO_PROXY, env: {}, proxy: "squid" },
    {
      argv: [],
      manifest: TWO_AGENTS.replace("squid", "pipelock"),
      env: { CLAUDE_BOTTLE_PROXY: "squid" },
      proxy: "pipelock",
    },
    { argv: [], manifest: NO_PROXY, env: { CLAUDE_BOTTLE_PROXY: "squid" }, proxy: "squid" },
  ];
  for (const { argv, manifest, env, proxy } of rows) {
    const run = await runCli(["start", "reviewer", "--prompt", "hi", ...argv], { manifest, env });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(run.backend.specs[0]?.proxy.name, proxy);
  }
});

Deno.test("CLAUDE_BOTTLE_CONTAINER_HOME must be a plain absolute path", async () => {
  for (
    const path of [
      "home",
      "./x",
      "~/x",
      "/",
      "/a/",
      "/a/../b",
      "/a/.",
      "/a b",
      "/a:b",
      "/a\nb",
      "/$HOME",
      "/a,b",
      `/${"a".repeat(64)}`,
    ]
  ) {
    const run = await runCli(["start", "--prompt", "hi"], { env: { CLAUDE_BOTTLE_CONTAINER_HOME: path } });
    assert.deepEqual(run.outcome, USAGE, path);
    assert.ok(
      run.stderr.startsWith("error: CLAUDE_BOTTLE_CONTAINER_HOME is not an absolute path: "),
      run.stderr,
    );
    assert.deepEqual(run.backend.calls, []);
  }
  const good = await runCli(["start", "--prompt", "hi"], {
    env: { CLAUDE_BOTTLE_CONTAINER_HOME: "/home/a.b-c" },
  });
  assert.equal(good.backend.specs[0]?.home, "/home/a.b-c");
  const longest = `/${"a".repeat(63)}`;
  const long = await runCli(["start", "--prompt", "hi", "--dry-run"], {
    over: "docker",
    env: { CLAUDE_BOTTLE_CONTAINER_HOME: longest },
  });
  assert.deepEqual(long.outcome, DONE, long.stderr);
  assert.ok(long.stdout.includes(`${longest.slice(1)}/.claude.json`), "its files fit a tar entry");
});

Deno.test("CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR must be a plain absolute path of the agent's", async () => {
  const refused = [
    ...["skills", "./x", "~/x", "/", "//", "/a/../b", "/a b", "/a:b", "/a\nb", `/${"a".repeat(255)}`],
    // Where something else of the bottle is or would hide it, and where it would become the home itself.
    ...["/usr/local/bin", "/etc", "/tmp/skills", "/run/env", "/proc", "/var/run", "/home", "/home/node"],
  ];
  for (const path of refused) {
    const run = await runCli(["start", "--prompt", "hi"], {
      env: { CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR: path },
    });
    assert.deepEqual(run.outcome, USAGE, path);
    assert.ok(
      run.stderr.startsWith("error: CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR is not a folder for skills: "),
      run.stderr,
    );
    assert.deepEqual(run.backend.calls, []);
  }
  for (
    const [given, used] of [
      ["/opt/skills/", "/opt/skills"],
      ["/home/node/mine", "/home/node/mine"],
      ["/users", "/users"],
      ["", "/home/node/.claude/skills"],
    ] as const
  ) {
    const run = await runCli(["start", "--prompt", "hi"], {
      env: { CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR: given },
    });
    assert.equal(run.backend.specs[0]?.skillsDir, used, run.stderr);
  }
  const elsewhere = await runCli(["start", "--prompt", "hi"], {
    env: { CLAUDE_BOTTLE_CONTAINER_HOME: "/home/else" },
  });
  assert.equal(elsewhere.backend.specs[0]?.skillsDir, "/home/else/.claude/skills");
});

Deno.test("variables that docker would read otherwise than meant are refused before any call", async () => {
  const rows = [
    { name: "CLAUDE_BOTTLE_IMAGE", values: ["--privileged", "a b", "/x", "a\nb"] },
    { name: "CLAUDE_BOTTLE_BASE_IMAGE", values: ["--x", "a b"] },
    { name: "CLAUDE_BOTTLE_CONTAINER", values: ["-x", "a b", "x/y", "a\u001b[31m"] },
    { name: "CLAUDE_BOTTLE_SUBNETS", values: ["10.0.0.0", "10.0.0.1/16", "10.0.0.0/28", "::/0", "x"] },
  ];
  for (const { name, values } of rows) {
    for (const value of values) {
      const run = await runCli(["start", "--prompt", "hi"], { over: "docker", env: { [name]: value } });
      assert.deepEqual(run.outcome, USAGE, `${name}=${value}: ${run.stderr}`);
      assert.ok(run.stderr.startsWith(`error: ${name} is not `), run.stderr);
      assert.ok(!run.stderr.includes("\u001b"));
      assert.deepEqual(run.host.processes.lines, [], name);
    }
  }
});

Deno.test("a host variable that the bottle takes and the host does not set is named before any call", async () => {
  const manifest = TWO_AGENTS.replace("egress:", 'env: { TOKEN: "${GH_PAT}", A: "${B}" }\n    egress:');
  const run = await runCli(["start", "reviewer", "--prompt", "hi"], { manifest, over: "docker" });
  assert.deepEqual(run.outcome, FAILED);
  assert.match(run.stderr, /TOKEN \(from GH_PAT\), A \(from B\)$/m);
  assert.deepEqual(run.host.processes.lines, []);
});

Deno.test("CLAUDE_BOTTLE_OAUTH_TOKEN is handed over by its other name, its value never shown", async () => {
  const env = { CLAUDE_BOTTLE_OAUTH_TOKEN: "token-4711" };
  for (const proxy of ["squid", "pipelock"]) {
    for (const argv of [["--prompt", "hi", "-v"], ["--dry-run"], ["--dry-run", "--json"]]) {
      const run = await runCli(["start", "--proxy", proxy, ...argv], { env });
      assert.deepEqual(run.outcome, DONE);
      const [spec] = run.backend.specs;
      assert.equal(spec?.forwardOauthToken, proxy === "pipelock");
      assert.deepEqual(
        [...spec?.injected.keys() ?? []],
        proxy === "squid" ? ["CLAUDE_CODE_OAUTH_TOKEN"] : [],
      );
      assert.match(run.stdout + run.stderr, /CLAUDE_CODE_OAUTH_TOKEN|your Claude token/);
      assert.ok(!(run.stdout + run.stderr).includes("4711"));
    }
  }
});

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----";
const KEY = "-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----";

Deno.test("extra authorities are the certificates of the file, and no key beside them", async () => {
  const files = { "/etc/corp.pem": `# corp\n${KEY}\n${CERTIFICATE}\nnoise\n${CERTIFICATE}\n${KEY}` };
  for (const name of ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]) {
    for (const argv of [["start", "--prompt", "hi"], ["build"]]) {
      const run = await runCli(argv, { files, env: { [name]: "/etc/corp.pem" } });
      assert.deepEqual(run.outcome, DONE, run.stderr);
      const ca = run.backend.specs[0]?.ca ?? run.backend.builds[0]?.ca;
      assert.equal(ca, `${CERTIFICATE}\n${CERTIFICATE}\n`);
    }
  }
  const dry = await runCli(["start", "--dry-run", "--json"], {
    over: "docker",
    files,
    env: { NODE_EXTRA_CA_CERTS: "/etc/corp.pem" },
  });
  assert.deepEqual(dockerCalls(dry), PROBES);
  assert.match(dry.stdout, /ca\.pem/);
  assert.doesNotMatch(dry.stdout + dry.stderr, /S0VZ|PRIVATE/);
});

Deno.test("a file of authorities of exactly 1 MiB is taken", async () => {
  const text = `${CERTIFICATE}\n`.padEnd(1024 * 1024, "#");
  const run = await runCli(["start", "--prompt", "hi"], {
    files: { "/etc/corp.pem": text },
    env: { SSL_CERT_FILE: "/etc/corp.pem" },
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.backend.specs[0]?.ca, `${CERTIFICATE}\n`);
});

Deno.test("image.ca is found from the folder of the manifest that names it, wherever the program is run", async () => {
  const other = CERTIFICATE.replace("QUJD", "REVG");
  const project = "/home/somebody/project";
  const files = {
    "/home/somebody/.config/claude-bottle/corp.pem": CERTIFICATE,
    "/home/somebody/.config/corp.pem": other,
    "/home/somebody/corp.pem": `${other}\n${CERTIFICATE}`,
    [`${project}/corp.pem`]: `${CERTIFICATE}\n${other}`,
  };
  const rows = [
    { ca: "corp.pem", own: `${CERTIFICATE}\n`, named: `${CERTIFICATE}\n${other}\n` },
    { ca: "./corp.pem", own: `${CERTIFICATE}\n`, named: `${CERTIFICATE}\n${other}\n` },
    { ca: "../corp.pem", own: `${other}\n`, named: `${other}\n${CERTIFICATE}\n` },
    { ca: "~/corp.pem", own: `${other}\n${CERTIFICATE}\n`, named: `${other}\n${CERTIFICATE}\n` },
    {
      ca: `${project}/corp.pem`,
      own: `${CERTIFICATE}\n${other}\n`,
      named: `${CERTIFICATE}\n${other}\n`,
    },
  ];
  for (const { ca, own, named } of rows) {
    const manifest = TWO_AGENTS.replace("    egress:", `    image: { ca: "${ca}" }\n    egress:`);
    const byUser = await runCli(["start", "reviewer", "--prompt", "hi"], { manifest, files });
    assert.deepEqual(byUser.outcome, DONE, byUser.stderr);
    assert.equal(byUser.backend.specs[0]?.ca, own, ca);
    // The same words in the manifest of the folder that the program is run in.
    const byName = await runCli(["start", "reviewer", "--prompt", "hi", "--manifest", "claude-bottle.yaml"], {
      files: { ...files, [`${project}/claude-bottle.yaml`]: manifest },
    });
    assert.deepEqual(byName.outcome, DONE, byName.stderr);
    assert.equal(byName.backend.specs[0]?.ca, named, ca);
  }
});

Deno.test("image.ca that is not there is named by its full path", async () => {
  const manifest = TWO_AGENTS.replace("    egress:", '    image: { ca: "corp.pem" }\n    egress:');
  const run = await runCli(["start", "reviewer", "--prompt", "hi"], { manifest });
  assert.deepEqual(run.outcome, USAGE);
  assert.equal(
    run.stderr,
    "error: The certificate authorities of image.ca cannot be used: " +
      "/home/somebody/.config/claude-bottle/corp.pem: it does not exist\n\nhint: Name a PEM file with `image.ca`\n",
  );
});

Deno.test("a file of authorities that cannot be used is refused, not left out", async () => {
  const files = {
    "/etc/key.pem": KEY,
    "/etc/folder/x": "",
    "/etc/huge.pem": { bytes: new Uint8Array(1024 * 1024 + 1) },
  };
  const rows = [
    { path: "/nowhere.pem", why: "it does not exist" },
    { path: "/etc/key.pem", why: "it holds no certificate in PEM form" },
    { path: "/etc/folder", why: "it is no file" },
    { path: "/etc/huge.pem", why: "it is larger than 1048576 bytes" },
  ];
  for (const { path, why } of rows) {
    for (const argv of [["start", "--prompt", "hi"], ["build"]]) {
      const run = await runCli(argv, { files, env: { NODE_EXTRA_CA_CERTS: path } });
      assert.deepEqual(run.outcome, USAGE);
      assert.equal(
        run.stderr,
        `error: The certificate authorities of NODE_EXTRA_CA_CERTS cannot be used: ${path}: ${why}\n\n` +
          "hint: Set NODE_EXTRA_CA_CERTS to a PEM file, or unset it\n",
      );
      assert.deepEqual(run.backend.calls, []);
    }
  }
});

Deno.test("start makes no docker call but the probes for a dry run and for a no", async () => {
  const dry = await runCli(["start", "--dry-run"], { over: "docker" });
  assert.deepEqual(dry.outcome, DONE, dry.stderr);
  assert.deepEqual(dockerCalls(dry), PROBES);
  const no = await runCli(["start"], { over: "docker", terminals: PERSON, answers: ["n"] });
  assert.deepEqual(no.outcome, DONE);
  assert.match(no.stderr, /aborted by user\n$/);
  assert.deepEqual(dockerCalls(no), PROBES);
});

Deno.test("-v shows each docker call, and nothing does without it", async () => {
  const loud = await runCli(["start", "--dry-run", "-v"], { over: "docker" });
  assert.match(loud.stderr, /^\+ docker info --format '\{\{json \.\}\}'$/m);
  assert.equal(loud.stderr.match(/^\+ docker /mg)?.length, PROBES.length);
  const quiet = await runCli(["start", "--dry-run"], { over: "docker" });
  assert.doesNotMatch(quiet.stderr, /^\+/m);
});
