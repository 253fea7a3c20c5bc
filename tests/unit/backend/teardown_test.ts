import assert from "node:assert/strict";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { removeRun, tearDown } from "../../../lib/backend/docker/teardown.ts";
import type { Step } from "../../../lib/bottle/invocation.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { type Answer, timedOut } from "../../support/scripted_processes.ts";

const BUSY = { code: 1, stderr: "Error response from daemon: device is busy\n" };
const SLOW = timedOut("docker container rm", 15);

/** An engine that lists one object of each kind until it is removed. */
class Leftovers {
  readonly host: FakeHost = fakeHost();
  readonly left = new Set(["container", "network", "volume"]);
  readonly #context: string | undefined;

  constructor(context?: string) {
    this.#context = context;
    this.host.processes
      .on(/ (container|network|volume) ls /, ({ line }) => {
        const kind = kindIn(line);
        return { stdout: this.left.has(kind) ? `${kind}-id\n` : "" };
      })
      .on(/ container inspect /, ({ args }) => ({ stdout: JSON.stringify(args.slice(-1).map(ofLaunch)) }))
      .on(/ (container|network|volume) rm /, ({ line }) => {
        this.left.delete(kindIn(line));
        return {};
      });
  }

  on(pattern: RegExp, answer: Answer): this {
    this.host.processes.on(pattern, answer);
    return this;
  }

