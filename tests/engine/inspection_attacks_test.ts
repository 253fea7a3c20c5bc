import assert from "node:assert/strict";
import type { EgressPolicy, HostRule } from "../../lib/egress/policy.ts";
import type { EgressEvent, SidecarProgram } from "../../lib/egress/proxy.ts";
import { type Cause, INSPECTION_CAUSES } from "../../lib/egress/squid/refusals.ts";
import { engineRuntimes } from "../support/engine.ts";
import { startFarSide, startSidecar } from "../support/inspected_sidecar.ts";
import {
  ALLOWED,
  CUT,
  NAMES,
  NO_REQUEST,
  OTHER_PLACEHOLDER,
  PLACEHOLDER,
  REFUSED,
} from "../support/inspection_attacks.ts";
import { closedNetwork } from "../support/recorder.ts";

const ignore = (await engineRuntimes()).length === 0;

const SECRET = "sk-ant-oat01-the-real_one";
const CAUSES: Readonly<Record<string, Cause>> = INSPECTION_CAUSES;

const FORMS = {
  "api.test": { env: "API_TOKEN", form: { kind: "bearer" } },
  "git.test": { env: "GIT_TOKEN", form: { kind: "basic", user: "me" } },
  "key.test": { env: "API_TOKEN", form: { kind: "header", name: "X-My-Key" } },
} as const;

function policy(isInspected: boolean): EgressPolicy {
  const plain = NAMES.map((host): HostRule => ({ host, private: false, http: false }));
  if (!isInspected) return { hosts: plain, ssh: [] };
  const rules = ["/v1/models*", "/v1/files/*/content", "/repo/info/refs?service=git-upload-pack"];
  const inspections = Object.entries(FORMS).map(([host, secret]): HostRule => ({
    host,
    private: false,
    http: false,
    inspection: {
      rules: host === "api.test" ? rules.map((path) => ({ method: "GET", path })) : undefined,
      secret,
    },
  }));
  return { hosts: plain.map((rule) => inspections.find(({ host }) => host === rule.host) ?? rule), ssh: [] };
}

const ATTACKS = [ALLOWED, ...Object.values(REFUSED), CUT, NO_REQUEST].flatMap((group) =>
  Object.entries(group)
);

const COUNT = ATTACKS.length - Object.keys(ALLOWED).length;

/** What an agent is told of a cause, but for what differs from request to request. */
function told({ page }: Cause): string {
  return page.split(/%[A-Za-z]/).toSorted((a, b) => b.length - a.length)[0] ?? page;
}

/** How many answers have a cookie, which a client might send back. */
function cookies(answers: ReadonlyMap<string, string>): number {
  return [...answers.values()].filter((answer) => /^set-cookie:/im.test(answer)).length;
}

/** Lets all TLS through untouched, whatever it names. */
function blind(program: SidecarProgram): SidecarProgram {
  const rule = "ssl_bump peek step1";
  const files = program.files.map((file) => ({
    ...file,
    text: file.text.replace(rule, "ssl_bump splice all"),
  }));
  assert.notDeepEqual(files, program.files);
  return { ...program, files };
}

/** Says all of it; which of it arrived, and what the far side saw. */
async function arrived(
  isInspected: boolean,
): Promise<{
  readonly names: readonly string[];
  readonly seen: string;
  readonly refused: readonly EgressEvent[];
  /** By the name of what was sent. */
  readonly answers: ReadonlyMap<string, string>;
}> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await closedNetwork("203.0.113"));
  const names = [...NAMES, "*.foreign.example", "foreign.org"];
  const far = stack.use(await startFarSide(network, { aliases: NAMES, names }));
  const sidecar = stack.use(
    await startSidecar(policy(isInspected), {
      network,
      index: 10,
      authorities: far.authority,
      ...(isInspected ? {} : { change: blind }),
    }),
  );
  const ca = !isInspected ? far.authority : (await sidecar.open([
    { env: "API_TOKEN", placeholder: PLACEHOLDER, secret: SECRET },
    { env: "GIT_TOKEN", placeholder: OTHER_PLACEHOLDER, secret: "git-secret" },
  ])).authority.pem;
  const requests = ATTACKS.map(([, attack], index) => attack(`mark-${index};`));
  const answers = await sidecar.say(requests, ca);
  assert.equal(answers.length, requests.length);
  const seen = await far.recorded();
  const refused = (await sidecar.events()).filter(({ verdict }) => verdict === "refused");
  return {
    names: ATTACKS.flatMap(([name], index) => seen.includes(`mark-${index};`) ? [name] : []),
    seen,
    refused,
    answers: new Map(ATTACKS.map(([name], index) => [name, answers[index] ?? ""])),
  };
}

Deno.test({
  name:
    `an inspected host gets what its rules allow, with the secret: ${COUNT} of ${COUNT} attacks are refused`,
  ignore,
  async fn(): Promise<void> {
    const { names, seen, refused, answers } = await arrived(true);
    assert.equal(cookies(answers), 0);
    assert.deepEqual(names, Object.keys(ALLOWED));
    // Each with the one secret in its place, and so the request around the one in a body.
    const basic = btoa("me:git-secret");
    assert.equal(
      seen.split(SECRET).length - 1 + seen.split(basic).length - 1,
      Object.keys(ALLOWED).length + 1,
    );
    for (const never of [PLACEHOLDER, OTHER_PLACEHOLDER, "of-somebody", btoa(`me:${OTHER_PLACEHOLDER}`)]) {
      assert.equal(seen.includes(never), false, never);
    }
    const causes = Object.entries(REFUSED).flatMap(([word, attacks]) =>
      Object.keys(attacks).map((name) => ({ name, cause: CAUSES[word] ?? assert.fail(word) }))
    );
    for (const { name, cause } of causes) {
      assert.ok(answers.get(name)?.includes(told(cause)), `${name}: ${answers.get(name)}`);
    }
    for (const name of Object.keys(NO_REQUEST)) {
      assert.match(
        answers.get(name) ?? "",
        /^HTTP\/1\.1 (400|431|501) .*\r\n\r\nclaude-bottle refused a request /s,
        name,
      );
    }
    assert.deepEqual(
      refused.map(({ reason }) => reason).toSorted(),
      [
        ...causes.map(({ cause }) => cause.reason),
        ...Object.keys(NO_REQUEST).map((name) =>
          name === "headers without end"
            ? "a request with more than 64 KB of headers"
            : INSPECTION_CAUSES.malformed.reason
        ),
        ...Object.keys(CUT).map(() => "TLS that names another host: other.test"),
      ].toSorted(),
    );
    // Of all queries only the one that tells a push from a fetch.
    const queries = refused.flatMap(({ request }) => request?.includes("?") ? [request] : []);
    assert.deepEqual(queries, ["GET /repo/info/refs?service=git-receive-pack"]);
  },
});

Deno.test({
  name: `${COUNT} of ${COUNT} attacks arrive once the sidecar inspects nothing`,
  ignore,
  async fn(): Promise<void> {
    const { names, answers } = await arrived(false);
    assert.ok(cookies(answers) >= names.length, `${cookies(answers)} cookies`);
    assert.deepEqual(names, ATTACKS.map(([name]) => name));
  },
});
