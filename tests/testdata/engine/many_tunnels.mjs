// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// Opens tunnels through a proxy, and keeps them. Stdin: {"proxy","port","ca","host","count"}; in each a large answer is asked
// for and left unread. Then it ends one and opens another. Stdout: {"open","refused","again"}: how many are open, what the
// others were told, each text once, and what the last one was told, "" if it was opened.
import http from "node:http";
import process from "node:process";
import tls from "node:tls";

/** How many are opened at the same time, and how long they are all kept. */
const AT_ONCE = 16;
const KEPT_MS = 2000;
const PATIENCE_MS = 10_000;

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { proxy, port, ca, host, count } = JSON.parse(input);

const open = [];
const told = [];

/** What it was told; "" when it was opened. */
function tunnel() {
  return new Promise((resolve) => {
    setTimeout(() => resolve("no answer"), PATIENCE_MS);
    const request = http.request({ host: proxy, port, method: "CONNECT", path: `${host}:443`, agent: false });
    request.on("error", (error) => resolve(error.message));
    request.on("connect", (response, socket, head) => {
      let text = head.toString();
      socket.on("error", () => {});
      if (response.statusCode !== 200) {
        socket.on("data", (bytes) => text += bytes);
        setTimeout(() => {
          resolve(`${response.statusCode} ${text}`);
          socket.destroy();
        }, 300);
        return;
      }
      const secure = tls.connect({ socket, servername: host, ca }, () => {
        secure.pause();
        secure.write(`GET /down?bytes=100000000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        open.push(secure);
        resolve("");
      });
      secure.on("error", (error) => resolve(error.message));
    });
    request.end();
  });
}

let left = count;
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (left-- > 0) {
    const text = await tunnel();
    told.push(text);
    // Whatever no longer answers in words has nothing more to say.
    if (!/^(503 |$)/.test(text)) left = 0;
  }
}));
await new Promise((resolve) => setTimeout(resolve, KEPT_MS));
const refused = told.filter((text) => text !== "");
const [first] = open;
first?.destroy();
await new Promise((resolve) => setTimeout(resolve, 500));
const again = await tunnel();
const result = { open: told.length - refused.length, refused: [...new Set(refused)], again };
process.stdout.write(JSON.stringify(result), () => process.exit());
