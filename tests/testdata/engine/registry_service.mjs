// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// What `tls_host.mjs` answers besides, as a registry of npm packages: `left` and `@acme/right`, both 1.0.0, for who shows a
// token; anything may be published, and nothing comes of it.
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";

function packed(name) {
  const folder = mkdtempSync("/tmp/package-");
  mkdirSync(`${folder}/package`);
  writeFileSync(`${folder}/package/package.json`, JSON.stringify({ name, version: "1.0.0" }));
  writeFileSync(`${folder}/package/index.js`, `module.exports = ${JSON.stringify(`it is ${name}`)};\n`);
  return execFileSync("tar", ["-czf", "-", "-C", folder, "package"]);
}

const packages = new Map(["left", "@acme/right"].map((name) => [name, packed(name)]));

function about(name, tarball, origin) {
  const dist = {
    tarball: `${origin}/${name}/-/${name.split("/").pop()}-1.0.0.tgz`,
    integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
  };
  return { name, "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": { name, version: "1.0.0", dist } } };
}

function answer(request, url) {
  if (!/^Bearer ./.test(request.headers.authorization ?? "")) return [401, { error: "a token is needed" }];
  if (request.method === "PUT") return [201, { ok: true }];
  if (request.method === "POST") return [200, {}];
  const [name, file] = decodeURIComponent(url.pathname.slice(1)).split("/-/");
  const tarball = packages.get(name);
  if (tarball === undefined) return [404, { error: "not found" }];
  return [200, file === undefined ? about(name, tarball, `https://${request.headers.host}`) : tarball];
}

globalThis.further = {
  request(request, response, url) {
    request.resume();
    request.on("end", () => {
      const [status, body] = answer(request, url);
      response.writeHead(status).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
    return true;
  },
};
