import assert from "node:assert/strict";
import probeProgram from "../../lib/assets/attack_probe.pl" with { type: "text" };
import { CANARY, type Group, type Trial } from "../../lib/isolation/attempt.ts";
import { ATTEMPTS } from "../../lib/isolation/attempts.ts";
import { CONTROLS } from "../../lib/isolation/controls.ts";
import { arrivedMarks, probeArgument } from "../../lib/isolation/probe.ts";
import { type ProtectionId, PROTECTIONS } from "../../lib/isolation/protections.ts";
import { launchBottle } from "../support/attack/bottles.ts";
import type { Change } from "../support/plan_changes.ts";
import { builtImages, docker, engineProxies, engineRuntimes } from "../support/engine.ts";
import { exceptions, summary } from "../support/attack/report.ts";
import { runSuite, type SuiteOptions } from "../support/attack/suite.ts";
import { newMark, type Result } from "../support/attack/try.ts";
import { weakened } from "../support/attack/weakenings.ts";
import { openWorld } from "../support/attack/world.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

const SUITES: readonly Omit<SuiteOptions, "image">[] = [
  { proxy: "squid", runtime: "runc" },
  { proxy: "squid", runtime: "runsc" },
  { proxy: "pipelock", runtime: "runc" },
  { proxy: "pipelock", runtime: "runsc" },
];

/**
 * The fewest attempts that must be shown to succeed once what stops them is gone; pipelock's named exceptions are not
 * among them, since nothing stops those.
 */
const LIVE = { squid: { runc: 60, runsc: 50 }, pipelock: { runc: 50, runsc: 40 } } as const;

/**
 * What each protection alone, or with the one it stands behind, keeps from getting through. `internal` is a second
 * line behind the missing address of the host.
 */
const DECISIVE: readonly (readonly [readonly ProtectionId[], string])[] = [
  [["no-capabilities"], "direct-raw"],
  [["no-mounts"], "host-engine-socket"],
  [["no-host-address"], "host-gateway-tcp"],
  [["internal", "no-host-address"], "host-own-address"],
  [["one-network"], "direct-tcp"],
  [["no-ipv6"], "host-ipv6"],
  [["no-dns"], "dns-embedded-udp"],
  [["own-networks"], "bottle-tcp"],
  [["proxy-hosts"], "proxy-other-host"],
  [["proxy-ports"], "proxy-port"],
  [["proxy-tls"], "proxy-fronting"],
  [["proxy-methods"], "proxy-http"],
  [["proxy-never"], "proxy-link-local-name"],
  [["proxy-private"], "proxy-private-name"],
];

Deno.test("each protection has an attempt that it decides about", () => {
  for (const [protections, id] of DECISIVE) {
    assert.deepEqual(ATTEMPTS.find((attempt) => attempt.id === id)?.stoppedBy, protections, id);
  }
  const decided = new Set(DECISIVE.flatMap(([protections]) => protections));
  // That one is tried from the host's side, below.
  decided.add("listens-inside");
  assert.deepEqual([...decided].sort(), Object.keys(PROTECTIONS).sort());
});

for (const suite of SUITES) {
  Deno.test({
    name:
      `nothing gets out of a bottle, and most of it does without its protections (${suite.proxy}, ${suite.runtime})`,
    ignore: !runtimes.includes(suite.runtime) || !proxies.includes(suite.proxy),
    async fn(): Promise<void> {
      const { agent: image } = await builtImages();

      const outcome = await runSuite({ ...suite, image });

      const { held, live, controls } = outcome;
      const line = summary(outcome, suite);
      await Deno.stderr.write(new TextEncoder().encode(`\n${line}\n`));
      const lets = suite.proxy === "pipelock" ? exceptions(held) : [];
      const wrong = held.filter(({ id, verdict }) => verdict !== "stopped" && !lets.includes(id));
      assert.deepEqual(wrong, [], "stopped");
      assert.deepEqual(controls.filter(({ verdict }) => verdict !== "through"), [], "allowed");
      assert.deepEqual([held.length, controls.length], [72, CONTROLS.length]);
      assert.deepEqual(ofGroup("dns", held), [], "no query reached a name server");
      assert.deepEqual(ofGroup("host", held), [], "nothing reached the host");
      const through = live.filter(({ verdict }) => verdict === "through").length;
      if (suite.proxy === "squid" && suite.runtime === "runc") {
        assert.deepEqual(
          DECISIVE.map(([, id]) => live.find((result) => result.id === id)?.verdict),
          DECISIVE.map(() => "through"),
        );
      }
      assert.ok(
        through >= LIVE[suite.proxy][suite.runtime],
        `${line}\n${JSON.stringify(notLive(live), null, 1)}`,
      );
    },
  });
}

/** What a process of the host sends to a sidecar's address on its egress network. */
const FROM_HOST: Trial = {
  id: "from-host",
  title: "the sidecar, asked by a process of the host",
  acts: [{
    kind: "tcp",
    host: "{sidecarOutside}",
    port: "8888",
    sends: ["CONNECT {allowed}:443 HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n", { hello: "{allowed}" }],
  }],
  witness: CANARY,
};

for (const proxy of ["squid", "pipelock"] as const) {
  Deno.test({
    name: `nobody but its own bottle can use a sidecar (${proxy})`,
    ignore: !runtimes.includes("runc") || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const { agent: image } = await builtImages();
      await using world = await openWorld(image);
      const parts = { world, proxy, runtime: "runc" } as const;
      const verdict = async (change?: Change): Promise<string> => {
        await using within = await launchBottle({ ...parts, ...(change === undefined ? {} : { change }) });
        const marked = { attempt: FROM_HOST, mark: newMark() };
        const words = [probeProgram, probeArgument(marked, within.world)];
        await docker("exec", world.host.id, "/usr/bin/perl", "-e", ...words);
        return arrivedMarks(await world.records(), [marked]).has(FROM_HOST.id) ? "through" : "stopped";
      };

      assert.equal(await verdict(), "stopped");
      assert.equal(await verdict(weakened(["listens-inside"], { world })), "through");
    },
  });
}

function ofGroup(group: Group, results: readonly Result[]): readonly Result[] {
  const ids = new Set(ATTEMPTS.filter((attempt) => attempt.group === group).map(({ id }) => id));
  return results.filter(({ id, verdict }) => ids.has(id) && verdict !== "stopped");
}

function notLive(live: readonly Result[]): readonly Result[] {
  return live.filter(({ verdict }) => verdict !== "through");
}
