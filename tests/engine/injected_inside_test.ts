import assert from "node:assert/strict";
import {
  containerOf,
  endSearch,
  judgeSurfaces,
  lookInside,
  SEARCHED,
  spreadCredential,
  spreading,
} from "../support/bottle_surfaces.ts";
import { builtImages, docker, ended, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { Lookout, textForms } from "../support/sightings.ts";
import { startTlsHost } from "../support/tls_host.ts";

const runtimes = await engineRuntimes();
const isSearchable = await hasProgram("perl");

const CREDENTIAL = { variable: "API_KEY", host: "api.test", path: "one" };

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `an injected secret is nowhere in its bottle, whose placeholder is everywhere (${runtime})`,
    ignore: !runtimes.includes(runtime) || !isSearchable,
    async fn(): Promise<void> {
      const { agent: image } = await builtImages();
      await using host = await startTlsHost({ image, names: ["api.test", "git.test"] });
      await using bench = await Workbench.create();
      const secret = `canary${crypto.randomUUID().replaceAll("-", "")}`;
      const use = (as: string): object => ({ env: "API_KEY", secret: "${REAL_KEY}", as });
      await bench.manifest({
        bottle: {
          egress: {
            defaults: false,
            allowlist: [
              { host: "api.test", allow: ["GET /one"], inject: use("bearer") },
              { host: "git.test", inject: use("basic:me") },
            ],
            private: ["api.test", "git.test"],
            networks: [host.network],
          },
          image: { ca: await bench.file("ca.pem", host.caPem) },
        },
        agent: { command: ["bash", "-c", spreading(CREDENTIAL)] },
      });
      const env = { REAL_KEY: secret };
      const left = await bench.start(["--detach", "--runtime", runtime], env);
      assert.equal(left.code, 0, left.stderr);
      const entry = ["--manifest", bench.manifestFile];
      const running = bench.spawn(["attach", bench.agent, ...entry], env);
      const bottle = { bench, env, runtime, credential: CREDENTIAL };
      const placeholder = await spreadCredential(bottle);
      assert.match(placeholder, /^[a-z0-9]{38}$/);

      const lookout = await Lookout.create(bench.folder, [
        { name: "secret", forms: textForms(secret) },
        { name: "placeholder", forms: textForms(placeholder) },
      ]);
      await judgeSurfaces(`a shell, ${runtime}:`, await lookInside(lookout, bottle), {
        everywhere: "placeholder",
        nowhere: "secret",
      });
      // What a tmpfs holds the engine cannot copy, and its owner can read it.
      const sidecar = await containerOf(bench, "sidecar");
      const folder = "/run/inspection";
      const inside = await docker("exec", sidecar, "sh", "-c", `cat ${folder}/secrets`);
      assert.deepEqual(lookout.inText(inside), new Set(["secret", "placeholder"]));
      const copied = await docker("cp", `${sidecar}:${folder}`, "-");
      assert.deepEqual([...lookout.inText(copied)], []);
      await assert.rejects(docker("cp", `${sidecar}:${folder}/secrets`, "-"), /Could not find the file/);
      await endSearch(bottle);
      assert.match((await ended(running)).stdout, new RegExp(SEARCHED));
      await ended(bench.spawn(["stop", bench.agent]));
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
