import assert from "node:assert/strict";
import { join } from "node:path";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";

const ignore = (await engineRuntimes()).length === 0;
const proxies = ignore ? [] : await engineProxies();

const CREDENTIALS = "corp-user:corp-password";

/** What a company's and a careless user's configuration of the client may hold. */
const CONFIGURATION = {
  proxies: {
    default: {
      httpProxy: `http://${CREDENTIALS}@proxy.corp.example:3128`,
      httpsProxy: `http://${CREDENTIALS}@proxy.corp.example:3128`,
      ftpProxy: `http://${CREDENTIALS}@proxy.corp.example:3128`,
      allProxy: `socks5://${CREDENTIALS}@proxy.corp.example:1080`,
      noProxy: `${CREDENTIALS},.corp.example`,
    },
  },
  HttpHeaders: { "X-Corp-Token": CREDENTIALS },
  psFormat: "{{.ID}} forged by psFormat",
  imagesFormat: "forged",
  networksFormat: "forged",
  volumesFormat: "forged",
  detachKeys: "a",
  aliases: { builder: "forged" },
  credsStore: "trap",
  credHelpers: { "registry.corp.example": "trap" },
  plugins: { forged: { hooks: "container,exec,ps,network" } },
  features: { hooks: "true" },
  currentContext: "default",
};

/** The client's configuration in a home of its own, with a plugin and a credential helper that tell when they are run. */
async function configured(
  bench: Workbench,
): Promise<{ readonly env: Record<string, string>; trapped(): Promise<boolean> }> {
  const plugins = join(bench.folder, "plugins");
  const ran = join(bench.folder, "trapped");
  await Deno.mkdir(plugins);
  const metadata = '{"SchemaVersion":"0.1.0","Vendor":"x","Version":"1","ShortDescription":"x"}';
  for (const name of ["docker-container", "docker-ps", "docker-forged"]) {
    const script =
      `#!/bin/sh\ncase $1 in docker-cli-plugin-metadata) echo '${metadata}' ;; *) touch ${ran} ;; esac\n`;
    await Deno.writeTextFile(join(plugins, name), script, { mode: 0o755 });
  }
  const path = await bench.onPath("docker-credential-trap", `touch ${ran}; echo '{}'`);
  const folder = join(bench.folder, "home/.docker");
  await Deno.mkdir(folder);
  const text = JSON.stringify({ ...CONFIGURATION, cliPluginsExtraDirs: [plugins] });
  await Deno.writeTextFile(join(folder, "config.json"), text);
  return {
    env: { PATH: path },
    trapped: () => Deno.stat(ran).then(() => true, () => false),
  };
}

