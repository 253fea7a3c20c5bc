import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { frameEntries } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

/** Names by which a program is steered, with what a hostile manifest would give them. */
const STEERING: Readonly<Record<string, string>> = {
  LD_PRELOAD: "/hostile/preload.so",
  LD_LIBRARY_PATH: "/hostile/lib",
  LD_AUDIT: "/hostile/audit.so",
  GLIBC_TUNABLES: "hostile.tunable=1",
  PATH: "/hostile/bin",
  HOME: "/hostile/home",
  TMPDIR: "/hostile/tmp",
  DOCKER_HOST: "tcp://hostile.example:2375",
  DOCKER_CONFIG: "/hostile/docker",
  DOCKER_CONTEXT: "hostile-context",
  DOCKER_CERT_PATH: "/hostile/certificates",
  DOCKER_TLS_VERIFY: "hostile",
  SSH_AUTH_SOCK: "/hostile/agent.sock",
  SSH_ASKPASS: "/hostile/askpass",
  SSH_ASKPASS_REQUIRE: "hostile",
  GIT_SSH_COMMAND: "/hostile/ssh",
  GIT_DIR: "/hostile/git",
  BASH_ENV: "/hostile/bash_env",
  ENV: "/hostile/env",
  IFS: "/hostile",
  PS4: "$(/hostile/ps4)",
  NODE_OPTIONS: "--require=/hostile/node.js",
  PERL5OPT: "-Mhostile",
  PERL5LIB: "/hostile/perl",
  PYTHONSTARTUP: "/hostile/python",
  CLAUDE_BOTTLE_IMAGE: "hostile/image",
  CLAUDE_BOTTLE_SUBNETS: "0.0.0.0/0",
};

/** Values that something between the manifest and the agent might read as more than text. */
const VALUES: Readonly<Record<string, string>> = {
  NEWLINE: "one\ntwo\r\nDOCKER_HOST=tcp://hostile.example",
  QUOTES: `'"\`\\`,
  COMMAND: "$(touch /tmp/hostile) `touch /tmp/hostile` ${PATH} $PATH %s %n",
  OPTION: "--privileged -v /:/host",
  FRAME: "12:DOCKER_HOST=x,0:,",
  ESCAPE: "\x1b]0;hostile\x07\x1b[2J",
  EMPTY: "",
  UNICODE: "ünïcode \u202e\u{1f37e}",
  LONG: "x".repeat(100_000),
};

/**
 * A sandbox whose manifest takes the steering names in all three ways, and whose `sh` writes down the environment that
 * each one of the program's own is given.
 */
async function hostile(): Promise<Sandbox> {
  const sandbox = await Sandbox.create({ agentSays: ["done"] });
  const names = Object.keys(STEERING);
  const from = (kind: number): readonly string[] => names.filter((_name, index) => index % 3 === kind);
  await sandbox.manifest({
    bottles: {
      dev: {
        env: {
          ...Object.fromEntries(from(0).map((name) => [name, STEERING[name]])),
          ...Object.fromEntries(from(1).map((name) => [name, `\${HOSTILE_${name}}`])),
          ...Object.fromEntries(
            from(2).map((name) => [name, { secret: { command: ["printf", "%s", STEERING[name]] } }]),
          ),
          ...VALUES,
          TOLD: { secret: { command: ["env"] } },
        },
        egress: { proxy: "squid" },
      },
    },
    agents: { reviewer: { bottle: "dev" } },
  });
  const script =
    `#!/bin/bash\n{ echo "$#"; env -0 | tr '\\n\\0' ' \\n'; } >> ${sandbox.folder}/shells\nexec /bin/sh "$@"\n`;
  await Deno.writeTextFile(join(sandbox.docker.bin, "sh"), script, { mode: 0o755 });
  return sandbox;
}

/** What the host sets for the names that the manifest takes from it. */
const HOST = Object.fromEntries(Object.entries(STEERING).map(([name, value]) => [`HOSTILE_${name}`, value]));

/** The variables of a host process that are not the user's own. */
function foreign(env: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(env).filter(([name, value]) =>
    !name.startsWith("HOSTILE_") && (/hostile/.test(value) || value === "0.0.0.0/0")
  ).map(([name]) => name);
}

Deno.test("a hostile env enters the docker CLI's environment when it is passed on by name, as `exec -e NAME` needs", async () => {
  await using sandbox = await Sandbox.create();
  const { PATH: _path, ...steering } = STEERING;
  const { stderr } = await new Deno.Command(join(sandbox.docker.bin, "docker"), {
    args: [
      "container",
      "exec",
      ...Object.keys(steering).flatMap((name) => ["--env", name]),
      "0".repeat(64),
      "true",
    ],
    env: { ...steering, PERL5OPT: "", PATH: Deno.env.get("PATH") ?? "" },
    clearEnv: true,
  }).output();
  const [call] = await sandbox.docker.calls();
  assert.ok(foreign(call?.env ?? {}).includes("DOCKER_HOST"));
  if (Deno.build.os === "linux") assert.match(new TextDecoder().decode(stderr), /\/hostile\/preload\.so/);
});

