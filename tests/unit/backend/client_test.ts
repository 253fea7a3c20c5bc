import assert from "node:assert/strict";
import fc from "fast-check";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { clientEnvironment, DockerClient } from "../../../lib/backend/docker/client.ts";
import { Failure } from "../../../lib/errors.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { programMissing, ScriptedProcesses, timedOut } from "../../support/scripted_processes.ts";

/** Written out: the list is what keeps a host's or a manifest's variables from steering the client. */
const PASS_LIST = [
  "PATH",
  "HOME",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_TLS_VERIFY",
  "DOCKER_CERT_PATH",
  "SSH_AUTH_SOCK",
  "XDG_RUNTIME_DIR",
  "TMPDIR",
  "LANG",
];

function client(
  processes: ScriptedProcesses,
  options: { readonly env?: Readonly<Record<string, string>>; readonly context?: string } = {},
): { readonly client: DockerClient; readonly events: BottleEvent[] } {
  const events: BottleEvent[] = [];
  return {
    events,
    client: new DockerClient({
      processes,
      environment: environmentOf(options.env ?? {}),
      context: options.context,
      onEvent: (event) => events.push(event),
    }),
  };
}

Deno.test("clientEnvironment() passes on what the pass-list names and nothing else", () => {
  const hostile = {
    PATH: "/usr/bin",
    HOME: "/home/a",
    DOCKER_HOST: "ssh://b",
    LD_PRELOAD: "/tmp/evil.so",
    LD_LIBRARY_PATH: "/tmp",
    GIT_DIR: "/tmp/.git",
    GIT_SSH_COMMAND: "evil",
    DOCKER_CLI_PLUGIN_EXTRA_DIRS: "/tmp",
    DOCKER_CUSTOM_HEADERS: "a=b",
    BUILDKIT_HOST: "tcp://evil",
    HTTPS_PROXY: "http://user:secret@proxy",
    path: "/tmp",
    CLAUDE_BOTTLE_OAUTH_TOKEN: "secret",
  };
  assert.deepEqual(clientEnvironment(environmentOf(hostile)), {
    PATH: "/usr/bin",
    HOME: "/home/a",
    DOCKER_HOST: "ssh://b",
  });
  const all = Object.fromEntries(PASS_LIST.map((name) => [name, `value of ${name}`]));
  assert.deepEqual(clientEnvironment(environmentOf({ ...hostile, ...all })), all);
});

Deno.test("DockerClient gives its child exactly the pass-list, whatever the host has", async () => {
  const variable = fc.constantFrom(
    ...PASS_LIST,
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "GIT_DIR",
    "BASH_ENV",
    "__proto__",
  );
  const host = fc.dictionary(fc.oneof(variable, fc.string()), fc.string());
  await fc.assert(fc.asyncProperty(host, async (env) => {
    const processes = new ScriptedProcesses().on(/^docker/, {});
    await client(processes, { env }).client.run({ what: "x", args: ["ps"] });
    await client(processes, { env }).client.attach({ args: ["exec"] });
    const expected = PASS_LIST.filter((name) => Object.hasOwn(env, name)).map((name) => [name, env[name]]);
    for (const call of processes.calls) assert.deepEqual(Object.entries(call.env), expected);
    assert.equal(processes.calls.length, 2);
  }));
});

Deno.test("DockerClient puts the context before every subcommand and reports each call", async () => {
  const processes = new ScriptedProcesses().on(/^docker/, { stdout: "out\n" });
  const { client: docker, events } = client(processes, { context: "big box" });
  assert.equal(await docker.run({ what: "x", args: ["ps", "--all"] }), "out\n");
  assert.deepEqual(processes.calls[0]?.args, ["--context", "big box", "ps", "--all"]);
  assert.deepEqual(events, [{ kind: "call", text: "docker --context 'big box' ps --all" }]);
});

Deno.test("DockerClient.run() fails in the words of engineFailure()", async () => {
  const stderr = "Error response from daemon: Pool overlaps with other one on this address space\n";
  const processes = new ScriptedProcesses().on(/^docker/, { code: 1, stderr });
  await assert.rejects(client(processes).client.run({ what: "x", args: ["network", "create"] }), {
    code: "subnet-taken",
    exit: 125,
  });
});

Deno.test("DockerClient says in words that there is no docker CLI", async () => {
  const processes = new ScriptedProcesses().on(/^docker/, programMissing("docker"));
  const expected = {
    code: "docker-missing",
    message: "The docker CLI is not on PATH",
    hints: ["Install the docker CLI and an engine, then run again"],
    exit: 125,
  };
  await assert.rejects(client(processes).client.run({ what: "x", args: ["ps"] }), expected);
  await assert.rejects(client(processes).client.attach({ args: ["exec"] }), expected);
});

Deno.test("DockerClient says that the engine is slow, and what shows it", async () => {
  const processes = new ScriptedProcesses().on(/^docker/, timedOut("docker ps --all", 60));
  const call = { what: "listing the containers", args: ["ps", "--all"] };
  const expected = {
    code: "engine-slow",
    message: "The engine gave no answer at listing the containers: the call did not end within 60 s",
    hints: ["`docker version` shows whether the engine answers; restart it if it does not"],
    exit: 125,
  };
  await assert.rejects(client(processes).client.run(call), expected);
  await assert.rejects(client(processes).client.outcome(call), expected);
});

Deno.test("DockerClient passes on what else goes wrong as it is", async () => {
  for (const error of [new TypeError("mistake"), new Failure("other", "Other")]) {
    const processes = new ScriptedProcesses().on(/^docker/, error);
    const thrown = (caught: unknown): boolean => caught === error;
    await assert.rejects(client(processes).client.run({ what: "x", args: ["ps"] }), thrown);
    await assert.rejects(client(processes).client.attach({ args: ["exec"] }), thrown);
  }
});

Deno.test("DockerClient gives each call the time that fits it, a minute unless told", async () => {
  const processes = new ScriptedProcesses().on(/^docker/, { stdout: "one\ntwo\n", stderr: "three\n" });
  const docker = client(processes).client;
  const lines: string[] = [];
  await docker.run({ what: "x", args: ["ps"] });
  await docker.run({ what: "x", args: ["rm"], deadline: "removal" });
  await docker.run({ what: "x", args: ["pull"], deadline: "image", onLine: (line) => lines.push(line) });
  await docker.run({ what: "x", args: ["logs"], deadline: "held" });
  await docker.attach({ args: ["exec"] });
  assert.deepEqual(processes.calls.map(({ deadlineMs, silenceMs }) => [deadlineMs, silenceMs]), [
    [60_000, undefined],
    [30_000, undefined],
    [3 * 3_600_000, 20 * 60_000],
    [undefined, undefined],
    [undefined, undefined],
  ]);
  assert.deepEqual(lines, ["one", "two", "three"]);
});

Deno.test("DockerClient hands on input and signal", async () => {
  const processes = new ScriptedProcesses().on(/^docker/, {});
  const input = Uint8Array.of(1, 2, 3);
  const { signal } = new AbortController();
  await client(processes).client.attach({ args: ["exec"], input, signal });
  await client(processes).client.run({ what: "x", args: ["cp"], input });
  assert.deepEqual(processes.calls.map((call) => call.kind), ["attach", "run"]);
  assert.equal(processes.calls[0]?.input, input);
  assert.equal(processes.calls[0]?.signal, signal);
  assert.equal(processes.calls[1]?.input, input);
});
