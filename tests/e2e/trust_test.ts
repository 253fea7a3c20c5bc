import assert from "node:assert/strict";
import { join } from "node:path";
import { openSshKey } from "../support/private_keys.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { Sandbox } from "../support/program.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

/** A repository in the sandbox's working directory. */
class Repository implements AsyncDisposable {
  readonly sandbox: Sandbox;

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  static async create(): Promise<Repository> {
    const repository = new Repository(await Sandbox.create({ agentSays: ["done"] }));
    await Deno.mkdir(repository.path(".git"));
    return repository;
  }

  path(...below: readonly string[]): string {
    return join(this.sandbox.folder, "work", ...below);
  }

  /** Below the home. */
  home(...below: readonly string[]): string {
    return join(this.sandbox.folder, "home", ...below);
  }

  async bottle(body: string): Promise<void> {
    await Deno.writeTextFile(
      this.path("claude-bottle.yaml"),
      `bottles:\n  dev:\n    egress: { proxy: squid, allowlist: [github.com] }\n${body}agents: { a: { bottle: dev } }\n`,
    );
  }

  /** The headless agent's whole way. */
  async started(cwd = "work"): Promise<{ readonly code: number; readonly stderr: string }> {
    return await this.sandbox.run(["start", "--prompt", "hi"], { cwd });
  }

  async approve(cwd = "work"): Promise<void> {
    const { code, stderr } = await this.sandbox.run(["trust", "--yes"], { cwd });
    assert.equal(code, 0, stderr);
  }

  /** What is asked for beyond what is approved. */
  async asked(cwd = "work"): Promise<readonly string[]> {
    const { stdout, stderr } = await this.sandbox.run(["trust", "--json"], { cwd });
    assert.notEqual(stdout, "", stderr);
    const { grants }: { readonly grants: readonly { readonly text: string; readonly change: string }[] } =
      JSON
        .parse(stdout);
    return grants.filter(({ change }) => change === "added").map(({ text }) => text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
  }
}

Deno.test("what a project grants counts once it is approved, however it is written, and no more than that", async () => {
  await using repository = await Repository.create();
  await repository.bottle("");
  const refused = await repository.started();
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /asks for \d+ grants that are not approved[\s\S]*claude-bottle trust --yes/);
  assert.deepEqual(await repository.sandbox.docker.calls(), []);
  await repository.approve();
  assert.equal((await repository.started()).code, 0);
  // Reformatted, and narrower.
  await repository.bottle("    # The same\n    env: {}\n    resources: { memory: 1g }\n    runtime: auto\n");
  assert.deepEqual(await repository.asked(), []);
  assert.equal((await repository.started()).code, 0);
  // One more host.
  await repository.bottle("    ssh: []\n");
  const text = await Deno.readTextFile(repository.path("claude-bottle.yaml"));
  await Deno.writeTextFile(
    repository.path("claude-bottle.yaml"),
    text.replace("[github.com]", "[github.com, gitlab.com]"),
  );
  assert.deepEqual(await repository.asked(), ["gitlab.com"]);
  assert.match((await repository.started()).stderr, /asks for 1 grant that is not approved/);
});

Deno.test("approvals are the user's alone to read", async () => {
  await using repository = await Repository.create();
  await repository.bottle("");
  await repository.approve();
  const folder = repository.home(".local/state/claude-bottle/trust");
  const [file, ...others] = await Array.fromAsync(Deno.readDir(folder));
  assert.deepEqual(others, []);
  assert.match(file?.name ?? "", /^[0-9a-f]{64}\.json$/);
  assert.equal((await Deno.stat(join(folder, file?.name ?? ""))).mode, 0o100600);
  assert.equal((await Deno.stat(folder)).mode, 0o40700);
  // A person's own umask changes nothing; others' rights do.
  await Deno.chmod(join(folder, file?.name ?? ""), 0o662);
  const run = await repository.started();
  assert.equal(run.code, 1, run.stderr);
  assert.match(run.stderr, /\.json can be written by others/);
});

