import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { LABEL } from "../../../lib/backend/docker/labels.ts";
import type { Canary } from "../../../lib/bottle/canary.ts";
import { Failure } from "../../../lib/errors.ts";
import { scriptedEngine } from "../../support/cli_harness.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";

/** An engine on which a canary can be started, and what that one says. */
function machine(said: { readonly stdout?: string; readonly stderr?: string }): FakeHost {
  const processes = scriptedEngine()
    .on(/^docker network (create|connect|ls)/, { stdout: "" })
    .on(/^docker network inspect/, { stdout: "172.17.0.1 \n" })
    .on(/^docker container create/, { stdout: "c1\n" })
    .on(/^docker container start/, {})
    .on(/^docker volume ls/, {})
    .on(/^docker container logs/, said)
    .on(/^docker container exec/, { stdout: "a\tconnected\t%\n", code: 1 });
  return fakeHost({ processes });
}

function open(host: FakeHost): Promise<Canary> {
  const onEvent = (): void => {};
  return new DockerBottleBackend({ host, context: undefined, onEvent }).openCanary({
    names: ["a.test"],
    privateNames: ["b.test"],
    tcpPorts: [22, 443],
    udpPorts: [443],
    signal: host.interrupts.signal,
    onEvent,
  });
}

/** The calls that begin so. */
function calls({ processes }: FakeHost, beginning: string): readonly string[] {
  return processes.lines.filter((line) => line.startsWith(`docker ${beginning}`));
}

Deno.test("openCanary() starts it without privileges, in networks that lead nowhere, known by a public and a private address", async () => {
  const host = machine({ stdout: "ready tcp:22\n" });
  await using canary = await open(host);
  const [outside = "", inner = ""] = canary.networks;
  assert.equal(inner, `${outside}-private`);
  assert.match(canary.address, /^(198\.51\.100|203\.0\.113)\.\d+$/);
  assert.match(canary.privateAddress, /^10\./);
  assert.equal(canary.hostAddress, "172.17.0.1");
  const networks = calls(host, "network create");
  assert.equal(networks.length, 2);
  for (const line of networks) {
    for (const words of ["--internal", "--ipv6=false", "bridge.inhibit_ipv4=true", `${LABEL.run}=`]) {
      assert.ok(line.includes(words), `${words}: ${line}`);
    }
  }
  const [create = ""] = calls(host, "container create");
  for (
    const words of [
      `--network ${outside} --ip ${canary.address} --network-alias a.test`,
      "--cap-drop ALL",
      "--security-opt no-new-privileges",
      "tcp:22 tcp:443 udp:443",
      `dns:${canary.address}`,
    ]
  ) assert.ok(create.includes(words), `${words}: ${create.slice(0, 900)}`);
  assert.deepEqual(calls(host, "network connect"), [
    `docker network connect --ip ${canary.privateAddress} --alias b.test ${inner} c1`,
  ]);
});

Deno.test("a canary makes attempts as a user without rights, and gives what was said of them whatever the exit code", async () => {
  const host = machine({ stdout: "ready tcp:22\n" });
  await using canary = await open(host);
  assert.equal(await canary.probe(["a tcp"]), "a\tconnected\t%\n");
  const [exec = ""] = calls(host, "container exec");
  assert.match(exec, /^docker container exec --user 47291:47291 c1 \/usr\/bin\/perl -e /);
  assert.ok(exec.endsWith("a tcp"));
  assert.equal(await canary.records(), "ready tcp:22\n");
});

Deno.test("openCanary() gives up on one that cannot listen, in its own words, and removes it", async () => {
  const host = machine({ stderr: "cannot listen to tcp 22: \x1bPermission denied\n" });
  await assert.rejects(open(host), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "canary-failed");
    assert.deepEqual(error.problems, [{ message: "cannot listen to tcp 22: ·Permission denied" }]);
    return true;
  });
  assert.ok(host.processes.lines.some((line) => line.includes(`--filter label=${LABEL.run}=`)));
});
