import assert from "node:assert/strict";
import type { FakeSettings } from "../support/fake_docker.ts";
import { Sandbox } from "../support/program.ts";

interface Row {
  readonly name: string;
  readonly settings: FakeSettings;
  readonly code: number;
  /** What stderr says behind the preflight. */
  readonly said: RegExp;
}

const WENT_AWAY = new RegExp(
  "^error: The engine went away while the agent ran: Cannot connect to the Docker daemon at unix:///x\\. " +
    "Is the docker daemon running\\?$",
  "m",
);

const ROWS: readonly Row[] = [
  {
    name: "an agent that failed, in silence",
    settings: { agentCode: 7 },
    code: 7,
    said: /^$/,
  },
  {
    name: "an agent whose code is one of the client's own, in silence",
    settings: { agentCode: 126 },
    code: 126,
    said: /^$/,
  },
  {
    name: "a command that the engine could not start",
    settings: { agentCode: 127, agentUnstarted: true },
    code: 125,
    said:
      /^error: The engine could not start the agent's command in the bottle\n\nhint: The agent image needs perl in \/usr\/bin; the engine's own words are above\n$/,
  },
  {
    name: "a wrapper that refused, in its words alone",
    settings: { agentCode: 125, agentUnstarted: true },
    code: 125,
    said: /^$/,
  },
  {
    name: "a sidecar that died before the agent could run, with the end of its log",
    settings: { agentCode: 125, agentUnstarted: true, stops: ["sidecar"], log: ["FATAL: bad"] },
    code: 125,
    said:
      /^error: The sidecar \(squid\) did not stay up; the end of its log:\n {2}FATAL: bad\n\nhint: Start the bottle again; .*\n$/,
  },
  {
    name: "a sidecar that died while the agent ran, keeping the agent's code",
    settings: { agentCode: 7, stops: ["sidecar"] },
    code: 7,
    said: /^claude-bottle: The sidecar \(squid\) ended while the agent ran\n$/,
  },
  {
    name: "a bottle that was stopped under the agent",
    settings: { agentCode: 137, stops: ["agent"] },
    code: 137,
    said:
      /^error: The bottle was stopped or removed while the agent ran\n\nhint: Perhaps `claude-bottle stop`/,
  },
  {
    name: "an engine that does not say how the bottle is, keeping the agent's code",
    settings: { agentCode: 7, faults: [{ kind: "explain", nth: 1, fault: "gone" }] },
    code: 7,
    said: WENT_AWAY,
  },
  {
    name: "an engine whose account of the bottle cannot be read, keeping the agent's code",
    settings: { agentCode: 7, faults: [{ kind: "explain", nth: 1, fault: "truncated" }] },
    code: 7,
    said: /^claude-bottle: The engine's answer could not be read at asking how the bottle is\n$/,
  },
  {
    name: "an engine that does not say whether the agent began, keeping the agent's code",
    settings: { agentCode: 7, faults: [{ kind: "began", nth: 1, fault: "gone" }] },
    code: 7,
    said: WENT_AWAY,
  },
];

for (const { name, settings, code, said } of ROWS) {
  Deno.test(`start tells ${name}`, async () => {
    await using sandbox = await Sandbox.create({ agentSays: ["hello"], ...settings });
    const run = await sandbox.run(["start", "--prompt", "hi"]);
    assert.deepEqual([run.code, run.signal, run.stdout], [code, null, "hello\n"], run.stderr);
    assert.match(run.stderr.replace(/^[^]*\nremote-control : disabled\n\n/, ""), said);
    assert.deepEqual(await sandbox.docker.objects(), []);
  });
}

Deno.test("start asks after a failure by full ids, as the agent's user, for this run's file", async () => {
  await using sandbox = await Sandbox.create({ agentCode: 1 });
  assert.equal((await sandbox.run(["start", "--prompt", "hi"])).code, 1);
  const calls = await sandbox.docker.calls();
  const id = (kind: string): string => calls.find((call) => call.kind === kind)?.stdout.trim() ?? "";
  const agent = calls.find(({ kind }) => kind === "agent")?.args ?? [];
  const token = agent[agent.indexOf("headless") + 1] ?? "";
  assert.match(token, /^[a-z2-7]{13}$/);
  assert.deepEqual(calls.filter(({ kind }) => /^(explain|began)$/.test(kind)).map(({ args }) => args), [
    ["container", "inspect", id("agent-create"), id("sidecar-create")],
    [
      "container",
      "exec",
      "--user",
      "47291:47291",
      id("agent-create"),
      "test",
      "-h",
      `/run/env/${token}.began`,
    ],
  ]);
});

Deno.test("start asks nothing more after the agent's success", async () => {
  await using sandbox = await Sandbox.create();
  assert.equal((await sandbox.run(["start", "--prompt", "hi"])).code, 0);
  const kinds = await sandbox.docker.kinds();
  assert.deepEqual(kinds.filter((kind) => /^(explain|began)$/.test(kind)), []);
});
