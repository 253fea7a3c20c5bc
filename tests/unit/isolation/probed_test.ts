import assert from "node:assert/strict";
import { ATTEMPTS } from "../../../lib/isolation/attempts.ts";
import { missingIn } from "../../../lib/isolation/probe.ts";
import { PROBED, PROBED_CLOSED, PROBED_CONTROLS, PROBED_OUTSIDE } from "../../../lib/isolation/probed.ts";
import { PROTECTIONS } from "../../../lib/isolation/protections.ts";
import { type Scene, tryAll } from "../../../lib/isolation/trials.ts";
import { probeWorld } from "../../../lib/commands/doctor_probe_bottle.ts";
import { FakeBackend } from "../../support/cli_harness.ts";

const ALL = [...PROBED, ...PROBED_OUTSIDE, ...PROBED_CLOSED];

Deno.test("the probe makes each attempt once, and of the suite's those that can be seen", () => {
  const ids = [...ALL, ...PROBED_CONTROLS].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const left = ATTEMPTS.filter(({ id }) => !ids.includes(id)).map(({ id }) => id);
  assert.deepEqual(left, [
    "dns-by-connect",
    "dns-by-request",
    "closed-paused",
    "closed-detached",
    "closed-out-of-memory",
    "closed-misconfigured",
  ]);
});

Deno.test("the probe's world has what most attempts name, and what tells of each protection or is compared", async () => {
  const addresses = {
    sidecar: "10.213.0.34",
    sidecarName: "s",
    gateway: "10.213.0.33",
    egressGateway: "10.213.0.49",
  };
  await using canary = await new FakeBackend().openCanary();
  const world = probeWorld(canary, addresses);
  const made = ALL.filter((attempt) => missingIn(attempt, world).length === 0);
  assert.equal(made.length, 56);
  assert.deepEqual(PROBED_CONTROLS.filter((control) => missingIn(control, world).length > 0), []);
  const alone = new Set(made.flatMap(({ stoppedBy }) => stoppedBy.length === 1 ? stoppedBy : []));
  assert.deepEqual(Object.keys(PROTECTIONS).filter((id) => !alone.has(id as keyof typeof PROTECTIONS)), [
    "internal",
    "own-networks",
  ]);
  const unknown = ALL.filter((attempt) => missingIn(attempt, { ...world, bridge: undefined }).length > 0);
  assert.ok(unknown.some(({ id }) => id === "host-default-bridge"));
});

Deno.test("tryAll() makes what the world allows, with a mark of its own each, and gives a result for each", async () => {
  const [first, second] = [
    PROBED.find(({ id }) => id === "direct-tcp"),
    PROBED.find(({ id }) => id === "bottle-tcp"),
  ];
  assert.ok(first && second);
  let next = 0;
  const made: string[][] = [];
  const scene: Scene = {
    world: { canary: "10.0.0.1" },
    random: (bytes) => new Uint8Array(bytes).fill(next++),
    probe: (attempts) => {
      made.push([...attempts]);
      return Promise.resolve("direct-tcp\tconnected\t%\n");
    },
    records: () => Promise.resolve("tcp 443 10.0.0.9 m00000000000000"),
  };
  const results = await tryAll([first, second], scene);
  assert.deepEqual(made, [["direct-tcp tcp % 10.0.0.1 443 m00000000000000"]]);
  assert.deepEqual(results.map(({ id, verdict }) => [id, verdict]), [
    ["direct-tcp", "through"],
    ["bottle-tcp", "untried"],
  ]);
  // Another mark arrives, or none: it was stopped.
  const again = await tryAll([first], scene);
  assert.deepEqual(again.map(({ verdict }) => verdict), ["stopped"]);
  assert.deepEqual(
    await tryAll([second], { ...scene, probe: () => Promise.reject(new Error("not asked")) }),
    [
      { id: "bottle-tcp", verdict: "untried", said: "no neighbour, neighbourPort" },
    ],
  );
});
