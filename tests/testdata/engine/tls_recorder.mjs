// deno-lint-ignore-file claude-bottle/no-node -- runs on node, inside a container
// A TLS server that records what reaches it, one JSON object a line on stdout, and answers as carelessly as a server
// can: once for each end of a header block, wherever that stands. Its certificate names hosts of others as well.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import tls from "node:tls";

const { names, lifetimeMs } = JSON.parse(process.env.RECORDER);
const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);

process.chdir(mkdtempSync("/tmp/recorder-"));
const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
writeFileSync(
  "server.cnf",
  `basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=${
    names.map((name) => `DNS:${name}`).join(",")
  }\n`,
);
openssl("req", "-x509", ...key, "-days", "2", "-subj", "/CN=Recorder", "-keyout", "ca.key", "-out", "ca.pem");
openssl("req", "-new", ...key, "-subj", "/CN=recorder", "-keyout", "server.key", "-out", "server.csr");
openssl(
  ...[
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
    "2",
  ],
  ...["-extfile", "server.cnf", "-out", "server.pem"],
);

tls.createServer({ cert: readFileSync("server.pem"), key: readFileSync("server.key") }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    const text = bytes.toString("latin1");
    say({ kind: "bytes", text });
    for (let blocks = text.split(/\r?\n\r?\n/).length - 1; blocks > 0; blocks--) {
      socket.write("HTTP/1.1 200 OK\r\nSet-Cookie: seen=1\r\nContent-Length: 3\r\n\r\nok\n");
    }
  });
}).listen(443, () => say({ kind: "ready", caPem: readFileSync("ca.pem", "latin1") }));

setTimeout(() => process.exit(), lifetimeMs);
