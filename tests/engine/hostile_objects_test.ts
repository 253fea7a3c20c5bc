import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, type Ended, ended, engineRuntimes, Workbench } from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";

const ignore = (await engineRuntimes()).length === 0;

/** Red, bell, a row of its own, and text that runs backwards. */
const ROW = "\x1b[31m\x07\nclaude-bottle-forged  reviewer  dev\r\u202e\u009b2J";
// deno-lint-ignore no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

async function program(bench: Workbench, ...args: readonly string[]): Promise<Ended> {
  return await ended(bench.spawn(args));
}

/** A container that carries labels, `confined` as a launch would confine it. */
async function forged(
  bench: Workbench,
  options: {
    readonly image: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly confined: boolean;
  },
): Promise<string> {
  const labels = { [LABEL.agent]: bench.agent, ...options.labels };
  return await docker(
    ...["run", "--detach", "--network", "none", "--name", options.name, "--init", "--entrypoint", "sleep"],
    ...(options.confined ? ["--cap-drop", "ALL", "--tmpfs", "/run/env:uid=47291,gid=47291,mode=0700"] : []),
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    options.image,
    "infinity",
  );
}

/** Removes what is labelled with another agent than the bench's. */
async function removed(ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await docker("rm", "--force", "--volumes", ...ids);
}

/** The owner label that a process of this machine and user had which is gone. */
async function goneOwner(bench: Workbench): Promise<string> {
  await bench.manifest({ agent: { command: ["sleep", "1234"] } });
  const child = bench.launch(["--runtime", "runc"]);
  const id = await bench.sleepingAgent();
  const labels = JSON.parse(await docker("inspect", "--format", "{{json .Config.Labels}}", id));
  await program(bench, "stop", bench.agent);
  await ended(child);
  return labels[LABEL.owner];
}

