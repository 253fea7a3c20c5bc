// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// A host over TLS that tells what it was asked. Needs node, openssl and git. Environment: TLS_HOST={names, certified,
// faults, lifetimeMs}: its certificate is for `certified`; a name of `faults` has one of its own with something wrong in it.
// Stdout: one JSON object a line, first {"kind":"ready","caPem":…}, then {"kind":"request",…} each. Credentials are told by
// the beginning of their SHA-256, so that a secret is in no log.
//   /git/…      bare repositories over git's own protocol, for who shows any Basic credentials: app.git and other.git
//   /stream     events, 300 ms apart; as many as `?events=` says
//   the rest    200 and the path, unless `globalThis.further` of another program answers it (`request`, `upgrade`)
import { Buffer } from "node:buffer";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";
import { createSecureContext } from "node:tls";

const { certified, faults, lifetimeMs } = JSON.parse(process.env.TLS_HOST ?? "{}");
const CREDENTIALS = new Set(["authorization", "x-api-key"]);
const FOLDER = "/tmp/tls-host";

function say(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

function openssl(...args) {
  execFileSync("openssl", args, { cwd: FOLDER, stdio: ["ignore", "ignore", "pipe"] });
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

function makeAuthority() {
  openssl(
    ...["req", "-x509", ...KEY, "-days", "7", "-subj", "/CN=far side", "-keyout", "ca.key", "-out", "ca.pem"],
    ...["-addext", "keyUsage=critical,keyCertSign"],
  );
}

const SIGNED = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
const FAULTS = {
  expired: [...SIGNED, "-not_before", "20200101000000Z", "-not_after", "20200201000000Z"],
  early: [...SIGNED, "-not_before", "20900101000000Z", "-not_after", "20900201000000Z"],
  unknown: ["-signkey", "host.key", "-days", "7"],
  // For another name, which its caller gives.
  other: [...SIGNED, "-days", "7"],
};

/** Key and certificate for `names`, made with `how`. */
function makeCertificate(names, how) {
  writeFileSync(`${FOLDER}/names`, `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  openssl("req", "-new", ...KEY, "-subj", "/CN=host", "-keyout", "host.key", "-out", "host.csr");
  openssl("x509", "-req", "-in", "host.csr", ...how, "-extfile", "names", "-out", "host.pem");
  return { key: readFileSync(`${FOLDER}/host.key`), cert: readFileSync(`${FOLDER}/host.pem`) };
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

function makeRepositories() {
  const tree = ["-c", "user.name=x", "-c", "user.email=x@y.test", "-C", `${FOLDER}/work`];
  execFileSync("git", ["init", "--quiet", `${FOLDER}/work`], { stdio: "ignore" });
  execFileSync("git", [...tree, "commit", "--quiet", "--allow-empty", "-m", "first"]);
  for (const bare of ["app", "other"].map((name) => `${FOLDER}/${name}.git`)) {
    execFileSync("git", ["clone", "--quiet", "--bare", `${FOLDER}/work`, bare], { stdio: "ignore" });
    execFileSync("git", ["-C", bare, "config", "http.receivepack", "true"]);
  }
}

execFileSync("mkdir", ["-p", FOLDER]);
makeAuthority();
makeRepositories();
const pair = makeCertificate(certified, [...SIGNED, "-days", "7"]);
const faulty = new Map(
  Object.entries(faults).map(([name, fault]) => {
    const names = [fault === "other" ? "foreign.example" : name];
    return [name, createSecureContext(makeCertificate(names, FAULTS[fault]))];
  }),
);
const server = createServer({ ...pair, SNICallback: (name, give) => give(null, faulty.get(name)) });
server.on("request", (request, response) => {
  const url = new URL(request.url ?? "/", "https://x");
  say({ kind: "request", method: request.method, path: request.url, headers: told(request.headers) });
  if (url.pathname.startsWith("/git/")) return serveGit(request, response, url);
  if (globalThis.further?.request(request, response, url)) return;
  request.resume();
  if (url.pathname === "/stream") return void serveStream(response, url);
  response.writeHead(200, { "content-type": "text/plain" }).end(`you asked for ${url.pathname}\n`);
});
server.on("upgrade", (request, socket) => {
  say({ kind: "request", method: request.method, path: request.url, headers: told(request.headers) });
  if (globalThis.further?.upgrade(request, socket)) return;
  socket.destroy();
});
server.listen(443, () => say({ kind: "ready", caPem: readFileSync(`${FOLDER}/ca.pem`, "utf8") }));
setTimeout(() => process.exit(0), lifetimeMs);
