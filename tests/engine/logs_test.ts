import assert from "node:assert/strict";
import { startScriptedApi } from "../../scripts/scripted_api.ts";
import {
  builtImages,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

/** The first line of a stream that goes on; the rest is not wanted. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

for (const proxy of ["squid", "pipelock"]) {
  Deno.test({
    name: `logs tells what a running bottle reached and what was refused (${proxy})`,
    ignore: runtimes.length === 0 || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
      const ca = await bench.file("ca.pem", api.caPem);
      await bench.manifest({
        bottle: {
          egress: {
            defaults: false,
            allowlist: ["api.test"],
            private: ["api.test"],
            networks: [api.network],
            proxy,
          },
          image: { ca },
        },
        agent: {
          command: [
            "sh",
            "-c",
            "for host in api unlisted; do curl -s -o /dev/null https://$host.test/; done; sleep 1234",
          ],
        },
      });
      const child = bench.launch(["--runtime", "runc"]);

      const lines = await eventually("both are in the log", async () => {
        const { code, stdout } = await ended(bench.spawn(["logs", bench.agent, "--json"]));
        const events = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
        return code === 0 && events.length >= 2 ? events : undefined;
      });
      const follower = bench.spawn(["logs", bench.agent, "--follow", "--blocked"]);
      const followed = await firstLine(follower.stdout);
      await follower.stderr.cancel();
      child.kill("SIGTERM");
      await ended(child);
      // It ends with the bottle.
      await follower.status;

      assert.deepEqual(
        lines.map(({ verdict, host, port, times }) => [verdict, host, port, times]),
        [["allowed", "api.test", 443, 1], ["refused", "unlisted.test", 443, 1]],
      );
      assert.match(followed, /^\d{4}-\S+Z {2}refused {2}unlisted\.test:443 {2}not an allowed host$/);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
