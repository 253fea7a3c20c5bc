import assert from "node:assert/strict";
import { eventually } from "../support/engine.ts";
import { counted, hex, message, SshPrograms } from "../support/ssh_programs.ts";

const LIST = 11;
const SIGN = 13;
const EXTENSION = 27;
const BINDING = "session-bind@openssh.com";
const LARGEST = 256 * 1024;

/** The relay's answer to what it does not pass on, and the recorder's to everything. */
const FAILURE = "0000000105";
const SUCCESS = "0000000106";

const bind = (name: string, rest: readonly number[] = [1, 2, 3]): string =>
  message(EXTENSION, [...counted(name), ...rest]);
const sign = message(SIGN, [...counted([1]), ...counted([2, 3]), 0, 0, 0, 0]);

Deno.test("the relay passes listing, signing and the binding of a session, word for word", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const passed = [message(LIST), sign, bind(BINDING), message(LIST, [1, 2]), bind(BINDING, [])];
  assert.deepEqual(await programs.say(passed.map((one) => `a ${one}`)), passed.map(() => SUCCESS));
  assert.deepEqual(await programs.recorded(), passed);
});

Deno.test("the relay answers everything else itself, and nothing of it reaches the ssh-agent", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const types = Array.from({ length: 256 }, (_, type) => type).filter((type) =>
    type !== LIST && type !== SIGN
  );
  const refused = [
    ...types.map((type) => message(type, [0, 0, 0, 0])),
    ...types.map((type) => message(type)),
    bind("query"),
    bind("restrict-destination-v00@openssh.com"),
    bind(`${BINDING}x`),
    bind(`x${BINDING}`),
    bind(BINDING.slice(1)),
    bind(BINDING.toUpperCase()),
    bind(`${BINDING}\0`),
    bind(""),
    message(EXTENSION, [0, 0, 0]),
    message(EXTENSION, [0, 0, 0, 24]),
    message(EXTENSION, [255, 255, 255, 255, ...new TextEncoder().encode(BINDING)]),
    message(EXTENSION, counted(BINDING).slice(0, -1)),
  ];
  assert.deepEqual(await programs.say(refused.map((one) => `a ${one}`)), refused.map(() => FAILURE));
  assert.deepEqual(await programs.recorded(), []);
  assert.deepEqual(await programs.say([`a ${message(LIST)}`]), [SUCCESS]);
});

Deno.test("the relay ends a client whose message is too long or has no length, and no other", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const largest = message(SIGN, new Array<number>(LARGEST - 1).fill(7));
  assert.deepEqual(
    await programs.say([
      `good ${message(LIST)}`,
      `large ${largest}`,
      `larger ${hex([0, 4, 0, 1, SIGN])}`,
      `largest ffffffff0b`,
      `none 00000000`,
      `good ${message(LIST)}`,
    ]),
    [SUCCESS, SUCCESS, "closed", "closed", "closed", SUCCESS],
  );
  assert.deepEqual((await programs.recorded()).map(({ length }) => length), [10, largest.length, 10]);
});

Deno.test("the relay puts messages together, and answers several in their order", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const both = message(LIST) + message(17) + sign;
  assert.deepEqual(
    await programs.say([
      `a ${both.slice(0, 6)} 0.5`,
      `a ${both.slice(6, 24)}`,
      `a ${both.slice(24)}`,
      "a -",
    ]),
    ["silent", SUCCESS, FAILURE, SUCCESS],
  );
  assert.deepEqual(await programs.recorded(), [message(LIST), sign]);
});

Deno.test("the relay has 32 clients at one time; the next one waits until one leaves", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const many = Array.from({ length: 32 }, (_, index) => `c${index} ${message(LIST)}`);
  const said = await programs.say([
    ...many,
    `next ${message(LIST)} 0.5`,
    "c3 close",
    `c3x ${message(17)} 0.5`,
    "c4 close",
    `c5 ${message(LIST)}`,
  ]);
  assert.deepEqual(said.slice(0, 32), many.map(() => SUCCESS));
  // The one that waited has its place now, so the second newcomer waited in turn.
  assert.deepEqual(said.slice(32), ["silent", "silent", SUCCESS]);
  assert.deepEqual(await programs.say([`a ${message(LIST)}`]), [SUCCESS]);
});

/** Numbers from 0 below 1, the same in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Messages that were allowed once, with bytes changed, left out, repeated and added. */
function mutated(count: number): readonly string[] {
  const next = numbers(20_261_125);
  const below = (limit: number): number => Math.floor(next() * limit);
  const bases = [
    message(LIST),
    sign,
    bind(BINDING),
    message(17, [...counted("ssh-ed25519"), 1, 2, 3]),
    message(19),
  ];
  return Array.from({ length: count }, () => {
    const bytes = (bases[below(bases.length)] ?? "").match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
    for (let change = 0; change <= below(4); change++) {
      const at = below(bytes.length);
      switch (below(4)) {
        case 0:
          bytes[at] = below(256);
          break;
        case 1:
          bytes.splice(at, 1 + below(3));
          break;
        case 2:
          bytes.splice(at, 0, below(256), below(256));
          break;
        default:
          bytes.push(...bytes.slice(at));
      }
      // Lengths that wait for more would only make the test slow.
      if (bytes.length > 4 && below(2) === 0) bytes.splice(0, 4, 0, 0, 0, bytes.length - 4);
    }
    return hex(bytes);
    // One that waits for more is not answered.
  }).filter((text) => text.length < 600 && parseInt(text.slice(0, 8), 16) <= text.length / 2 - 4);
}

/** Whether a message is one of the three that may pass. */
function mayPass(text: string): boolean {
  const type = parseInt(text.slice(8, 10), 16);
  return type === LIST || type === SIGN || text.startsWith(hex([EXTENSION, ...counted(BINDING)]), 8);
}

Deno.test("10,000 mangled messages end no relay, and nothing but the three gets through", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const all = mutated(40_000).slice(0, 10_000);
  assert.equal(all.length, 10_000);
  // Each has a connection of its own: what one leaves behind its end must not become the next one's beginning.
  for (let from = 0; from < all.length; from += 500) {
    const round = all.slice(from, from + 500);
    const said = await programs.say(round.flatMap((text, index) => [`m${index} ${text}`, `m${index} close`]));
    assert.equal(said.length, round.length);
  }
  const reached = await programs.recorded();
  assert.ok(reached.length > 100, String(reached.length));
  assert.deepEqual(reached.filter((text) => !mayPass(text)), []);
  assert.deepEqual(await programs.say([`a ${message(LIST)}`, `a ${message(17)}`]), [SUCCESS, FAILURE]);
});

Deno.test("the relay ends when the ssh-agent is gone", async () => {
  await using programs = await SshPrograms.made();
  await programs.record();
  const [recorder] = (await programs.processes()).filter(({ args }) => args.includes("agent.sock"));
  assert.ok(recorder !== undefined);
  Deno.kill(recorder.pid, "SIGTERM");
  await eventually("the relay has ended", async () => {
    await programs.say([`a ${message(LIST)}`]).catch(() => []);
    return (await programs.processes()).some(({ args }) => args.includes("relay.pl")) ? undefined : true;
  });
});