Deno.test("another folder asks again: a copy, a repository that was moved, and another one in its place", async () => {
  await using repository = await Repository.create();
  const { folder } = repository.sandbox;
  await repository.bottle("");
  await repository.approve();
  assert.deepEqual(await repository.asked(), []);
  const copied = await new Deno.Command("cp", { args: ["-a", repository.path(), join(folder, "copy")] })
    .output();
  assert.ok(copied.success);
  assert.notDeepEqual(await repository.asked("copy"), []);
  assert.equal((await repository.started("copy")).code, 1);
  await Deno.rename(repository.path(), join(folder, "moved"));
  assert.notDeepEqual(await repository.asked("moved"), []);
  await Deno.rename(join(folder, "copy"), repository.path());
  assert.notDeepEqual(await repository.asked(), []);
  // The first one, back again, is what was approved.
  await Deno.rename(repository.path(), join(folder, "copy"));
  await Deno.rename(join(folder, "moved"), repository.path());
  assert.deepEqual(await repository.asked(), []);
  await Deno.rename(await withInodeOf(repository.path(), folder), repository.path());
  await Deno.mkdir(repository.path(".git"));
  await repository.bottle("");
  assert.notDeepEqual(await repository.asked(), []);
});

/** Removes a folder and makes a new one, with the same inode where the file system uses inodes anew. */
async function withInodeOf(old: string, beside: string): Promise<string> {
  const { ino } = await Deno.stat(old);
  await Deno.remove(old, { recursive: true });
  let last = "";
  for (let attempt = 0; attempt < 500; attempt++) {
    last = await Deno.makeTempDir({ dir: beside });
    if ((await Deno.stat(last)).ino === ino) break;
  }
  return last;
}

Deno.test("a script of the project runs as it was approved, and asks again once it is another one", async () => {
  await using repository = await Repository.create();
  const script = repository.path("token.sh");
  await Deno.writeTextFile(script, "#!/bin/sh\necho approved >> ../ran; echo value\n", {
    mode: 0o755,
  });
  await repository.bottle(`    env: { TOKEN: { secret: { command: [./token.sh] } } }\n`);
  assert.equal((await repository.started()).code, 1);
  await repository.approve();
  const run = await repository.started();
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /TOKEN: asking .*\/work\/token\.sh/);
  await Deno.writeTextFile(script, "#!/bin/sh\necho another >> ../ran; echo value\n");
  const [asked = "", ...others] = await repository.asked();
  assert.match(
    asked,
    /^TOKEN from what runs on this machine: .*\/token\.sh \(.*sha256 [0-9a-f]{12}\) \(other files/,
  );
  assert.deepEqual(others, []);
  assert.equal((await repository.started()).code, 1);
  assert.equal(await Deno.readTextFile(join(repository.sandbox.folder, "ran")), "approved\n");
});

Deno.test("a committed link to a key is refused with its place, and a key that is named as it is is shown and used", async () => {
  await using repository = await Repository.create();
  await Deno.mkdir(repository.home(".ssh"), { mode: 0o700 });
  const key = repository.home(".ssh/id_ed25519");
  await Deno.writeTextFile(key, openSshKey(), { mode: 0o600 });
  await Deno.symlink(key, repository.path("key"));
  const ssh = (path: string): string =>
    `    ssh: [{ Host: git.test, IdentityFile: ${path}, KnownHostKey: ${HOST_KEY} }]\n`;
  await repository.bottle(ssh("./key"));
  for (const args of [["trust", "--yes"], ["start", "--prompt", "hi"]]) {
    const { code, stderr } = await repository.sandbox.run(args);
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /claude-bottle\.yaml:4:\d+: bottles\.dev\.ssh\[0\]\.IdentityFile: "\.\/key" leads out of the project, to .*\/home\/\.ssh\/id_ed25519/,
    );
  }
  await repository.bottle(ssh("~/.ssh/id_ed25519"));
  const shown = await repository.sandbox.run(["trust", "--yes"]);
  assert.ok(shown.stderr.includes(`${key} signs in as git@git.test, port 22`), shown.stderr);
  const dry = await repository.sandbox.run(["start", "--dry-run"]);
  assert.equal(dry.code, 0, dry.stderr);
  assert.ok(dry.stderr.includes(`(key ${key}, pinned)`), dry.stderr);
});

