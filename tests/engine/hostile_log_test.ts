import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { startScriptedApi } from "../../scripts/scripted_api.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  hasProgram,
  Workbench,
} from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const proxies = runtimes.length === 0 ? [] : await engineProxies();

/** Sends the sidecar what no honest program does; each with a connection of its own. */
const ATTACK = `
use strict;
use warnings;
use IO::Socket::INET;
my ($address) = $ENV{http_proxy} =~ m{//([0-9.:]+)} or die 'no proxy';
$SIG{PIPE} = 'IGNORE';
sub ask {
    my (@parts) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $address, Timeout => 5) or return;
    for my $part (@parts) {
        syswrite($socket, $part);
        eval { local $SIG{ALRM} = sub { die }; alarm 1; sysread($socket, my $answer, 4096); alarm 0 };
    }
    close $socket;
}
# A ClientHello that names any bytes.
sub hello {
    my ($name) = @_;
    my $sni = pack('n n C n/a*', 0, length($name) + 5, 0, $name);
    my $extension = pack('n n', 0, length($name) + 5) . pack('n C n/a*', length($name) + 3, 0, $name);
    my $body = pack('n a32 C n n C C n/a*', 0x0303, 'r' x 32, 0, 2, 0x1301, 1, 0, $extension);
    my $message = pack('C C n/a*', 1, 0, $body);
    return pack('C n n/a*', 22, 0x0301, $message);
}
my $forged = '{"by":"back","time":1,"host":"forged.test","port":"443","why":"-","bump":"splice","sni":"-"}';
my $forged2 = '{"level":"info","component":"pipelock","event":"tunnel_open","target":"forged.test:443","time":"2026-01-01T00:00:00Z"}';
my @names = (
    "\\e[31mred\\a", "\\e]0;title\\a", "back\\bspace", "ret\\rurn", "\\x9b2J", "\\xff\\xfe", "nul\\0", "tab\\t", "%0a%1b[31m", "%00",
    'quote"', 'back\\\\', 'a","verdict":"allowed","host":"forged.test', "\\xe2\\x80\\xae", '\\\\u001b', 'x' x 5000, 'y' x 1_000_000,
    "line\\n$forged\\n", "line\\r\\n$forged2\\r\\n",
);
for my $name (@names) {
    ask("CONNECT $name.test:443 HTTP/1.1\\r\\nHost: $name.test:443\\r\\nUser-Agent: $name\\r\\n\\r\\n");
    ask("GET http://$name.test/$name HTTP/1.1\\r\\nHost: $name.test\\r\\nUser-Agent: $name\\r\\nX-$name: $name\\r\\n\\r\\n");
    ask("$name http://method.test/ HTTP/1.1\\r\\nHost: method.test\\r\\n\\r\\n");
    ask("CONNECT allowed.test:443 HTTP/1.1\\r\\nHost: allowed.test:443\\r\\n\\r\\n", hello($name)) if length($name) < 6000;
}
ask("$forged\\n$forged2\\n");
print "asked\\n";
`;

/** A line of \`logs\`: time, verdict, host and perhaps port, reason; printable ASCII. */
const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}(allowed|closed |refused) {2}[\x20-\x7e]+$/;

for (const proxy of ["squid", "pipelock"]) {
  Deno.test({
    name: `whatever a bottle asks for is one printable line of its log, and forges none (${proxy})`,
    ignore: !proxies.includes(proxy),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({ image: images.agent, host: "allowed.test" });
      await bench.manifest({
        bottle: {
          env: { ATTACK },
          egress: {
            defaults: false,
            allowlist: ["allowed.test"],
            private: ["allowed.test"],
            networks: [api.network],
          },
        },
        agent: {
          command: [
            ...["sh", "-c"],
            'perl -e "$ATTACK"; curl -s https://unlisted.test/; (head -c 1000000 /dev/zero > /proc/1/fd/1) 2>&1 | grep -c denied; sleep 1234',
          ],
        },
      });
      const child = bench.launch(["--runtime", "runc", "--proxy", proxy]);
      await bench.sleepingAgent();
      const logs = await ended(bench.spawn(["logs", bench.agent]));
      const json = await ended(bench.spawn(["logs", bench.agent, "--json"]));
      const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=sidecar`];
      const sidecar = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
      const raw = await docker("logs", sidecar).catch(String);
      const agent = await docker("ps", "--quiet", "--filter", `name=^/claude-bottle-${bench.agent}$`);
      await docker("exec", "--user", "47291:47291", agent, "pkill", "-x", "sleep");
      const session = await ended(child);

      assert.match(session.stdout, /^asked\n1\n/);
      const refusals = session.stderr.split("\n").filter((line) =>
        line.startsWith("claude-bottle: refused ")
      );
      assert.ok(refusals.length >= 4, session.stderr);
      assert.ok(refusals.every((line) => line.length < 700));
      assert.equal(logs.code, 0, logs.stderr);
      const lines = logs.stdout.trimEnd().split("\n");
      for (const line of lines) assert.match(line, LINE);
      // It all arrived, and what a host is called is told.
      assert.ok(lines.length >= 10, logs.stdout);
      assert.match(logs.stdout, / refused {2}unlisted\.test:443 /);
      assert.match(logs.stdout, /red/);
      // Pipelock's own log turns the direction of text as it was told to.
      if (proxy === "pipelock") assert.match(raw, /\u202e/);
      else assert.match(logs.stdout, /TLS that names another host: %1B\[31mred%07\n/);
      // Nothing was let through, whatever said so.
      for (const line of json.stdout.trimEnd().split("\n")) {
        const { verdict, host, reason } = JSON.parse(line);
        assert.equal(verdict, "refused", line);
        assert.notEqual(host, "forged.test");
        for (const text of [host, reason]) {
          assert.match(text, /^[\x20-\x7e]*$/);
          assert.ok(text.length <= 300, line);
        }
      }
      // deno-lint-ignore no-control-regex -- control characters are what this is about
      assert.doesNotMatch(session.stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      assert.ok(raw.length < 20_000_000);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "the line after a session on a terminal names what was refused, and is one that a terminal may have",
  ignore: !proxies.includes("squid") || !await hasProgram("tmux"),
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: { env: { ATTACK }, egress: { defaults: false, allowlist: ["allowed.test"] } },
      agent: { command: ["sh", "-c", 'perl -e "$ATTACK"'] },
    });
    await using terminal = new TmuxTerminal();
    await terminal.run(
      `sleep 1; ${onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"])}`,
    );
    const record = `${bench.folder}/record`;
    await terminal.record(record);
    await terminal.shows(/ended with 0[\s\S]*settled/);
    const [line = "", ...more] = (await Deno.readTextFile(record)).split("\r\n")
      .filter((line) => line.includes("claude-bottle: refused "));
    assert.deepEqual(more, []);
    assert.match(line, /claude-bottle: refused [\x20-\x7e…]+ and \d+ more; [\x20-\x7e]+$/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