  get ports(): Parameters<typeof removeRun>[0] {
    const client = new DockerClient({ ...this.host, context: this.#context, onEvent: () => {} });
    return { ...this.host, client };
  }

  removeRun(): Promise<string> {
    return removeRun(this.ports, { run: "abcdefghijklm", keepWorkspace: false });
  }

  /** What was called: the kind and what was done with it, in order. */
  get done(): readonly string[] {
    return this.host.processes.lines.map((line) =>
      / (container|network|volume) (ls|rm) /.exec(line)?.[0].trim()
    )
      .filter((words) => words !== undefined);
  }
}

/** A container as a launch makes it. */
function ofLaunch(id: string): unknown {
  const labels = { "claude-bottle.role": "sidecar" };
  return { Id: id, Config: { Labels: labels }, HostConfig: { CapDrop: ["ALL"] } };
}

function kindIn(line: string): string {
  return / (container|network|volume) /.exec(line)?.[1] ?? "";
}

const LISTS = ["container ls", "network ls", "volume ls"];
const REMOVALS = ["container rm", "network rm", "volume rm"];

Deno.test("removeRun() removes each kind by its label, containers first, until two listings are empty", async () => {
  const leftovers = new Leftovers();
  assert.equal(await leftovers.removeRun(), "");
  assert.deepEqual(leftovers.done, [...LISTS, ...REMOVALS, ...LISTS, ...LISTS]);
  const label = "--filter label=claude-bottle.run=abcdefghijklm";
  assert.deepEqual(leftovers.host.processes.lines.slice(0, 6), [
    `docker container ls --all --no-trunc ${label} --format {{.ID}}`,
    `docker network ls --no-trunc ${label} --format {{.ID}}`,
    `docker volume ls ${label} --format {{.Name}}`,
    "docker container inspect container-id",
    "docker container rm --force --volumes container-id",
    "docker network rm network-id",
  ]);
  assert.deepEqual(leftovers.host.slept, [250, 250]);
});

Deno.test("removeRun() leaves a container that only inherited the label, and removes nothing it cannot look at", async () => {
  const { Config } = ofLaunch("") as { readonly Config: unknown };
  const inherited = { Id: "container-id", Config, HostConfig: {} };
  const foreign = new Leftovers().on(/ container inspect /, { stdout: JSON.stringify([inherited]) });
  assert.equal(await foreign.removeRun(), "");
  assert.deepEqual([...foreign.left], ["container"]);
  const unseen = new Leftovers().on(/ container inspect /, BUSY);
  assert.match(await unseen.removeRun(), /^The bottle could not be removed: /);
  assert.deepEqual([...unseen.left], ["container"]);
  // One of them is gone, and what is wrong with the other is not known: that is no container of somebody else's.
  const stderr = "Error: No such container: x\nError response from daemon: broken\n";
  const broken = new Leftovers().on(/ container inspect /, { code: 1, stdout: "[]", stderr });
  assert.match(await broken.removeRun(), /^The bottle could not be removed: /);
});

Deno.test("removeRun() advises no command that would remove a container which only inherited the label", async () => {
  const { Config } = ofLaunch("") as { readonly Config: unknown };
  const inherited = { Id: "container-id", Config, HostConfig: {} };
  const held = new Leftovers().on(/ container inspect /, { stdout: JSON.stringify([inherited]) })
    .on(/ network rm /, { code: 1, stderr: "Error response from daemon: network has active endpoints\n" });
  assert.equal(
    await held.removeRun(),
    "The bottle could not be removed: network has active endpoints; containers that were run from a copy of it may " +
      "hold it: `docker ps -a --filter label=claude-bottle.run=abcdefghijklm`",
  );
});

Deno.test("removeRun() gives a listing 10 s and a removal 30 s", async () => {
  const leftovers = new Leftovers();
  await leftovers.removeRun();
  const deadlines = leftovers.host.processes.calls.map((
    { line, deadlineMs },
  ) => [/ ls /.test(line), deadlineMs]);
  assert.deepEqual(deadlines.filter(([isListing, ms]) => ms !== (isListing ? 10_000 : 30_000)), []);
  assert.ok(deadlines.length > 6);
});

Deno.test("removeRun() leaves a workspace that is to be kept, and every volume when it cannot tell which is one", async () => {
  for (const listing of [{ stdout: "ws-id\n" }, BUSY]) {
    const leftovers = new Leftovers();
    const volumes = new Set(["volume-id", "ws-id"]);
    leftovers
      .on(
        / volume ls /,
        ({ line }) =>
          line.includes("role=workspace")
            ? listing
            : { stdout: [...volumes].map((id) => `${id}\n`).join("") },
      )
      .on(/ volume rm /, ({ args }) => {
        for (const id of args.slice(3)) volumes.delete(id);
        return {};
      });
    const left = await removeRun(leftovers.ports, { run: "abcdefghijklm", keepWorkspace: true });
    assert.deepEqual([...volumes], listing === BUSY ? ["volume-id", "ws-id"] : ["ws-id"]);
    assert.equal(left === "", listing !== BUSY);
  }
});

for (const [why, answer] of [["refused", BUSY], ["too slow", SLOW]] as const) {
  Deno.test(`removeRun() tries all kinds in a round when one removal is ${why}`, async () => {
    for (const kind of ["container", "network", "volume"]) {
      const leftovers = new Leftovers().on(new RegExp(` ${kind} rm `), answer);
      const said = answer === BUSY ? "device is busy" : "The engine gave no answer at removing the bottle: ";
      assert.ok((await leftovers.removeRun()).startsWith(`The bottle could not be removed: ${said}`));
      assert.deepEqual([...leftovers.left], [kind]);
      assert.deepEqual(leftovers.done.slice(0, 6), [...LISTS, ...REMOVALS]);
    }
  });

  Deno.test(`removeRun() removes the other kinds when the listing of one is ${why}`, async () => {
    for (const kind of ["container", "network", "volume"]) {
      const leftovers = new Leftovers().on(new RegExp(` ${kind} ls `), answer);
      assert.match(await leftovers.removeRun(), /^The bottle could not be removed: /);
      assert.deepEqual([...leftovers.left], [kind]);
    }
  });
}

Deno.test("removeRun() does not mind what a neighbour removed or removes meanwhile", async () => {
  for (
    const stderr of [
      "Error: No such container: container-id\n",
      "Error response from daemon: network network-id not found\n",
      "Error response from daemon: removal of container container-id is already in progress\n",
    ]
  ) {
    const leftovers = new Leftovers();
    leftovers.on(/ (container|network|volume) rm /, ({ line }) => {
      leftovers.left.delete(kindIn(line));
      return { code: 1, stderr };
    });
    assert.equal(await leftovers.removeRun(), "");
  }
});

Deno.test("removeRun() waits for an engine that is at it, and not for ever", async () => {
  const stderr = "Error response from daemon: removal of container container-id is already in progress\n";
  for (const seconds of [20, 100]) {
    const leftovers = new Leftovers();
    const { host } = leftovers;
    const end = host.now() + seconds * 1000;
    leftovers.on(/ container ls /, () => ({ stdout: host.now() < end ? "container-id\n" : "" }))
      .on(/ container rm /, { code: 1, stderr });
    const left = await leftovers.removeRun();
    if (seconds === 20) assert.equal(left, "");
    else {assert.match(
        left,
        /^The bottle could not be removed: removal of container .* is already in progress; /,
      );}
  }
});

Deno.test("removeRun() gives up after six rounds", async () => {
  const leftovers = new Leftovers().on(/ container rm /, BUSY);
  await leftovers.removeRun();
  assert.equal(leftovers.done.filter((words) => words === "container ls").length, 6);
});

Deno.test("removeRun() begins no round after 45 s", async () => {
  const leftovers = new Leftovers();
  leftovers.on(/ container rm /, async () => {
    await leftovers.host.sleep(30_000);
    return SLOW;
  });
  await leftovers.removeRun();
  assert.equal(leftovers.done.filter((words) => words === "container ls").length, 2);
});

Deno.test("removeRun() names the commands that finish it, for the same engine", async () => {
  const run = "label=claude-bottle.run=abcdefghijklm";
  const rows = [
    { context: undefined, docker: "docker" },
    { context: "box", docker: "docker --context box" },
    { context: "my box", docker: "docker --context 'my box'" },
  ];
  for (const { context, docker } of rows) {
    const leftovers = new Leftovers(context).on(/ container rm /, BUSY);
    assert.equal(
      await leftovers.removeRun(),
      `The bottle could not be removed: device is busy; \`${docker} rm -fv $(${docker} ps -aq --filter ${run}); ` +
        `${docker} network rm $(${docker} network ls -q --filter ${run}); ` +
        `${docker} volume rm $(${docker} volume ls -q --filter ${run})\` finishes it`,
    );
  }
});

Deno.test("removeRun() names no command that would remove a workspace that is to be kept", async () => {
  const leftovers = new Leftovers().on(/ container rm /, BUSY);
  const said = await removeRun(leftovers.ports, { run: "abcdefghijklm", keepWorkspace: true });
  assert.match(said, /docker network rm .*finishes it$/);
  assert.doesNotMatch(said, /volume/);
});

const AWAY = {
  code: 1,
  stderr: "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n",
};

Deno.test("removeRun() waits for an engine that starts again, and then removes everything", async () => {
  const leftovers = new Leftovers();
  const { host } = leftovers;
  const back = host.now() + 9000;
  for (const kind of ["container", "network", "volume"]) {
    leftovers.on(new RegExp(` ${kind} ls `), () => {
      if (host.now() < back) return AWAY;
      return { stdout: leftovers.left.has(kind) ? `${kind}-id\n` : "" };
    });
  }
  assert.equal(await leftovers.removeRun(), "");
  assert.deepEqual([...leftovers.left], []);
  assert.deepEqual(host.slept, [...Array(9).fill(1000), 250, 250]);
});

Deno.test("removeRun() does not wait long for an engine that is gone", async () => {
  const leftovers = new Leftovers().on(/ ls /, AWAY);
  assert.match(
    await leftovers.removeRun(),
    /^The bottle could not be removed: The engine does not answer: .* finishes it$/,
  );
  assert.ok(leftovers.host.slept.reduce((sum, ms) => sum + ms, 0) < 18_000);
});

const STEPS: readonly Step[] = [
  {
    id: "remove-containers",
    after: [],
    invocation: {
      program: "docker",
      args: ["--context", "box", "container", "rm", { ref: "agent", name: "NAME" }],
      why: "w",
    },
  },
  {
    id: "remove-networks",
    after: ["remove-containers"],
    invocation: {
      program: "docker",
      args: ["--context", "box", "network", "rm", { ref: "internal", name: "NET" }],
      why: "w",
    },
  },
];

Deno.test("tearDown() executes the plan's steps by ids with 30 s each, and looks for nothing more", async () => {
  const leftovers = new Leftovers("box");
  const ids = new Map([["agent", "a1"], ["internal", "i1"]]);
  assert.equal(
    await tearDown(leftovers.ports, { id: "abcdefghijklm", steps: STEPS, ids, keepWorkspace: false }),
    "",
  );
  const { lines, calls } = leftovers.host.processes;
  assert.deepEqual(lines, ["docker --context box container rm a1", "docker --context box network rm i1"]);
  assert.deepEqual(calls.map(({ deadlineMs }) => deadlineMs), [30_000, 30_000]);
});

Deno.test("tearDown() looks by label when a step fails, is too slow, or has no id", async () => {
  const all = new Map([["agent", "a1"], ["internal", "i1"]]);
  for (
    const { answer, ids } of [{ answer: BUSY, ids: all }, { answer: SLOW, ids: all }, {
      answer: {},
      ids: new Map(),
    }]
  ) {
    const leftovers = new Leftovers("box").on(/ container rm a1$/, answer);
    assert.equal(
      await tearDown(leftovers.ports, { id: "abcdefghijklm", steps: STEPS, ids, keepWorkspace: false }),
      "",
    );
    assert.deepEqual([...leftovers.left], []);
  }
});
