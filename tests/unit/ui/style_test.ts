import assert from "node:assert/strict";
import { type ColorChoice, painter } from "../../../lib/ui/style.ts";

function painted(choice: ColorChoice, isTerminal: boolean, noColor?: string): string {
  return painter({ choice, isTerminal, noColor })("error", "bad");
}

Deno.test("painter() colours terminals, unless NO_COLOR is set and not empty", () => {
  assert.equal(painted("auto", true), "\x1b[1;31mbad\x1b[0m");
  assert.equal(painted("auto", true, ""), "\x1b[1;31mbad\x1b[0m");
  assert.equal(painted("auto", true, "1"), "bad");
  assert.equal(painted("auto", false), "bad");
});

Deno.test("painter() does as the person says", () => {
  assert.equal(painted("always", false, "1"), "\x1b[1;31mbad\x1b[0m");
  assert.equal(painted("never", true), "bad");
});
