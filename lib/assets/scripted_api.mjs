// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// A scripted Messages API over TLS, for the demo and the tests: it answers Claude Code without an account.
//
// Runs on node 20 with openssl beside it and ends with its stdin. Environment:
//   SCRIPTED_HOSTS   names of the certificate, separated by commas
//   SCRIPTED_PORTS   ports to listen on, default 443
//   SCRIPTED_ANSWER  the text of every answer
// Stdout: one JSON object a line, first {"kind":"ready","caPem":…}, then one {"kind":"request",…} each.
//
// A prompt with a line `run: COMMAND` is answered by a call of the Bash tool, and that tool's result by its own
// text: so a test lets a real Claude Code run a command. A line `fail: STATUS` is answered by that HTTP status.
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";

const HOSTS = (process.env.SCRIPTED_HOSTS ?? "localhost").split(",");
const PORTS = (process.env.SCRIPTED_PORTS ?? "443").split(",").map(Number);
const ANSWER = process.env.SCRIPTED_ANSWER ?? "Hello from the scripted Messages API";
const CA_FILE = "/tmp/ca.pem";
const TEXT_LIMIT = 2000;

function say(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

/** A throw-away authority and one certificate of its for all names. The authority's key is not kept. */
function makeCertificate() {
  const directory = mkdtempSync("/tmp/scripted-api-");
  const openssl = (...args) =>
    execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    writeFileSync(
      `${directory}/server.cnf`,
      `basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=${
        HOSTS.map((host) => `DNS:${host}`).join(",")
      }\n`,
    );
    openssl(
      "req",
      "-x509",
      ...key,
      "-days",
      "7",
      "-subj",
      "/CN=Scripted Messages API",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    );
    openssl(
      "req",
      "-new",
      ...key,
      "-subj",
      "/CN=scripted-api",
      "-keyout",
      "server.key",
      "-out",
      "server.csr",
    );
    openssl(
      "x509",
      "-req",
      "-in",
      "server.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "7",
      "-extfile",
      "server.cnf",
      "-out",
      "server.pem",
    );
    const read = (name) => readFileSync(`${directory}/${name}`, "utf8");
    return { ca: read("ca.pem"), cert: read("server.pem"), key: read("server.key") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Enough of a credential to recognise it, never the credential. */
function fingerprint(credential) {
  return credential === undefined ? null : createHash("sha256").update(credential).digest("hex").slice(0, 16);
}

function blocksOf(message) {
  return typeof message?.content === "string"
    ? [{ type: "text", text: message.content }]
    : message?.content ?? [];
}

/** What the person typed last: the last text that is no reminder of Claude Code's own. */
function lastUserText(body) {
  const texts = (body.messages ?? [])
    .filter((message) => message.role === "user")
    .flatMap(blocksOf)
    .filter((block) => block.type === "text" && !block.text.startsWith("<system-reminder>"))
    .map((block) => block.text);
  return texts.at(-1) ?? "";
}

/** The text of the tool's result when the last message carries one. */
function toolOutput(body) {
  const result = blocksOf(body.messages?.at(-1)).find((block) => block.type === "tool_result");
  if (result === undefined) return undefined;
  return blocksOf(result).map((block) => block.text ?? "").join("");
}

/** The one content block that answers a request. */
function answerTo(body) {
  const output = toolOutput(body);
  if (output !== undefined) return { type: "text", text: output === "" ? "(no output)" : output };
  const command = /^\s*run: (.+)$/m.exec(lastUserText(body))?.[1];
  if (command !== undefined && (body.tools ?? []).some((tool) => tool.name === "Bash")) {
    const id = `toolu_${randomBytes(12).toString("hex")}`;
    return { type: "tool_use", id, name: "Bash", input: { command, description: "Run a command" } };
  }
  return { type: "text", text: ANSWER };
}

/** The end of the system prompt, where what was appended to it stands. */
function systemEnd(body) {
  const texts = blocksOf({ content: body.system }).map((block) => block.text ?? "");
  return texts.join("\n").slice(-TEXT_LIMIT);
}

function messageOf(body, block) {
  return {
    id: `msg_${randomBytes(12).toString("hex")}`,
    type: "message",
    role: "assistant",
    model: body.model ?? "scripted",
    content: [block],
    stop_reason: block.type === "tool_use" ? "tool_use" : "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
}

/** The events that a streamed message consists of. */
function eventsOf(message, block) {
  const [start, delta] = block.type === "tool_use"
    ? [{ ...block, input: {} }, { type: "input_json_delta", partial_json: JSON.stringify(block.input) }]
    : [{ type: "text", text: "" }, { type: "text_delta", text: block.text }];
  return [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: start },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: message.stop_reason, stop_sequence: null },
      usage: { output_tokens: 1 },
    },
    { type: "message_stop" },
  ];
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function answerMessages(body, response) {
  const status = /^\s*fail: ([45]\d\d)$/m.exec(lastUserText(body))?.[1];
  if (status !== undefined) {
    const error = { type: "error", error: { type: "api_error", message: `Scripted failure ${status}` } };
    response.writeHead(Number(status), { "content-type": "application/json" }).end(JSON.stringify(error));
    return;
  }
  const block = answerTo(body);
  const message = messageOf(body, block);
  if (body.stream !== true) {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(message));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const event of eventsOf(message, block)) {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
}

async function handle(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = parsed(Buffer.concat(chunks).toString("utf8"));
  const path = new URL(request.url, "https://scripted").pathname;
  say({
    kind: "request",
    method: request.method,
    path,
    host: request.headers.host ?? "",
    sni: request.socket.servername || "",
    port: request.socket.localPort,
    authorization: fingerprint(request.headers.authorization?.replace(/^Bearer /i, "")),
    apiKey: fingerprint(request.headers["x-api-key"]),
    model: body.model ?? null,
    stream: body.stream === true,
    text: lastUserText(body).slice(0, TEXT_LIMIT),
    systemEnd: systemEnd(body),
  });
  if (request.method === "POST" && path === "/v1/messages") answerMessages(body, response);
  // An account without settings and limits of an organisation: an empty object would be asked for again.
  else if (path.startsWith("/api/claude_code/")) response.writeHead(404).end();
  else response.writeHead(200, { "content-type": "application/json" }).end("{}");
}

async function main() {
  const { ca, cert, key } = makeCertificate();
  writeFileSync(CA_FILE, ca);
  for (const port of PORTS) {
    const server = createServer({ cert, key }, (request, response) => {
      handle(request, response).catch(() => response.destroy());
    });
    await new Promise((resolve, reject) => server.once("error", reject).listen(port, resolve));
  }
  say({ kind: "ready", caPem: ca });
}

for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
process.stdin.on("end", () => process.exit(0)).resume();
await main();
