import assert from "node:assert/strict";
import agentDockerfile from "../../../lib/assets/agent.dockerfile" with { type: "text" };
import {
  AGENT_UID,
  agentUser,
  imageFacts,
  imageRecipes,
  isImageReference,
  isSteering,
  refuseSteering,
  refuseVolumes,
} from "../../../lib/backend/docker/images.ts";
import { Failure } from "../../../lib/errors.ts";
import { sha256 } from "../../../lib/host/digest.ts";
import { environmentOf } from "../../support/fake_host.ts";

function facts(user: string, labels: Readonly<Record<string, string>> = {}): Parameters<typeof agentUser>[1] {
  return { id: "sha256:1", env: new Map(), user, labels, volumes: [] };
}

Deno.test("agentUser() takes our label, else a numeric USER", () => {
  assert.deepEqual(agentUser("x", facts("47291:47292")), { uid: 47291, gid: 47292 });
  assert.deepEqual(agentUser("x", facts("1000")), { uid: 1000, gid: 1000 });
  assert.deepEqual(agentUser("x", facts("node", { "claude-bottle.agent-uid": "5000" })), {
    uid: 5000,
    gid: 5000,
  });
  assert.deepEqual(agentUser("x", facts("0", { "claude-bottle.agent-uid": "5000:60" })), {
    uid: 5000,
    gid: 60,
  });
  assert.deepEqual(agentUser("x", facts("5000", { "claude-bottle.agent-uid": "" })), {
    uid: 5000,
    gid: 5000,
  });
  assert.deepEqual(agentUser("x", facts("2097151")), { uid: 2097151, gid: 2097151 });
});

Deno.test("agentUser() refuses a name, root and what no file of a tar stream can be given", () => {
  for (
    const user of ["node", "node:1000", "", "0", "0:1000", "00", "-1", "1000:node", "2097152", "1000:2097152"]
  ) {
    assert.throws(() => agentUser("my-agent:latest", facts(user)), (error: unknown) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, "image-user-unknown");
      assert.equal(error.exit, 125);
      assert.equal(error.message, `my-agent:latest does not say which uid the agent has: USER is "${user}"`);
      assert.deepEqual(error.hints, [
        "Build it with a numeric USER from 1 to 2097151, or with LABEL claude-bottle.agent-uid=UID",
      ]);
      return true;
    });
  }
});

Deno.test("agentUser() does not fall back to USER when our label is unreadable", () => {
  assert.throws(() => agentUser("x", facts("1000", { "claude-bottle.agent-uid": "node" })), Failure);
});

Deno.test("the agent's uid in the Dockerfile is the one that files are given", () => {
  assert.equal(AGENT_UID, 47291);
  for (
    const line of [
      `LABEL claude-bottle.agent-uid=${AGENT_UID}`,
      `RUN groupadd --gid ${AGENT_UID} node \\`,
      ` && useradd --uid ${AGENT_UID} --gid ${AGENT_UID} --create-home --shell /bin/bash node \\`,
      `USER ${AGENT_UID}:${AGENT_UID}`,
    ]
  ) {
    assert.ok(agentDockerfile.split("\n").includes(line), line);
  }
});

Deno.test("imageRecipes() tags each image with a digest of its Dockerfile and base", async () => {
  const recipes = await imageRecipes(environmentOf({}));
  const digest = await sha256(JSON.stringify([agentDockerfile, "debian:trixie-slim"]));
  assert.equal(recipes.agent.name, `claude-bottle:${digest.slice(0, 12)}`);
  assert.equal(recipes.agent.base, "debian:trixie-slim");
  assert.match(recipes.sidecar.name, /^claude-bottle-squid:[0-9a-f]{12}$/);
  const changed = await sha256(JSON.stringify([`${agentDockerfile}#`, "debian:trixie-slim"]));
  assert.notEqual(changed.slice(0, 12), digest.slice(0, 12));
});

