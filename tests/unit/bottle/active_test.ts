import assert from "node:assert/strict";
import { type ActiveBottle, bottleNamed } from "../../../lib/bottle/active.ts";

function bottle(name: string, agent: string): ActiveBottle {
  return {
    name,
    id: name,
    sidecar: undefined,
    run: "aaaaaaaaaaaaa",
    agent,
    bottle: "dev",
    manifestFiles: [],
    status: "running",
    since: 0,
    runtime: "runc",
    proxy: "squid",
    owner: "alive",
  };
}

const BOTTLES = [
  bottle("claude-bottle-reviewer", "reviewer"),
  bottle("claude-bottle-reviewer-2", "reviewer"),
  bottle("claude-bottle-big-lister", "Big lister"),
  bottle("pinned", "writer"),
];

Deno.test("bottleNamed() knows a bottle by name, agent and the beginning of its name", () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["claude-bottle-reviewer", ["claude-bottle-reviewer"]],
    ["claude-bottle-reviewer-2", ["claude-bottle-reviewer-2"]],
    ["reviewer-2", ["claude-bottle-reviewer-2"]],
    ["reviewer", ["claude-bottle-reviewer", "claude-bottle-reviewer-2"]],
    ["rev", ["claude-bottle-reviewer", "claude-bottle-reviewer-2"]],
    ["Big lister", ["claude-bottle-big-lister"]],
    ["big", ["claude-bottle-big-lister"]],
    ["writer", ["pinned"]],
    ["pin", ["pinned"]],
    ["claude-bottle-b", ["claude-bottle-big-lister"]],
    // What all names have in common names nobody's bottle, least of all the only one that happens to run.
    ["claude-bottle-", []],
    ["claude", []],
    ["c", []],
    ["lister", []],
    ["Reviewer", []],
    ["", []],
  ];
  for (const [word, names] of rows) {
    const named = bottleNamed(word, BOTTLES);
    const found = named.kind === "one" ? [named.bottle] : named.kind === "several" ? named.bottles : [];
    assert.deepEqual(found.map(({ name }) => name), names, word);
    assert.equal(named.kind, ["none", "one"][names.length] ?? "several", word);
  }
});

Deno.test("bottleNamed() takes the product's own name for no bottle, even when only one runs", () => {
  const [only] = BOTTLES;
  assert.ok(only !== undefined);
  for (const word of ["c", "claude", "claude-b", "claude-bottle", "claude-bottle-"]) {
    assert.equal(bottleNamed(word, [only]).kind, "none", word);
  }
});

Deno.test("bottleNamed() calls ambiguous what is one bottle's agent and another one's short name", () => {
  const bottles = [
    bottle("claude-bottle-dev", "dev"),
    bottle("claude-bottle-dev-2", "dev"),
    bottle("claude-bottle-dev-2-2", "dev-2"),
  ];
  const named = bottleNamed("dev-2", bottles);
  assert.deepEqual(named, { kind: "several", bottles: bottles.slice(1) });
});

Deno.test("bottleNamed() takes an agent's only bottle that runs, unless one that has ended may be meant as well", () => {
  const ended = (name: string, agent: string): ActiveBottle => ({ ...bottle(name, agent), status: "exited" });
  const first = bottle("claude-bottle-dev", "dev");
  const second = bottle("claude-bottle-dev-2", "dev");
  const rows = [
    { word: "dev", bottles: [first, ended("claude-bottle-dev-2", "dev")], name: first.name },
    { word: "dev", bottles: [first, second, ended("claude-bottle-dev-3", "dev")] },
    { word: "dev", bottles: [ended(first.name, "dev"), ended("claude-bottle-dev-2", "dev")] },
    { word: "dev", bottles: [ended(first.name, "dev"), second], entered: second.name },
    { word: "dev-2", bottles: [second, ended("claude-bottle-dev-2-2", "dev-2")], entered: second.name },
    { word: "d", bottles: [first, ended("claude-bottle-dev-2", "dev")], entered: first.name },
    { word: "claude-bottle-dev", bottles: [ended(first.name, "dev"), second], name: first.name },
  ];
  for (const { word, bottles, name, entered = name } of rows) {
    for (const [isEntered, expected] of [[false, name], [true, entered]] as const) {
      const named = bottleNamed(word, bottles, { entered: isEntered });
      const what = `${word} of ${bottles.map((one) => `${one.name} ${one.status}`).join()}, ${isEntered}`;
      assert.equal(named.kind === "one" ? named.bottle.name : undefined, expected, what);
      assert.equal(named.kind, expected === undefined ? "several" : "one", what);
    }
  }
});
