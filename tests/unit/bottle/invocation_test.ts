import assert from "node:assert/strict";
import fc from "fast-check";
import {
  executedArguments,
  type Invocation,
  printedArguments,
  shellQuoted,
} from "../../../lib/bottle/invocation.ts";

const INVOCATION: Invocation = {
  program: "docker",
  args: ["cp", "-", { ref: "agent", name: "claude-bottle-a", suffix: ":/" }, {
    ref: "internal",
    name: "net",
  }],
  why: "because",
};

Deno.test("printedArguments() writes refs as names", () => {
  assert.deepEqual(printedArguments(INVOCATION), ["cp", "-", "claude-bottle-a:/", "net"]);
});

Deno.test("executedArguments() writes refs as ids and refuses one that is not known", () => {
  const ids = new Map([["agent", "0f3c"], ["internal", "91aa"]]);
  assert.deepEqual(executedArguments(INVOCATION, ids), ["cp", "-", "0f3c:/", "91aa"]);
  ids.delete("internal");
  assert.throws(() => executedArguments(INVOCATION, ids), new RangeError("No id known for internal"));
});

Deno.test("shellQuoted() quotes what a shell would read otherwise", () => {
  assert.equal(shellQuoted(["docker", "ps", "--filter", "name=^/?a"]), "docker ps --filter 'name=^/?a'");
  assert.equal(
    shellQuoted(["a b", "", "it's", "$(x)", "~", "é\\n"]),
    "'a b' '' 'it'\\''s' '$(x)' '~' 'é\\n'",
  );
  assert.equal(shellQuoted(["A=1", "x:/y", "50%", "a@b,c+d"]), "A=1 x:/y 50% a@b,c+d");
  assert.equal(shellQuoted([]), "");
});

Deno.test("shellQuoted() writes control characters as escapes, on one line", () => {
  assert.equal(shellQuoted(["a\nb"]), "$'a\\nb'");
  assert.equal(shellQuoted(["it's\\\t\x1b[31m\x7f"]), "$'it\\'s\\\\\\t\\x1b[31m\\x7f'");
  assert.equal(shellQuoted(["\r", "x", "\x01f"]), "$'\\x0d' x $'\\x01f'");
});

Deno.test("shellQuoted() never breaks a line or writes a control character, whatever the words", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "binary" })), (words) => {
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(shellQuoted(words), /[\x00-\x1f\x7f]/);
  }));
});
