import assert from "node:assert/strict";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { readEgressLog } from "../../../lib/backend/docker/sidecar_log.ts";
import type { ActiveBottle } from "../../../lib/bottle/active.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { ScriptedProcesses } from "../../support/scripted_processes.ts";

const BOTTLE: ActiveBottle = {
  name: "claude-bottle-dev",
  id: "a1",
  sidecar: "s1",
  run: "abcdefghijklm",
  agent: "dev",
  bottle: "dev",
  manifestFiles: [],
  status: "running",
  since: 0,
  runtime: "runc",
  proxy: "squid",
  owner: "alive",
};

function refused(host: string): string {
  const line = { by: "front", time: 1795513629.5, status: 403, tag: "TCP_DENIED", method: "CONNECT", host };
  return JSON.stringify({ ...line, port: "443", why: "host", bump: "-", sni: "-", error: "403:x" });
}

function at(nanoseconds: number, host: string): string {
  return `2026-11-25T22:10:09.${String(nanoseconds).padStart(9, "0")}Z ${refused(host)}`;
}

/** The hosts of a log that has these lines, and the call that read it. */
async function reading(
  lines: readonly string[],
  { follow }: { readonly follow: boolean },
): Promise<{ readonly hosts: readonly string[]; readonly calls: readonly string[] }> {
  const processes = new ScriptedProcesses().on(/ logs /, { stdout: lines.join("\n") });
  const { environment, interrupts } = fakeHost();
  const client = new DockerClient({ processes, environment, context: undefined, onEvent: () => {} });
  const hosts: string[] = [];
  const onEgress = ({ host }: { readonly host: string }): void => void hosts.push(host);
  await readEgressLog(BOTTLE, { client, follow, signal: interrupts.signal, onEgress });
  return { hosts, calls: processes.lines };
}

Deno.test("readEgressLog() tells nothing twice that an engine tells twice when it starts the next file of a log", async () => {
  const lines = [at(1, "a.test"), at(2, "b.test")];
  assert.deepEqual(await reading([...lines, ...lines, at(3, "a.test")], { follow: true }), {
    hosts: ["a.test", "b.test", "a.test"],
    calls: ["docker container logs --follow --timestamps s1"],
  });
});

Deno.test("readEgressLog() tells every line of a log that it does not follow", async () => {
  assert.deepEqual(await reading([refused("a.test"), refused("a.test")], { follow: false }), {
    hosts: ["a.test", "a.test"],
    calls: ["docker container logs s1"],
  });
});
