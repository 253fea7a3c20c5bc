import assert from "node:assert/strict";
import { composePlan, type PlanInputs } from "../../../lib/backend/docker/plan.ts";
import { foundWatch } from "../../../lib/backend/docker/watch_steps.ts";
import type { InspectedContainer } from "../../../lib/backend/docker/inspected.ts";
import { executedArguments, printedArguments } from "../../../lib/bottle/invocation.ts";
import { planJson, stepsText } from "../../../lib/bottle/render.ts";
import { TEST_PROXY, testInputs, testSpec } from "../../support/plan_inputs.ts";

const WORKSPACE = { directory: "/home/somebody/project", entries: [], files: 1, bytes: 1, notices: [] };

const BUILD = {
  role: "agent",
  dockerfile: "FROM x\n",
  base: "debian:trixie-slim",
  pull: false,
  ca: "",
  version: "1.2.3",
  fresh: false,
} as const;

/** The words of each step that watches a bottle. */
function watching(changes: Partial<PlanInputs>): readonly (readonly string[])[] {
  return composePlan(testInputs(changes)).watchSteps.map(({ invocation }) => printedArguments(invocation));
}

function valuesOf(words: readonly string[], option: string): readonly string[] {
  return words.filter((_, index) => words[index - 1] === option);
}

Deno.test("under runc one container among the bottle's processes watches all of it", () => {
  const spec = testSpec({ workdir: "/home/node/workspace" });
  const [words = [], ...more] = watching({ runtime: "runc", workspace: WORKSPACE, spec });
  assert.deepEqual(more, []);
  assert.deepEqual(words.slice(0, 4), ["container", "run", "--rm", "--interactive"]);
  assert.deepEqual(valuesOf(words, "--pid"), ["container:claude-bottle-code-reviewer"]);
  assert.deepEqual(valuesOf(words, "--name"), ["claude-bottle-code-reviewer-nopqrstuvwxyz-watcher"]);
  assert.deepEqual(words.slice(-6), [
    testInputs().images.sidecar.name,
    "-",
    "bottle",
    "47291",
    "47291",
    "/home/node/workspace",
  ]);
  assert.deepEqual(watching({ runtime: "runc" })[0]?.slice(-4), ["-", "bottle", "47291", "47291"]);
});

Deno.test("what watches may look and nothing else: no network, nothing to write, nothing of the user's", () => {
  const spec = testSpec({ workdir: "/home/node/workspace" });
  const all = [
    ...watching({ runtime: "runc", workspace: WORKSPACE, spec }),
    ...watching({ runtime: "runsc", workspace: WORKSPACE, spec }).slice(1),
  ];
  assert.equal(all.length, 2);
  for (const words of all) {
    assert.deepEqual(valuesOf(words, "--network"), ["none"]);
    assert.deepEqual(valuesOf(words, "--cap-drop"), ["ALL"]);
    assert.deepEqual(valuesOf(words, "--security-opt"), ["no-new-privileges"]);
    assert.deepEqual(valuesOf(words, "--log-driver"), ["none"]);
    assert.equal(valuesOf(words, "--memory").length + valuesOf(words, "--pids-limit").length, 2);
    assert.ok(words.includes("--read-only"));
    assert.deepEqual(valuesOf(words, "--env").filter((pair) => !/_proxy=$/i.test(pair)), []);
    assert.ok(valuesOf(words, "--label").includes("claude-bottle.role=watcher"));
    assert.ok(valuesOf(words, "--label").includes("claude-bottle.run=abcdefghijklm"));
  }
  assert.deepEqual(valuesOf(all[0] ?? [], "--cap-add"), ["SYS_PTRACE", "DAC_READ_SEARCH"]);
  assert.deepEqual(valuesOf(all[1] ?? [], "--cap-add"), ["DAC_READ_SEARCH"]);
  assert.deepEqual(valuesOf(all[1] ?? [], "--mount"), [
    "type=volume,src=claude-bottle-code-reviewer-abcdefghijklm-workspace,dst=/workspace,readonly,volume-nocopy",
  ]);
});

Deno.test("under gVisor the sandbox is asked as root, and a workspace watched from beside", () => {
  const inside = ["container", "exec", "--interactive", "--user", "0:0", "claude-bottle-code-reviewer"];
  assert.deepEqual(watching({ runtime: "runsc" }), [[...inside, "/usr/bin/perl", "-", "sandbox"]]);
  const spec = testSpec({ workdir: "/home/node/workspace" });
  const both = watching({ runtime: "runsc", workspace: WORKSPACE, spec });
  assert.deepEqual(both.map((words) => words.at(-1)), ["sandbox", "volume"]);
});

