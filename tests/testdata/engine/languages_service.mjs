// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// What `tls_host.mjs` answers besides, for who shows any credentials: a package `hello` 1.0.0 each for cargo (/cargo/, a
// sparse registry), Go (/go/, a module proxy) and pip (/simple/). Needs python3, which makes the archives.
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";

/** An archive of files by path: a zip, or a tar with gzip. */
function archive(kind, files) {
  const program = `
import io, json, sys, tarfile, zipfile
out, files = io.BytesIO(), json.load(sys.stdin)
if "${kind}" == "zip":
    with zipfile.ZipFile(out, "w") as made:
        for path, text in files.items(): made.writestr(path, text)
else:
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for path, text in files.items():
            about = tarfile.TarInfo(path)
            about.size = len(text)
            made.addfile(about, io.BytesIO(text.encode()))
sys.stdout.buffer.write(out.getvalue())`;
  return execFileSync("python3", ["-c", program], { input: JSON.stringify(files) });
}

function hash(bytes, encoding) {
  return createHash("sha256").update(bytes).digest(encoding);
}

const crate = archive("tar", {
  "hello-1.0.0/Cargo.toml": '[package]\nname = "hello"\nversion = "1.0.0"\nedition = "2021"\n',
  "hello-1.0.0/src/lib.rs": "",
});

const goModule = "module go.test/hello\n";
const goZip = archive("zip", {
  "go.test/hello@v1.0.0/go.mod": goModule,
  "go.test/hello@v1.0.0/hello.go": "package hello\n",
});

const METADATA = "Metadata-Version: 2.1\nName: hello\nVersion: 1.0.0\n";
const WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
const wheelFiles = {
  "hello.py": "",
  "hello-1.0.0.dist-info/METADATA": METADATA,
  "hello-1.0.0.dist-info/WHEEL": WHEEL,
};
const record = Object.entries(wheelFiles).map(([path, text]) =>
  `${path},sha256=${hash(text, "base64url")},${text.length}\n`
);
const wheel = archive("zip", {
  ...wheelFiles,
  "hello-1.0.0.dist-info/RECORD": `${record.join("")}hello-1.0.0.dist-info/RECORD,,\n`,
});

function answers(host) {
  const entry = { name: "hello", vers: "1.0.0", deps: [], cksum: hash(crate, "hex"), features: {} };
  return new Map(Object.entries({
    "/cargo/config.json": JSON.stringify({ "dl": `https://${host}/cargo/dl`, "auth-required": true }),
    "/cargo/he/ll/hello": JSON.stringify({ ...entry, yanked: false }),
    "/cargo/dl/hello/1.0.0/download": crate,
    "/go/go.test/hello/@v/list": "v1.0.0\n",
    "/go/go.test/hello/@v/v1.0.0.info": JSON.stringify({ Version: "v1.0.0", Time: "2024-01-01T00:00:00Z" }),
    "/go/go.test/hello/@v/v1.0.0.mod": goModule,
    "/go/go.test/hello/@v/v1.0.0.zip": goZip,
    "/simple/hello/": '<a href="/files/hello-1.0.0-py3-none-any.whl">hello-1.0.0-py3-none-any.whl</a>',
    "/files/hello-1.0.0-py3-none-any.whl": wheel,
  }));
}

globalThis.further = {
  request(request, response, url) {
    request.resume();
    const body = answers(request.headers.host).get(url.pathname);
    const status = request.headers.authorization === undefined ? 401 : body === undefined ? 404 : 200;
    const type = url.pathname.startsWith("/simple/") ? "text/html" : "application/octet-stream";
    response.writeHead(status, { "content-type": type }).end(status === 200 ? Buffer.from(body) : "");
    return true;
  },
};
