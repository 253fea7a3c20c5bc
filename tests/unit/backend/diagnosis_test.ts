import assert from "node:assert/strict";
import fc from "fast-check";
import {
  freeSubnets,
  parseRange,
  type Range,
  rangeText,
  subnetPool,
} from "../../../lib/backend/docker/addresses.ts";
import { clientProxiesFinding } from "../../../lib/backend/docker/diagnosis/client_config.ts";
import {
  debugFinding,
  engineFinding,
  limitsFinding,
  runtimesFinding,
  seccompFinding,
} from "../../../lib/backend/docker/diagnosis/engine_findings.ts";
import { wantedImages } from "../../../lib/backend/docker/diagnosis/image_findings.ts";
import { subnetsFinding } from "../../../lib/backend/docker/diagnosis/subnet_findings.ts";
import { rangesOf } from "../../../lib/backend/docker/taken_subnets.ts";
import type { EngineInfo } from "../../../lib/backend/docker/engine.ts";
import type { ImageFacts } from "../../../lib/backend/docker/images.ts";
import type { Finding } from "../../../lib/bottle/diagnosis.ts";
import { environmentOf, fakeHost } from "../../support/fake_host.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";

/** What a good engine says. */
const INFO: EngineInfo = {
  ServerVersion: "28.5.2",
  OSType: "linux",
  Architecture: "x86_64",
  CgroupVersion: "2",
  Driver: "overlay2",
  Debug: false,
  SecurityOptions: ["name=seccomp,profile=builtin", "name=cgroupns"],
  Runtimes: { runc: {}, runsc: {} },
  MemoryLimit: true,
  SwapLimit: true,
  PidsLimit: true,
  CpuCfsQuota: true,
};

function status(finding: (info: EngineInfo) => Finding, change: Partial<EngineInfo>): string {
  return finding({ ...INFO, ...change }).status;
}

Deno.test("engineFinding() tells which engine it is", () => {
  const context = { name: "box", endpoint: "ssh://me@box" };
  const { status, sentence } = engineFinding(
    { ...INFO, SecurityOptions: ["name=rootless", "name=userns"] },
    context,
  );
  assert.equal(status, "ok");
  assert.equal(
    sentence,
    "engine 28.5.2 at ssh://me@box (context box) answers: linux/x86_64, cgroup v2, overlay2, rootless, user namespaces",
  );
});

Deno.test("engineFinding() refuses engines that are too old or run no Linux containers", () => {
  const rows = [
    { ServerVersion: "20.10.24+dfsg1", expected: "ok" },
    { ServerVersion: "20.10.0", expected: "ok" },
    { ServerVersion: "dev", expected: "ok" },
    { ServerVersion: "20.9.9", expected: "problem" },
    { ServerVersion: "19.03.15", expected: "problem" },
    { ServerVersion: "28.5.2", OSType: "windows", expected: "problem" },
  ];
  for (const { expected, ...change } of rows) {
    assert.equal(status((info) => engineFinding(info, undefined), change), expected, JSON.stringify(change));
  }
});

