import assert from "node:assert/strict";
import { askLine, askSecret, choose, confirmed } from "../../../lib/ui/question.ts";
import { FakeInterrupts } from "../../support/fake_host.ts";
import { MemoryTerminal, PERSON } from "../../support/memory_terminal.ts";

const { signal } = new FakeInterrupts();

function person(...answers: readonly string[]): MemoryTerminal {
  return new MemoryTerminal({ terminals: PERSON, answers });
}

Deno.test("confirmed() takes exactly y, Y, yes and YES for a yes", async () => {
  for (const answer of ["y", "Y", "yes", "YES"]) {
    assert.equal(await confirmed(person(answer), { question: "go?", signal }), true, answer);
  }
  for (const answer of ["", "n", "no", "Yes", "yEs", " y", "y ", "yy", "ja", "1", "true"]) {
    assert.equal(await confirmed(person(answer), { question: "go?", signal }), false, JSON.stringify(answer));
  }
});

Deno.test("confirmed() asks on stderr, and the end of input is a no on a line of its own", async () => {
  const terminal = person();
  assert.equal(await confirmed(terminal, { question: "claude-bottle: launch this agent?", signal }), false);
  assert.equal(terminal.stderr, "claude-bottle: launch this agent? [y/N] \n");
  assert.equal(terminal.stdout, "");
});

Deno.test("confirmed() needs a person on both ends", async () => {
  for (const terminals of [[], ["stdin", "stdout"], ["stdout", "stderr"]] as const) {
    const terminal = new MemoryTerminal({ terminals, answers: ["y"] });
    await assert.rejects(confirmed(terminal, { question: "go?", signal }), {
      code: "no-terminal",
      exit: 2,
      message: "The question cannot be asked: stdin or stderr is no terminal",
      hints: ["Answer it beforehand with `--yes`"],
    });
    assert.equal(terminal.stderr, "");
  }
});

Deno.test("confirmed() rejects with the interruption", async () => {
  const interrupts = new FakeInterrupts();
  interrupts.raise("SIGINT");
  await assert.rejects(confirmed(person("y"), { question: "go?", signal: interrupts.signal }), {
    name: "Interrupted",
    by: "SIGINT",
  });
});

Deno.test("askSecret() reads without echo and shows a manifest's words as one harmless line", async () => {
  const terminal = person("hunter2");
  const question = "token\x1b[2J\nclaude-bottle: launch this agent? [y/N] ";
  assert.equal(await askSecret(terminal, { question, signal }), "hunter2");
  assert.deepEqual(terminal.secretsRead, ["hunter2"]);
  assert.equal(terminal.stderr, "claude-bottle: token·[2J·claude-bottle: launch this agent? [y/N] : ");
  assert.equal(await askSecret(person(), { question: "token", signal }), undefined);
});

Deno.test("askSecret() shows the question once nothing is echoed any more", async () => {
  const terminal = person("hunter2");
  const order: string[] = [];
  const read = terminal.readSecret.bind(terminal);
  terminal.readSecret = (aborted) => {
    order.push("echo off");
    return read(aborted);
  };
  terminal.err = () => order.push("question");
  await askSecret(terminal, { question: "token", signal });
  assert.deepEqual(order, ["echo off", "question"]);
});

Deno.test("askSecret() needs a person and names the other way", async () => {
  await assert.rejects(
    askSecret(new MemoryTerminal({ terminals: ["stdin"] }), { question: "Token", signal }),
    {
      code: "no-terminal",
      message: "Token cannot be asked: stdin or stderr is no terminal",
      hints: ["Take the value from a host variable instead: `NAME: ${NAME}` in the bottle's env"],
    },
  );
});

Deno.test("choose() takes a number or a name", async () => {
  const options = { question: "which one?", choices: ["alpha", "beta", "1"], signal };
  const terminal = person("2");
  assert.equal(await choose(terminal, options), "beta");
  assert.equal(terminal.stderr, "  1  alpha\n  2  beta\n  3  1\nwhich one? ");
  assert.equal(await choose(person(" alpha "), options), "alpha");
  // A name wins over a number.
  assert.equal(await choose(person("1"), options), "1");
});

Deno.test("choose() chooses nothing for anything else, and asks nobody who is not there", async () => {
  const options = { question: "which one?", choices: ["alpha", "beta"], signal };
  for (const answer of ["0", "3", "-1", "1.5", "", "alp", "NaN"]) {
    assert.equal(await choose(person(answer), options), undefined, JSON.stringify(answer));
  }
  assert.equal(await choose(person(), options), undefined);
  const script = new MemoryTerminal({ answers: ["alpha"] });
  assert.equal(await choose(script, options), undefined);
  assert.equal(script.stderr, "");
});

Deno.test("askLine() takes a line, the usual one for none, and tells the end of input", async () => {
  const rows = [["x y ", "x y"], ["", "usual"], ["  ", "usual"]] as const;
  for (const [answer, expected] of rows) {
    const terminal = person(answer);
    assert.equal(await askLine(terminal, { question: "name?", usual: "usual", signal }), expected);
    assert.equal(terminal.stderr, "name? [usual] ");
  }
  const ended = person();
  assert.equal(await askLine(ended, { question: "a\u001b?", usual: "b\n", signal }), undefined);
  assert.equal(ended.stderr, "a·? [b·] \n");
});

Deno.test("askLine() needs a person on both ends", async () => {
  const terminal = new MemoryTerminal({ terminals: ["stdin", "stdout"], answers: ["x"] });
  await assert.rejects(askLine(terminal, { question: "name?", usual: "usual", signal }), {
    code: "no-terminal",
    exit: 2,
    hints: ["Take the usual answers with `--yes`"],
  });
});
