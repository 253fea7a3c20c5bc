import assert from "node:assert/strict";
import { engineFailure, saidBy } from "../../../lib/backend/docker/failures.ts";

/** Real messages of CLI 20.10 to 29 and engine 20.10 to 28, and what the user is told. */
const MESSAGES: readonly { readonly stderr: string; readonly code: string; readonly message: string }[] = [
  {
    stderr:
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
    code: "engine-unreachable",
    message:
      "The engine does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
  },
  {
    stderr:
      "ERROR: Cannot connect to the Docker daemon at tcp://127.0.0.1:9. Is the docker daemon running?\nerrors pretty printing info\n",
    code: "engine-unreachable",
    message:
      "The engine does not answer: Cannot connect to the Docker daemon at tcp://127.0.0.1:9. Is the docker daemon running?",
  },
  {
    stderr:
      'error during connect: Get "http://nohost.invalid:2375/v1.50/containers/json": dial tcp: lookup nohost.invalid on 10.0.0.53:53: no such host\n',
    code: "engine-unreachable",
    message:
      'The engine does not answer: error during connect: Get "http://nohost.invalid:2375/v1.50/containers/json": dial tcp: lookup nohost.invalid on 10.0.0.53:53: no such host',
  },
  {
    stderr:
      "failed to connect to the docker API at unix:///nonexistent; check if the path is correct and if the daemon is running: dial unix /nonexistent: connect: no such file or directory\n",
    code: "engine-unreachable",
    message:
      "The engine does not answer: failed to connect to the docker API at unix:///nonexistent; check if the path is correct and if the daemon is running: dial unix /nonexistent: connect: no such file or directory",
  },
  {
    stderr:
      'Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info": dial unix /var/run/docker.sock: connect: permission denied\n',
    code: "engine-forbidden",
    message:
      'This user may not use the engine: Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info": dial unix /var/run/docker.sock: connect: permission denied',
  },
  {
    stderr: "permission denied while trying to connect to the docker API at unix:///run/user/1/engine\n",
    code: "engine-forbidden",
    message:
      "This user may not use the engine: permission denied while trying to connect to the docker API at unix:///run/user/1/engine",
  },
  {
    stderr:
      'Failed to initialize: unable to resolve docker endpoint: context "nope": context not found: open /home/a/.docker/contexts/meta/ca37/meta.json: no such file or directory\n',
    code: "context-missing",
    message: 'There is no docker context "nope"',
  },
  {
    stderr:
      'Current context "nope" is not found on the file system, please check your config file at /home/a/.docker/config.json\n',
    code: "context-missing",
    message: 'There is no docker context "nope"',
  },
  {
    stderr:
      'Failed to initialize: unable to resolve docker endpoint: context "far": tls: failed to find any PEM data in certificate input\n',
    code: "context-missing",
    message:
      'The docker context cannot be used: Failed to initialize: unable to resolve docker endpoint: context "far": tls: failed to find any PEM data in certificate input',
  },
  {
    stderr:
      'Error response from daemon: Conflict. The container name "/claude-bottle-a" is already in use by container "0f". You have to remove (or rename) that container to be able to reuse that name.\nSee \'docker create --help\'.\n',
    code: "name-taken",
    message:
      'Conflict. The container name "/claude-bottle-a" is already in use by container "0f". You have to remove (or rename) that container to be able to reuse that name',
  },
  {
    stderr: "Error response from daemon: Pool overlaps with other one on this address space\n",
    code: "subnet-taken",
    message: "Pool overlaps with other one on this address space",
  },
  {
    stderr:
      "Error response from daemon: invalid pool request: Pool overlaps with other one on this address space\n",
    code: "subnet-taken",
    message: "invalid pool request: Pool overlaps with other one on this address space",
  },
  {
    stderr:
      "Error response from daemon: cannot create network 6c1d (br-6c1d): conflicts with network 93ba (br-93ba): networks have overlapping IPv4\n",
    code: "subnet-taken",
    message:
      "cannot create network 6c1d (br-6c1d): conflicts with network 93ba (br-93ba): networks have overlapping IPv4",
  },
  {
    stderr:
      "Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network\n",
    code: "pools-exhausted",
    message:
      "The engine's own address pools are used up: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
  },
  {
    stderr: "Error response from daemon: all predefined address pools have been fully subnetted\n",
    code: "pools-exhausted",
    message:
      "The engine's own address pools are used up: all predefined address pools have been fully subnetted",
  },
  {
    stderr: "Error response from daemon: Unknown runtime specified runsc\nSee 'docker create --help'.\n",
    code: "runtime-missing",
    message: "The engine does not have the runtime: Unknown runtime specified runsc",
  },
  {
    stderr:
      "docker: Error response from daemon: unknown or invalid runtime name: runsc\n\nRun 'docker run --help' for more information\n",
    code: "runtime-missing",
    message: "The engine does not have the runtime: unknown or invalid runtime name: runsc",
  },
  {
    stderr: "Error response from daemon: write /var/lib/docker/tmp/x: no space left on device\n",
    code: "engine-full",
    message: "The engine's disk is full: write /var/lib/docker/tmp/x: no space left on device",
  },
  {
    stderr: "Error response from daemon: No such container: 0f\n",
    code: "object-gone",
    message: "Something of the bottle was removed by somebody else: No such container: 0f",
  },
  {
    stderr: "Error response from daemon: network 6c1d not found\nexit status 1\n",
    code: "object-gone",
    message: "Something of the bottle was removed by somebody else: network 6c1d not found",
  },
  {
    stderr:
      'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.53:53: no such host\n',
    code: "registry-unreachable",
    message:
      'The engine cannot reach the image registry: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.53:53: no such host',
  },
  {
    stderr:
      'Error response from daemon: Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused\n',
    code: "registry-unreachable",
    message:
      'The engine cannot reach the image registry: Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused',
  },
  {
    // A build's whole output may stand on stderr: what failed inside it says nothing about the engine.
    stderr:
      '#7 2.1 Could not connect to mirror.invalid:80: Connection refused, no such host\nERROR: failed to solve: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100\n',
    code: "engine-failed",
    message:
      'The engine failed at building the agent image: failed to solve: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100',
  },
  {
    stderr: "",
    code: "engine-failed",
    message: "The engine failed at building the agent image: it said nothing",
  },
];

