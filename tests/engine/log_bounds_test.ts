import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  type Ended,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";
import { Follower } from "../support/follower.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

const MB = 1_000_000;
/** What the sidecar is made to log: more than the engine keeps. */
const FLOOD = 26 * MB;
/** Two files of 10 MB, and what an engine writes over them. */
const BOUND = 24 * MB;

/** So many times the flood stops until whoever follows the log has caught up: less is on its way than the engine keeps. */
const PARTS = 3;

/** Bytes that one refusal takes in a log, hardly more. */
const LINE = { squid: 450, pipelock: 860 };

/** Refusals of one part. */
function partOf(proxy: keyof typeof LINE): number {
  return Math.ceil(FLOOD / LINE[proxy] / PARTS);
}

/**
 * Asks the proxy for one host, then for another many times, and for a last one; each time it is told to before. Many
 * requests go over one connection, since making one takes a gVisor bottle milliseconds.
 */
const FLOODER = `
use IO::Socket::INET;
my ($ip) = $ENV{HTTPS_PROXY} =~ m{//([^:/]+)};
sub ask {
  my ($host, $times) = @_;
  my $socket = IO::Socket::INET->new("$ip:8888") or die "$!";
  my $request = "CONNECT $host:443 HTTP/1.1\r\nHost: $host\r\n";
  # A child writes: nobody would read the answers meanwhile.
  unless (fork) {
    print $socket "$request\r\n" x ($times - 1), "\${request}Connection: close\r\n\r\n";
    close $socket;
    exit 0;
  }
  1 while sysread($socket, my $answer, 65536);
  wait;
}
ask('first.test', 1);
for my $part (1 .. ${PARTS}) {
  select(undef, undef, undef, 0.1) until -e "/tmp/go$part";
  ask(join('.', map { $_ x 60 } 'a' .. 'd') . '.test', $ARGV[0]);
}
ask('last.test', 1);
`;

