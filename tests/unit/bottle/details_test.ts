import assert from "node:assert/strict";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import { launchDetails } from "../../../lib/bottle/details.ts";
import { testInputs, testSpec } from "../../support/plan_inputs.ts";

Deno.test("launchDetails() tells what is started and copied, in the seed's words", () => {
  const skills = ["review", "test"].map((name) => ({
    name,
    path: `/home/me/.claude/skills/${name}`,
    entries: [],
    skipped: [],
  }));
  const spec = testSpec({ skills: ["review", "test"] });
  assert.deepEqual(launchDetails(composePlan(testInputs({ spec, skills }))), [
    "starting container claude-bottle-code-reviewer from claude-bottle:aaaaaaaaaaaa",
    "copying skill review into claude-bottle-code-reviewer:/home/node/.claude/skills/review",
    "copying skill test into claude-bottle-code-reviewer:/home/node/.claude/skills/test",
  ]);
});