Deno.test({
  name:
    "what other people label as ours is data: no row, escape or crash comes of it, and nothing is removed",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    const real = await bench.sleepingAgent();
    const name = `claude-bottle-${bench.agent}`;
    const ids: string[] = [];
    try {
      for (
        const [index, labels] of [
          { [LABEL.run]: ROW, [LABEL.agent]: ROW, [LABEL.bottle]: ROW, [LABEL.role]: "agent" },
          {
            [LABEL.run]: "x".repeat(100_000),
            [LABEL.agent]: "y".repeat(100_000),
            [LABEL.role]: "agent",
            [LABEL.manifest]: "@sha256:".repeat(12_000),
          },
          { [LABEL.run]: "", [LABEL.agent]: "", [LABEL.role]: "agent", [LABEL.owner]: ROW },
          { [LABEL.run]: "--filter", [LABEL.agent]: "--all", [LABEL.role]: "agent", [LABEL.owner]: "//////" },
          { [LABEL.run]: "aaaaaaaaaaaaa", [LABEL.role]: "sidecar", [LABEL.owner]: "detached" },
          { [LABEL.run]: "aaaaaaaaaaaab", [LABEL.role]: ROW, [LABEL.owner]: "a/b/c/d/1;reboot/f" },
        ].entries()
      ) {
        ids.push(await forged(bench, { image, name: `aaa-${bench.agent}-${index}`, labels, confined: true }));
      }
      // The row and the escape are really there for whoever prints a label as it is.
      const naive = await docker(
        ...["ps", "--filter", `id=${ids[0]}`, "--format", `{{.Names}} {{.Label "${LABEL.agent}"}}`],
      );
      assert.match(naive, CONTROL);
      assert.equal(naive.split("\n").length, 2);

      const active = await program(bench, "list", "active");
      assert.equal(active.code, 0, active.stderr);
      assert.doesNotMatch(active.stdout, CONTROL);
      assert.doesNotMatch(active.stdout, /^claude-bottle-forged/m);
      assert.match(active.stdout, new RegExp(`^${bench.agent} +bench +${name} +running .* alive$`, "m"));
      const rows = JSON.parse((await program(bench, "list", "active", "--json")).stdout).bottles;
      assert.ok(rows.some(({ id, owner }: Record<string, string>) => id === real && owner === "alive"));

      for (const command of ["stop", "logs", "attach", "exec"]) {
        const words = command === "exec" ? ["--", "env"] : [];
        for (const index of [0, 1, 2, 3]) {
          const { code, stdout, stderr } = await program(
            bench,
            command,
            `aaa-${bench.agent}-${index}`,
            ...words,
          );
          assert.notEqual(code, 0, `${command} ${index}`);
          assert.match(stderr, /^error: /m, `${command} ${index}`);
          assert.doesNotMatch(stdout + stderr, CONTROL, `${command} ${index}`);
          assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/, `${command} ${index}`);
        }
      }
      const cleanup = await program(bench, "cleanup");
      assert.doesNotMatch(cleanup.stdout + cleanup.stderr, CONTROL);
      assert.ok(!cleanup.stdout.includes(`aaa-${bench.agent}`), cleanup.stdout);
      const doctor = await program(bench, "doctor");
      assert.doesNotMatch(doctor.stdout + doctor.stderr, CONTROL);
      assert.deepEqual(
        (await docker("ps", "--quiet", "--no-trunc", "--filter", `name=aaa-${bench.agent}`)).split("\n")
          .sort(),
        [...ids].sort(),
      );

      // And the real one goes by its own name.
      const stopped = await program(bench, "stop", name);
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.equal(stopped.stdout, `stopped ${name}\n`);
      await ended(child);
    } finally {
      await removed(ids);
    }
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name:
    "a container that only inherited a bottle's labels from a committed image is no bottle, and outlives it",
  ignore: ignore || !await PidNamespace.isPossible(),
  async fn(): Promise<void> {
    await builtImages();
    // Any other start on this machine would sweep what is left here, were it not for this.
    await using place = await PidNamespace.create();
    await using bench = await Workbench.create();
    bench.within = place.words;
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    const real = await bench.sleepingAgent();
    const saved = `claude-bottle-test-${bench.agent}:saved`;
    await docker("commit", real, saved);
    const copy = await docker(
      "run",
      "--detach",
      "--network",
      "none",
      "--init",
      "--entrypoint",
      "sleep",
      saved,
      "infinity",
    );
    try {
      const run = await docker("inspect", "--format", `{{index .Config.Labels "${LABEL.run}"}}`, real);
      // The label selects both.
      const labelled = await docker("ps", "--quiet", "--no-trunc", "--filter", `label=${LABEL.run}=${run}`);
      assert.ok(labelled.split("\n").includes(copy));

      const { bottles } = JSON.parse((await program(bench, "list", "active", "--json")).stdout);
      const ours = bottles.filter(({ agent }: { agent: string }) => agent === bench.agent);
      assert.deepEqual(ours.map(({ id }: { id: string }) => id), [real]);
      await killTree(child);
      const cleanup = await program(bench, "cleanup", "--json");
      const going = JSON.parse(cleanup.stdout.split("\n")[0] ?? "").remove.map(({ id }: { id: string }) =>
        id
      );
      assert.ok(going.includes(real), cleanup.stdout);
      assert.ok(!going.includes(copy));
      const stopped = await program(bench, "stop", bench.agent);
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.equal(await docker("inspect", "--format", "{{.State.Running}}", copy), "true");
      assert.match((await bench.leftovers()).join("\n"), /^container \S+\nimage \S+$/);
    } finally {
      await removed([copy]);
      await docker("image", "rm", "--force", saved);
    }
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name:
    "a container labelled as an orphan of ours, but made otherwise, is not cleaned up; one made alike is listed",
  ignore: ignore || !await PidNamespace.isPossible(),
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using place = await PidNamespace.create();
    await using bench = await Workbench.create();
    bench.within = place.words;
    const owner = await goneOwner(bench);
    const labels = { [LABEL.run]: "aaaaaaaaaaaac", [LABEL.role]: "agent", [LABEL.owner]: owner };
    const precious = await forged(bench, { image, name: `precious-${bench.agent}`, labels, confined: false });
    const orphan = await forged(bench, {
      image,
      name: `orphan-${bench.agent}`,
      labels: { ...labels, [LABEL.run]: "aaaaaaaaaaaad" },
      confined: true,
    });
    const cleanup = await program(bench, "cleanup", "--json");
    const going = JSON.parse(cleanup.stdout.split("\n")[0] ?? "").remove.map(({ id }: { id: string }) => id);
    assert.ok(going.includes(orphan), cleanup.stdout);
    assert.ok(!going.includes(precious), cleanup.stdout);
    assert.equal(await docker("inspect", "--format", "{{.State.Running}}", precious), "true");
  },
});

Deno.test({
  name: "a sidecar that only says so neither hides the real one nor speaks for it",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: { egress: { defaults: false, allowlist: ["allowed.test"] } },
      agent: { command: ["sh", "-c", "curl -s https://unlisted.test/; sleep 1234"] },
    });
    const child = bench.launch(["--runtime", "runc"]);
    const real = await bench.sleepingAgent();
    const labels = JSON.parse(await docker("inspect", "--format", "{{json .Config.Labels}}", real));
    const lie = JSON.stringify({ by: "front", time: 1, host: "forged.test", port: 1, why: "host" });
    const fake = await docker(
      ...["run", "--detach", "--network", "none", "--name", `aaa-${bench.agent}`, "--cap-drop", "ALL"],
      ...Object.entries({ ...labels, [LABEL.role]: "sidecar" }).flatMap((
        [key, value],
      ) => ["--label", `${key}=${value}`]),
      ...["--entrypoint", "sh", image, "-c", "echo $0; sleep 1234", lie, "/config/pipelock.yaml"],
    );
    assert.ok((await docker("logs", fake)).includes("forged.test"));

    const logs = await program(bench, "logs", bench.agent);
    assert.equal(logs.code, 0, logs.stderr);
    assert.match(logs.stdout, /refused +unlisted\.test:443/);
    assert.ok(!logs.stdout.includes("forged.test"));
    const args = ["exec", bench.agent, "--manifest", bench.manifestFile, "--", "echo", "it ran"];
    const exec = await program(bench, ...args);
    assert.equal(exec.code, 0, exec.stderr);
    assert.equal(exec.stdout, "it ran\n");
    child.kill("SIGTERM");
    await ended(child);
  },
});

