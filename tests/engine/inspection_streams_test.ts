import assert from "node:assert/strict";
import type { EgressPolicy } from "../../lib/egress/policy.ts";
import type { SidecarProgram } from "../../lib/egress/proxy.ts";
import { builtImages, docker, engineRuntimes, eventually } from "../support/engine.ts";
import {
  type InspectedSidecar,
  type RawRequest,
  startSidecar,
  withoutJudge,
} from "../support/inspected_sidecar.ts";
import { startMemoryMeter } from "../support/memory_meter.ts";
import { closedNetwork } from "../support/recorder.ts";
import { startTlsHost, type TlsHost } from "../support/tls_host.ts";
import streamClient from "../testdata/engine/stream_client.mjs" with { type: "text" };
import streamService from "../testdata/engine/stream_service.mjs" with { type: "text" };

const ignore = (await engineRuntimes()).length === 0;

const HOST = "api.test";
const PLACEHOLDER = "placeholder-of-api";
const PATHS = ["/events", "/seen/*", "/finish", "/socket", "/down", "/up"];

const POLICY: EgressPolicy = {
  hosts: [{
    host: HOST,
    private: false,
    http: false,
    inspection: {
      rules: ["GET", "PUT"].flatMap((method) => PATHS.map((path) => ({ method, path }))),
      secret: { env: "TOKEN", form: { kind: "bearer" } },
    },
  }],
  ssh: [],
};

/** A sidecar that has its secret, beside a host that streams. */
interface Scene extends AsyncDisposable {
  readonly far: TlsHost;
  readonly sidecar: InspectedSidecar;
  /** The bottle's authority. */
  readonly ca: string;
  /** What the client program made of its tasks. */
  readonly talk: (...tasks: readonly object[]) => Promise<readonly unknown[]>;
}

async function setUp(change = (program: SidecarProgram): SidecarProgram => program): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startTlsHost({ image, names: [HOST], network, further: streamService }));
  const sidecar = stack.use(
    await startSidecar(POLICY, { network, index: 10, authorities: far.caPem, change }),
  );
  const ca = await give(sidecar, "secret-0");
  const all = stack.move();
  return {
    far,
    sidecar,
    ca,
    talk: (...tasks) => sidecar.node(streamClient, { ca, host: HOST, credential: PLACEHOLDER, tasks }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function give(sidecar: InspectedSidecar, secret: string): Promise<string> {
  return (await sidecar.open([{ env: "TOKEN", placeholder: PLACEHOLDER, secret }])).authority.pem;
}

function request(path: string, credential: string): RawRequest {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${HOST}`, `Authorization: Bearer ${credential}`];
  return { host: HOST, raw: [...lines, "Connection: close", "", ""].join("\r\n") };
}

Deno.test({
  name: "an inspected host's events arrive one by one, and WebSockets begin where the rules have them",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();

    // The host sends none before the one before it has been seen.
    const answers = await scene.talk(
      { events: "/events?count=12" },
      { socket: "/socket" },
      { socket: "/other" },
      { socket: "/socket", protocol: "h2c" },
    );

    assert.deepEqual(answers.slice(0, 3), [
      Array.from({ length: 12 }, (_, index) => index + 1),
      { status: 101, echo: "ping" },
      { status: 403, echo: "" },
    ]);
    assert.notEqual((answers[3] as { readonly status: number }).status, 101);
    assert.ok((await scene.far.requests()).every(({ path }) => path !== "/other"));
  },
});

const GIGABYTE = 2 ** 30;
/** What the sidecar may hold meanwhile. */
const MOST_MIB = 64;

Deno.test({
  name: "a gigabyte goes down and up through an inspected host, and the sidecar stays small",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const curl = `curl -sS -H 'Authorization: Bearer ${PLACEHOLDER}'`;
    const meter = startMemoryMeter(scene.sidecar.id);

    const down = await scene.sidecar.shell(
      `${curl} 'https://${HOST}/down?bytes=${GIGABYTE}' | wc -c`,
      scene.ca,
    );
    const up = await scene.sidecar.shell(
      `head -c ${GIGABYTE} /dev/zero | ${curl} -T - https://${HOST}/up`,
      scene.ca,
    );

    const mib = await meter.peak() / 2 ** 20;
    assert.deepEqual([down, up], [`${GIGABYTE}\n`, `${GIGABYTE} bytes\n`]);
    assert.ok(mib > 8 && mib < MOST_MIB, `${mib.toFixed(1)} MiB`);
  },
});

const RELOADS = 4;
/** Keys of somebody else that are tried at the same time, each with a path of its own. */
const FOREIGN = 24;

/** Gives it a secret and has it read its rules anew, until it has done so for the `round`th time. */
async function reload({ sidecar }: Scene, round: number): Promise<void> {
  await give(sidecar, `secret-${round}`);
  await docker("kill", "--signal", "HUP", sidecar.id);
  await eventually("it has reloaded", async () => {
    const log = await new Deno.Command("docker", { args: ["logs", sidecar.id] }).output();
    const reloads = new TextDecoder().decode(log.stderr).match(/: reloaded$/gm)?.length ?? 0;
    return reloads >= round || undefined;
  });
}

/** Asks with somebody else's key for as long as something goes on; how often that was refused in words. */
async function attackDuring({ sidecar, ca }: Scene, work: () => Promise<void>): Promise<number> {
  let isOver = false;
  const foreign = Array.from(
    { length: FOREIGN },
    (_, index) => request(`/seen/foreign-${index}`, "of-somebody"),
  );
  const attack = async (): Promise<number> => {
    let refused = 0;
    while (!isOver) {
      refused += (await sidecar.say(foreign, ca)).filter((answer) => / 403 /.test(answer)).length;
    }
    return refused;
  };
  const [refused] = await Promise.all([attack(), work().finally(() => isOver = true)]);
  return refused;
}

Deno.test({
  name: "a stream outlives other secrets and reloads, during which no foreign key gets through",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const { sidecar, far, ca } = scene;
    const seen = async (): Promise<number> =>
      (await far.requests()).filter(({ path }) => path.startsWith("/seen/")).length;
    const goesOn = async (): Promise<void> => {
      const before = await seen();
      await eventually("the stream goes on", async () => await seen() > before + 1 || undefined);
    };
    const streaming = scene.talk({ events: "/events" });
    await goesOn();

    const refused = await attackDuring(scene, async () => {
      for (let round = 1; round <= RELOADS; round++) {
        await reload(scene, round);
        await goesOn();
      }
    });
    const [finished = ""] = await sidecar.say([request("/finish", PLACEHOLDER)], ca);
    assert.match(finished, / 200 /);

    const [numbers] = await streaming as readonly [readonly number[]];
    assert.deepEqual(numbers, numbers.map((_, index) => index + 1));
    const requests = await far.requests();
    assert.deepEqual(requests.filter(({ path }) => path.includes("foreign")), []);
    assert.ok(refused >= FOREIGN, `${refused} refused`);
    // Each of the secrets was used, the stream's own connection being of the first.
    assert.equal(new Set(requests.map(({ headers }) => headers["authorization"])).size, RELOADS + 1);
  },
});

Deno.test({
  name: "the same foreign keys get through during reloads once nobody judges requests",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp(withoutJudge);

    const refused = await attackDuring(scene, async () => {
      for (let round = 1; round <= RELOADS; round++) await reload(scene, round);
    });

    assert.equal(refused, 0);
    const arrived = new Set((await scene.far.requests()).map(({ path }) => path));
    assert.equal([...arrived].filter((path) => path.startsWith("/seen/foreign-")).length, FOREIGN);
  },
});
