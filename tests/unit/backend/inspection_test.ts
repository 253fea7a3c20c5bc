import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { injectSecrets } from "../../../lib/backend/docker/inject.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import {
  agentEnvironment,
  environmentNames,
  ownEnvironment,
} from "../../../lib/backend/docker/provision/env.ts";
import {
  provisionSystemGit,
  systemGitEnvironment,
} from "../../../lib/backend/docker/provision/system_git.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import { CLAUDE_ENVIRONMENT } from "../../../lib/bottle/claude.ts";
import type { Placeholders } from "../../../lib/bottle/injected.ts";
import type { EgressProxy } from "../../../lib/egress/proxy.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import { parseGitConfig } from "../../../lib/bottle/git_config.ts";
import { Failure } from "../../../lib/errors.ts";
import { checkInjectedName } from "../../../lib/manifest/env_entries.ts";
import { countingBytes, environmentOf, type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { frameEntries } from "../../support/normalise.ts";
import { type Ending, type RecordedCall, ScriptedProcesses } from "../../support/scripted_processes.ts";
import {
  HASH,
  INJECTED,
  INSPECTED,
  inspectedSpec,
  openingAnswer,
  openingEntries,
  PEM,
} from "../../support/inspection.ts";
import { TEST_PROXY, testInputs, testSshEntry } from "../../support/plan_inputs.ts";
import { MemoryEngine } from "./memory_engine.ts";

const OPEN = /^docker container exec --interactive --user 13:14 \S+ proxy --open$/;
const TRUST =
  /^docker container exec --interactive --user 0:47291 \S+ \/usr\/bin\/perl \S+\/trust_authority\.pl$/;
const REAL = { API_KEY: "sk-ant-api03-very-secret-value", GIT_PASSWORD: "another-secret" };

interface Launched {
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  readonly texts: readonly string[];
  launch(changes?: Partial<BottleSpec>, injected?: Readonly<Record<string, string>>): Promise<Bottle>;
}

function bytesOf({ input }: RecordedCall): Uint8Array {
  assert.ok(input instanceof Uint8Array);
  return input;
}

function launcher(answer?: (call: RecordedCall) => Ending): Launched {
  const engine = new MemoryEngine();
  engine.processes
    .on(OPEN, answer ?? ((call) => ({ stdout: openingAnswer(bytesOf(call)) })))
    .on(TRUST, {})
    .on(/^docker container exec .* (put|headless|attached) /, {});
  const host = fakeHost({ processes: engine.processes, random: countingBytes(100) });
  const texts: string[] = [];
  const onEvent = (event: object): void => void texts.push(JSON.stringify(event));
  const backend = new DockerBottleBackend({ host, context: undefined, onEvent });
  return {
    host,
    engine,
    texts,
    launch(changes = {}, injected = REAL): Promise<Bottle> {
      const spec = inspectedSpec(changes);
      const envNames = environmentNames(spec, host.environment);
      return backend.launch(composePlan(testInputs({ spec, envNames })), {
        signal: host.interrupts.signal,
        onEvent,
        env: new Map(),
        injected: new Map(Object.entries(injected).map(([name, value]) => [name, new Secret(value)])),
      });
    },
  };
}

function callOf({ host }: Launched, pattern: RegExp): RecordedCall {
  const [call, ...more] = host.processes.calls.filter(({ line }) => pattern.test(line));
  assert.ok(call !== undefined && more.length === 0, String(pattern));
  return call;
}

Deno.test("a launch gives the sidecar its secrets and the agent placeholders, over stdin alone", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  await bottle.attach();

  const given = openingEntries(bytesOf(callOf(launched, OPEN)));
  assert.deepEqual(Object.fromEntries(given.map(({ env, secret }) => [env, secret])), REAL);
  const env = frameEntries(bytesOf(callOf(launched, / headless /)));
  for (const { env: name, placeholder } of given) assert.equal(env.get(name), placeholder);
  assert.match(env.get("API_KEY") ?? "", /^sk-ant-api03-[A-Za-z0-9]{20}$/);
  assert.equal(new TextDecoder().decode(bytesOf(callOf(launched, TRUST))), `${HASH}\n${PEM}`);
  for (const { line, env, input } of launched.host.processes.calls) {
    const seen = `${line} ${JSON.stringify(env)}`;
    const bytes = input instanceof Uint8Array && !OPEN.test(line) ? new TextDecoder().decode(input) : "";
    for (const secret of Object.values(REAL)) assert.ok(!(seen + bytes).includes(secret), line);
  }
  await bottle[Symbol.asyncDispose]();
});