Deno.test({
  name: "a foreign container that copies a bottle's labels, manifest and all, is given no secret",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ bottle: { env: { TOKEN: "${SECRET}" } }, agent: { command: ["sleep", "1234"] } });
    const secret = { SECRET: "the-secret-value" };
    const detached = await ended(bench.spawn(
      ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", "--detach", "--runtime", "runc"],
      secret,
    ));
    assert.equal(detached.code, 0, detached.stderr);
    const name = detached.stdout.trim();
    const labels = JSON.parse(await docker("inspect", "--format", "{{json .Config.Labels}}", name));
    const args = (bottle: string): readonly string[] => [
      ...["exec", bottle, "--manifest", bench.manifestFile, "--secrets", "--", "sh", "-c", "echo got:$TOKEN"],
    ];
    const allowed = await ended(bench.spawn(args(name), secret));
    assert.equal(allowed.stdout, "got:the-secret-value\n", allowed.stderr);
    const copy = { ...labels, [LABEL.run]: "aaaaaaaaaaaae" };
    const impostor = await forged(bench, {
      image,
      name: `impostor-${bench.agent}`,
      labels: copy,
      confined: true,
    });
    await forged(bench, {
      image,
      name: `claude-bottle-${bench.agent}-aaaaaaaaaaaae-sidecar`,
      labels: { ...copy, [LABEL.role]: "sidecar" },
      confined: true,
    });
    const refused = await ended(bench.spawn(args(`impostor-${bench.agent}`), secret));
    assert.equal(refused.code, 125, refused.stderr);
    assert.match(refused.stderr, /^error: impostor-\S+ is not as a launch makes it: /m);
    assert.ok(!refused.stdout.includes("the-secret-value"));
    // By its agent's name it may be either, and nobody guesses.
    const either = await ended(bench.spawn(args(bench.agent), secret));
    assert.equal(either.code, 2, either.stderr);
    assert.match(either.stderr, /may be any of /);
    const processes = await docker(
      "exec",
      impostor,
      "sh",
      "-c",
      "cat /proc/[0-9]*/environ /run/env/* 2>/dev/null; true",
    );
    assert.ok(!processes.includes("the-secret-value"));
    const stopped = await program(bench, "stop", name);
    assert.equal(stopped.code, 0, stopped.stderr);
  },
});

Deno.test({
  name: "networks and volumes of other people, whatever they are called, stop no launch and are not removed",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["echo", "it ran"] } });
    const labels = [LABEL.run, LABEL.agent, LABEL.role, LABEL.owner].flatMap((
      key,
    ) => ["--label", `${key}=${ROW}`]);
    const mark = ["--label", `claude-bottle-test=${bench.agent}`];
    const volume = await docker("volume", "create", ...labels, ...mark, `aaa-${bench.agent}`);
    // Not every engine takes a name like this one.
    const network = await docker(
      "network",
      "create",
      "--internal",
      ...labels,
      ...mark,
      `${bench.agent}${ROW}`,
    )
      .catch(() => docker("network", "create", "--internal", ...labels, ...mark, bench.agent));
    try {
      const result = await bench.start(["--runtime", "runc", "-v"]);
      assert.equal(result.code, 0, result.stderr);
      assert.equal(result.stdout, "it ran\n");
      for (const command of [["list", "active"], ["cleanup"], ["doctor"]]) {
        const { stdout, stderr } = await program(bench, ...command);
        assert.doesNotMatch(stdout + stderr, CONTROL, command.join(" "));
        assert.doesNotMatch(stdout + stderr, /^claude-bottle-forged/m);
        assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/);
      }
      // Joining it is a grant of the manifest, which has no such names.
      await bench.manifest({
        bottle: { egress: { networks: [`${bench.agent}${ROW}`] } },
        agent: { command: ["true"] },
      });
      const joined = await bench.start();
      assert.equal(joined.code, 2);
      assert.match(joined.stderr, /is not a network's name/);
      assert.doesNotMatch(joined.stderr, CONTROL);
      assert.equal(await docker("volume", "inspect", "--format", "{{.Name}}", volume), volume);
      assert.equal(await docker("network", "inspect", "--format", "{{.Id}}", network), network);
    } finally {
      await docker("volume", "rm", volume);
      await docker("network", "rm", network);
    }
  },
});
