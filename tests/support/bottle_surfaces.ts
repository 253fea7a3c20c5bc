import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { docker, ended, eventually, PROGRAM, type Workbench } from "./engine.ts";
import type { Lookout, Seen } from "./sightings.ts";
import memoryReader from "../testdata/engine/bottle_memory.pl" with { type: "text" };

/** What a bottle's agent does before it is looked through, and what it does it with. */
export interface SpreadCredential {
  readonly variable: string;
  /** The host that takes it, and a path of it that is allowed. */
  readonly host: string;
  readonly path: string;
}

const DONE = { spread: "/tmp/spread", searched: "/tmp/searched" };

/** What the agent says when it has been looked through. */
export const SEARCHED = "all of it is searched";

/**
 * Shell words with which the agent puts its credential wherever it can write, has a process crash, uses it, and goes
 * on holding it until it has been looked through. It is taken from a process that has it: Claude Code keeps it from
 * those that it starts itself.
 */
export function spreading({ variable, host, path }: SpreadCredential): string {
  return [
    `KEY=$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sed -n 's/^${variable}=//p' | head -n 1)`,
    'echo "$KEY" | tee ~/note /tmp/note /var/tmp/note /run/env/note >/dev/null',
    'git config --global user.name "$KEY"',
    "cd /tmp && sh -c 'ulimit -c unlimited; kill -SEGV $$'",
    `curl -sS -o /dev/null -H "Authorization: Bearer $KEY" https://${host}/${path}`,
    `touch ${DONE.spread}`,
    `exec sh -c 'until test -e ${DONE.searched}; do sleep 1; done; echo ${SEARCHED}' "$KEY"`,
  ].join("\n");
}

/** What is looked through, as the agent's user, by shell words; its credential is in `$KEY`. */
function surfacesOf({ host, path }: SpreadCredential): Readonly<Record<string, string>> {
  return {
    "environments": "cat /proc/[0-9]*/environ",
    "command lines": "cat /proc/[0-9]*/cmdline",
    "home": "tar -c ~",
    "/tmp": "tar -c /tmp",
    "/run": "tar -c /run",
    "root's files": "tar -c /etc /opt /usr/local/bin /usr/local/share /usr/local/lib/claude-bottle",
    "every other new file": "find / -xdev -path /proc -prune -o -type f -readable -cmin -30 -exec cat {} +",
    "answers":
      `for p in ${path} v1/files; do curl -sSv -H "Authorization: Bearer $KEY" https://${host}/$p 2>&1; done`,
    "refusals":
      `curl -sSv -H "Authorization: Bearer $KEY" -H "X-Api-Key: x" https://${host}/${path}?key=$KEY 2>&1`,
    "the sidecar's own paths":
      "for p in squid-internal-mgr/menu squid-internal-mgr/config squid-internal-mgr/active_requests; do " +
      'curl -sSv -H "X: $KEY" --noproxy "*" $HTTP_PROXY/$p 2>&1; ' +
      `curl -sSv -H "X: $KEY" https://${host}/$p 2>&1; done`,
    "git's credentials":
      `for host in git.test ${host}; do printf 'protocol=https\\nhost=%s\\n' $host | git credential fill; done; ` +
      "cat ~/.gitconfig",
  };
}

/** What was seen on each surface. */
export type Surfaces = ReadonlyMap<string, Seen>;