Deno.test("every finding about an engine's settings is ok when it is good, and tells what is not", () => {
  const rows: readonly [(info: EngineInfo) => Finding, Partial<EngineInfo>, string][] = [
    [debugFinding, {}, "ok"],
    [debugFinding, { Debug: true }, "note"],
    [limitsFinding, {}, "ok"],
    [limitsFinding, { SwapLimit: false }, "note"],
    [limitsFinding, { CpuCfsQuota: false }, "note"],
    [limitsFinding, { MemoryLimit: false }, "problem"],
    [limitsFinding, { PidsLimit: false, SecurityOptions: ["name=rootless"] }, "problem"],
    [seccompFinding, {}, "ok"],
    [seccompFinding, { SecurityOptions: ["name=seccomp,profile=default"] }, "ok"],
    [seccompFinding, { SecurityOptions: ["name=seccomp,profile=unconfined"] }, "problem"],
    [seccompFinding, { SecurityOptions: [] }, "problem"],
    [seccompFinding, { SecurityOptions: null }, "note"],
    [runtimesFinding, {}, "ok"],
    [runtimesFinding, { Runtimes: { runc: {}, "io.containerd.runc.v2": {} } }, "note"],
    [runtimesFinding, { Runtimes: { crun: {} } }, "problem"],
    [runtimesFinding, { Runtimes: {} }, "problem"],
  ];
  for (const [finding, change, expected] of rows) {
    assert.equal(status(finding, change), expected, JSON.stringify(change));
    const { remedy, status: told } = finding({ ...INFO, ...change });
    if (told === "ok") assert.equal(remedy, undefined);
    if (told === "problem") assert.ok(remedy, JSON.stringify(change));
  }
  const rootless = limitsFinding({ ...INFO, MemoryLimit: false, SecurityOptions: ["name=rootless"] });
  assert.match(rootless.remedy ?? "", /cgroup v2/);
});

