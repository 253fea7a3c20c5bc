import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";
import { Lookout, textForms } from "../support/sightings.ts";
import { startTlsHost } from "../support/tls_host.ts";

const ignore = !(await engineRuntimes()).includes("runc");

/** Crashes a process where it may write, and lists the core files there. */
const CRASH = `cd /run/inspection && sh -c 'kill -SEGV $$'; ls | grep ^core || true`;
/** Crashes the squid that holds connections to hosts. */
const CRASH_BACK = String.raw`
perl -ne '/^squid\0.*back\.conf/ and kill SEGV => $ARGV =~ /(\d+)/ and print "crashed"' /proc/[0-9]*/cmdline`;
const LIMITS = "sed -n 's/^Max core file size *//p' /proc/[0-9]*/limits | tr -s ' ' | sort -u";
const ASK =
  `curl -sS -m 5 -o /dev/null -w '%{http_code}\\n' -H "Authorization: Bearer $API_KEY" https://api.test/one 2>&1; true`;

/** Without the placeholder the sidecar's refusal is the answer. */
const BARE = "curl -sk -m 3 -o /dev/null -w '%{http_code}' https://api.test/one; true";

async function idOf({ agent }: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${agent}`, `label=${LABEL.role}=${role}`];
  return await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
}

Deno.test({
  name: "a sidecar that crashes leaves no core file with its secret, and nothing can be reached any more",
  ignore,
  async fn(): Promise<void> {
    const { agent: image, sidecar: sidecarImage } = await builtImages();
    await using host = await startTlsHost({ image, names: ["api.test"] });
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [{
            host: "api.test",
            inject: { env: "API_KEY", secret: "${REAL_KEY}", as: "bearer" },
          }],
          private: ["api.test"],
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["sleep", "1234"] },
    });
    const secret = `canary${crypto.randomUUID().replaceAll("-", "")}`;
    const env = { REAL_KEY: secret };
    const ask = async (): Promise<string> => {
      const words = [
        "exec",
        bench.agent,
        "--manifest",
        bench.manifestFile,
        "--secrets",
        "--",
        "sh",
        "-c",
        ASK,
      ];
      const { stdout, stderr } = await ended(bench.spawn(words, env));
      return stdout + stderr;
    };
    const left = await bench.start(["--detach", "--runtime", "runc"], env);
    assert.equal(left.code, 0, left.stderr);
    assert.equal(await ask(), "200\n");
    const [agent, sidecar] = [await idOf(bench, "agent"), await idOf(bench, "sidecar")];
    const bare = (): Promise<string> => docker("exec", agent, "sh", "-c", BARE);
    assert.equal(await bare(), "403");

    const inside = (script: string): Promise<string> => docker("exec", sidecar, "sh", "-c", script);
    assert.equal(await inside(LIMITS), "0 0 bytes");
    assert.equal(await inside(CRASH), "");
    // Where the kernel writes one at all, it is there once the limit is not.
    if (/^[^|/]/.test(await inside("cat /proc/sys/kernel/core_pattern"))) {
      const unlimited = ["--ulimit", "core=-1:-1", "--tmpfs", "/run/inspection:mode=1777"];
      const words = ["--rm", "--read-only", ...unlimited, "--entrypoint", "sh", sidecarImage, "-c", CRASH];
      assert.match(await docker("run", "--label", "claude-bottle-test=crash", ...words), /^core/);
    }

    const lookout = await Lookout.create(bench.folder, [{ name: "secret", forms: textForms(secret) }]);
    assert.deepEqual([...lookout.inText(await inside("cat /run/inspection/secrets"))], ["secret"]);
    assert.equal(await inside(CRASH_BACK), "crashed");
    const state = ["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", sidecar];
    await eventually("it has ended", async () => await docker(...state) === "exited 1" || undefined);

    // Where its tmpfs was is a folder.
    const changed = (await docker("diff", sidecar)).split("\n").filter((line) =>
      !/ \/run(\/inspection)?$/.test(line)
    );
    assert.deepEqual(changed, []);
    for (const folder of ["/config", "/run", "/tmp", "/var"]) {
      assert.deepEqual([...lookout.inText(await docker("cp", `${sidecar}:${folder}`, "-"))], [], folder);
    }
    const log = await new Deno.Command("docker", { args: ["logs", sidecar] }).output();
    const text = [log.stdout, log.stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    assert.match(text, /the back squid ended with .*nothing can be reached any more/);
    assert.deepEqual([...lookout.inText(text)], []);
    assert.match(await ask(), /The sidecar \(squid\) did not stay up/);
    assert.equal(await bare(), "000");
    assert.equal((await host.requests()).length, 1);
    const stopped = await ended(bench.spawn(["stop", bench.agent]));
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
