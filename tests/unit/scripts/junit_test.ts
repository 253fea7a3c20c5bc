import { deepEqual } from "node:assert/strict";
import { countTests } from "../../../scripts/junit.ts";

Deno.test("countTests() counts passed, failed and ignored tests and steps", () => {
  const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="6" failures="2" errors="0" time="0.048">
    <testsuite name="./a_test.ts" tests="5" disabled="1" errors="0" failures="1">
        <testcase name="works" classname="./a_test.ts" time="0.001" line="1" col="6">
        </testcase>
        <testcase name="short" classname="./a_test.ts"/>
        <testcase name="works &gt; a step" classname="./a_test.ts" time="0.000">
        </testcase>
        <testcase name="later" classname="./a_test.ts" time="0.000" line="2" col="6">
            <skipped/>
        </testcase>
        <testcase name="breaks" classname="./a_test.ts" time="0.000" line="3" col="6">
            <failure message="Uncaught Error: x &lt;skipped/&gt;">Error: x</failure>
        </testcase>
        <testcase name="breaks too" classname="./a_test.ts"><error message="y"/></testcase>
    </testsuite>
</testsuites>`;
  deepEqual(countTests(report), { passed: 3, failed: 2, skipped: 1 });
});

Deno.test("countTests() finds nothing in an empty report", () => {
  deepEqual(countTests(""), { passed: 0, failed: 0, skipped: 0 });
});