/** Of what the engine still has of a container's log. */
async function logged(id: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("docker", { args: ["logs", id] }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** The id of a running container of this test. */
async function containerOf(bench: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=${role}`];
  return await eventually(`there is its ${role}`, async () => {
    const id = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
    return id === "" ? undefined : id;
  });
}

/**
 * Lets the agent go on whenever somebody who follows the log has seen what it did so far; what it said, and the hosts
 * that the follower was told of.
 */
async function followed(
  bench: Workbench,
  part: number,
): Promise<{ readonly session: Ended; readonly hosts: readonly string[] }> {
  const session = ended(bench.launch(["--keep"]));
  // Looked at below; a wait that fails before must not leave it unheard.
  session.catch(() => {});
  const [agent] = [await containerOf(bench, "agent"), await containerOf(bench, "sidecar")];
  const child = bench.spawn(["logs", bench.agent, "--follow", "--json"]);
  const follower = new Follower(child.stdout);
  const complaints = new Response(child.stderr).text();
  for (let index = 1; index <= PARTS; index++) {
    await follower.hasLines(1 + (index - 1) * part);
    await docker("exec", agent, "touch", `/tmp/go${index}`);
  }
  await follower.hasLines(2 + PARTS * part);
  const told = await session;
  assert.equal(told.code, 0, told.stderr);
  await isBounded(bench);
  const { code, stderr } = await ended(bench.spawn(["stop", bench.agent]));
  assert.equal(code, 0, stderr);
  // It ends with the bottle.
  await follower.end();
  assert.equal((await child.status).code, 0, await complaints);
  assert.deepEqual(await bench.leftovers(), []);
  const lines = follower.text.split("\n").filter((line) => line !== "");
  return { session: told, hosts: lines.map((line) => JSON.parse(line).host) };
}

/** The engine has forgotten the first one, and has the last. */
async function isBounded(bench: Workbench): Promise<void> {
  const log = await logged(await containerOf(bench, "sidecar"));
  assert.ok(log.length < BOUND, `${log.length} bytes`);
  assert.ok(log.includes("last.test"));
  assert.ok(!log.includes("first.test"), `of ${log.length} bytes`);
}

const ROWS = [["squid", "runc"], ["pipelock", "runc"], ["squid", "runsc"]] as const;

for (const [proxy, runtime] of ROWS) {
  Deno.test({
    name:
      `a flooded log stays bounded, and what was tried before is told all the same (${proxy}, ${runtime})`,
    ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({
        bottle: { runtime, egress: { proxy, defaults: false } },
        agent: { command: ["perl", "-e", FLOODER, String(partOf(proxy))] },
      });

      const part = partOf(proxy);
      const { session: { stderr }, hosts } = await followed(bench, part);

      const refused = stderr.split("\n").filter((line) => line.includes(": refused "));
      assert.match(refused[0] ?? "", /: refused first\.test:443: not an allowed host$/, refused.join("\n"));
      assert.match(refused.at(-1) ?? "", /: refused last\.test:443: /, refused.join("\n"));
      if (proxy === "squid") {
        assert.equal(refused.length, 3, refused.join("\n"));
        assert.ok(refused[1]?.includes(`.test:443 (${PARTS * part} times): `), refused[1]);
      }
      // Who follows sees each of them once, however often the engine starts its next file.
      assert.deepEqual([hosts[0], hosts.at(-1)], ["first.test", "last.test"]);
      assert.equal(hosts.length, PARTS * part + 2);
    },
  });
}

/** Writes a line into whatever of other processes' streams can be opened, and tells how many could. */
const MARKER = `
my @streams = grep { !m{^/proc/(?:$$|self|thread-self)/} }
  '/dev/console', glob('/proc/[0-9]*/fd/[0-9]*'), glob('/proc/[0-9]*/task/[0-9]*/fd/[0-9]*');
my $opened = 0;
for my $path (@streams) { open(my $stream, '>>', $path) or next; $opened++; syswrite($stream, "marked $ARGV[0]\n") }
print "$opened\n";
`;

/** Writes that many megabytes of lines into the log of a container whose PID 1 it is let write for. */
const FILL = `open(my $log, '>>', '/proc/1/fd/1') or die "$!"; print $log 'x' x 999, "\n" for 1 .. 30_000`;

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `an agent has no way into its container's own log, and that is bounded as well (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ bottle: { runtime }, agent: { command: ["true"] } });
      const detached = await bench.start(["--detach"]);
      assert.equal(detached.code, 0, detached.stderr);
      const agent = await containerOf(bench, "agent");

      const words = ["exec", bench.agent, "--manifest", bench.manifestFile, "--"];
      const tried = await ended(bench.spawn([...words, "perl", "-e", MARKER, "agent"]));
      assert.deepEqual([tried.code, tried.stdout], [0, "0\n"], tried.stderr);
      assert.equal(await logged(agent), "");

      // Root of the bottle has it, and so has an agent that is PID 1 itself.
      const asRoot = ["exec", "--user", "0:0", agent, "perl", "-e"];
      assert.notEqual(await docker(...asRoot, MARKER, "root"), "0");
      assert.match(await logged(agent), /^marked root$/m);
      const own = await docker(
        ...["run", "--rm", "--runtime", runtime, "--label", `${LABEL.agent}=${bench.agent}`],
        ...["--network", "none", "--user", "47291:47291", "--entrypoint", "/usr/bin/perl", images.agent],
        ...["-e", "open(my $log, '>>', '/proc/1/fd/1') or die $!; syswrite($log, qq(marked own\\n))"],
      );
      assert.equal(own, "marked own");

      await docker(...asRoot, FILL);
      const log = await logged(agent);
      assert.ok(log.length > 9 * MB && log.length < BOUND, `${log.length} bytes`);
      assert.doesNotMatch(log, /marked/);
      const { code, stderr } = await ended(bench.spawn(["stop", bench.agent]));
      assert.equal(code, 0, stderr);
    },
  });
}
