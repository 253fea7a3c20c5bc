import assert from "node:assert/strict";
import { machineFacts } from "../../../lib/backend/docker/machine.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { LINUX } from "./memory_engine.ts";

const { signal } = new AbortController();

Deno.test("machineFacts() reads owner and routes in one process", async () => {
  const host = fakeHost({ env: { PATH: "/opt/bin", HOME: "/h", SECRET: "x" } });
  host.processes.on(/^sh /, { stdout: LINUX });
  const { owner, routes } = await machineFacts(host, signal);
  assert.deepEqual(owner, {
    // The first 16 digits of the SHA-256 of the machine id.
    machine: "435cdbd557a00db7",
    boot: "f0e1d2c3-0000-4000-8000-000000000001",
    pidNamespace: "pid:4026531836",
    uid: "1000",
    pid: "4242",
    started: "987654",
  });
  assert.deepEqual(routes, [{ first: 0xc0a80100, prefix: 24 }]);
  assert.equal(host.processes.calls.length, 1);
  assert.deepEqual(host.processes.calls[0]?.env, { PATH: "/opt/bin" });
});

Deno.test("machineFacts() takes a machine without id, and a start time in words", async () => {
  const host = fakeHost();
  host.processes.on(/^sh /, {
    stdout: ["", "{ sec = 1 } Mon", "host", "7", "Mon Nov 24 10:00:00 2025"].map((part) => `${part}\n`).join(
      "\n.\n",
    ),
  });
  const { owner, routes } = await machineFacts(host, signal);
  assert.equal(owner.machine, "e3b0c44298fc1c14");
  assert.equal(owner.boot, "-sec-1-Mon");
  assert.equal(owner.started, "Mon-Nov-24-10:00:00-2025");
  assert.deepEqual(routes, []);
});

Deno.test("machineFacts() fails when this process cannot be told from others", async () => {
  for (const stdout of ["", LINUX.replace("987654", ""), LINUX.replace("pid:[4026531836]", "")]) {
    const host = fakeHost();
    host.processes.on(/^sh /, { stdout });
    await assert.rejects(machineFacts(host, signal), { code: "machine-unknown" });
  }
});
