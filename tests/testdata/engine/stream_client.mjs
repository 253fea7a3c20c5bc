// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// Talks to `stream_service.mjs` through a proxy. Stdin: {"proxy","port","ca","host","credential","tasks":[…]}, a task being
// {"events": PATH}: reads the events there and tells the host of each one that it has come, again until it is heard; or
// {"socket": PATH, "protocol"}: says "ping" in what becomes of the connection. Stdout: a JSON list, for each task the
// numbers of the events, or {"status", "echo"}.
import http from "node:http";
import process from "node:process";
import tls from "node:tls";

const SILENCE_MS = 30_000;
const AGAIN_MS = 50;

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { proxy, port, ca, host, credential, tasks } = JSON.parse(input);

function tunnel() {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: proxy, port, method: "CONNECT", path: `${host}:443`, agent: false });
    request.on("error", reject);
    request.on("connect", (response, socket) => {
      if (response.statusCode !== 200) return reject(new Error(`refused: ${response.statusCode}`));
      const stream = tls.connect({ socket, servername: host, ca }, () => resolve(stream));
      stream.on("error", reject);
    });
    request.end();
  });
}

async function asked(path, headers = {}) {
  const socket = await tunnel();
  return await new Promise((resolve, reject) => {
    const request = http.request({
      createConnection: () => socket,
      path,
      headers: { host, authorization: `Bearer ${credential}`, connection: "close", ...headers },
    });
    request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`nothing came of ${path}`)));
    request.on("error", reject);
    request.on("response", (response) => resolve({ response }));
    request.on("upgrade", (response, upgraded) => resolve({ response, upgraded }));
    request.end();
  });
}

async function tell(number) {
  for (;;) {
    const status = await asked(`/seen/${number}`).then(({ response }) => {
      response.resume();
      return response.statusCode;
    }, () => 0);
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function readEvents(path) {
  const { response } = await asked(path);
  const numbers = [];
  let text = "";
  for await (const bytes of response) {
    text += bytes;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const number = Number(/^id: (\d+)$/m.exec(part)?.[1]);
      numbers.push(number);
      void tell(number);
    }
  }
  return numbers;
}

async function echoed(path, protocol) {
  const { response, upgraded } = await asked(path, {
    connection: "Upgrade",
    upgrade: protocol,
    "sec-websocket-version": "13",
    "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
  });
  if (upgraded === undefined) {
    response.resume();
    return { status: response.statusCode, echo: "" };
  }
  upgraded.write("ping");
  const [bytes] = await new Promise((resolve) => upgraded.once("data", (...data) => resolve(data)));
  upgraded.destroy();
  return { status: response.statusCode, echo: String(bytes) };
}

const answers = [];
for (const { events, socket, protocol = "websocket" } of tasks) {
  answers.push(events === undefined ? await echoed(socket, protocol) : await readEvents(events));
}
process.stdout.write(JSON.stringify(answers));
process.exit(0);
