import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { type ScriptedApi, startScriptedApi } from "../../scripts/scripted_api.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  hasProgram,
  Workbench,
} from "../support/engine.ts";
import { Follower } from "../support/follower.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

/** What is uploaded, in bytes; TLS and the request add some. */
const UPLOAD = 200_000;
const REST = 20_000;

/** A manifest whose agent runs a shell script and may reach `api.test` alone. */
async function scripted(
  bench: Workbench,
  options: { readonly api: ScriptedApi; readonly proxy: string; readonly script: string },
): Promise<void> {
  const { api, proxy, script } = options;
  await bench.manifest({
    bottle: {
      egress: {
        defaults: false,
        allowlist: ["api.test"],
        private: ["api.test"],
        networks: [api.network],
        proxy,
      },
      image: { ca: await bench.file("ca.pem", api.caPem) },
    },
    agent: { command: ["sh", "-c", script] },
  });
}

for (const proxy of ["squid", "pipelock"]) {
  Deno.test({
    name: `logs tells what a running bottle reached with its bytes, and what was refused (${proxy})`,
    ignore: runtimes.length === 0 || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
      // The second upload goes on until the test lets it end.
      const upload = "curl -s -o /dev/null --upload-file -";
      await scripted(bench, {
        api,
        proxy,
        script: `head -c ${UPLOAD} /dev/zero | ${upload} https://api.test/; ` +
          "curl -s -o /dev/null https://unlisted.test/; " +
          "{ while [ ! -e /tmp/go ]; do sleep 0.1; done; head -c 50000 /dev/zero; } | " +
          `${upload} https://api.test/; sleep 1234`,
      });
      const child = bench.launch(["--runtime", "runc"]);
      const lines = async (): Promise<readonly (readonly unknown[])[]> => {
        const { stdout } = await ended(bench.spawn(["logs", bench.agent, "--json"]));
        return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
          .map(({ verdict, host, port, times, bytes }) => [verdict, host, port, times, bytes]);
      };
      const open = await eventually("all three are in the log", async () => {
        const soFar = await lines();
        return soFar.length >= 3 ? soFar : undefined;
      });
      const follower = bench.spawn(["logs", bench.agent, "--follow"]);
      const followed = new Follower(follower.stdout);
      const blockedFollower = bench.spawn(["logs", bench.agent, "--follow", "--blocked"]);
      const blocked = new Follower(blockedFollower.stdout);
      await blocked.shows(/\n/);
      // The open connection is there before it ends.
      await followed.shows(/refused[\s\S]* {2}allowed {2}api\.test:443\n/);
      assert.doesNotMatch(followed.text, /refused[\s\S]* closed /);
      const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=agent`];
      const agent = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
      await docker("exec", agent, "touch", "/tmp/go");
      await followed.shows(/refused[\s\S]* {2}closed {3}api\.test:443 {2}\d+\.\d kB\n/);
      const closed = await lines();
      child.kill("SIGTERM");
      await ended(child);
      // They end with the bottle.
      await Promise.all([
        followed.end(),
        blocked.end(),
        follower.stderr.cancel(),
        blockedFollower.stderr.cancel(),
      ]);
      await Promise.all([follower.status, blockedFollower.status]);

      const first = open[0]?.at(-1);
      assert.ok(Number(first) > UPLOAD && Number(first) < UPLOAD + REST, `${first} bytes`);
      assert.deepEqual(open, [
        ["allowed", "api.test", 443, 1, first],
        ["refused", "unlisted.test", 443, 1, null],
        ["allowed", "api.test", 443, 1, null],
      ]);
      const second = closed[2]?.at(-1);
      assert.deepEqual(closed, [...open.slice(0, 2), ["allowed", "api.test", 443, 1, second]]);
      assert.ok(Number(second) > 50_000 && Number(second) < 50_000 + REST, `${second} bytes`);
      assert.match(
        followed.text,
        /^\S+Z {2}allowed {2}api\.test:443\n\S+Z {2}closed {3}api\.test:443 {2}2\d\d\.\d kB\n/,
      );
      assert.match(blocked.text, /^\d{4}-\S+Z {2}refused {2}unlisted\.test:443 {2}not an allowed host\n$/);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });

  Deno.test({
    name: `an attached session ends with one line of what was reached and refused (${proxy})`,
    ignore: runtimes.length === 0 || !proxies.includes(proxy) || !await hasProgram("tmux"),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
      await scripted(bench, {
        api,
        proxy,
        script: "for host in api x x; do curl -s -o /dev/null https://$host.test/; done; exit 3",
      });
      await using terminal = new TmuxTerminal();
      await terminal.run(
        onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"]),
      );
      const screen = await terminal.shows(/ended with \d+[\s\S]*settled/);

      assert.match(
        screen,
        /\nclaude-bottle: reached api\.test; refused x\.test:443 \(2 times, not an allowed host\)\nended with 3\n/,
      );
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
