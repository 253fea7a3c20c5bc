import { deepEqual } from "node:assert/strict";
import { countTests, failedFiles, slowestFiles } from "../../../scripts/junit.ts";
import { LONGEST_ENGINE_TESTS, longestLine } from "../../../scripts/longest_tests.ts";

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

Deno.test("failedFiles() names each file that a test failed in once, and countTests() leaves files out", () => {
  const report = `<testsuites>
    <testcase name="a" classname="./tests/a_test.ts" time="1.5"><failure message="x">y</failure></testcase>
    <testcase name="b" classname="./tests/a_test.ts" time="1.5"><error message="x"/></testcase>
    <testcase name="c" classname="./tests/a_test.ts" time="1.5"></testcase>
    <testcase name="d" classname="./tests/b_test.ts" time="1.5"/>
    <testcase name="e" classname="./tests/b_test.ts" time="1.5"><skipped/></testcase>
</testsuites>`;
  deepEqual(failedFiles(report), ["tests/a_test.ts"]);
  deepEqual(countTests(report), { passed: 2, failed: 2, skipped: 1 });
  deepEqual(countTests(report, { but: ["tests/a_test.ts"] }), { passed: 1, failed: 0, skipped: 1 });
  deepEqual(failedFiles(""), []);
});

Deno.test("slowestFiles() adds up the tests of each file", () => {
  const report = `<testsuites>
    <testcase name="one" classname="./tests/a_test.ts" time="1.500" line="1" col="6">
    </testcase>
    <testcase name="a &quot;two&quot;" classname="./tests/a_test.ts" time="2.250"><failure message=" time="/></testcase>
    <testcase name="short" classname="./tests/b_test.ts" time="0.001"/>
    <testcase name="long" classname="./tests/c_test.ts" time="61.000"/>
</testsuites>`;
  deepEqual(slowestFiles(report, 2), [
    { file: "tests/c_test.ts", seconds: 61 },
    { file: "tests/a_test.ts", seconds: 3.75 },
  ]);
  deepEqual(slowestFiles("", 2), []);
});

Deno.test("longestLine() names files and whole seconds", () => {
  const report = `<testcase name="a" classname="./tests/engine/disk_test.ts" time="61.700" line="1"/>
    <testcase name="b" classname="./tests/engine/dlp_test.ts" time="0.200" line="1"/>`;
  deepEqual(longestLine(report), "disk 62, dlp 0");
});

Deno.test("the engine's tests that begin first are there", async () => {
  for (const file of LONGEST_ENGINE_TESTS) {
    const { isFile } = await Deno.stat(new URL(`../../../${file}`, import.meta.url));
    deepEqual(isFile, true, file);
  }
});
