import assert from "node:assert/strict";
import type { EgressPolicy, HostRule } from "../../lib/egress/policy.ts";
import type { ConfigFile } from "../../lib/egress/proxy.ts";
import { engineRuntimes } from "../support/engine.ts";
import { startFarSide, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork } from "../support/recorder.ts";

const ignore = (await engineRuntimes()).length === 0;

const SECRET = { env: "TOKEN", placeholder: "placeholder", secret: "first-secret" };
const NAMES = ["api.test", "plain.test"];

function host(name: string, more: Partial<HostRule> = {}): HostRule {
  return { host: name, private: false, http: false, ...more };
}

const INSPECTED: Partial<HostRule> = {
  inspection: {
    rules: [{ method: "GET", path: "/allowed" }],
    secret: { env: "TOKEN", form: { kind: "bearer" } },
  },
};
const POLICY: EgressPolicy = { hosts: [host("api.test", INSPECTED), host("plain.test")], ssh: [] };

/** Squid's word for a helper that cannot tell. */
const HELPLESS = '$| = 1; while (<STDIN>) { print /\\A(\\d+)/ ? "$1 BH\\n" : "BH\\n" }\n';

type Change = (file: ConfigFile) => string;

/** What arrives of requests that no one could judge. */
async function arrived(change: Change, trusts: "far" | "own"): Promise<{
  readonly seen: string;
  readonly reasons: readonly string[];
}> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startFarSide(network, { aliases: NAMES }));
  const sidecar = stack.use(
    await startSidecar(POLICY, {
      network,
      index: 10,
      authorities: far.authority,
      change: (program) => ({
        ...program,
        files: program.files.map((file) => ({ ...file, text: change(file) })),
      }),
    }),
  );
  const { authority } = await sidecar.open([SECRET]);
  const requests = NAMES.map((name) => ({
    host: name,
    raw:
      `GET /allowed HTTP/1.1\r\nHost: ${name}\r\nAuthorization: Bearer placeholder\r\nX-Mark: mark-${name};\r\n\r\n`,
  }));
  await sidecar.say(requests, trusts === "far" ? far.authority : authority.pem);
  return { seen: await far.recorded(), reasons: (await sidecar.events()).map(({ reason }) => reason) };
}

function marks(seen: string): readonly string[] {
  return NAMES.filter((name) => seen.includes(`mark-${name};`));
}

Deno.test({
  name: "a TLS connection whose name nobody could compare does not pass, to no host",
  ignore,
  async fn(): Promise<void> {
    const helpless: Change = ({ path, text }) => path === "sni.pl" ? HELPLESS : text;
    for (const trusts of ["far", "own"] as const) {
      const { seen, reasons } = await arrived(helpless, trusts);
      assert.equal(seen, "");
      assert.ok(reasons.includes("the sidecar could not judge it"), reasons.join("; "));
    }
    // Squid itself would let all of them pass, and unopened.
    const { seen } = await arrived(
      (file) =>
        file.path === "back.conf"
          ? file.text.replace(/^http_access deny named_by_tls .*\n/gm, "")
          : helpless(file),
      "far",
    );
    assert.deepEqual(marks(seen), NAMES);
  },
});

Deno.test({
  name: "a request that nobody could judge does not pass",
  ignore,
  async fn(): Promise<void> {
    const judge: Change = ({ path, text }) => path === "inspect.pl" ? HELPLESS : text;
    assert.equal((await arrived(judge, "own")).seen, "");
    assert.deepEqual(marks((await arrived(({ text }) => text, "own")).seen), ["api.test"]);
    assert.deepEqual(marks((await arrived(({ text }) => text, "far")).seen), ["plain.test"]);
  },
});
