import assert from "node:assert/strict";
import { CAUSES } from "../../lib/egress/squid/refusals.ts";
import { type Ran, run } from "../support/ssh_programs.ts";

const PROGRAM = new URL("../../lib/assets/ssh_connect.pl", import.meta.url).pathname;

/**
 * A sidecar that answers as the host that is asked for says: `tunnel.test` is one whose other end speaks first,
 * gives everything back, and at the end says how much it was; any other host gets what stands in a file.
 */
const SIDECAR = `
use Socket;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, pack_sockaddr_in(0, inet_aton('127.0.0.1'))) && listen($s, 8) or die $!;
$| = 1;
print((unpack_sockaddr_in(getsockname($s)))[0], "\\n");
$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
while (accept(my $c, $s)) {
  next if fork;
  my $head = '';
  until ($head =~ /\\r\\n\\r\\n\\z/) { sysread($c, $head, 1, length $head) or exit }
  if ($head eq "CONNECT tunnel.test:22 HTTP/1.1\\r\\nHost: tunnel.test:22\\r\\n\\r\\n") {
    syswrite($c, "HTTP/1.1 200 Connection established\\r\\n\\r\\nhello\\n");
    my $all = 0;
    while (my $got = sysread($c, my $bytes, 65536)) {
      $all += $got;
      while (length $bytes) { substr($bytes, 0, syswrite($c, $bytes), '') }
    }
    syswrite($c, "all $all");
  } else {
    open(my $file, '<:raw', $ARGV[0]);
    local $/;
    syswrite($c, <$file>);
  }
  exit;
}`;

class Sidecar implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;
  readonly port: string;

  private constructor(folder: string, child: Deno.ChildProcess, port: string) {
    this.#folder = folder;
    this.#child = child;
    this.port = port;
  }

  /** One that answers every other host with these bytes. */
  static async saying(answer: string): Promise<Sidecar> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-connect-" });
    await Deno.writeFile(
      `${folder}/answer`,
      Uint8Array.from(answer, (character) => character.charCodeAt(0)),
    );
    const child = new Deno.Command("perl", {
      args: ["-e", SIDECAR, `${folder}/answer`],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    return new Sidecar(folder, child, (value ?? "").trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#child.stdout.cancel().catch(() => {});
    await Deno.remove(this.#folder, { recursive: true });
  }

  connect(host: string, options: { readonly port?: string; readonly input?: Uint8Array } = {}): Promise<Ran> {
    return run(["perl", PROGRAM, "127.0.0.1", this.port, host, options.port ?? "22"], {
      input: options.input ?? "",
    });
  }
}

function answer(status: string, body: string, headers = `Content-Length: ${body.length}\r\n`): string {
  return `HTTP/1.1 ${status}\r\n${headers}\r\n${body}`;
}

Deno.test("a tunnel carries every byte both ways, what came with the answer too, and goes on after our end", async () => {
  await using sidecar = await Sidecar.saying("");
  const input = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 8)) & 255);
  const child = new Deno.Command("perl", {
    args: [PROGRAM, "127.0.0.1", sidecar.port, "tunnel.test", "22"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    ReadableStream.from([input]).pipeTo(child.stdin),
  ]);
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
  const encoder = new TextEncoder();
  const [first, last] = [encoder.encode("hello\n"), encoder.encode(`all ${input.length}`)];
  assert.deepEqual(stdout.subarray(0, 6), first);
  assert.deepEqual(stdout.subarray(-last.length), last);
  assert.equal(stdout.length, first.length + input.length + last.length);
  assert.ok(stdout.subarray(6, -last.length).every((byte, index) => byte === input[index]));
});

const REFUSED = "claude-bottle: git.example.com:2222 is refused by the sidecar: ";
const UNREACHED = "claude-bottle: git.example.com:2222 cannot be reached: ";