/** A bottle that runs, and how it is come into. */
export interface SearchedBottle {
  readonly bench: Workbench;
  /** The host's variables that it is started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly credential: SpreadCredential;
}

/** The one container of a role in the bottle of a test. */
export async function containerOf({ agent }: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${agent}`, `label=${LABEL.role}=${role}`];
  return await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
}

/** The words that run a command in it with its secrets, as its agent's user. */
function inBottle({ bench }: SearchedBottle, command: string): readonly string[] {
  return ["exec", bench.agent, "--manifest", bench.manifestFile, "--secrets", "--", "sh", "-c", command];
}

/** Waits until its agent has spread what it has; which that is. */
export async function spreadCredential(bottle: SearchedBottle): Promise<string> {
  const { bench, env, credential } = bottle;
  await eventually("the agent has spread its credential", async () => {
    const id = await containerOf(bench, "agent");
    return await docker("exec", id, "test", "-e", DONE.spread).then(() => id, () => undefined);
  });
  const { stdout, stderr } = await ended(
    bench.spawn(inBottle(bottle, `printenv ${credential.variable}`), env),
  );
  if (stdout.trim() === "") throw new Error(stderr);
  return stdout.trim();
}

/** Has its agent end. */
export async function endSearch({ bench }: SearchedBottle): Promise<void> {
  await docker("exec", await containerOf(bench, "agent"), "touch", DONE.searched);
}

/**
 * What was seen on each of twelve surfaces of a bottle: its memory, read as root from outside while nothing in it
 * goes on, and what its agent's user can read.
 */
export async function lookInside(lookout: Lookout, bottle: SearchedBottle): Promise<Surfaces> {
  const { bench, env, credential } = bottle;
  // Where the agent cannot write, root shows that the search sees.
  const id = await containerOf(bench, "agent");
  await docker("exec", "--user", "0:0", id, "cp", "/tmp/note", "/etc/note");
  const table = new Map([["memory", await lookIntoMemory(lookout, bottle)]]);
  const variables = Object.entries(bench.environment(env)).map((pair) => pair.join("="));
  for (const [surface, command] of Object.entries(surfacesOf(credential))) {
    const words = inBottle(bottle, `KEY=$${credential.variable}; ${command}; true`);
    const { seen } = await lookout.inOutput(["env", "-i", ...variables, ...PROGRAM, ...words]);
    table.set(surface, seen.get("stream") ?? new Set());
  }
  return table;
}

/** Says what was seen where. @throws AssertionError unless on each of twelve surfaces one is seen, and never the other */
export async function judgeSurfaces(
  title: string,
  table: Surfaces,
  { everywhere, nowhere }: { readonly everywhere: string; readonly nowhere?: string },
): Promise<void> {
  const wanted = [everywhere, ...nowhere === undefined ? [] : [nowhere]];
  const rows = wanted.map((name) => {
    const places = [...table].filter(([, seen]) => seen.has(name)).map(([surface]) => surface);
    return { name, places, line: `  ${name}: on ${places.length} of ${table.size} surfaces` };
  });
  await Deno.stdout.write(
    new TextEncoder().encode(`${[title, ...rows.map(({ line }) => line)].join("\n")}\n`),
  );
  assert.deepEqual(
    rows.map(({ name, places }) => [name, places]),
    [[everywhere, [...table.keys()]], ...nowhere === undefined ? [] : [[nowhere, []]]],
  );
  assert.equal(table.size, 12);
}

/**
 * What was seen in a bottle's memory: that of all its processes, or of those of a name, which under gVisor nobody
 * can tell from the others'. Without the right to trace nothing would be seen, were a process not dumpable.
 */
export async function lookIntoMemory(
  lookout: Lookout,
  { bench, runtime }: SearchedBottle,
  name?: string,
): Promise<Seen> {
  const id = await containerOf(bench, "agent");
  const image = await docker("inspect", "--format", "{{.Image}}", id);
  const [namespace, ...what] = runtime === "runsc"
    ? ["host", "sandbox", id]
    : [`container:${id}`, "processes", ...name === undefined ? [] : [name]];
  const words = [
    ...["run", "--rm", "--runtime", "runc", "--pid", namespace, "--network", "none", "--user", "0:0"],
    ...["--cap-drop", "ALL", "--cap-add", "SYS_PTRACE", "--cap-add", "DAC_READ_SEARCH"],
    // Docker's own profile lets nobody look at what is outside of it, as gVisor's sandbox is.
    ...["--security-opt", "apparmor=unconfined", "--label", `claude-bottle-test=${bench.agent}`],
    ...["--entrypoint", "perl", image, "-e", memoryReader, ...what],
  ];
  await docker("pause", id);
  try {
    const { seen } = await lookout.inOutput(["docker", ...words]);
    return seen.get("stream") ?? new Set();
  } finally {
    await docker("unpause", id);
  }
}
