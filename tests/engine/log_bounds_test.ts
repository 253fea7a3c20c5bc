import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

const MB = 1_000_000;
/** What the sidecar is made to log: more than the engine keeps. */
const FLOOD = 26 * MB;
/** Two files of 10 MB, and what an engine writes over them. */
const BOUND = 24 * MB;

/** Once it is told to, asks the proxy for one host, then for others until so many bytes were logged at least, then says how often. */
const FLOODER = `
use IO::Socket::INET;
select(undef, undef, undef, 0.1) until -e '/tmp/go';
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

/** The id of a running container of this test. */
async function containerOf(bench: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=${role}`];
  return await eventually(`there is its ${role}`, async () => {
    const id = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
    return id === "" ? undefined : id;
  });
}

/** Lets the agent go on once somebody follows the log; what it said, and what the follower did. */
async function followed(
  bench: Workbench,
): Promise<Record<"session" | "follower", Awaited<ReturnType<typeof ended>>>> {
  const session = ended(bench.launch(["--keep"]));
  const [agent] = [await containerOf(bench, "agent"), await containerOf(bench, "sidecar")];
  const follower = ended(bench.spawn(["logs", bench.agent, "--follow", "--json"]));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await docker("exec", agent, "touch", "/tmp/go");
  return { session: await session, follower: await stopped(bench, follower, await session) };
}

/** The follower ends with the bottle; that is looked at before. */
async function stopped(
  bench: Workbench,
  follower: ReturnType<typeof ended>,
  session: Awaited<ReturnType<typeof ended>>,
): ReturnType<typeof ended> {
  assert.equal(session.code, 0, session.stderr);
  const log = await logged(await containerOf(bench, "sidecar"));
  // The engine has forgotten the first one, and has the last.
  assert.ok(log.length < BOUND, `${log.length} bytes`);
  assert.ok(log.includes("last.test"));
  assert.ok(!log.includes("first.test"), `of ${log.length} bytes`);
  const { code, stderr } = await ended(bench.spawn(["stop", bench.agent]));
  assert.equal(code, 0, stderr);
  assert.deepEqual(await bench.leftovers(), []);
  return await follower;
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
        agent: { command: ["perl", "-e", FLOODER, String(LINE[proxy])] },
      });

      const { session: { stdout, stderr }, follower } = await followed(bench);

      const refused = stderr.split("\n").filter((line) => line.includes(": refused "));
      assert.match(refused[0] ?? "", /: refused first\.test:443: not an allowed host$/, refused.join("\n"));
      assert.match(refused.at(-1) ?? "", /: refused last\.test:443: /, refused.join("\n"));
      if (proxy === "squid") {
        assert.equal(refused.length, 3, refused.join("\n"));
        assert.ok(refused[1]?.includes(`.test:443 (${stdout.trim()} times): `), refused[1]);
      }
      // Who follows sees each of them once, however often the engine starts its next file.
      const hosts = follower.stdout.split("\n").filter((line) => line !== "").map((line) =>
        JSON.parse(line).host
      );
      assert.deepEqual([hosts[0], hosts.at(-1)], ["first.test", "last.test"], follower.stderr);
      assert.equal(hosts.length, Number(stdout) + 2);
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
