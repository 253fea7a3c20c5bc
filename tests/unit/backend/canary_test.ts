import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { LABEL } from "../../../lib/backend/docker/labels.ts";
import type { Canary } from "../../../lib/bottle/canary.ts";
import { Failure } from "../../../lib/errors.ts";
import { scriptedEngine } from "../../support/cli_harness.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";

/** An engine on which a canary can be started, and what that one says. */
function machine(
  said: { readonly stdout?: string; readonly stderr?: string },
  { exec = { stdout: "a\tconnected\t%\n" }, hears = true }: {
    /** How a process in it ends. */
    readonly exec?: { readonly stdout?: string; readonly stderr?: string; readonly code?: number };
    /** Whether it records what it says to itself. */
    readonly hears?: boolean;
  } = {},
): FakeHost {
  const marks: string[] = [];
  const processes = scriptedEngine()
    .on(/^docker network (create|connect|ls)/, { stdout: "" })
    .on(/^docker network inspect/, { stdout: "172.17.0.1 \n" })
    .on(/^docker container create/, { stdout: "c1\n" })
    .on(/^docker container start/, {})
    .on(/^docker volume ls/, {})
    .on(/^docker container logs/, () => ({ ...said, stdout: (said.stdout ?? "") + marks.join("") }))
    .on(/^docker container exec/, (call) => {
      const mark = /own-\w+$/.exec(call.args.join(" "))?.[0];
      if (mark !== undefined && hears) marks.push(`tcp 9 127.0.0.1 ${mark}\n`);
      return exec;
    });
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

Deno.test("a canary makes attempts as a user without rights, and gives what was said of them", async () => {
  const host = machine({ stdout: "ready tcp:22\n" });
  await using canary = await open(host);
  assert.equal(await canary.probe(["a tcp"]), "a\tconnected\t%\n");
  const [exec = ""] = calls(host, "container exec");
  assert.match(exec, /^docker container exec --user 47291:47291 c1 \/usr\/bin\/perl -e /);
  assert.ok(exec.endsWith("a tcp"));
});

Deno.test("attempts whose program failed are an error, not attempts that were stopped", async () => {
  const host = machine({ stdout: "ready tcp:22\n" }, { exec: { stderr: "cannot fork", code: 11 } });
  await using canary = await open(host);
  await assert.rejects(canary.probe(["a tcp"]), /making the attempts: cannot fork/);
});

Deno.test("a canary's records are read once they hold what it said to itself", async () => {
  const host = machine({ stdout: "ready tcp:22\ntcp 443 10.0.0.3 hello\n" });
  await using canary = await open(host);
  assert.match(
    await canary.records(),
    /^ready tcp:22\ntcp 443 10\.0\.0\.3 hello\ntcp 9 127\.0\.0\.1 own-\w+\n$/,
  );
});

Deno.test("records that end too early, or whose beginning is lost, are an error and no proof", async () => {
  for (const isRotated of [false, true]) {
    const said = { stdout: "ready tcp:22\n" };
    await using canary = await open(machine(said, { hears: isRotated }));
    if (isRotated) said.stdout = "";
    await assert.rejects(canary.records(), {
      code: "canary-failed",
      message: "The canary's record of what got out is not complete",
    });
  }
});

Deno.test("openCanary() says which ranges it needs when other networks have them", async () => {
  const processes = scriptedEngine()
    .on(/^docker network create/, { stderr: "Pool overlaps with other one on this address space", code: 1 })
    .on(/^docker network inspect/, {})
    .on(/^docker (container|network|volume) ls/, {});
  const host = fakeHost({ processes });
  await assert.rejects(open(host), {
    code: "subnet-taken",
    message: "Other networks leave the canary no room in 198.51.100.0/24 and 203.0.113.0/24",
  });
  const names = calls(host, "network create").map((line) => line.split(" ").at(-1) ?? "");
  assert.deepEqual(names.filter((name) => name.endsWith("-private")), []);
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