Deno.test("a person at a terminal sees the grants, says yes once, and is not asked again", async () => {
  await using repository = await Repository.create();
  const { sandbox } = repository;
  await repository.bottle(`    env: { TOKEN: "\${HOST_TOKEN}" }\n`);
  const command = (...args: readonly string[]): string =>
    `cd '${repository.path()}'; ${onTerminal(sandbox, args, { HOST_TOKEN: "x" })}`;
  {
    await using terminal = new TmuxTerminal();
    await terminal.run(command("start", "a"));
    const screen = await terminal.shows(/approve these grants\? \[y\/N\]/);
    assert.match(screen, /^! \+ env +TOKEN from your variable HOST_TOKEN/m);
    await terminal.type("n");
    await terminal.press("Enter");
    await terminal.shows(/aborted by user[\s\S]*ended with 0/);
  }
  assert.notDeepEqual(await repository.asked(), []);
  {
    await using terminal = new TmuxTerminal();
    await terminal.run(command("start", "a"));
    await terminal.shows(/approve these grants\? \[y\/N\]/);
    await terminal.type("y");
    await terminal.press("Enter");
    await terminal.shows(/launch this agent\? \[y\/N\]/);
    await terminal.press("Enter");
    await terminal.shows(/ended with 0/);
  }
  assert.deepEqual(await repository.asked(), []);
  await using terminal = new TmuxTerminal();
  await terminal.run(command("start", "a"));
  const screen = await terminal.shows(/launch this agent\? \[y\/N\]/);
  assert.doesNotMatch(screen, /approve these grants/);
  await terminal.press("Enter");
  await terminal.shows(/ended with 0/);
});

Deno.test("a script that becomes another one between the approval and the launch is not run", async () => {
  await using repository = await Repository.create();
  const { sandbox } = repository;
  const script = repository.path("token.sh");
  await Deno.writeTextFile(script, "#!/bin/sh\necho approved >> ../ran; echo value\n", { mode: 0o755 });
  await repository.bottle("    env: { TOKEN: { secret: { command: [./token.sh] } } }\n");
  await repository.approve();
  for (const isChanged of [false, true]) {
    await using terminal = new TmuxTerminal();
    await terminal.run(`cd '${repository.path()}'; ${onTerminal(sandbox, ["start", "a"])}`);
    await terminal.shows(/launch this agent\? \[y\/N\]/);
    if (isChanged) await Deno.writeTextFile(script, "#!/bin/sh\necho another >> ../ran; echo value\n");
    await terminal.type("y");
    await terminal.press("Enter");
    const screen = await terminal.shows(/ended with \d+/);
    if (isChanged) assert.match(screen, /The command of TOKEN is not what was approved/);
    assert.equal(await Deno.readTextFile(join(sandbox.folder, "ran")), "approved\n");
  }
});

Deno.test("no program of the project's is run to show or remember its grants, though PATH begins there", async () => {
  await using repository = await Repository.create();
  await repository.bottle("    git: { identity: host }\n");
  const PATH = `.:bin:${Deno.env.get("PATH")}`;
  const others = ["git", "mkdir", "mktemp", "cat", "chmod", "mv", "rm"];
  const run = (...argv: readonly string[]): ReturnType<Sandbox["run"]> =>
    repository.sandbox.run(argv, { env: { PATH } });
  for (const [programs, approves] of [[others, true], [["sh", "docker"], false]] as const) {
    for (const program of programs) {
      await Deno.writeTextFile(repository.path(program), "#!/bin/sh\necho ran >> ../ran\n", { mode: 0o755 });
    }
    for (const argv of [["list"], ["validate"], ["info", "a"], ["trust", "--json"]]) await run(...argv);
    const { code, stderr } = await run("trust", "--yes");
    assert.equal(code, approves ? 0 : 1, stderr);
    if (!approves) assert.match(stderr, /sh is not run from a relative folder of PATH/);
    await assert.rejects(Deno.stat(join(repository.sandbox.folder, "ran")), Deno.errors.NotFound);
    // What is approved would not be written again.
    await repository.bottle("    git: { identity: host }\n    runtime: runc\n");
  }
});
