import assert from "node:assert/strict";
import {
  containerNames,
  engineFacts,
  findImages,
  inspected,
  networkIds,
} from "../../../lib/backend/docker/engine.ts";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { type Answer, ScriptedProcesses } from "../../support/scripted_processes.ts";

const { signal } = new AbortController();

function scripted(pattern: RegExp, answer: Answer): { client: DockerClient; processes: ScriptedProcesses } {
  const processes = new ScriptedProcesses().on(pattern, answer);
  const client = new DockerClient({
    processes,
    environment: environmentOf({}),
    context: undefined,
    onEvent: () => {},
  });
  return { client, processes };
}

Deno.test("engineFacts() reads what a plan depends on", async () => {
  const info = {
    ServerVersion: "20.10.24+dfsg1",
    Runtimes: { "io.containerd.runc.v2": {}, runc: { path: "runc" }, runsc: { path: "/x/runsc" } },
    MemTotal: 8_589_934_592,
    NCPU: 2,
    ServerErrors: null,
  };
  const { client, processes } = scripted(/info/, { stdout: `${JSON.stringify(info)}\n` });
  assert.deepEqual(await engineFacts(client, signal), {
    version: "20.10.24+dfsg1",
    major: 20,
    runtimes: ["io.containerd.runc.v2", "runc", "runsc"],
    memory: 8_589_934_592,
    cpus: 2,
  });
  assert.deepEqual(processes.lines, ["docker info --format {{json .}}"]);
});

Deno.test("engineFacts() sees through a client that exits 0 without an engine", async () => {
  const info = {
    ServerErrors: ["Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"],
  };
  const { client } = scripted(/info/, { code: 0, stdout: JSON.stringify(info) });
  await assert.rejects(engineFacts(client, signal), {
    code: "engine-unreachable",
    message:
      "The engine does not answer: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
  });
});

Deno.test("engineFacts() fails on what cannot be read instead of guessing an engine", async () => {
  for (const stdout of ["", "<html>", "null"]) {
    const { client } = scripted(/info/, { code: 0, stdout });
    await assert.rejects(engineFacts(client, signal), {
      code: "engine-failed",
      message: "The engine failed at asking the engine what it is: it said nothing",
      exit: 125,
    });
  }
});

Deno.test("inspected() fails on what is no list", () => {
  assert.deepEqual(inspected("x", "[1]"), [1]);
  for (const stdout of ["", "{}", "null", "[1"]) {
    assert.throws(() => inspected("comparing", stdout), {
      code: "engine-failed",
      message: "The engine's answer could not be read at comparing",
      exit: 125,
    });
  }
});

Deno.test("findImages() leaves out the missing and fails on anything else", async () => {
  const { client, processes } = scripted(/inspect there$/, { stdout: '[{"Id":"sha256:1","Config":null}]' });
  processes.on(/inspect (gone|gone-too)$/, (call) => ({
    code: 1,
    stdout: "[]\n",
    stderr: call.line.endsWith("too")
      ? "Error: No such image: gone-too\n"
      : "Error response from daemon: no such image: gone: No such image: gone:latest\n",
  }));
  const found = await findImages(client, { names: ["gone", "there", "gone-too"], signal });
  assert.deepEqual([...found], [["there", { id: "sha256:1", env: new Map(), user: "", labels: {} }]]);
  processes.on(/inspect broken$/, { code: 1, stderr: "Error response from daemon: context canceled\n" });
  await assert.rejects(findImages(client, { names: ["there", "broken"], signal }), { code: "engine-failed" });
  processes.on(/inspect odd$/, { stdout: "what" });
  await assert.rejects(findImages(client, { names: ["odd"], signal }), { code: "engine-failed" });
});

Deno.test("containerNames() asks by prefix, the stopped ones too", async () => {
  const { client, processes } = scripted(/ ps /, { stdout: '"claude-bottle-a"\n"claude-bottle-a-2"\n' });
  const names = await containerNames(client, { prefix: "claude-bottle-a", signal });
  assert.deepEqual([...names], ["claude-bottle-a", "claude-bottle-a-2"]);
  assert.deepEqual(processes.calls[0]?.args, [
    "ps",
    "--all",
    "--filter",
    "name=^/?claude-bottle-a",
    "--format",
    "{{json .Names}}",
  ]);
});

Deno.test("networkIds() gives the ids by name", async () => {
  const { client } = scripted(/inspect .* b$/, { stdout: "bbb\n" });
  assert.deepEqual([...await networkIds(client, { names: ["b"], signal })], [["b", "bbb"]]);
});

Deno.test("networkIds() names the network that is not there, in either engine's words", async () => {
  for (
    const stderr of [
      "Error: No such network: intra\n",
      "Error response from daemon: network intra not found\n",
    ]
  ) {
    const { client } = scripted(/inspect/, { code: 1, stdout: "\n", stderr });
    await assert.rejects(networkIds(client, { names: ["intra"], signal }), {
      code: "network-missing",
      message: "The network 'intra' of egress.networks does not exist",
      exit: 1,
    });
  }
});

Deno.test("networkIds() does not blame the network for a context that is not there", async () => {
  const stderr =
    'Failed to initialize: unable to resolve docker endpoint: context "nope": context not found: open meta.json: no such file or directory\n';
  const { client } = scripted(/inspect/, { code: 1, stderr });
  await assert.rejects(networkIds(client, { names: ["intra"], signal }), { code: "context-missing" });
});
