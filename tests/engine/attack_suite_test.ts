import assert from "node:assert/strict";
import type { Group } from "../../lib/isolation/attempt.ts";
import { ATTEMPTS } from "../../lib/isolation/attempts.ts";
import { CONTROLS } from "../../lib/isolation/controls.ts";
import { builtImages, engineProxies, engineRuntimes } from "../support/engine.ts";
import { exceptions, summary } from "../support/attack/report.ts";
import { runSuite, type SuiteOptions } from "../support/attack/suite.ts";
import type { Result } from "../support/attack/try.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

const SUITES: readonly Omit<SuiteOptions, "image">[] = [
  { proxy: "squid", runtime: "runc" },
  { proxy: "squid", runtime: "runsc" },
  { proxy: "pipelock", runtime: "runc" },
  { proxy: "pipelock", runtime: "runsc" },
];

/** The fewest attempts that must be shown to succeed once what stops them is gone. */
const LIVE = { runc: 60, runsc: 50 } as const;

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
      assert.ok(through >= LIVE[suite.runtime], `${line}\n${JSON.stringify(notLive(live), null, 1)}`);
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
