import assert from "node:assert/strict";
import { requireBounds } from "../../../lib/backend/docker/bounds.ts";
import type { EngineInfo } from "../../../lib/backend/docker/engine.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import { Failure } from "../../../lib/errors.ts";
import { testSpec } from "../../support/plan_inputs.ts";

const ENGINE: EngineInfo = {
  NCPU: 4,
  MemTotal: 8 * 1024 ** 3,
  MemoryLimit: true,
  SwapLimit: true,
  PidsLimit: true,
  CpuCfsQuota: true,
};

/** What a bottle is refused with; `undefined` when it is not. */
function refusal(resources: Partial<BottleSpec["resources"]>, info: EngineInfo = {}): Failure | undefined {
  const spec = testSpec({ resources: { ...testSpec().resources, ...resources } });
  try {
    requireBounds(spec, { ...ENGINE, ...info });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error;
  }
}

Deno.test("requireBounds() lets a bottle have all that the engine has", () => {
  assert.equal(refusal({}), undefined);
  assert.equal(refusal({ cpus: 4, memory: 8 * 1024 ** 3, pids: 4_194_304, disk: 2 ** 50 }), undefined);
  // What an engine does not say it has.
  assert.equal(refusal({ cpus: 1000 }, { NCPU: 0 }), undefined);
  assert.equal(refusal({ memory: 2 ** 50 }, { MemTotal: 0 }), undefined);
});

Deno.test("requireBounds() names each field that asks for more, with both figures", () => {
  const failure = refusal({ cpus: 4.5, memory: 8 * 1024 ** 3 + 1024 ** 3 });
  assert.deepEqual([failure?.code, failure?.exit], ["resources-missing", 125]);
  assert.deepEqual(failure?.problems, [
    { message: "bottles.dev.resources.cpus: 4.5 asked, and the engine has 4" },
    { message: "bottles.dev.resources.memory: 9 GiB asked, and the engine has 8 GiB" },
  ]);
  assert.equal(failure?.hints.length, 1);
});

Deno.test("requireBounds() refuses processors to be bounded by an engine that cannot, and only then", () => {
  const info = { CpuCfsQuota: false };
  assert.deepEqual(refusal({ cpus: 1 }, info)?.problems, [
    { message: "bottles.dev.resources.cpus: 1 asked, and the engine cannot bound processors" },
  ]);
  assert.equal(refusal({}, info), undefined);
});

Deno.test("requireBounds() refuses an engine that cannot bound memory or processes, whatever is asked", () => {
  const rows = [
    { info: { MemoryLimit: false }, what: "memory" },
    { info: { PidsLimit: false }, what: "processes" },
    { info: { MemoryLimit: false, PidsLimit: false }, what: "memory and processes" },
  ];
  for (const { info, what } of rows) {
    const failure = refusal({}, info);
    assert.deepEqual([failure?.code, failure?.exit], ["limits-missing", 125]);
    assert.equal(failure?.message, `The engine cannot bound ${what}, so it can start no bottle`);
    assert.match(failure?.hints[0] ?? "", /cgroup_enable=memory/);
  }
  assert.match(
    refusal({}, { PidsLimit: false, SecurityOptions: ["name=rootless"] })?.hints[0] ?? "",
    /rootless/,
  );
  // Swap alone is a notice of the plan.
  assert.equal(refusal({}, { SwapLimit: false }), undefined);
});
