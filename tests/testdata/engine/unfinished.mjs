// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// Opens connections to a proxy and leaves each in the middle of what it says. Stdin: {"proxy","port","said","count",
// "keptMs"}; each of `said`, whose characters are bytes, follows an answer to the one before. Stdout: {"connected","open"}:
// how many were opened, and how many still are when all of them were kept for `keptMs`.
import { Buffer } from "node:buffer";
import net from "node:net";
import process from "node:process";

/** How many are opened at the same time, and how long one may take to say what it says. */
const AT_ONCE = 64;
const PATIENCE_MS = 3000;

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { proxy, port, said, count, keptMs } = JSON.parse(input);

const texts = said.map((text) => Buffer.from(text, "latin1"));
const open = new Set();
let connected = 0;

/** Whether it was opened; known once all is said, or it is closed, or that takes too long. */
function connection() {
  return new Promise((resolve) => {
    const left = [...texts];
    const socket = net.connect({ host: proxy, port });
    const say = () => {
      const text = left.shift();
      if (text !== undefined) socket.write(text, left.length === 0 ? end : undefined);
    };
    let isOpened = false;
    const end = () => resolve(isOpened);
    setTimeout(end, PATIENCE_MS);
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      end();
    });
    socket.on("data", say);
    socket.on("connect", () => {
      connected++;
      isOpened = true;
      open.add(socket);
      say();
    });
  });
}

let left = count;
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  // Where nobody takes one any more, nobody takes the next.
  while (left-- > 0) if (!await connection()) left = 0;
}));
await new Promise((resolve) => setTimeout(resolve, keptMs));
process.stdout.write(JSON.stringify({ connected, open: open.size }), () => process.exit());
