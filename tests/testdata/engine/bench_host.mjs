// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// A host over TLS that requests are timed against: small answers, events half a second apart, a gigabyte each way.
//   BENCH_HOST  {"names": […], "lifetimeMs": …}; stdout: the authority that signed its certificate
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";

const { names, lifetimeMs } = JSON.parse(process.env.BENCH_HOST);
const openssl = (...args) =>
  execFileSync("openssl", args, { cwd: "/tmp", stdio: ["ignore", "ignore", "pipe"] });
const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"];
openssl("req", "-x509", ...key, "-days", "7", "-subj", "/CN=far side", "-keyout", "ca.key", "-out", "ca.pem");
openssl("req", "-new", ...key, "-subj", "/CN=bench", "-keyout", "server.key", "-out", "server.csr");
writeFileSync("/tmp/names", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
const authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "7", "-extfile", "names"];
openssl("x509", "-req", "-in", "server.csr", ...authority, "-out", "server.pem");
const read = (name) => readFileSync(`/tmp/${name}`, "utf8");

const CHUNK = Buffer.alloc(1 << 20, "x");

async function answer(request, response) {
  if (request.url === "/big") {
    for (let sent = 0; sent < 1024; sent++) {
      if (!response.write(CHUNK)) await new Promise((resolve) => response.once("drain", resolve));
    }
    response.end();
  } else if (request.url === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: first\n\n");
    setTimeout(() => response.end("data: last\n\n"), 500);
  } else {
    let bytes = 0;
    for await (const chunk of request) bytes += chunk.length;
    response.end(`${bytes}\n`);
  }
}

createServer({ key: read("server.key"), cert: read("server.pem") }, (request, response) => {
  answer(request, response).catch(() => response.destroy());
}).listen(443, () => process.stdout.write(`${JSON.stringify({ caPem: read("ca.pem") })}\n`));
setTimeout(() => process.exit(0), lifetimeMs);
