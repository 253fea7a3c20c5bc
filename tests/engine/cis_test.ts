import assert from "node:assert/strict";
import { join } from "node:path";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  CIS_CHECKS,
  type Evidence,
  type InspectedForCis,
  judgeContainer,
  type ProcessStatus,
  type Verdict,
} from "../support/cis.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

/** Statuses of all processes but the shell that prints them. */
const STATUSES = 'for f in /proc/[0-9]*/status; do [ "$f" = "/proc/$$/status" ] || cat "$f"; done';

function statusesOf(text: string): readonly ProcessStatus[] {
  return text.split(/^(?=Name:)/m).filter((part) => part !== "").map((part) =>
    Object.fromEntries(part.split("\n").map((line) => line.split(/:\s*/, 2)).filter(([name]) => name !== ""))
  );
}

/** The name of a process that the engine's runc has brought in and that is about to become what is executed. */
const BECOMING = /^runc(:\[\d:[A-Z]+\])?$/;
const LOOKS = 20;
const LOOK_MS = 100;

/**
 * The processes once none of them is still runc on its way to another program, which gives its capabilities up as the
 * last thing. One that stays so is among them: whoever calls itself runc is judged like all others.
 */
async function settledProcesses(look: () => Promise<string>): Promise<readonly ProcessStatus[]> {
  for (let looks = 1;; looks++) {
    const processes = statusesOf(await look());
    if (looks === LOOKS || !processes.some(({ Name = "" }) => BECOMING.test(Name))) return processes;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

interface EngineAccount {
  readonly swarm: string;
  readonly cgroupDriver: string;
  readonly security: readonly string[];
}

async function engineAccount(): Promise<EngineAccount> {
  const info = JSON.parse(await docker("info", "--format", "{{json .}}"));
  return {
    swarm: info.Swarm?.LocalNodeState ?? "unknown",
    cgroupDriver: info.CgroupDriver ?? "",
    security: info.SecurityOptions ?? [],
  };
}

/** What a container is judged by. `look` prints the statuses of its processes. */
async function evidenceOf(id: string, swarm: string, look: () => Promise<string>): Promise<Evidence> {
  const [container]: readonly InspectedForCis[] = JSON.parse(await docker("container", "inspect", id));
  assert.ok(container !== undefined);
  return { container, processes: await settledProcesses(look), swarm };
}

/** From within. */
function inside(id: string): () => Promise<string> {
  return () => docker("exec", "--user", "0:0", id, "sh", "-c", STATUSES);
}

/** From a neighbour in the same process namespace: an image may have no shell. For containers under runc. */
function beside(id: string, image: string, label: string): () => Promise<string> {
  const protectedToo = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"];
  const words = ["--rm", "--runtime", "runc", "--label", label, "--pid", `container:${id}`, ...protectedToo];
  return () => docker("run", ...words, "--entrypoint", "sh", image, "-c", STATUSES);
}

/** The id of the container of a role of this test's bottle. */
async function containerOf(bench: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=${role}`];
  return await eventually(`the ${role} is there`, async () => {
    const id = await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
    return id || undefined;
  });
}

function tableOf(verdicts: Readonly<Record<"agent" | "sidecar", readonly Verdict[]>>): string {
  const rows = CIS_CHECKS.map(({ id, title }, index) => {
    const { agent, sidecar } = { agent: verdicts.agent[index], sidecar: verdicts.sidecar[index] };
    return `  ${id.padEnd(5)} ${title.padEnd(47)} ${(agent?.outcome ?? "").padEnd(9)} ${sidecar?.outcome}`;
  });
  const notes = (["agent", "sidecar"] as const).flatMap((whose) =>
    verdicts[whose].filter(({ note }) => note !== "").map(({ check, note }) =>
      `  ${check.id} ${whose}: ${note}`
    )
  );
  return [`  ${"".padEnd(53)} agent     sidecar`, ...rows, ...notes].join("\n");
}

/** `26 checked, 24 passed, 2 exceptions`. */
function summaryOf(verdicts: readonly Verdict[]): string {
  const count = (outcome: string): number => verdicts.filter((one) => one.outcome === outcome).length;
  const failed = count("failed") === 0 ? "" : `, ${count("failed")} failed`;
  return `${verdicts.length} checked, ${count("passed")} passed, ${count("excepted")} exceptions${failed}`;
}

function print(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\n${text}\n`));
}