/** What the images' findings say when the engine has `names`. */
async function images(
  names: (wanted: readonly string[]) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, Finding>>> {
  const wanted = await wantedImages(environmentOf(env));
  const facts: ImageFacts = { id: "sha256:1", env: new Map(), user: "4321", labels: {}, volumes: [] };
  const found = new Map(names(wanted.map(({ name }) => name)).map((name) => [name, facts]));
  return Object.fromEntries(wanted.map(({ check, finding }) => [check, finding(found)]));
}

Deno.test("what is missing of the images is a note, since a start gets it", async () => {
  const all = await images((wanted) => wanted);
  assert.deepEqual(Object.keys(all), ["agent-image", "squid-image", "pipelock-image", "base-image"]);
  for (const { status } of Object.values(all)) assert.equal(status, "ok");
  const none = await images(() => []);
  for (const { status, remedy } of Object.values(none)) {
    assert.deepEqual([status, typeof remedy], ["note", "string"]);
  }
  assert.equal(none["agent-image"]?.remedy, "`claude-bottle build`");
  assert.match(none["pipelock-image"]?.remedy ?? "", /`docker pull ghcr\.io\/\S+`, or use `--proxy squid`/);
});

Deno.test("the base is not missed when everything is built from it", async () => {
  const base =
    (await images((wanted) => wanted.filter((name) => name.startsWith("claude-bottle"))))["base-image"];
  assert.deepEqual([base?.status, base?.remedy], ["ok", undefined]);
});

Deno.test("an image that CLAUDE_BOTTLE_IMAGE names must be there: nobody builds it", async () => {
  const env = { CLAUDE_BOTTLE_IMAGE: "mine:1" };
  const missing = (await images(() => [], env))["agent-image"];
  assert.equal(missing?.status, "problem");
  assert.match(missing?.remedy ?? "", /`docker pull mine:1`/);
  const there = (await images(() => ["mine:1"], env))["agent-image"];
  assert.equal(there?.sentence, "mine:1, which CLAUDE_BOTTLE_IMAGE names, is there; its agent's uid is 4321");
});

function range(text: string): Range {
  const parsed = parseRange(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

Deno.test("freeSubnets() counts what no taken range touches", () => {
  const count = (pool: string, ...taken: readonly string[]): readonly number[] => {
    const { free, all } = freeSubnets(range(pool), taken.map(range));
    return [free, all];
  };
  assert.deepEqual(count("10.213.0.0/16"), [4096, 4096]);
  assert.deepEqual(count("10.213.0.0/16", "10.213.0.16/28", "10.213.0.20/32", "10.99.0.0/16"), [4095, 4096]);
  assert.deepEqual(count("10.213.0.0/16", "10.0.0.0/8"), [0, 4096]);
  assert.deepEqual(count("10.213.0.0/27", "10.213.0.0/28"), [1, 2]);
  assert.deepEqual(count("10.0.0.0/8", "10.213.0.0/16"), [1_048_576 - 4096, 1_048_576]);
});

Deno.test("freeSubnets() agrees with looking at each subnet", () => {
  const pool = range("10.213.0.0/24");
  const taken = fc.record({ place: fc.nat(2047), prefix: fc.integer({ min: 20, max: 32 }) }).map(
    ({ place, prefix }): Range => {
      const size = 2 ** (32 - prefix);
      return { first: Math.floor((pool.first - 1024 + place) / size) * size, prefix };
    },
  );
  fc.assert(fc.property(fc.array(taken, { maxLength: 6 }), (ranges) => {
    const subnets = Array.from({ length: 16 }, (_, index) => pool.first + index * 16);
    const touches = (first: number, { first: other, prefix }: Range): boolean =>
      first < other + 2 ** (32 - prefix) && other < first + 16;
    const free = subnets.filter((first) => !ranges.some((one) => touches(first, one))).length;
    assert.deepEqual(freeSubnets(pool, ranges), { all: 16, free }, ranges.map(rangeText).join(" "));
  }));
});

Deno.test("subnetsFinding() warns before there are none, and then calls it a problem", () => {
  const pool = subnetPool("10.213.0.0/24");
  const taken = (count: number): readonly Range[] =>
    Array.from({ length: count }, (_, index) => ({ first: pool.first + index * 16, prefix: 28 }));
  assert.equal(subnetsFinding(pool, taken(8)).status, "ok");
  assert.equal(subnetsFinding(pool, taken(9)).status, "note");
  assert.equal(subnetsFinding(pool, taken(14)).status, "note");
  assert.equal(subnetsFinding(pool, taken(15)).status, "problem");
  assert.equal(
    subnetsFinding(pool, taken(8)).sentence,
    "8 of 16 subnets of 10.213.0.0/24 are free; a bottle takes 2",
  );
});

Deno.test("rangesOf() reads the IPv4 ranges of whatever networks there are", () => {
  const networks = [
    { IPAM: { Config: [{ Subnet: "172.17.0.0/16" }, { Subnet: "fd00::/64" }, {}, null] } },
    { IPAM: { Config: null } },
    { IPAM: null },
    {},
    null,
  ];
  assert.deepEqual(rangesOf(networks).map(rangeText), ["172.17.0.0/16"]);
});

Deno.test("clientProxiesFinding() tells of proxies that are not passed on, and never what they are", async () => {
  const path = "/home/somebody/.docker/config.json";
  const rows: readonly (readonly [string | MemoryFile | undefined, string, RegExp])[] = [
    [undefined, "ok", /is not there/],
    ["{}", "ok", /sets no proxies/],
    ['{"proxies":{}}', "ok", /sets no proxies/],
    ["[1]", "ok", /sets no proxies/],
    ['{"proxies":{"default":{"httpProxy":"http://me:hunter2@proxy"}}}', "note", /are not passed on/],
    ['{"proxies":', "note", /cannot be read/],
    [{ error: new Error("denied") }, "note", /cannot be read/],
    [{ text: "", kind: "other" }, "note", /cannot be read/],
  ];
  for (const [file, expected, sentence] of rows) {
    const finding = await clientProxiesFinding(
      fakeHost({ files: memoryFiles(file === undefined ? {} : { [path]: file }) }),
    );
    assert.equal(finding.status, expected, JSON.stringify(file));
    assert.match(finding.sentence, sentence);
    assert.doesNotMatch(JSON.stringify(finding), /hunter2/);
  }
  const elsewhere = fakeHost({
    env: { HOME: "/home/somebody", DOCKER_CONFIG: "/etc/d" },
    files: memoryFiles({ "/etc/d/config.json": '{"proxies":{"default":{}}}' }),
  });
  assert.match((await clientProxiesFinding(elsewhere)).sentence, /^\/etc\/d\/config\.json sets proxies/);
});