Deno.test("no secret leaves before the bottle was compared with the plan, and no agent runs before it is trusted", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  await bottle.attach();
  const order = [/^docker inspect /, OPEN, TRUST, / headless /].map((pattern) =>
    launched.host.processes.lines.findIndex((line) => pattern.test(line))
  );
  assert.ok(order.every((place) => place >= 0));
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  const broken = launcher();
  broken.engine.processes.once(/network connect /, {});
  await assert.rejects(broken.launch(), { code: "protection-missing" });
  assert.ok(!broken.host.processes.lines.some((line) => OPEN.test(line)));
});

Deno.test("the agent holds the placeholders that the sidecar says count", async () => {
  const kept = new Map([["API_KEY", "sk-ant-api03-kept"]]);
  const launched = launcher((call) => ({ stdout: openingAnswer(bytesOf(call), kept) }));
  await (await launched.launch()).attach();
  assert.equal(frameEntries(bytesOf(callOf(launched, / headless /))).get("API_KEY"), "sk-ant-api03-kept");
});

Deno.test("a bottle that is only made ready gives its sidecar no secret, and holds no placeholder", async () => {
  const launched = launcher();
  const bottle = await launched.launch({ startsAgent: false, lifetime: "detached" }, {});
  await bottle.ready();
  assert.deepEqual(openingEntries(bytesOf(callOf(launched, OPEN))), []);
  const env = frameEntries(bytesOf(callOf(launched, / headless /)));
  assert.deepEqual([...INJECTED.keys()].filter((name) => env.has(name)), []);
  assert.equal(env.get("SSL_CERT_FILE"), "/run/env/ca-bundle.pem");
});

for (
  const [what, answer, code] of [
    ["says nothing", { stdout: "" }, "sidecar-answer"],
    ["is not ready", { stdout: `hash ${HASH}\n${PEM}` }, "sidecar-answer"],
    ["took no secret", { stdout: `hash ${HASH}\n${PEM}\nready\n` }, "sidecar-answer"],
    ["refuses", { code: 1, stderr: "claude-bottle sidecar: no another-secret here\n" }, "sidecar-unopened"],
    [
      "ended",
      { code: 1, stderr: "Error response from daemon: Container x is not running\n" },
      "sidecar-failed",
    ],
    ["was killed", { code: 137 }, "sidecar-failed"],
  ] as const
) {
  Deno.test(`a launch leaves nothing and shows no secret when the sidecar ${what}`, async () => {
    const launched = launcher(() => answer);
    launched.engine.processes.on(/^docker container logs /, { stdout: "FATAL: no another-secret\n" });
    await assert.rejects(launched.launch(), (error: unknown) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, code);
      assert.equal(error.exit, 125);
      assert.doesNotMatch(JSON.stringify([error.message, error.problems]), /another-secret/);
      return true;
    });
    assert.equal(launched.engine.objects.size, 0);
    assert.doesNotMatch(launched.texts.join("\n"), /another-secret|very-secret/);
  });
}

Deno.test("a secret that cannot be injected is refused before anything is made", async () => {
  for (
    const [value, code] of [["two\nlines", "injected-invalid"], ["/home/node", "injected-granted"]] as const
  ) {
    const launched = launcher();
    await assert.rejects(launched.launch({}, { API_KEY: value }), { code });
    assert.deepEqual(launched.host.processes.lines.filter((line) => / create /.test(line)), []);
  }
});

Deno.test("the token of the host is not handed over beside a placeholder of its name", () => {
  const environment = environmentOf({ CLAUDE_BOTTLE_OAUTH_TOKEN: "real" });
  const spec = inspectedSpec({ forwardOauthToken: true });
  const placeholders = new Map([["CLAUDE_CODE_OAUTH_TOKEN", "placeholder"]]);
  const env = agentEnvironment(spec, { environment, resolved: new Map(), placeholders });
  assert.equal(env.get("CLAUDE_CODE_OAUTH_TOKEN")?.reveal(), "placeholder");
});

Deno.test("no placeholder can stand in a variable that a bottle has from us", () => {
  const spec = inspectedSpec({ mode: "attached", ssh: [testSshEntry()] });
  const own = ownEnvironment(spec, environmentOf({ TERM: "xterm", COLORTERM: "truecolor" }));
  const names = [
    ...own.keys(),
    ...Object.keys(composePlan(testInputs({ spec })).expected.agentEnv),
    // Any value will do there.
  ].filter((name) => !Object.hasOwn(CLAUDE_ENVIRONMENT, name));
  assert.ok(names.includes("GIT_CONFIG_SYSTEM") && names.includes("SSL_CERT_FILE") && names.includes("TERM"));
  assert.deepEqual(names.filter((name) => checkInjectedName(name).kind === "good"), []);
});