Deno.test("a hostile env reaches the agent and no process of the host: not docker, not the shells, not a secret's command", async () => {
  await using sandbox = await hostile();
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v"], { env: HOST });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "done\n");
  const calls = await sandbox.docker.calls();
  for (const { kind, args, env } of calls) {
    assert.deepEqual(foreign(env), [], kind);
    assert.ok(!args.some((word) => /hostile/.test(word)), kind);
  }
  const frames = frameEntries(calls.find(({ kind }) => kind === "agent")?.stdin ?? new Uint8Array());
  for (const [name, value] of Object.entries({ ...STEERING, ...VALUES })) {
    assert.equal(frames.get(name), value, name);
  }

  // What a secret's command was given, as it told it itself.
  const told = Object.fromEntries(
    (frames.get("TOLD") ?? "").split("\n").map((line): [string, string] => {
      const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(line) ?? [];
      return [name, value];
    }),
  );
  assert.equal(told["HOME"], join(sandbox.folder, "home"));
  assert.equal(told["HOSTILE_LD_PRELOAD"], STEERING["LD_PRELOAD"]);
  assert.deepEqual(foreign(told), []);
  // And every shell of ours: for what this machine is, and for each command.
  const shells = await Deno.readTextFile(join(sandbox.folder, "shells"));
  assert.ok(shells.split("\n").length > 10);
  const given = shells.split("\n").filter((line) => /hostile/.test(line) && !line.startsWith("HOSTILE_"));
  assert.deepEqual(given, []);
  assert.doesNotMatch(stderr, /preload|hostile\.example/);
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("the terminal and a dry run see of a hostile env its names alone", async () => {
  await using sandbox = await hostile();
  for (const format of ["text", "json"]) {
    const { code, stdout, stderr } = await sandbox.run(["start", "--dry-run", "--format", format], {
      env: HOST,
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout + stderr, /LD_PRELOAD/);
    assert.doesNotMatch(stdout + stderr, /hostile|x{1000}/);
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});

Deno.test("names that are no names, and those that lead past the sidecar, are refused with their place", async () => {
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"];
  const names = [
    ...proxies.flatMap((name) => [name, name.toLowerCase(), name.replace("PROXY", "Proxy")]),
    ...[
      "",
      "A=B",
      "A\nDOCKER_HOST",
      "1A",
      "A B",
      "-e",
      "--env-file=/etc/passwd",
      "BASH_FUNC_x%%",
      "Ä",
      "\x1b[31m",
      "A\0",
    ],
  ];
  const entries: readonly (readonly [string, unknown])[] = [
    ...names.map((name) => [name, "x"] as const),
    ["HTTPS_PROXY", "${HOSTILE_PATH}"],
    ["HTTPS_PROXY", "?which proxy"],
    ["HTTPS_PROXY", { secret: { command: ["true"] } }],
  ];
  await using sandbox = await Sandbox.create();
  for (const [name, value] of entries) {
    await sandbox.manifest({
      bottles: { dev: { env: { [name]: value, GOOD: "x" }, egress: { proxy: "squid" } } },
      agents: { reviewer: { bottle: "dev" } },
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"], { env: HOST });
    assert.equal(code, 2, `${JSON.stringify(name)}: ${stderr}`);
    assert.match(stderr, /claude-bottle\.json:1:\d+: bottles\.dev\.env/, JSON.stringify(name));
    assert.equal(stdout, "");
  }
  assert.deepEqual(await sandbox.docker.calls(), []);
});

Deno.test("values that no environment holds end in a sentence before anything exists", async () => {
  const rows = [
    { value: "x".repeat(1_000_000), says: /env\.A: "x+…" is longer than the 131071 bytes Linux allows/ },
    { value: "x".repeat(131_070), says: /The value of A is longer than the 131071 bytes Linux allows/ },
    { value: "a\0b", says: /must not contain a NUL character/ },
    { value: { secret: { command: ["printf", "a\\0b"] } }, says: /The value of A contains a NUL byte/ },
    { value: { secret: { command: ["printf", "\\377"] } }, says: /A: what printf printed is not UTF-8/ },
    {
      value: { secret: { command: ["head", "-c", "1000000", "/dev/zero"] } },
      says: /printed more than the 131071 bytes/,
    },
    {
      value: { secret: { command: ["-c", "touch hostile"] } },
      says: /must not begin with a word that begins with `-`/,
    },
    {
      value: { secret: { command: ["-a", "x", "touch", "hostile"] } },
      says: /must not begin with a word that/,
    },
    { value: { secret: { command: ["touch hostile; true"] } }, says: /The command of A/ },
    {
      value: { secret: { file: "/dev/zero" } },
      says: /The file that A comes from cannot be used: \/dev\/zero/,
    },
  ];
  for (const { value, says } of rows) {
    await using sandbox = await Sandbox.create();
    await sandbox.manifest({
      bottles: { dev: { env: { A: value }, egress: { proxy: "squid" } } },
      agents: { reviewer: { bottle: "dev" } },
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.notEqual(code, 0, JSON.stringify(value).slice(0, 80));
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/);
    assert.ok(stderr.length < 3000, stderr.slice(0, 3000));
    assert.equal(stdout, "");
    assert.deepEqual(await sandbox.docker.objects(), []);
    for (const folder of ["work", "home"]) {
      const path = join(sandbox.folder, folder, "hostile");
      await assert.rejects(Deno.stat(path), Deno.errors.NotFound, dirname(path));
    }
  }
});
