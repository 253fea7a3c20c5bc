import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

const MB = 1_000_000;
/** What the sidecar is made to log: more than the engine keeps. */
const FLOOD = 26 * MB;
/** Two files of 10 MB, and what an engine writes over them. */
const BOUND = 24 * MB;

/** Asks the proxy for one host, then for others until so many bytes were logged at least, then says how often. */
const FLOODER = `
use IO::Socket::INET;
my ($ip) = $ENV{HTTPS_PROXY} =~ m{//([^:/]+)};
sub ask {
  my $socket = IO::Socket::INET->new("$ip:8888") or die "$!";
  print $socket "CONNECT $_[0]:443 HTTP/1.1\\r\\nHost: $_[0]\\r\\nConnection: close\\r\\n\\r\\n";
  1 while sysread($socket, my $answer, 65536);
}
ask('first.test');
my $noise = join('.', map { $_ x 60 } 'a' .. 'd') . '.test';
my $line = shift;
my @children = map {
  pipe(my $out, my $in);
  unless (fork) { close $out; ask($noise) for 1 .. ${FLOOD} / $line / 3; exit 0 }
  close $in; $out
} 1 .. 3;
sysread($_, my $end, 1) for @children;
ask('last.test');
print int(${FLOOD} / $line / 3) * 3, "\\n";
`;

/** Bytes that one of them takes in a log, hardly more. */
const LINE = { squid: 450, pipelock: 860 };

/** Of what the engine still has of a container's log. */
async function logged(id: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("docker", { args: ["logs", id] }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

for (const proxy of ["squid", "pipelock"] as const) {
  Deno.test({
    name: `a flooded log stays bounded, and what was tried before is told all the same (${proxy})`,
    ignore: !runtimes.includes("runc") || !proxies.includes(proxy),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({
        bottle: { runtime: "runc", egress: { proxy, defaults: false } },
        agent: { command: ["perl", "-e", FLOODER, String(LINE[proxy])] },
      });

      const { code, stdout, stderr } = await bench.start(["--keep"]);

      assert.equal(code, 0, stderr);
      const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=sidecar`];
      const sidecar = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
      const log = await logged(sidecar);
      // The engine has forgotten the first one, and has the last.
      assert.ok(log.length < BOUND, `${log.length} bytes`);
      assert.ok(log.includes("last.test"));
      assert.ok(!log.includes("first.test"), `of ${log.length} bytes`);
      const refused = stderr.split("\n").filter((line) => line.includes(": refused "));
      assert.match(refused[0] ?? "", /: refused first\.test:443: not an allowed host$/, refused.join("\n"));
      assert.match(refused.at(-1) ?? "", /: refused last\.test:443: /, refused.join("\n"));
      if (proxy === "squid") {
        assert.equal(refused.length, 3, refused.join("\n"));
        assert.ok(refused[1]?.includes(`.test:443 (${stdout.trim()} times): `), refused[1]);
      }
      const stopped = await ended(bench.spawn(["stop", bench.agent]));
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
