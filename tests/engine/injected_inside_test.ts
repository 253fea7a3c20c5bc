import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  ended,
  engineRuntimes,
  hasProgram,
  PROGRAM,
  Workbench,
} from "../support/engine.ts";
import { Lookout, textForms } from "../support/sightings.ts";
import { startTlsHost } from "../support/tls_host.ts";

const runtimes = await engineRuntimes();
const isSearchable = await hasProgram("perl");

const SECRET = "the secret";
const PLACEHOLDER = "its placeholder";

/** Shows its placeholder everywhere that it can write, has a process crash, and goes on holding it. */
const AGENT = `
echo "$API_KEY" | tee ~/note /tmp/note /var/tmp/note /run/env/note
git config --global user.name "$API_KEY"
cd /tmp && sh -c 'ulimit -c unlimited; kill -SEGV $$'
curl -sS -o /dev/null -H "Authorization: Bearer $API_KEY" https://api.test/before
exec sh -c 'sleep 600; :' "$API_KEY"
`;

/** All that processes of the agent hold, read as one of them. */
const MEMORY = String.raw`
for my $pid (grep { $_ != $$ } map { /(\d+)/ } glob '/proc/[0-9]*') {
    open my $maps, '<', "/proc/$pid/maps" or next;
    open my $memory, '<:raw', "/proc/$pid/mem" or next;
    while (<$maps>) {
        my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) r/ or next;
        next if length $from > 12;
        sysseek $memory, hex $from, 0 or next;
        my $left = hex($to) - hex($from);
        while ($left > 0 and my $got = sysread $memory, my $block, $left < 65536 ? $left : 65536) { print $block; $left -= $got }
    }
}`;

/** What is looked through, as the agent's user, by shell words; the agent's variable is in \`$API_KEY\`. */
const SURFACES: Readonly<Record<string, string>> = {
  "environments": "cat /proc/[0-9]*/environ",
  "command lines": "cat /proc/[0-9]*/cmdline",
  "memory": `perl -e "$MEMORY"`,
  "home": "tar -c ~",
  "/tmp": "tar -c /tmp",
  "/run": "tar -c /run",
  "root's files": "tar -c /etc /opt /usr/local/bin /usr/local/share /usr/local/lib/claude-bottle",
  "every other new file": "find / -xdev -path /proc -prune -o -type f -readable -cmin -30 -exec cat {} +",
  "answers":
    'for p in one v1/files; do curl -sSv -H "Authorization: Bearer $API_KEY" https://api.test/$p 2>&1; done',
  "refusals":
    'curl -sSv -H "Authorization: Bearer $API_KEY" -H "X-Api-Key: x" https://api.test/one?key=$API_KEY 2>&1',
  "the sidecar's own paths":
    "for p in squid-internal-mgr/menu squid-internal-mgr/config squid-internal-mgr/active_requests; do " +
    'curl -sSv -H "X: $API_KEY" --noproxy "*" $HTTP_PROXY/$p 2>&1; curl -sSv -H "X: $API_KEY" https://api.test/$p 2>&1; done',
  "git's credentials": "printf 'protocol=https\\nhost=git.test\\n' | git credential fill; cat ~/.gitconfig",
};

async function idOf({ agent }: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${agent}`, `label=${LABEL.role}=${role}`];
  return await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
}

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
              { host: "api.test", allow: ["GET /one", "GET /before"], inject: use("bearer") },
              { host: "git.test", inject: use("basic:me") },
            ],
            private: ["api.test", "git.test"],
            networks: [host.network],
          },
          env: { MEMORY },
          image: { ca: await bench.file("ca.pem", host.caPem) },
        },
        agent: { command: ["bash", "-c", AGENT] },
      });
      const env = { REAL_KEY: secret };
      const left = await bench.start(["--detach", "--runtime", runtime], env);
      assert.equal(left.code, 0, left.stderr);
      const entry = ["--manifest", bench.manifestFile];
      const running = bench.spawn(["attach", bench.agent, ...entry], env);
      const run = async (command: string) =>
        await ended(
          bench.spawn(["exec", bench.agent, ...entry, "--secrets", "--", "sh", "-c", command], env),
        );
      const { stdout, stderr } = await run("sleep 2; printenv API_KEY");
      const placeholder = stdout.trim();
      assert.match(placeholder, /^[a-z0-9]{38}$/, stderr);

      const lookout = await Lookout.create(
        bench.folder,
        [
          { name: SECRET, forms: textForms(secret) },
          { name: PLACEHOLDER, forms: textForms(placeholder) },
        ].map(({ name, forms }) => ({ name: name.replaceAll(" ", "-"), forms })),
      );
      const id = await idOf(bench, "agent");
      // Where the agent cannot write, root shows that the search sees.
      await docker("exec", "--user", "0:0", id, "sh", "-c", `echo ${placeholder} > /etc/note`);
      const rows: string[] = [];
      // gVisor shows no process another one's memory.
      const surfaces = Object.entries(SURFACES).filter(([name]) => runtime === "runc" || name !== "memory");
      for (const [surface, command] of surfaces) {
        const words = ["exec", bench.agent, ...entry, "--secrets", "--", "sh", "-c", `${command}; true`];
        const variables = Object.entries(bench.environment(env)).map((pair) => pair.join("="));
        const { seen, looked } = await lookout.inOutput(["env", "-i", ...variables, ...PROGRAM, ...words]);
        const found = [...seen.get("stream") ?? []].join(", ");
        rows.push(`${surface} (${looked.get("stream")}): ${found}`);
      }
      assert.deepEqual(
        rows.map((row) => row.replace(/ \(\d+\)/, "")),
        surfaces.map(([surface]) => `${surface}: its-placeholder`),
        rows.join("\n"),
      );
      // What a tmpfs holds the engine cannot copy, and its owner can read it.
      const sidecar = await idOf(bench, "sidecar");
      const folder = "/run/inspection";
      const inside = await docker("exec", sidecar, "sh", "-c", `cat ${folder}/secrets`);
      assert.deepEqual(lookout.inText(inside), new Set(["the-secret", "its-placeholder"]));
      const copied = await docker("cp", `${sidecar}:${folder}`, "-");
      assert.deepEqual([...lookout.inText(copied)], []);
      await assert.rejects(docker("cp", `${sidecar}:${folder}/secrets`, "-"), /Could not find the file/);
      running.kill("SIGTERM");
      await ended(running);
      await ended(bench.spawn(["stop", bench.agent]));
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