for (
  const [what, said, expected] of [
    [
      "squid's page of a port",
      answer("403 Forbidden", `claude-bottle ${CAUSES.port.page.replace("%H:%p", "git.example.com:2222")}\n`),
      `${REFUSED}the manifest lists this host, but not this port (allowed hosts: 443, ssh entries: their Port)`,
    ],
    [
      "squid's page of a name that does not resolve",
      answer(
        "503 Service Unavailable",
        `claude-bottle ${CAUSES.unresolved.page.replace("%H:%p", "git.example.com:2222")}\n`,
      ),
      `${UNREACHED}the host is allowed, but its name does not resolve`,
    ],
    [
      "pipelock's words",
      answer("403 Forbidden", "CONNECT blocked: domain not in allowlist: git.example.com\n"),
      `${REFUSED}domain not in allowlist: git.example.com`,
    ],
    [
      "squid's page of a host that does not answer",
      answer(
        "503 Service Unavailable",
        "claude-bottle cannot reach git.example.com:2222: nothing answers there ((111) Connection refused)\n",
      ),
      `${UNREACHED}nothing answers there ((111) Connection refused)`,
    ],
    ...[
      "cannot go on: git.example.com:2222 has not answered for too long",
      "lost the connection to git.example.com:2222 before all of its answer had come",
      "got no answer: git.example.com:2222 ended the connection without one",
    ].map((page) =>
      [
        `squid's page "${page}"`,
        answer("502 Bad Gateway", `claude-bottle ${page}\n`),
        UNREACHED + page,
      ] as const
    ),
    [
      "pipelock's words for a name that does not resolve",
      answer(
        "403 Forbidden",
        "CONNECT blocked: SSRF check failed: DNS resolution error for x: no such host\n",
      ),
      `${UNREACHED}the host is allowed, but its name does not resolve`,
    ],
    [
      "a failure without a word",
      answer("503 Service Unavailable", ""),
      `${UNREACHED}the host did not answer the sidecar (503)`,
    ],
    ["a refusal without a length", answer("403 Forbidden", "no\n", ""), `${REFUSED}no`],
    ["a refusal without a word", answer("403 Forbidden", ""), `${REFUSED}it answered 403`],
    ["another status", answer("502 Bad Gateway", "dial failed\n"), `${UNREACHED}dial failed`],
    [
      "control characters and more lines",
      answer("403 Forbidden", "a\x1b[31mb\r\nc\x07\x00\n"),
      `${REFUSED}a?[31mb c??`,
    ],
    ["a very long reason", answer("403 Forbidden", "x".repeat(4000)), REFUSED + "x".repeat(300)],
    ["what is no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", `${UNREACHED}the sidecar answers with what is no HTTP`],
    ["no end of the head", "x".repeat(20_000), `${UNREACHED}the sidecar answers with what is no HTTP`],
    ["half a head", "HTTP/1.1 200 OK\r\n", `${UNREACHED}the sidecar ended the connection`],
    ["nothing", "", `${UNREACHED}the sidecar ended the connection`],
  ] as const
) {
  Deno.test(`${what} becomes one sentence`, async () => {
    await using sidecar = await Sidecar.saying(said);
    const { code, out, err } = await sidecar.connect("git.example.com", { port: "2222" });
    assert.deepEqual([code, out, err], [1, "", `${expected}\n`]);
  });
}

for (
  const [what, said, expected] of [
    [
      "a host that ends the connection without a word is said to have done so",
      "",
      [1, "", "claude-bottle: git.example.com:22 ended the connection before it said anything\n"],
    ],
    ["a host that ends the connection after a word is not", "hello\n", [0, "hello\n", ""]],
  ] as const
) {
  Deno.test(what, async () => {
    await using sidecar = await Sidecar.saying(answer("200 OK", said, ""));
    const child = new Deno.Command("perl", {
      args: [PROGRAM, "127.0.0.1", sidecar.port, "git.example.com", "22"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const out = await new Response(child.stdout).text();
    // As ssh does: not before the other side has ended.
    await child.stdin.close().catch(() => {});
    const [err, { code }] = await Promise.all([new Response(child.stderr).text(), child.status]);
    assert.deepEqual([code, out, err], expected);
  });
}

Deno.test("a sidecar that is not there is said to be missing", async () => {
  const { code, out, err } = await run(["perl", PROGRAM, "127.0.0.1", "1", "git.example.com", "2222"]);
  assert.deepEqual([code, out, err], [1, "", `${UNREACHED}the sidecar does not answer\n`]);
});

Deno.test("no host or port that is more than one is asked for", async () => {
  await using sidecar = await Sidecar.saying(answer("403 Forbidden", "asked"));
  for (
    const [host, port] of [
      ["a\r\nX: y", "22"],
      ["a b", "22"],
      ["", "22"],
      ["a", "22 HTTP/1.0"],
      ["a", ""],
      ["a\n", "22"],
      ["a", "22\n"],
      ["::1", "22"],
    ] as const
  ) {
    const { err } = await sidecar.connect(host, { port });
    assert.equal(err, "usage: ssh_connect.pl SIDECAR_IP PORT HOST HOST_PORT\n");
  }
  assert.match((await sidecar.connect("a")).err, /asked/);
});
