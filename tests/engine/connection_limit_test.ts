import assert from "node:assert/strict";
import type { EgressPolicy } from "../../lib/egress/policy.ts";
import type { SidecarProgram } from "../../lib/egress/proxy.ts";
import { MOST_CONNECTIONS } from "../../lib/egress/squid/settings.ts";
import { builtImages, docker, engineRuntimes, eventually } from "../support/engine.ts";
import { type InspectedSidecar, startSidecar } from "../support/inspected_sidecar.ts";
import { startMemoryMeter } from "../support/memory_meter.ts";
import { closedNetwork } from "../support/recorder.ts";
import { startTlsHost } from "../support/tls_host.ts";
import manyTunnels from "../testdata/engine/many_tunnels.mjs" with { type: "text" };
import streamService from "../testdata/engine/stream_service.mjs" with { type: "text" };

const ignore = (await engineRuntimes()).length === 0;

const NAMES = ["api.test", "plain.test"];
const POLICY: EgressPolicy = {
  hosts: [
    {
      host: "api.test",
      private: false,
      http: false,
      inspection: { rules: [{ method: "GET", path: "/*" }], secret: undefined },
    },
    { host: "plain.test", private: false, http: false },
  ],
  ssh: [],
};

interface Scene extends AsyncDisposable {
  readonly sidecar: InspectedSidecar;
  readonly ca: string;
}

async function setUp(change?: (program: SidecarProgram) => SidecarProgram): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startTlsHost({ image, names: NAMES, network, further: streamService }));
  const sidecar = stack.use(
    await startSidecar(POLICY, {
      network,
      index: 10,
      authorities: far.caPem,
      ...(change === undefined ? {} : { change }),
    }),
  );
  const { authority } = await sidecar.open([]);
  const all = stack.move();
  return { sidecar, ca: authority.pem + far.caPem, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

interface Opened {
  readonly open: number;
  /** What those were told that were not opened, each text once. */
  readonly refused: readonly string[];
  /** What one was told that was tried when another had ended; empty when it was opened. */
  readonly again: string;
}

function openTunnels({ sidecar, ca }: Scene, host: string, count: number): Promise<Opened> {
  return sidecar.node<Opened>(manyTunnels, { ca, host, count });
}

/** Below the sidecar's own limit, which is its end. */
const MOST_MIB = 192;

Deno.test({
  name:
    "more connections than the sidecar serves at once are refused in words, and it stays within its memory",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const { sidecar, ca } = scene;
    // What it holds is held again and again: nothing of it may add up.
    for (const host of ["plain.test", "api.test", "api.test"]) {
      const meter = startMemoryMeter(sidecar.id);

      const { open, refused, again } = await openTunnels(scene, host, MOST_CONNECTIONS + 40);

      const mib = await meter.peak() / 2 ** 20;
      assert.ok(mib < MOST_MIB, `${mib.toFixed(1)} MiB`);
      assert.deepEqual([open, again], [MOST_CONNECTIONS, ""]);
      assert.deepEqual(refused, [
        `503 claude-bottle refused ${host}:443: this bottle has ${MOST_CONNECTIONS} connections open already, ` +
        "and no more are served at once; try again when some have ended\n",
      ]);
      // All of them are gone with their client.
      await eventually("it serves again", async () => {
        const said = await sidecar.shell("curl -sS 'https://api.test/down?bytes=3' | wc -c", ca).catch(() =>
          ""
        );
        return said.trim() === "3" || undefined;
      });
    }
    const reasons = (await sidecar.events()).filter(({ verdict }) => verdict === "refused");
    assert.deepEqual(
      new Set(reasons.map(({ reason }) => reason)),
      new Set([
        `more than ${MOST_CONNECTIONS} connections at once`,
      ]),
    );
  },
});

Deno.test({
  name: "without that limit as many connections as an agent likes are the end of the sidecar",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp((program) => ({
      ...program,
      files: program.files.map((file) => ({
        ...file,
        text: file.text.replace(/^http_access deny crowd .*\n/m, ""),
      })),
    }));

    const opened = await openTunnels(scene, "api.test", 600).catch(() => undefined);

    assert.ok(
      opened === undefined || opened.open > MOST_CONNECTIONS || opened.again !== "",
      JSON.stringify(opened),
    );
    const state = await docker(
      "inspect",
      "--format",
      "{{.State.Running}} {{.State.OOMKilled}}",
      scene.sidecar.id,
    );
    assert.match(state, /^(false|true true)/);
  },
});