for (const proxy of ["squid", "pipelock"]) {
  for (const runtime of ["runc", "runsc"]) {
    Deno.test({
      name: `both containers of a running bottle pass section 5 of the CIS benchmark (${proxy}, ${runtime})`,
      ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        const images = await builtImages();
        await using bench = await Workbench.create();
        await bench.manifest({ bottle: { runtime }, agent: { command: ["sleep", "1234"] } });
        // The workspace's volume is among what is judged.
        bench.cwd = join(bench.folder, "project");
        await Deno.mkdir(bench.cwd);
        const { swarm, security } = await engineAccount();
        const label = `${LABEL.agent}=${bench.agent}`;
        const child = bench.launch(["--proxy", proxy, "--cwd"]);
        const end = ended(child);

        const early = end.then(({ stderr }) => Promise.reject(new Error(stderr)));
        const agentId = await Promise.race([containerOf(bench, "agent"), early]);
        // So is the agent itself.
        const agent = await eventually("the agent runs", async () => {
          const evidence = await evidenceOf(agentId, swarm, inside(agentId)).catch(() => undefined);
          const runs = evidence?.processes.some(({ Name, Uid = "" }) =>
            Name === "sleep" && !Uid.startsWith("0")
          );
          return runs === true ? evidence : undefined;
        });
        const sidecarId = await containerOf(bench, "sidecar");
        const sidecar = await evidenceOf(sidecarId, swarm, beside(sidecarId, images.agent, label));
        child.kill("SIGTERM");
        await end;

        assert.ok(sidecar.processes.length > 0);
        const verdicts = {
          agent: judgeContainer(agent, { whose: "agent", engineHas: security }),
          sidecar: judgeContainer(sidecar, { whose: "sidecar", engineHas: security }),
        };
        const added = [agent, sidecar].flatMap(({ container }) => container.HostConfig.CapAdd ?? []);
        const summary = (["agent", "sidecar"] as const).map((whose) =>
          `${whose}: ${summaryOf(verdicts[whose])}`
        );
        const capabilities = `capabilities added: ${added.length}`;
        print(
          `CIS section 5, ${proxy}, ${runtime}\n${tableOf(verdicts)}\n  ${
            [...summary, capabilities].join("; ")
          }`,
        );
        const failures = [...verdicts.agent, ...verdicts.sidecar].filter(({ outcome }) =>
          outcome === "failed"
        );
        assert.deepEqual(failures.map(({ check, note }) => `${check.id} ${check.title}: ${note}`), []);
        assert.deepEqual(added, []);
        if (runtime === "runc") {
          assert.deepEqual([...new Set(agent.processes.map(({ Seccomp }) => Seccomp))], ["2"]);
        }
        assert.deepEqual([...new Set(sidecar.processes.map(({ Seccomp }) => Seccomp))], ["2"]);
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }
}

/** Everything of the host's that a container can be given. */
const HOSTS_OWN = [
  ...["--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host", "--userns", "host"],
  ...[
    "--cap-add",
    "NET_ADMIN",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
  ],
  ...["--security-opt", "label=disable", "--restart", "always"],
  ...["--volume", "/var/run/docker.sock:/var/run/docker.sock", "--volume", "/etc:/mnt:ro"],
];

/** What each container made wrong on purpose is reported for. */
const TWINS: readonly {
  readonly what: string;
  readonly words: (engine: EngineAccount) => readonly string[];
  readonly script: string;
  readonly reported: readonly string[];
}[] = [
  {
    what: "the host's own",
    words: () => HOSTS_OWN,
    script: "sleep 300",
    // deno-fmt-ignore
    reported: [
      "5.2", "5.3", "5.4", "5.6", "5.10", "5.11", "5.12", "5.13", "5.15", "5.16", "5.17", "5.21", "5.22", "5.26",
      "5.27", "5.29", "5.31", "5.32",
    ],
  },
  {
    what: "served",
    words: ({ cgroupDriver }) => [
      ...["--publish", "987:987", "--cgroup-parent", cgroupDriver === "systemd" ? "system.slice" : "/docker"],
    ],
    script: "cp /bin/sleep /tmp/sshd && exec /tmp/sshd 300",
    reported: ["5.4", "5.7", "5.8", "5.14", "5.25"],
  },
];

/** What an engine here cannot be brought to do: the record of a good container, changed. */
const CHANGED: readonly { readonly id: string; readonly changed: (good: Evidence) => Evidence }[] = [
  { id: "5.1", changed: (good) => ({ ...good, swarm: "active" }) },
  { id: "5.5", changed: (good) => withHost(good, { Privileged: true }) },
  {
    id: "5.20",
    changed: (good) => {
      const mount = { Type: "bind", Source: "/srv", Propagation: "rshared" };
      return { ...good, container: { ...good.container, Mounts: [mount] } };
    },
  },
  // The engine says that all is well; the kernel knows better.
  { id: "5.22", changed: (good) => withProcess(good, { Seccomp: "0" }) },
  { id: "5.23", changed: (good) => withProcess(good, { CapEff: "000001ffffffffff" }) },
  { id: "5.26", changed: (good) => withProcess(good, { NoNewPrivs: "0" }) },
];

function withHost(good: Evidence, change: Partial<InspectedForCis["HostConfig"]>): Evidence {
  return {
    ...good,
    container: { ...good.container, HostConfig: { ...good.container.HostConfig, ...change } },
  };
}

/** One more process, as the first but for `change`. */
function withProcess(good: Evidence, change: ProcessStatus): Evidence {
  const [first] = good.processes;
  return { ...good, processes: [...good.processes, { ...first, Pid: "99", ...change }] };
}

/** The checks that do not pass, exceptions or not. */
function reported(evidence: Evidence): readonly string[] {
  return CIS_CHECKS.filter((check) => check.judge(evidence) !== undefined).map(({ id }) => id);
}

Deno.test({
  name: "each check of the CIS benchmark reports a container that was made wrong",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    const engine = await engineAccount();
    const base = [
      "--detach",
      "--label",
      `${LABEL.agent}=${bench.agent}`,
      "--user",
      "0:0",
      "--entrypoint",
      "sh",
    ];
    const seen = new Set<string>();

    for (const { what, words, script, reported: expected } of TWINS) {
      const id = await docker("run", ...base, ...words(engine), images.agent, "-c", script);
      const found = await eventually(`all that is wrong with the twin, ${what}, is reported`, async () => {
        const evidence = await evidenceOf(id, engine.swarm, inside(id)).catch(() => undefined);
        if (evidence === undefined) return undefined;
        const ids = reported(evidence);
        return expected.every((one) => ids.includes(one)) ? ids : undefined;
      });
      found.forEach((one) => seen.add(one));
      await docker("rm", "--force", id);
    }

    const words = [
      "--cap-drop",
      "ALL",
      "--security-opt",
      "no-new-privileges",
      "--cpu-shares",
      "512",
      "--read-only",
    ];
    const id = await docker("run", ...base, ...words, images.agent, "-c", "sleep 300");
    const good = await evidenceOf(id, engine.swarm, inside(id));
    for (const { id: check, changed } of CHANGED) {
      const before = reported(good);
      assert.ok(!before.includes(check), check);
      assert.deepEqual(reported(changed(good)).filter((one) => !before.includes(one)), [check]);
      seen.add(check);
    }
    assert.deepEqual([...seen].sort(), CIS_CHECKS.map((check) => check.id).sort());
    assert.equal(seen.size, 26);
  },
});

Deno.test("a process that still is the engine's runc is looked at again, and one that stays so is judged", async () => {
  const [runc, init] = ["runc", "runc:[2:INIT]"].map((name) =>
    `Name:\t${name}\nPid:\t7\nCapBnd:\t000001fffeffffff\n`
  );
  const sleep = "Name:\tsleep\nPid:\t7\nCapBnd:\t0000000000000000\n";
  const looks = [runc, init, sleep, runc];
  const settled = await settledProcesses(() => Promise.resolve(looks.shift() ?? ""));
  assert.deepEqual([settled.map(({ Name }) => Name), looks.length], [["sleep"], 1]);
  const stayed = await settledProcesses(() => Promise.resolve(runc ?? ""));
  const evidence: Evidence = { container: { HostConfig: {} }, processes: stayed, swarm: "inactive" };
  assert.ok(reported(evidence).includes("5.4"));
});

Deno.test("an exception of the CIS benchmark excuses what it names, on an engine that has no better", () => {
  const evidence: Evidence = { container: { HostConfig: {} }, processes: [], swarm: "inactive" };
  const outcomes = (
    whose: "agent" | "sidecar",
    engineHas: readonly string[],
  ): Readonly<Record<string, string>> =>
    Object.fromEntries(
      judgeContainer(evidence, { whose, engineHas }).map(({ check, outcome }) => [check.id, outcome]),
    );
  const bare = outcomes("agent", ["name=seccomp,profile=default"]);
  const able = outcomes("agent", ["name=apparmor", "name=selinux"]);
  assert.deepEqual([bare["5.2"], bare["5.3"], bare["5.13"], bare["5.27"]], Array(4).fill("excepted"));
  assert.deepEqual([able["5.2"], able["5.3"], able["5.13"]], ["failed", "failed", "excepted"]);
  assert.equal(outcomes("sidecar", [])["5.13"], "failed");
  assert.equal(bare["5.11"], "failed");
});
