import type { BottleSpec } from "../../lib/bottle/spec.ts";
import { inspects } from "../../lib/egress/policy.ts";
import { lineReader } from "../../lib/egress/log_reader.ts";
import type { EgressProxy } from "../../lib/egress/proxy.ts";
import type { PlanInputs } from "../../lib/backend/docker/plan.ts";
import { Secret } from "../../lib/bottle/env.ts";
import type { SshKey } from "../../lib/bottle/ssh_keys.ts";
import type { SshEntry } from "../../lib/manifest/model.ts";

/** A proxy of which everything is known here: what the plan does with it is what is tested. */
export const TEST_PROXY: EgressProxy = {
  inspects: true,
  name: "squid",
  limits: (policy) => policy.ssh.map(({ host, port }) => `${host}:${port} is not checked`),
  program: (policy, { listen }) => ({
    uid: 13,
    gid: 14,
    command: ["proxy", "--listen", listen],
    files: [
      { path: "proxy.conf", mode: 0o644, text: policy.hosts.map(({ host }) => `${host}\n`).join("") },
      { path: "helper.pl", mode: 0o755, text: "1;\n" },
    ],
    tmpfs: [{ path: "/run/proxy", sizeMiB: 2, mode: 0o750 }],
    memoryMiB: 256,
    pids: 64,
    ...(inspects(policy) ? { open: ["proxy", "--open"] } : {}),
  }),
  reloadSignal: "HUP",
  reader: () =>
    lineReader((line) =>
      line.startsWith("refused ")
        ? {
          time: 1,
          verdict: "refused",
          host: line.slice(8),
          port: 443,
          reason: "not an allowed host",
          bytes: undefined,
        }
        : undefined
    ),
};

/** A bottle as a manifest of few words asks for it, run headless. */
export function testSpec(changes: Partial<BottleSpec> = {}): BottleSpec {
  return {
    agent: "Code Reviewer",
    bottle: "dev",
    manifestFiles: [{ path: "/home/somebody/.config/claude-bottle/claude-bottle.yaml", digest: "d1" }],
    mode: "headless",
    command: ["claude", "--dangerously-skip-permissions", "--print", "say it's fine"],
    skills: [],
    prompt: "You review.\nKindly.",
    remoteControl: false,
    lifetime: "session",
    startsAgent: true,
    ssh: [],
    gitIdentity: undefined,
    workspace: undefined,
    injected: new Map(),
    env: new Map([
      ["GIT_AUTHOR_NAME", { kind: "literal", value: "literal-value-93" }],
      ["GITHUB_TOKEN", { kind: "host", variable: "GH_PAT" }],
      ["GITEA_TOKEN", { kind: "prompt", text: "paste your Gitea API token" }],
    ]),
    forwardOauthToken: false,
    proxy: TEST_PROXY,
    policy: {
      hosts: [{ host: "api.anthropic.com", private: false, http: false }, {
        host: "intra.example",
        private: true,
        http: false,
      }],
      ssh: [],
    },
    namedHosts: ["intra.example"],
    egressSummary: "2 hosts allowed (api.anthropic.com, intra.example)",
    neighbours: [],
    networks: [],
    runtime: "auto",
    resources: { cpus: undefined, memory: undefined, pids: undefined, disk: undefined },
    ca: undefined,
    home: "/home/node",
    workdir: "/home/node",
    skillsDir: "/home/node/.claude/skills",
    ...changes,
  };
}

/** All decisions of a first attempt on an engine 20.10 with both images there. */
export function testInputs(changes: Partial<PlanInputs> = {}): PlanInputs {
  return {
    spec: testSpec(),
    engine: {
      major: 20,
      runtimes: ["runc", "runsc"],
      memory: 8 * 1024 ** 3,
      swapLimit: true,
    },
    runtime: "runc",
    images: {
      agent: { name: "claude-bottle:aaaaaaaaaaaa", id: "sha256:a11", build: undefined },
      sidecar: { name: "claude-bottle-squid:bbbbbbbbbbbb", id: "sha256:b22", build: undefined },
    },
    user: { uid: 47291, gid: 47291 },
    attempt: 1,
    pinnedName: undefined,
    slug: "code-reviewer",
    subnets: {
      internal: { first: 0x0ad50000, prefix: 28 },
      egress: { first: 0x0ad50010, prefix: 28 },
    },
    joined: new Map(),
    skills: [],
    sshKeys: [],
    unknownHosts: [],
    workspace: undefined,
    envNames: ["HOME", "GIT_AUTHOR_NAME", "GITHUB_TOKEN", "GITEA_TOKEN"],
    envNotices: [],
    envToken: "nopqrstuvwxyz",
    globalArguments: [],
    run: {
      run: "abcdefghijklm",
      agent: "Code Reviewer",
      bottle: "dev",
      manifestFiles: [{ path: "/home/somebody/.config/claude-bottle/claude-bottle.yaml", digest: "d1" }],
      version: "1.2.3",
      owner: "0123456789abcdef/boot-1/pid:4026531836/1000/42/777",
    },
    pool: { first: 0x0ad50000, prefix: 16 },
    taken: [],
    owner: "0123456789abcdef/boot-1/pid:4026531836/1000/42/777",
    ...changes,
  };
}

/** A host key that nobody has. */
export const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

/** An ssh entry of a bottle, its host's key known. */
export function testSshEntry(changes: Partial<SshEntry> = {}): SshEntry {
  return {
    host: "gitea",
    identityFile: "/home/somebody/.ssh/gitea",
    hostname: "git.example.com",
    user: "git",
    port: 22,
    knownHostKeys: [HOST_KEY],
    unpinned: false,
    sign: false,
    ...changes,
  };
}

/** A key as it was read, for one entry unless told. */
export function testSshKey(changes: Partial<SshKey> = {}): SshKey {
  return {
    path: "/home/somebody/.ssh/gitea",
    text: new Secret("the key's own text\n"),
    encrypted: false,
    entries: [testSshEntry()],
    ...changes,
  };
}