Deno.test("imageRecipes() gives another tag for another base, and the default for an empty setting", async () => {
  const plain = await imageRecipes(environmentOf({}));
  const empty = await imageRecipes(environmentOf({ CLAUDE_BOTTLE_BASE_IMAGE: "" }));
  const other = await imageRecipes(environmentOf({ CLAUDE_BOTTLE_BASE_IMAGE: "debian:trixie" }));
  assert.equal(empty.agent.name, plain.agent.name);
  assert.notEqual(other.agent.name, plain.agent.name);
  assert.notEqual(other.sidecar.name, plain.sidecar.name);
  assert.equal(other.sidecar.base, "debian:trixie");
});

Deno.test("imageRecipes() refuses a base that docker could take for something else", async () => {
  await assert.rejects(imageRecipes(environmentOf({ CLAUDE_BOTTLE_BASE_IMAGE: "--privileged" })), {
    name: "Failure",
    code: "image-invalid",
    exit: 2,
    message: 'CLAUDE_BOTTLE_BASE_IMAGE is not an image reference: "--privileged"',
  });
});

Deno.test("isImageReference() takes names, tags and digests, and nothing that begins or breaks a word", () => {
  for (const good of ["a", "debian:trixie-slim", "ghcr.io:443/a/b_c@sha256:00ff", "9"]) {
    assert.equal(isImageReference(good), true, good);
  }
  for (const bad of ["", "-a", "a b", "a\n", "a;b", "$(a)", "a".repeat(257), ".a", "é"]) {
    assert.equal(isImageReference(bad), false, bad);
  }
});

Deno.test("imageFacts() reads what is there and what is null", () => {
  const full = imageFacts({
    Id: "sha256:1",
    Config: { Env: ["PATH=/bin", "A=b=c", "E="], User: "1000", Labels: { k: "v" }, Volumes: { "/d": {} } },
  });
  assert.deepEqual(full, {
    id: "sha256:1",
    env: new Map([["PATH", "/bin"], ["A", "b=c"], ["E", ""]]),
    user: "1000",
    labels: { k: "v" },
    volumes: ["/d"],
  });
  const bare = { id: "sha256:2", env: new Map(), user: "", labels: {}, volumes: [] };
  assert.deepEqual(imageFacts({ Id: "sha256:2", Config: { Env: null, Labels: null, Volumes: null } }), bare);
  assert.deepEqual(imageFacts({ Id: "sha256:2", Config: null }), bare);
});

Deno.test("isSteering() knows what decides which code a program of root's runs", () => {
  for (
    const name of [
      "LD_PRELOAD",
      "LD_LIBRARY_PATH",
      "LD_AUDIT",
      "GCONV_PATH",
      "LOCPATH",
      "BASH_ENV",
      "ENV",
      "NODE_OPTIONS",
      "PERL5OPT",
      "PERL5LIB",
      "PERLLIB",
      "PYTHONPATH",
      "PYTHONSTARTUP",
    ]
  ) {
    assert.equal(isSteering(name), true, name);
  }
  for (
    const name of [
      "PATH",
      "LANG",
      "ENVIRONMENT",
      "MY_ENV",
      "OLD_LD_PRELOAD",
      "NODE_VERSION",
      "PYTHON_VERSION",
      "PYTHON_SHA256",
    ]
  ) {
    assert.equal(isSteering(name), false, name);
  }
});

Deno.test("refuseSteering() names the variables that ssh keys are refused for, and never a value", () => {
  const env = new Map([["PATH", "/bin"], ["LD_PRELOAD", "/secret.so"], ["ENV", ""]]);
  refuseSteering("x", undefined);
  refuseSteering("x", { ...facts("1000"), env: new Map([["PATH", "/bin"]]) });
  assert.throws(() => refuseSteering("example.org/a:1", { ...facts("1000"), env }), {
    code: "image-environment",
    exit: 125,
    message:
      "example.org/a:1 sets LD_PRELOAD, ENV, which would steer the programs that ssh keys are handed to",
  });
});

Deno.test("refuseVolumes() names the mounts that nobody granted, as text that a terminal may have", () => {
  refuseVolumes("x", undefined);
  refuseVolumes("x", facts("1000"));
  assert.throws(
    () => refuseVolumes("example.org/a:1", { ...facts("1000"), volumes: ["/data", "/\x1b[2J"] }),
    {
      code: "image-volumes",
      exit: 125,
      message: "example.org/a:1 declares volumes, which would be mounts that nobody granted: /data, /·[2J",
    },
  );
});
