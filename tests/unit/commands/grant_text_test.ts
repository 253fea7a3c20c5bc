import assert from "node:assert/strict";
import { grantText } from "../../../lib/commands/grant_text.ts";

const DIGEST = "0123456789abcdef".repeat(4);

/** Every kind of capability, what it says, and whether it has an exclamation mark. */
const ROWS: readonly (readonly [
  kind: string,
  parts: readonly string[],
  label: string,
  text: string,
  isFar: boolean,
])[] = [
  ["bottle", ["dev"], "bottle", "dev", false],
  ["command", ["sh", "-c", "a b"], "command", "sh -c 'a b'", false],
  ["skill", ["code-review"], "skill", "code-review", false],
  ["env", ["A", "literal"], "env", "A, a literal", false],
  ["env", ["A", "host", "B"], "env", "A from your variable B", true],
  ["env", ["A", "prompt", "Your token"], "env", 'A from you, asked at the launch: "Your token"', true],
  ["env", ["A", "file", "/k"], "env", "A from the file /k", true],
  ["env", ["A", "command", '["op","read"]'], "env", "A from what runs on this machine: op read", true],
  [
    "env",
    ["A", "command", '["/repo/a.sh"]', `sha256 ${DIGEST} /repo/a.sh`],
    "env",
    "A from what runs on this machine: /repo/a.sh (sha256 0123456789ab) (other files that it reads may change without asking)",
    true,
  ],
  ["host", ["a.test"], "host", "a.test", false],
  ["host", ["a.test", "GET /"], "host", "a.test, only GET /", false],
  ["host", ["*.a.test"], "host", "*.a.test: a.test and every name below it", true],
  [
    "host",
    ["a.test", "GET /", "injected"],
    "host",
    "a.test, only GET /, with the injected secret alone",
    false,
  ],
  ["host", ["a.test", "", "injected"], "host", "a.test, with the injected secret alone", false],
  [
    "host",
    ["*.a.test", "", "not b.a.test"],
    "host",
    "*.a.test: a.test and every name below it, but for what is said of b.a.test",
    true,
  ],
  ["http", ["a.test"], "http", "a.test, over plain HTTP", false],
  [
    "http",
    ["*.a.test", "", "not b.a.test"],
    "http",
    "*.a.test, over plain HTTP, but for what is said of b.a.test",
    false,
  ],
  ["private", ["a.test"], "private", "a.test may be an address of a private network", true],
  ["network", ["app_default"], "network", "the engine's network app_default", true],
  ["proxy", ["squid"], "proxy", "squid", false],
  ["proxy", ["unnamed"], "proxy", "by default", false],
  [
    "inject",
    ["a.test", "T", "bearer", "host", "B"],
    "inject",
    "T from your variable B; put into requests to a.test as bearer",
    true,
  ],
  ["ssh", ["a.test", "22"], "ssh", "a.test, port 22", false],
  ["ssh", ["10.0.0.1", "22"], "ssh", "10.0.0.1, port 22", true],
  ["sign", ["/k"], "sign", "/k signs any commit", true],
  ["git identity", ["host"], "git identity", "your git's user.name and user.email", false],
  ["image", ["debian:1"], "image", "built on debian:1", true],
  ["image with keys", ["debian:1"], "image", "what is built from debian:1 holds your ssh keys", true],
  ["dockerfile", ["/d", `sha256 ${DIGEST} /d`], "dockerfile", "/d (sha256 0123456789ab)", true],
  ["package", ["git"], "package", "git", false],
  ["ca", ["/ca", "missing"], "ca", "trusts the authorities of /ca (missing)", true],
  ["runtime", ["auto"], "runtime", "auto", false],
  ["runtime", ["runc"], "runtime", "runc, also where gVisor is there", true],
  ["cpus", ["unlimited"], "cpus", "unlimited", false],
  ["memory", ["1572864000"], "memory", "1500 MiB", false],
  ["pids", ["64"], "pids", "64 processes", false],
  ["disk", ["21474836480"], "disk", "20 GiB", false],
  ["of another version", ["a", "b"], "of another version", "a b", true],
];

Deno.test("grantText() says what each kind of capability is, and which ones reach far", () => {
  for (const [kind, parts, label, text, isFar] of ROWS) {
    assert.deepEqual(grantText({ subject: "bottle dev", kind, parts }), { label, text, isFar }, kind);
  }
});
