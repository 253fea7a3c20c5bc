import assert from "node:assert/strict";
import { GATEWAY_MODE } from "../../lib/backend/docker/arguments.ts";
import { builtImages, docker, engineRuntimes, programPath, Workbench } from "../support/engine.ts";

const runtimes = await engineRuntimes();
const major = runtimes.length === 0
  ? 0
  : Number.parseInt(await docker("version", "--format", "{{.Server.Version}}"));

/** What an engine does not do, or does besides, in silence. */
interface Slip {
  readonly what: string;
  /** Options that it does not hear: each as it stands in an argv, its value after a space; `*` for any value. */
  readonly ignored?: readonly string[];
  /** Words that it hears besides, at each `container create`. */
  readonly added?: readonly string[];
  /** How the launch says so. */
  readonly named: RegExp;
  /** The first engine that has the protection. */
  readonly since?: number;
}

const SLIPS: readonly Slip[] = [
  {
    what: "drops no capabilities",
    ignored: ["--cap-drop *"],
    named: /agent dropped capabilities: asked ALL, found none/,
  },
  {
    what: "lets setuid programs gain",
    ignored: ["--security-opt *"],
    named: /agent security options: asked no-new-privileges, found none/,
  },
  { what: "bounds no processes", ignored: ["--pids-limit *"], named: /agent pids: asked 2048, found 0/ },
  {
    what: "bounds no memory",
    ignored: ["--memory *", "--memory-swap *"],
    named: /sidecar memory: asked \d+, found 0/,
  },
  {
    what: "lets core files be written",
    ignored: ["--ulimit core=0:0"],
    named: /agent limits: asked core=0:0 .*, found nofile=/,
  },
  {
    what: "bounds no log",
    ignored: ["--log-driver *"],
    named: /agent log: asked local 2 of 10m, found json-file/,
  },
  { what: "resolves names", ignored: ["--dns *"], named: /agent dns: asked 0\.0\.0\.0, found none/ },
  { what: "leaves names out", ignored: ["--add-host *"], named: /agent hosts: asked sidecar:.*, found none/ },
  {
    what: "keeps what was to stay in memory on its disk",
    ignored: ["--tmpfs *"],
    named: /agent tmpfs: asked \/run\/env:.*, found none/,
  },
  { what: "has nobody collect processes", ignored: ["--init"], named: /agent init: asked true, found false/ },
  {
    what: "lets the sidecar's root be written",
    ignored: ["--read-only"],
    named: /sidecar read-only root: asked true, found false/,
  },
  {
    what: "leaves the internal network a way out",
    // An engine with isolated bridges refuses them where the network is not internal.
    ignored: ["--internal", `--opt ${GATEWAY_MODE}=isolated`],
    named: /internal network is internal: asked true, found false/,
  },
  {
    what: "keeps its address on the internal network",
    ignored: ["--opt com.docker.network.bridge.inhibit_ipv4=true"],
    named: /internal network without a host address: asked true, found none/,
  },
  {
    what: "does not isolate the bridge",
    ignored: [`--opt ${GATEWAY_MODE}=isolated`],
    named: /internal network gateway: asked isolated, found none/,
    since: 28,
  },
  {
    what: "lets sidecars meet",
    ignored: ["--opt com.docker.network.bridge.enable_icc=false"],
    named: /egress network talk: asked false, found none/,
  },
  {
    what: "filters no system calls",
    added: ["--security-opt", "seccomp=unconfined"],
    named: /agent security options: asked no-new-privileges, found .*seccomp=unconfined/,
  },
  {
    what: "adds a capability",
    added: ["--cap-add", "NET_RAW"],
    named: /added capabilities: asked none, found (CAP_)?NET_RAW/,
  },
  {
    what: "mounts a folder of the host",
    added: ["--volume", "/etc:/mnt:ro"],
    named: /agent binds: asked none, found \/etc:\/mnt:ro/,
  },
];

/** A `docker` that changes what it is asked to create, then is the real one. */
function slipping(real: string, { ignored = [], added = [] }: Partial<Slip>, inspecting = ""): string {
  const program = `
    my ($real, $ignored, $added, @words) = @ARGV;
    my @heard = splice(@words, 0, 2);
    if ("@heard" =~ /^(container|network) create$/) {
      push @heard, split(/\\n/, $added) if $1 eq "container";
      WORD: while (@words) {
        for my $option (split(/\\n/, $ignored)) {
          my ($name, $value) = split(/ /, $option);
          next if $words[0] ne $name || (defined $value && $value ne "*" && $words[1] ne $value);
          splice(@words, 0, defined $value ? 2 : 1);
          next WORD;
        }
        push @heard, shift @words;
      }
    }
    exec $real, @heard, @words;`;
  const quoted = [ignored, added].map((words) => `'${words.join("\n")}'`).join(" ");
  return `${inspecting}\nexec perl -e '${program}' ${real} ${quoted} "$@"`;
}

/** Starts an agent that says so when it runs, on an engine that slips. */
async function startedOn(
  slip: Partial<Slip>,
  inspecting: (real: string) => string = () => "",
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  await builtImages();
  await using bench = await Workbench.create();
  await bench.manifest({ bottle: { runtime: "runc" }, agent: { command: ["echo", "the agent ran"] } });
  const real = await programPath("docker");
  const path = await bench.onPath("docker", slipping(real, slip, inspecting(real)));
  const ended = await bench.start([], { PATH: path });
  assert.deepEqual(await bench.leftovers(), []);
  return ended;
}

Deno.test({
  name: "an engine that does all it is asked runs the agent",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { code, stdout, stderr } = await startedOn({});
    assert.deepEqual([code, stdout], [0, "the agent ran\n"], stderr);
  },
});

for (const slip of SLIPS.filter(({ since = 0 }) => since <= major)) {
  Deno.test({
    name: `no agent runs on an engine that ${slip.what}, and its user is told`,
    ignore: !runtimes.includes("runc"),
    async fn(): Promise<void> {
      const { code, stdout, stderr } = await startedOn(slip);
      assert.match(stderr, /The engine did not do all that was asked, so the agent was not run/);
      assert.match(stderr, slip.named);
      assert.deepEqual([code, stdout], [125, ""]);
    },
  });
}

Deno.test({
  name: "no agent runs on an engine that filters no system calls and says nothing of it: the kernel does",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    // As one whose own default is to filter nothing: nobody asked for it, so its account does not show it.
    const { code, stdout, stderr } = await startedOn(
      { added: ["--security-opt", "seccomp=unconfined"] },
      (real) =>
        `if [ "$1" = inspect ]; then ${real} "$@" | sed '/"seccomp=unconfined"/d; s/"no-new-privileges",/"no-new-privileges"/'; exit; fi`,
    );
    assert.match(
      stderr,
      /so nothing is run in this bottle: Seccomp is 0\nhint: An engine that filters system calls has seccomp/,
    );
    assert.deepEqual([code, stdout], [125, ""]);
  },
});