Deno.test("a bottle that is only made ready is not watched, and what is watched stands in the plan", () => {
  const ready = composePlan(testInputs({ spec: testSpec({ startsAgent: false }) }));
  assert.deepEqual(ready.watchSteps, []);
  assert.doesNotMatch(stepsText(ready), /# watch/);
  const plan = composePlan(testInputs());
  assert.match(
    stepsText(plan),
    /^# watch\n# watch-disk: .*\ndocker container run .* # stdin: program of disk_watch\.pl$/m,
  );
  const { watch_steps: steps, limits } = JSON.parse(JSON.stringify(planJson(plan)));
  assert.deepEqual(steps[0].stdin.entries, ["disk_watch.pl"]);
  assert.ok(steps[0].stdin.bytes > 1000);
  assert.deepEqual(limits, { cpus: null, memory: 4_294_967_296, pids: 2048, disk: 21_474_836_480 });
});

Deno.test("no image but one of ours is given a capability, and what is not seen then is said", () => {
  const given = (
    changes: Partial<PlanInputs>,
  ): { readonly caps: readonly string[]; readonly image: string } => {
    const [words = []] = watching({ runtime: "runc", ...changes });
    return {
      caps: words.filter((_, index) => words[index - 1] === "--cap-add"),
      image: words[words.indexOf("/usr/bin/perl") + 1] ?? "",
    };
  };
  const { agent, sidecar } = testInputs().images;
  const pipelock = testSpec({ proxy: { ...TEST_PROXY, name: "pipelock" } });
  const ours = { agent: { ...agent, build: BUILD }, sidecar };
  const notices = (changes: Partial<PlanInputs>): string =>
    composePlan(testInputs(changes)).notices.filter((line) => line.includes("not count towards its disk"))
      .join();

  assert.deepEqual(given({}), { caps: ["SYS_PTRACE", "DAC_READ_SEARCH"], image: sidecar.name });
  assert.deepEqual(given({ spec: pipelock, images: ours }), {
    caps: ["SYS_PTRACE", "DAC_READ_SEARCH"],
    image: agent.name,
  });
  assert.deepEqual(given({ spec: pipelock }), { caps: [], image: agent.name });
  assert.equal(notices({}) + notices({ spec: pipelock, images: ours }), "");
  assert.match(notices({ spec: pipelock }), /is not built by claude-bottle/);
});

Deno.test("the limit is the manifest's, or 20 GiB", () => {
  const disk = (bytes: number | undefined): number =>
    composePlan(testInputs({ spec: testSpec({ resources: { ...testSpec().resources, disk: bytes } }) }))
      .bounds.disk;
  assert.equal(disk(undefined), 20 * 1024 ** 3);
  assert.equal(disk(209_715_200), 209_715_200);
});

Deno.test("foundWatch() watches a bottle that is there as its launch would have", () => {
  const inputs = testInputs({
    runtime: "runc",
    workspace: WORKSPACE,
    spec: testSpec({ workdir: "/home/node/workspace" }),
  });
  const plan = composePlan(inputs);
  const account: InspectedContainer = {
    Id: "a1",
    Image: "sha256:a11",
    State: { Running: true },
    Config: {
      Labels: { "claude-bottle.run": "abcdefghijklm", "claude-bottle.role": "agent", "image.own": "x" },
    },
    HostConfig: { Runtime: "runc" },
    Mounts: [
      { Type: "tmpfs", Destination: "/run/env" },
      { Type: "volume", Destination: "/home/node/workspace", Name: "the-volume" },
    ],
    NetworkSettings: {},
  };
  const about = {
    name: plan.containerName,
    user: inputs.user,
    workdir: "/home/node/workspace",
    token: "t",
    image: "sha256:5c1",
    isOurImage: true,
  };
  const found = foundWatch(account, about);
  assert.deepEqual(found.workspace, { volume: "the-volume", directory: "/home/node/workspace" });
  assert.equal(found.isGvisor, false);
  assert.equal(foundWatch({ ...account, HostConfig: { Runtime: "runsc" } }, about).isGvisor, true);
  assert.equal(foundWatch({ ...account, Mounts: null }, about).workspace, undefined);
});

Deno.test("an argument before a ref stands in the same word, printed and executed", () => {
  const [step] = composePlan(testInputs({ runtime: "runc" })).watchSteps;
  assert.ok(step !== undefined);
  const ids = new Map([["agent", "a1"], ["sidecar-image", "sha256:5c1"]]);
  assert.ok(executedArguments(step.invocation, ids).includes("container:a1"));
});
