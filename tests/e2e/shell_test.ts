import assert from "node:assert/strict";
import fc from "fast-check";
import { shellQuoted } from "../../lib/bottle/invocation.ts";
import { hasProgram } from "../support/engine.ts";

/** What a shell makes of a command line: each word, as it reaches a program. */
async function wordsRead(shell: string, line: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await new Deno.Command(shell, {
    args: ["-c", `printf '%s\\0' ${line}`],
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

const PLAIN = [
  "a b",
  "",
  "it's",
  "$(id)",
  "`id`",
  "~",
  "*",
  "a\\n",
  "#",
  "é😀",
  "--x=y",
  "!!",
  '"',
  "a;b|c&d",
];
const CONTROL = ["a\nb", "\t", "\r", "\x1b[31m", "\x01f", "it's\\\n'", "\\\x7f9", "$x\n", "é\n"];

Deno.test("every shell reads back the words that shellQuoted() wrote, where none holds a control character", async () => {
  for (const shell of ["sh", "bash", "dash", "zsh"]) {
    if (await hasProgram(shell)) assert.deepEqual(await wordsRead(shell, shellQuoted(PLAIN)), PLAIN, shell);
  }
});

Deno.test({
  name: "bash and zsh read back the words that shellQuoted() wrote, whatever they hold",
  ignore: !(await hasProgram("bash")),
  async fn(): Promise<void> {
    const word = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..."\\'\n\x01fx$") }),
    );
    const drawn = fc.sample(word, { numRuns: 2000, seed: 4711 }).map((text) => text.replaceAll("\0", ""));
    const words = [...PLAIN, ...CONTROL, ...drawn];
    for (const shell of ["bash", "zsh"]) {
      if (await hasProgram(shell)) assert.deepEqual(await wordsRead(shell, shellQuoted(words)), words, shell);
    }
  },
});
