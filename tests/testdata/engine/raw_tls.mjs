// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// Says bytes through a proxy inside TLS. Stdin: {"proxy","port","ca","requests":[{"host","sni","raw"}]}, `raw` with each
// byte a character. Stdout: a JSON list of what came back for each, or how it failed.
import http from "node:http";
import { Buffer } from "node:buffer";
import process from "node:process";
import tls from "node:tls";

/** How long a connection that says nothing more is read. */
const SILENCE_MS = 1500;

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { proxy, port, ca, requests } = JSON.parse(input);

function said({ host, sni, raw }) {
  return new Promise((resolve) => {
    let text = "";
    const end = () => resolve(text);
    const request = http.request({ host: proxy, port, method: "CONNECT", path: `${host}:443`, agent: false });
    request.on("error", (error) => resolve(`failed: ${error.message}`));
    request.on("response", (response) => resolve(`refused: ${response.statusCode}`));
    request.on("connect", (response, socket) => {
      if (response.statusCode !== 200) return resolve(`refused: ${response.statusCode}`);
      const stream = tls.connect(
        { socket, servername: sni, ca, checkServerIdentity: () => undefined },
        () => {
          stream.write(Buffer.from(raw, "latin1"));
        },
      );
      stream.setTimeout(SILENCE_MS, () => {
        end();
        stream.destroy();
      });
      stream.on("data", (bytes) => text += bytes.toString("latin1"));
      stream.on("error", (error) => resolve(text || `failed: ${error.message}`));
      stream.on("close", end);
    });
    request.end();
  });
}

const answers = [];
for (let at = 0; at < requests.length; at += 8) {
  answers.push(...await Promise.all(requests.slice(at, at + 8).map(said)));
}
process.stdout.write(JSON.stringify(answers));
