import assert from "node:assert/strict";
import { workspaceStream } from "../../../lib/backend/docker/provision/workspace.ts";
import type { OnEvent } from "../../../lib/bottle/events.ts";
import type { Workspace, WorkspaceEntry } from "../../../lib/bottle/workspace.ts";
import { Failure } from "../../../lib/errors.ts";
import type { Files } from "../../../lib/host/files.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";
import { tarEntries } from "../../support/normalise.ts";

const ROOT = "/p";

function workspaceOf(entries: readonly WorkspaceEntry[]): Workspace {
  return { directory: ROOT, entries, files: 0, bytes: 0, notices: [] };
}

function file(path: string, size: number): WorkspaceEntry {
  return { path, mode: 0o644, modified: 7, content: { kind: "file", size, identity: `${ROOT}/${path}` } };
}

async function tarOf(
  entries: readonly WorkspaceEntry[],
  content: Readonly<Record<string, string | MemoryFile>>,
  change: (files: Files) => Files = (files) => files,
  onEvent: OnEvent = () => {},
): Promise<Uint8Array> {
  const stream = workspaceStream(workspaceOf(entries), {
    target: { name: "w", user: { uid: 5, gid: 6 } },
    ports: {
      files: change(memoryFiles(content)),
      processes: fakeHost().processes,
      path: "",
      onEvent,
    },
  });
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const isChange = (error: unknown): boolean =>
  error instanceof Failure && error.code === "workspace-changed" && error.exit === 125;

Deno.test("workspaceStream() is a tar stream of all entries with the agent as their owner", async () => {
  const large = "x".repeat(700_000);
  const tar = await tarOf(
    [
      { path: "", mode: 0o755, modified: 1, content: { kind: "directory" } },
      file("a", 1),
      file("large", large.length),
      { path: "l", mode: 0o777, modified: 1, content: { kind: "link", target: Uint8Array.of(0xe9) } },
      { path: "c", mode: 0o644, modified: 1, content: { kind: "text", bytes: Uint8Array.of(1, 2) } },
    ],
    { "/p/a": { text: "1", mode: 0o4755 }, "/p/large": large },
  );
  assert.deepEqual(tarEntries(tar), [
    { path: "w", size: 0 },
    { path: "w/a", size: 1 },
    { path: "w/large", size: 700_000 },
    { path: "w/l", size: 0 },
    { path: "w/c", size: 2 },
  ]);
  const text = (from: number, length: number): string =>
    new TextDecoder().decode(tar.subarray(from, from + length));
  assert.equal(text(512 + 100, 36), "0000755\x000000005\x000000006\x0000000000001\x00");
  assert.equal(tar.length % 512, 0);
});

Deno.test("workspaceStream() takes a file as it is when it is opened, and what it grows while it is read is left out", async () => {
  const grown = await tarOf([file("a", 1)], { "/p/a": "12345" });
  assert.deepEqual(tarEntries(grown), [{ path: "w/a", size: 5 }]);
  const growing = await tarOf([file("a", 5)], { "/p/a": "12345" }, (files) => ({
    ...files,
    open: async (path) => {
      const open = await files.open(path);
      return open && {
        ...open,
        status: async () => ({ ...await open.status(), size: 3 }),
        [Symbol.dispose]: () => open[Symbol.dispose](),
      };
    },
  }));
  assert.deepEqual(tarEntries(growing), [{ path: "w/a", size: 3 }]);
});

Deno.test("workspaceStream() fails for a file that is gone, became a link or a pipe, or is shorter than it was", async () => {
  const rows: readonly Readonly<Record<string, string | MemoryFile>>[] = [
    { "/p/b": "" },
    { "/p/a": { link: "/etc/shadow" }, "/etc/shadow": "s3cret" },
    { "/p/a": { kind: "other" } },
  ];
  for (const content of rows) await assert.rejects(tarOf([file("a", 6)], content), isChange);
  // A directory on the way that became a link: what is there has the size and kind of what was found.
  await assert.rejects(
    tarOf([file("d/a", 6)], { "/p/d": { link: "/etc" }, "/etc/a": "s3cret" }),
    isChange,
  );
  await assert.rejects(
    tarOf([file("a", 6)], { "/p/a": "s3cret" }, (files) => ({
      ...files,
      open: async (path) => {
        const open = await files.open(path);
        return open && {
          ...open,
          status: async () => ({ ...await open.status(), size: 9 }),
          [Symbol.dispose]: () => open[Symbol.dispose](),
        };
      },
    })),
    isChange,
  );
});

Deno.test("workspaceStream() tells how far it is in the middle of a large file, and among many small ones", async () => {
  const told = async (
    entries: readonly WorkspaceEntry[],
    content: Readonly<Record<string, string>>,
  ): Promise<number> => {
    let lines = 0;
    await tarOf(entries, content, undefined, (event) => void (event.kind === "output" && lines++));
    return lines;
  };
  assert.equal(await told([file("a", 25e6)], { "/p/a": "x".repeat(25e6) }), 2);
  const names = Array.from({ length: 2500 }, (_, index) => `f${index}`);
  const small = Object.fromEntries(names.map((name) => [`/p/${name}`, "x"]));
  assert.equal(await told(names.map((name) => file(name, 1)), small), 2);
});
