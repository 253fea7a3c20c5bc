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
    SwapLimit: true,
    ServerErrors: null,
  };
  const { client, processes } = scripted(/info/, { stdout: `${JSON.stringify(info)}\n` });
  assert.deepEqual(await engineFacts(client, { signal }), {
    major: 20,
    runtimes: ["io.containerd.runc.v2", "runc", "runsc"],
    memory: 8_589_934_592,
    swapLimit: true,
  });
  assert.deepEqual(processes.lines, ["docker info --format {{json .}}"]);
});

Deno.test("engineFacts() takes an engine for one that bounds swap unless it says otherwise", async () => {
  for (const [SwapLimit, expected] of [[true, true], [undefined, true], [false, false]] as const) {
    const { client } = scripted(/info/, { stdout: JSON.stringify({ ServerVersion: "28.5.2", SwapLimit }) });
    assert.equal((await engineFacts(client, { signal })).swapLimit, expected);
  }
});

Deno.test("engineFacts() sees through a client that exits 0 without an engine", async () => {
  const info = {
    ServerErrors: ["Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"],
  };
  const { client } = scripted(/info/, { code: 0, stdout: JSON.stringify(info) });
  await assert.rejects(engineFacts(client, { signal }), {
    code: "engine-unreachable",
    message:
      "The engine does not answer: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
  });
});

Deno.test("engineFacts() fails on what cannot be read instead of guessing an engine", async () => {
  for (const stdout of ["", "<html>", "null"]) {
    const { client } = scripted(/info/, { code: 0, stdout });
    await assert.rejects(engineFacts(client, { signal }), {
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
  assert.deepEqual([...found], [["there", {
    id: "sha256:1",
    env: new Map(),
    user: "",
    labels: {},
    volumes: [],
  }]]);
  processes.on(/inspect broken$/, { code: 1, stderr: "Error response from daemon: context canceled\n" });
  await assert.rejects(findImages(client, { names: ["there", "broken"], signal }), { code: "engine-failed" });
  processes.on(/inspect odd$/, { stdout: "what" });
  await assert.rejects(findImages(client, { names: ["odd"], signal }), { code: "engine-failed" });
  for (const stdout of ["[]", "[null]", "[{}]", '[{"Id":1}]']) {
    processes.on(/inspect without-id$/, { stdout });
    await assert.rejects(findImages(client, { names: ["without-id"], signal }), {
      code: "engine-failed",
      message: "The engine's answer could not be read at looking for the images",
    });
  }
});

Deno.test("containerNames() fails on names that cannot be read instead of taking them for free", async () => {
  for (const stdout of ['"claude-bottle-a"\n"claude-bot', "null\n", "claude-bottle-a\n", '["a"]\n']) {
    const { client } = scripted(/ ps /, { stdout });
    await assert.rejects(containerNames(client, { prefix: "claude-bottle-a", signal }), {
      code: "engine-failed",
      message: "The engine's answer could not be read at listing the containers",
      exit: 125,
    });
  }
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

/** An engine whose `network inspect` of any name tells this network. */
function networked(network: unknown): { client: DockerClient; processes: ScriptedProcesses } {
  return scripted(/^docker network inspect \S+$/, { stdout: JSON.stringify([network]) });
}

/** As an engine describes one of compose's networks. */
const BACK = {
  Name: "app_back",
  Id: "b".repeat(64),
  Driver: "bridge",
  Internal: false,
  Labels: { "com.docker.compose.network": "back" },
};

Deno.test("networkIds() gives the ids by name", async () => {
  const { client, processes } = networked(BACK);
  assert.deepEqual([...await networkIds(client, { names: ["app_back"], signal })], [["app_back", BACK.Id]]);
  assert.deepEqual(processes.lines, ["docker network inspect app_back"]);
  for (const changes of [{ Labels: null }, { Labels: {} }, { Driver: "macvlan" }, { Internal: true }]) {
    const { client: other } = networked({ ...BACK, ...changes });
    assert.equal((await networkIds(other, { names: ["app_back"], signal })).size, 1);
  }
});

Deno.test("networkIds() takes no part of an id for a name, nor another spelling", async () => {
  for (const name of ["b", "bbb", BACK.Id, "APP_BACK", "app_bac"]) {
    await assert.rejects(networkIds(networked(BACK).client, { names: [name], signal }), {
      code: "network-missing",
      message: `The network '${name}' of egress.networks does not exist`,
      exit: 1,
    });
  }
});

Deno.test("networkIds() refuses what a sidecar must not join, and says why", async () => {
  const sorts = (name: string): string =>
    `by its name the engine would send all egress through it (${name} 0-claude-bottle-)`;
  const rows = [
    { changes: { Labels: { "claude-bottle.run": "abcdefghijklm" } }, why: "it is part of a bottle" },
    { changes: { Labels: { "claude-bottle.run": "" } }, why: "it is part of a bottle" },
    {
      changes: { Internal: true, Labels: { "claude-bottle.run": "abcdefghijklm" } },
      why: "it is part of a bottle",
    },
    { changes: { Driver: "host" }, why: "it is the engine's host network" },
    { changes: { Driver: "null", Internal: true }, why: "it is the engine's null network" },
    { changes: { Name: "0" }, why: sorts("it sorts before") },
    { changes: { Name: "0-a" }, why: sorts("it sorts before") },
    { changes: { Name: "0-claude-bottle" }, why: sorts("it sorts before") },
    { changes: { Name: "00" }, why: undefined },
    { changes: { Name: "0-claude-bottle-" }, why: sorts("it begins with") },
    { changes: { Name: "0-claude-bottle-a" }, why: sorts("it begins with") },
    { changes: { Name: "0-claude-bottle-zz" }, why: sorts("it begins with") },
    { changes: { Name: "0-claude-bottlf" }, why: undefined },
    { changes: { Name: "0-a", Internal: true }, why: undefined },
    { changes: { Name: "0-claude-bottle-a", Internal: true }, why: undefined },
    { changes: { Name: "1" }, why: undefined },
    { changes: { Name: "A" }, why: undefined },
  ];
  for (const { changes, why } of rows) {
    const network = { ...BACK, ...changes };
    const asked = networkIds(networked(network).client, { names: [network.Name], signal });
    if (why === undefined) {
      assert.deepEqual([...await asked], [[network.Name, BACK.Id]]);
      continue;
    }
    await assert.rejects(asked, {
      code: "network-refused",
      message: `The network '${network.Name}' of egress.networks cannot be joined: ${why}`,
      hints: ["Make a network of its own for what the bottle may reach: `docker network create NAME`"],
      exit: 1,
    });
  }
});

Deno.test("networkIds() fails on an answer that cannot be read instead of joining something", async () => {
  for (const stdout of ["", "{}", "[", `{"Name":"app_back"}`]) {
    const { client } = scripted(/inspect/, { stdout });
    await assert.rejects(networkIds(client, { names: ["app_back"], signal }), { code: "engine-failed" });
  }
  for (const network of [null, "app_back", {}, { Id: BACK.Id }]) {
    await assert.rejects(networkIds(networked(network).client, { names: ["app_back"], signal }), {
      code: "network-missing",
    });
  }
  await assert.rejects(networkIds(networked({ Name: "app_back" }).client, { names: ["app_back"], signal }), {
    code: "engine-failed",
  });
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
