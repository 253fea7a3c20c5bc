import assert from "node:assert/strict";
import fc from "fast-check";
import { saidBy } from "../../../lib/backend/docker/failures.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { Redactor } from "../../../lib/bottle/redactor.ts";
import { Failure } from "../../../lib/errors.ts";
import { Interrupted } from "../../../lib/host/interrupts.ts";

function redactorOf(...values: readonly string[]): Redactor {
  return new Redactor(values.map((value) => new Secret(value)));
}

Deno.test("Redactor takes out values of 8 characters and more, wherever they stand", () => {
  const redactor = redactorOf("12345678", "1234567", "");
  assert.equal(redactor.text("a12345678b 12345678"), "a***b ***");
  assert.equal(redactor.text("1234567"), "1234567");
  assert.equal(redactorOf().text("anything"), "anything");
});

Deno.test("Redactor.add() takes what became known later as well", () => {
  const redactor = redactorOf("password");
  redactor.add([new Secret("password-and-more")]);
  assert.equal(redactor.text("password password-and-more"), "*** ***");
});

Deno.test("Redactor takes the longest value first, so that none shows its end", () => {
  assert.equal(redactorOf("password", "password-and-more").text("x=password-and-more"), "x=***");
  assert.equal(redactorOf("password-and-more", "password").text("x=password-and-more"), "x=***");
});

Deno.test("Redactor knows each line of a value, and what messages make of it", () => {
  const key = "first line of it\n\tsecond \u001bline\r\nthird line.\nshort";
  const redactor = redactorOf(key);
  for (
    const shown of [
      key,
      "first line of it",
      "second \u001bline",
      "second ·line",
      "third line.",
      "third line",
      JSON.stringify(key).slice(1, -1),
    ]
  ) assert.equal(redactor.text(`said: ${shown}`), "said: ***", shown);
  assert.equal(redactor.text("short"), "short");
});

Deno.test("Redactor leaves nothing of a value in what is repeated of an engine's message", () => {
  const value = fc.string({ minLength: 8, maxLength: 40, unit: "binary" }).filter((text) =>
    text.trim().length >= 8
  );
  fc.assert(fc.property(value, (secret) => {
    const lines = secret.split(/[\r\n]/).map((line) => line.trim()).filter(({ length }) => length >= 9);
    const said = redactorOf(secret).text(saidBy(`Error response from daemon: cannot take <${secret}>`));
    for (const line of lines) assert.ok(!said.includes(line), JSON.stringify({ secret, said }));
  }));
});

Deno.test("listener() redacts what an engine said, and no call's own words", () => {
  const heard: BottleEvent[] = [];
  const listener = redactorOf("hunter2-and-more").listener((event) => heard.push(event));
  const text = "x hunter2-and-more";
  listener({ kind: "output", id: "a", line: text });
  listener({ kind: "notice", text });
  listener({ kind: "detail", text });
  listener({ kind: "call", text });
  listener({ kind: "finished", id: "hunter2-and-more" });
  assert.deepEqual(heard, [
    { kind: "output", id: "a", line: "x ***" },
    { kind: "notice", text: "x ***" },
    { kind: "detail", text: "x ***" },
    { kind: "call", text },
    { kind: "finished", id: "hunter2-and-more" },
  ]);
});

Deno.test("guard() redacts every text of a failure and keeps the rest of it", async () => {
  const redactor = redactorOf("hunter2-and-more");
  const where = { file: "m", line: 1, column: 2 };
  const failure = new Failure("the-code", "message hunter2-and-more", {
    hints: ["hint hunter2-and-more"],
    problems: [{ message: "problem hunter2-and-more", where }],
    exit: 125,
    where,
    cause: new Error("hunter2-and-more"),
  });
  await assert.rejects(redactor.guard(() => Promise.reject(failure)), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.message, "message ***");
    assert.deepEqual(error.hints, ["hint ***"]);
    assert.deepEqual(error.problems, [{ message: "problem ***", where }]);
    assert.deepEqual([error.code, error.exit, error.where, error.cause], ["the-code", 125, where, undefined]);
    return true;
  });
  const other = new Interrupted("SIGINT");
  await assert.rejects(redactor.guard(() => Promise.reject(other)), (error) => error === other);
  assert.equal(await redactor.guard(() => Promise.resolve(7)), 7);
});
