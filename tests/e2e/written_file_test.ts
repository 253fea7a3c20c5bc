import assert from "node:assert/strict";
import { Failure } from "../../lib/errors.ts";
import { denoHost } from "../../lib/host/deno.ts";
import { writeFile } from "../../lib/host/written_file.ts";

async function within(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "claude-bottle test " });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(folder: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();
}

async function failureOf(writing: Promise<void>): Promise<string> {
  const error: unknown = await writing.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof Failure, String(error));
  return error.code;
}

const host = denoHost();
host.interrupts.release();

Deno.test("a file is written with its mode into folders that are made for the user alone", async () => {
  await within(async (folder) => {
    const path = `${folder}/-a b/$(x)/it's`;
    await writeFile(host, { path, content: "é\n", mode: 0o600, replace: false });
    assert.equal(await Deno.readTextFile(path), "é\n");
    assert.equal((await Deno.stat(path)).mode, 0o100600);
    assert.equal((await Deno.stat(`${folder}/-a b`)).mode, 0o40700);
    assert.deepEqual(await names(`${folder}/-a b/$(x)`), ["it's"]);
  });
});

Deno.test("a file that is there is replaced only when told, and a link is never followed", async () => {
  await within(async (folder) => {
    const path = `${folder}/a`;
    await Deno.writeTextFile(path, "old");
    assert.equal(
      await failureOf(writeFile(host, { path, content: "new", mode: 0o644, replace: false })),
      "file-exists",
    );
    assert.equal(await Deno.readTextFile(path), "old");
    await writeFile(host, { path, content: "new", mode: 0o644, replace: true });
    assert.equal(await Deno.readTextFile(path), "new");
    const link = `${folder}/link`;
    await Deno.symlink(path, link);
    assert.equal(
      await failureOf(writeFile(host, { path: link, content: "x", mode: 0o600, replace: false })),
      "file-exists",
    );
    await writeFile(host, { path: link, content: "own", mode: 0o600, replace: true });
    assert.equal(await Deno.readTextFile(path), "new");
    assert.equal((await Deno.lstat(link)).isSymlink, false);
    await Deno.symlink(`${folder}/nowhere`, `${folder}/dangling`);
    const dangling = { path: `${folder}/dangling`, content: "x", mode: 0o600, replace: false };
    assert.equal(await failureOf(writeFile(host, dangling)), "file-exists");
  });
});

Deno.test("what cannot be written is said, and leaves nothing", async () => {
  await within(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await Deno.mkdir(`${folder}/folder`);
    for (const path of [`${folder}/file/a`, `${folder}/folder`]) {
      assert.equal(
        await failureOf(writeFile(host, { path, content: "x", mode: 0o600, replace: true })),
        "file-not-written",
      );
    }
    assert.deepEqual(await names(folder), ["file", "folder"]);
    assert.deepEqual(await names(`${folder}/folder`), []);
  });
});

Deno.test("no program of the working directory is run, though PATH leads there", async () => {
  await within(async (folder) => {
    const before = Deno.cwd();
    for (const program of ["mkdir", "mktemp", "cat", "chmod", "mv", "rm"]) {
      await Deno.writeTextFile(`${folder}/${program}`, `#!/bin/sh\necho ${program} >>'${folder}/ran'\n`, {
        mode: 0o755,
      });
    }
    const PATH = `.:${Deno.env.get("PATH")}`;
    const environment = { ...host.environment, get: (): string => PATH };
    Deno.chdir(folder);
    try {
      const path = `${folder}/file`;
      await writeFile({ ...host, environment }, { path, content: "x", mode: 0o600, replace: false });
      assert.equal(await Deno.readTextFile(path), "x");
      assert.ok(!(await names(folder)).includes("ran"));
      // From there they would be.
      const args = ["-c", "cat"];
      await host.processes.run({ program: "sh", args, env: { PATH } });
      assert.equal(await Deno.readTextFile(`${folder}/ran`), "cat\n");
    } finally {
      Deno.chdir(before);
    }
  });
});
