// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// A host over TLS that tells what it was asked. Needs node, openssl and git. Environment: TLS_HOST={names, lifetimeMs}.
// Stdout: one JSON object a line, first {"kind":"ready","caPem":…}, then {"kind":"request",…} each. Credentials are told by
// the beginning of their SHA-256, so that a secret is in no log.
//   /git/…      a bare repository over git's own protocol, for who shows any Basic credentials
//   /stream     events, 300 ms apart; as many as `?events=` says
//   the rest    200 and the path
import { Buffer } from "node:buffer";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";

const { names, lifetimeMs } = JSON.parse(process.env.TLS_HOST ?? "{}");
const CREDENTIALS = new Set(["authorization", "x-api-key"]);
const FOLDER = "/tmp/tls-host";

function say(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

function openssl(...args) {
  execFileSync("openssl", args, { cwd: FOLDER, stdio: ["ignore", "ignore", "pipe"] });
}

function makeCertificate() {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7"];
  writeFileSync(`${FOLDER}/names`, `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  openssl(
    ...["req", "-x509", ...key, "-subj", "/CN=far side", "-keyout", "ca.key", "-out", "ca.pem"],
    ...["-addext", "keyUsage=critical,keyCertSign"],
  );
  openssl("req", "-new", ...key.slice(0, -2), "-subj", "/CN=host", "-keyout", "host.key", "-out", "host.csr");
  openssl(
    ...["x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
    ...["-days", "7", "-extfile", "names", "-out", "host.pem"],
  );
}

function told(headers) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      CREDENTIALS.has(name) ? createHash("sha256").update(value).digest("hex").slice(0, 16) : value,
    ]),
  );
}

function serveGit(request, response, url) {
  if (!/^basic /i.test(request.headers.authorization ?? "")) {
    response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    return;
  }
  const backend = spawn("git", ["http-backend"], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: FOLDER,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname.slice("/git".length),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      REMOTE_USER: "somebody",
      ...(request.headers["content-encoding"] === undefined
        ? {}
        : { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] }),
      ...(request.headers["git-protocol"] === undefined
        ? {}
        : { GIT_PROTOCOL: request.headers["git-protocol"] }),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(backend.stdin);
  const parts = [];
  backend.stdout.on("data", (part) => parts.push(part));
  backend.on("close", () => {
    const all = Buffer.concat(parts);
    const end = all.indexOf("\r\n\r\n");
    const headers = all.subarray(0, end).toString().split("\r\n").map((line) => line.split(/: /));
    const status = headers.find(([name]) => name === "Status")?.[1];
    response.writeHead(
      Number.parseInt(status ?? "200"),
      headers.filter(([name]) => name !== "Status").flat(),
    );
    response.end(all.subarray(end + 4));
  });
}

async function serveStream(response, url) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let number = 1; number <= Number(url.searchParams.get("events") ?? 3); number++) {
    response.write(`data: ${number}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  response.end();
}

execFileSync("mkdir", ["-p", FOLDER]);
makeCertificate();
const tree = ["-c", "user.name=x", "-c", "user.email=x@y.test", "-C", `${FOLDER}/work`];
execFileSync("git", ["init", "--quiet", `${FOLDER}/work`], { stdio: "ignore" });
execFileSync("git", [...tree, "commit", "--quiet", "--allow-empty", "-m", "first"]);
execFileSync("git", ["clone", "--quiet", "--bare", `${FOLDER}/work`, `${FOLDER}/app.git`], {
  stdio: "ignore",
});
execFileSync("git", ["-C", `${FOLDER}/app.git`, "config", "http.receivepack", "true"]);
const pair = { key: readFileSync(`${FOLDER}/host.key`), cert: readFileSync(`${FOLDER}/host.pem`) };
createServer(pair, (request, response) => {
  const url = new URL(request.url ?? "/", "https://x");
  say({ kind: "request", method: request.method, path: request.url, headers: told(request.headers) });
  if (url.pathname.startsWith("/git/")) return serveGit(request, response, url);
  request.resume();
  if (url.pathname === "/stream") return void serveStream(response, url);
  response.writeHead(200, { "content-type": "text/plain" }).end(`you asked for ${url.pathname}\n`);
}).listen(443, () => say({ kind: "ready", caPem: readFileSync(`${FOLDER}/ca.pem`, "utf8") }));
setTimeout(() => process.exit(0), lifetimeMs);