/** Runs the docker CLI as the program would, with this bench's home. */
async function naive(
  bench: Workbench,
  env: Record<string, string>,
  ...args: readonly string[]
): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("docker", {
    args: [...args],
    env: bench.environment(env),
    clearEnv: true,
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

for (const proxy of ["squid", "pipelock"]) {
  Deno.test({
    name: `nothing of the client's configuration reaches a bottle or changes what is read (${proxy})`,
    ignore: !proxies.includes(proxy),
    async fn(): Promise<void> {
      const { agent } = await builtImages();
      await using bench = await Workbench.create();
      const { env, trapped } = await configured(bench);
      const label = `${LABEL.agent}=${bench.agent}`;
      // The same configuration does reach what is run without care.
      const careless = await naive(
        bench,
        env,
        "run",
        "--rm",
        "--network",
        "none",
        "--label",
        label,
        agent,
        "env",
      );
      assert.match(careless, new RegExp(`HTTPS_PROXY=http://${CREDENTIALS}@`));
      assert.match(careless, new RegExp(`ALL_PROXY=socks5://${CREDENTIALS}@`));
      assert.equal(
        await naive(bench, env, "create", "--name", bench.agent, "--label", label, agent).then((id) =>
          /^[0-9a-f]{64}$/m.test(id)
        ),
        true,
      );
      assert.match(await naive(bench, env, "ps", "--all"), /forged by psFormat/);
      await docker("rm", "--force", bench.agent);

      // `a` would end an attached session, were the configuration's keys its own.
      await bench.manifest({
        bottle: { env: { AAAA: "aaaa" } },
        agent: { command: ["sh", "-c", "env; sleep 1234"] },
      });
      const child = bench.launch(["--runtime", "runc", "--proxy", proxy], env);
      await bench.sleepingAgent();
      const ids = (await docker("ps", "--quiet", "--filter", `label=${label}`)).split("\n");
      assert.equal(ids.length, 2);
      const account = await docker("inspect", ...ids);
      assert.ok(!account.includes("corp"), "in the engine's account of a container");
      const active = await ended(bench.spawn(["list", "active", "--json"], env));
      assert.equal(active.code, 0, active.stderr);
      assert.ok(
        JSON.parse(active.stdout).bottles.some(({ agent }: { agent: string }) => agent === bench.agent),
      );
      assert.ok(!active.stdout.includes("forged"));
      const command = ["sh", "-c", "echo $AAAA; tr '\\0' '\\n' < /proc/1/environ; env"];
      const exec = await ended(bench.spawn(
        ["exec", bench.agent, "--manifest", bench.manifestFile, "--", ...command],
        env,
      ));
      assert.match(exec.stdout, /^aaaa\n/);
      const stopped = await ended(bench.spawn(["stop", bench.agent], env));
      assert.equal(stopped.code, 0, stopped.stderr);
      const { stdout, stderr } = await ended(child);
      assert.match(stdout, /^https_proxy=http:\/\/10\.[0-9.]+:8888$/m);
      for (const text of [stdout, stderr, exec.stdout, exec.stderr, active.stderr, stopped.stderr]) {
        assert.ok(!text.includes("corp"), text);
      }
      assert.equal(await trapped(), false);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "the tour's own hosts are given nothing of the client's configuration",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const { env } = await configured(bench);
    const tour = bench.spawn(["start", "demo", "--yes"], env);
    const isOurs = (account: { Config: { Labels: Record<string, string> } }): boolean =>
      account.Config.Labels[LABEL.owner]?.split("/")[4] === String(tour.pid);
    const seen = await eventually("the tour's hosts", async () => {
      const ids = await docker("ps", "--all", "--quiet", "--filter", `label=${LABEL.role}=demo`);
      const accounts = ids === "" ? "[]" : await docker("inspect", ...ids.split("\n")).catch(() => "[]");
      const found = JSON.parse(accounts).find(isOurs);
      return found === undefined ? undefined : JSON.stringify(found);
    });
    const { code, stderr } = await ended(tour);
    assert.equal(code, 0, stderr);
    assert.match(seen, /SCRIPTED_HOSTS=/);
    assert.ok(!seen.includes("corp"));
  },
});

Deno.test({
  name: "a configuration that cannot be read, and a context that is not there, are told in words",
  // Either of them wins over the configuration.
  ignore: ignore || Deno.env.has("DOCKER_HOST") || Deno.env.has("DOCKER_CONTEXT"),
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const folder = join(bench.folder, "home/.docker");
    await Deno.mkdir(folder);
    await bench.manifest({ agent: { command: ["echo", "it ran"] } });
    await Deno.writeTextFile(join(folder, "config.json"), '{"proxies": \x1b[31m');
    const broken = await bench.start(["--runtime", "runc"]);
    assert.equal(broken.code, 0, broken.stderr);
    assert.equal(broken.stdout, "it ran\n");
    assert.ok(!broken.stderr.includes("\x1b"), broken.stderr);
    await Deno.writeTextFile(join(folder, "config.json"), '{"currentContext": "\\u001b[31mforged"}');
    const missing = await bench.start();
    assert.equal(missing.code, 125, missing.stderr);
    assert.match(missing.stderr, /^error: There is no docker context/m);
    assert.ok(!missing.stderr.includes("\x1b"), missing.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