Deno.test("git asks nobody but our helper for hosts with a password, and is left alone otherwise", () => {
  const [file, ...more] = provisionSystemGit([], INSPECTED);
  assert.ok(file !== undefined && "text" in file && more.length === 0);
  assert.deepEqual([file.path, file.mode, file.uid], ["usr/local/lib/claude-bottle/gitconfig", 0o644, 0]);
  const settings = parseGitConfig(file.text).map(({ section, subsection, key, value }) =>
    [section, subsection, key, value] as const
  );
  assert.deepEqual(settings.slice(0, 2), [
    ["include", undefined, "path", "/etc/gitconfig"],
    ["credential", "https://git.test", "helper", ""],
  ]);
  assert.deepEqual(settings.map(([, subsection]) => subsection).slice(1), [
    ...["https://git.test", "https://git.test", "https://*.git.test", "https://*.git.test"],
  ]);
  assert.match(settings[2]?.[3] ?? "", /'username=%s\\npassword=%s\\n' 'me' "\$GIT_PASSWORD"/);
  assert.deepEqual(systemGitEnvironment([], INSPECTED), {
    GIT_CONFIG_SYSTEM: "/usr/local/lib/claude-bottle/gitconfig",
  });
  const bearer = { ...INSPECTED, hosts: INSPECTED.hosts.slice(0, 1) };
  assert.deepEqual([provisionSystemGit([], bearer), systemGitEnvironment([], bearer)], [[], {}]);
});

/** A sidecar that runs, as `inject` finds it. */
function running(answer: (call: RecordedCall) => Ending): {
  readonly host: FakeHost;
  inject(values: Readonly<Record<string, string>>, proxy?: EgressProxy): Promise<Placeholders>;
} {
  const processes = new ScriptedProcesses().on(OPEN, answer);
  const host = fakeHost({ processes, random: countingBytes(100) });
  const client = new DockerClient({ ...host, context: undefined, onEvent: () => {} });
  const { signal } = host.interrupts;
  return {
    host,
    inject: (values, proxy = TEST_PROXY) =>
      injectSecrets(
        { name: "claude-bottle-x", sidecar: "c".repeat(64), proxy, listen: "10.213.0.2" },
        new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)])),
        { policy: INSPECTED, client, host, signal },
      ),
  };
}

Deno.test("a sidecar that runs is given other secrets, and says which placeholders count", async () => {
  const kept = new Map([["API_KEY", "sk-ant-api03-kept"]]);
  const now = running((call) => ({ stdout: openingAnswer(bytesOf(call), kept) }));
  const placeholders = await now.inject(REAL);
  assert.equal(placeholders.get("API_KEY"), "sk-ant-api03-kept");
  assert.match(placeholders.get("GIT_PASSWORD") ?? "", /^[a-z0-9A-Z]{20}$/);
  const [call, ...more] = now.host.processes.calls;
  assert.ok(call !== undefined && more.length === 0);
  assert.deepEqual(
    Object.fromEntries(openingEntries(bytesOf(call)).map(({ env, secret }) => [env, secret])),
    REAL,
  );
  assert.doesNotMatch(call.line + JSON.stringify(call.env), /very-secret|another-secret/);
});

Deno.test("a sidecar that ends while it is given secrets is told of in its own last words, without them", async () => {
  for (const ending of [{ code: 137 }, { code: 1, stderr: "Error: Container c is not running\n" }]) {
    const now = running(() => ending);
    now.host.processes.on(/^docker container logs /, { stdout: `FATAL: no ${REAL.API_KEY}\n` });
    await assert.rejects(now.inject(REAL), (error: unknown) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, "sidecar-failed");
      assert.deepEqual(error.problems, [{ message: "FATAL: no ***" }]);
      return true;
    });
  }
});

Deno.test("a sidecar that takes no secrets is not asked, and what fails shows none", async () => {
  const now = running(() => ({
    code: 1,
    stderr: `no ${REAL.GIT_PASSWORD} or ${btoa(`me:${REAL.GIT_PASSWORD}`)}\n`,
  }));
  await assert.rejects(now.inject(REAL), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.message, "The engine failed at giving the sidecar its secrets: no *** or ***");
    return true;
  });
  const asked = now.host.processes.calls.length;
  const { open: _open, ...closed } = TEST_PROXY.program(INSPECTED, { listen: "x", egressSubnet: "x" });
  await assert.rejects(now.inject(REAL, { ...TEST_PROXY, program: () => closed }), {
    code: "sidecar-closed",
  });
  await assert.rejects(now.inject({ API_KEY: "two\nlines" }), { code: "injected-invalid" });
  assert.equal(now.host.processes.calls.length, asked);
});
