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
import unfinished from "../testdata/engine/unfinished.mjs" with { type: "text" };
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

/** Whether it runs, and whether any of it was ended for want of memory. */
function stateOf({ id }: InspectedSidecar): Promise<string> {
  return docker("inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}}", id);
}

const ENDED = /^(false|true true)/;

/** All of them are gone with their client, or a minute later. */
async function servesAgain({ sidecar, ca }: Scene): Promise<void> {
  await eventually("it serves again", async () => {
    const said = await sidecar.shell("curl -sS 'https://api.test/down?bytes=3' | wc -c", ca).catch(() => "");
    return said.trim() === "3" || undefined;
  }, 90_000);
}

/** Without some of its files' lines. */
function without(line: RegExp): (program: SidecarProgram) => SidecarProgram {
  return (program) => ({
    ...program,
    files: program.files.map((file) => ({ ...file, text: file.text.replace(line, "") })),
  });
}

interface Left {
  readonly connected: number;
  readonly open: number;
}

/** Opens connections and leaves each in the middle of what it says. */
function leaveUnfinished({ sidecar }: Scene, { said, count }: Unfinished): Promise<Left> {
  return sidecar.node<Left>(unfinished, { said, count, keptMs: 2000 });
}

interface Unfinished {
  /** Each follows an answer to the one before; its characters are bytes. */
  readonly said: readonly string[];
  readonly count: number;
}

/** Heads that never end, almost as long as one may be, in about as many connections as squid may have files. */
const HEADS: Unfinished = { said: [`GET http://x/ HTTP/1.1\r\nA: ${"a".repeat(63 * 1024)}`], count: 4000 };

/** In as many tunnels as there may be, one message of a TLS handshake that says it is 16 MiB long, in records of a size. */
function handshakes(size: number): Unfinished {
  const record = (text: string): string => "\x16\x03\x01" + String.fromCharCode(size >> 8, size & 255) + text;
  const records = record("\x01\xff\xff\xff\x03\x03".padEnd(size, "a")) +
    record("a".repeat(size)).repeat(600_000 / size);
  return { said: ["CONNECT plain.test:443 HTTP/1.1\r\n\r\n", records], count: MOST_CONNECTIONS };
}

Deno.test({
  name:
    "more connections than the sidecar serves at once are refused in words, and it stays within its memory",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const { sidecar } = scene;
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
      await servesAgain(scene);
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
  name: "without those limits as many connections as an agent likes are the end of the sidecar",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp(without(/^(http_access deny crowd|client_ip_max_connections) .*\n/gm));

    const opened = await openTunnels(scene, "api.test", 600).catch(() => undefined);

    assert.ok(
      opened === undefined || opened.open > MOST_CONNECTIONS || opened.again !== "",
      JSON.stringify(opened),
    );
    assert.match(await stateOf(scene.sidecar), ENDED);
  },
});

Deno.test({
  name:
    "requests and handshakes that are never completed do not end the sidecar, however often they are left",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const { sidecar } = scene;
    for (const [times, left] of [[2, HEADS], [1, handshakes(16_000)], [3, handshakes(100)]] as const) {
      const meter = startMemoryMeter(sidecar.id);

      const found: Left[] = [];
      for (let time = 0; time < times; time++) found.push(await leaveUnfinished(scene, left));

      const mib = await meter.peak() / 2 ** 20;
      assert.ok(mib < MOST_MIB, `${mib.toFixed(1)} MiB`);
      // Squid counts from 0.
      assert.ok(found.every(({ open }) => open <= 2 * MOST_CONNECTIONS + 1), JSON.stringify(found));
      assert.ok(found.some(({ open }) => open > MOST_CONNECTIONS - 8), JSON.stringify(found));
      await servesAgain(scene);
    }
    assert.equal(await stateOf(sidecar), "true false");
  },
});

Deno.test({
  name: "without limits on what nobody completes an agent ends the sidecar with either",
  ignore,
  async fn(): Promise<void> {
    for (
      const [line, left] of [
        [/^client_ip_max_connections .*\n/m, HEADS],
        [/^client_request_buffer_max_size .*\n/m, handshakes(16_000)],
      ] as const
    ) {
      await using scene = await setUp(without(line));

      for (let time = 0; time < 3; time++) await leaveUnfinished(scene, left).catch(() => {});

      assert.match(await stateOf(scene.sidecar), ENDED);
    }
  },
});