Deno.test("engineFailure() words each message that a user can act on", () => {
  for (const { stderr, code, message } of MESSAGES) {
    const failure = engineFailure("building the agent image", { code: 1, stderr });
    assert.deepEqual({ code: failure.code, message: failure.message, exit: failure.exit }, {
      code,
      message,
      exit: 125,
    });
  }
});

Deno.test("engineFailure() takes nothing but a container's name for a taken name: another would not help", () => {
  for (
    const said of ["the address 10.213.0.3 is already in use", "port 80 is already in use by container 0f"]
  ) {
    const failure = engineFailure("x", { code: 1, stderr: `Error response from daemon: ${said}\n` });
    assert.deepEqual([failure.code, failure.message], ["engine-failed", `The engine failed at x: ${said}`]);
  }
});

Deno.test("engineFailure() names a next step for each way an engine cannot be used", () => {
  const actionable = MESSAGES.filter(({ code }) => !["name-taken", "object-gone"].includes(code));
  for (const { stderr } of actionable) {
    assert.ok(engineFailure("x", { code: 1, stderr }).hints.length > 0, stderr);
  }
});

Deno.test("saidBy() prefers the engine's words and lets no control character through", () => {
  assert.equal(saidBy("Error response from daemon: a\x1b[31mb\x9bc.\nexit status 1\n"), "a·[31mb·c");
  assert.equal(saidBy("one\ntwo\n"), "two");
});

Deno.test("engineFailure() tells what the programs in the bottle say of hosts and of the sidecar", () => {
  const said = "claude-bottle: the host key of git.test:22 cannot be learned: Connection closed\n";
  const host = engineFailure("asking ssh hosts for their keys", { code: 1, stderr: said });
  assert.equal(host.code, "host-key-unlearned");
  assert.equal(host.message, "The host key of git.test:22 cannot be learned: Connection closed");
  assert.equal(host.exit, 125);
  const stderr = "claude-bottle: the sidecar did not answer within 10 s\n";
  assert.equal(engineFailure("asking", { code: 1, stderr }).code, "sidecar-ended");
});
