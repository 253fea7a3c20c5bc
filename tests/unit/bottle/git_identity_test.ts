import assert from "node:assert/strict";
import { type GitIdentity, hostGitIdentity, identityConfig } from "../../../lib/bottle/git_identity.ts";
import { parseGitConfig } from "../../../lib/bottle/git_config.ts";
import type { Outcome } from "../../../lib/host/processes.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { ScriptedProcesses } from "../../support/scripted_processes.ts";

function identityOf(ended: Partial<Outcome>): Promise<GitIdentity> {
  const processes = new ScriptedProcesses().on(/git config --global/, ended);
  return hostGitIdentity(fakeHost({ processes }), new AbortController().signal);
}

Deno.test("hostGitIdentity() asks git for the user's own configuration, includes and all, outside any repository", async () => {
  const processes = new ScriptedProcesses().on(/./, { stdout: "user.name\nAnn\0user.email\na@x\0" });
  const env = {
    PATH: "/bin",
    HOME: "/h",
    XDG_CONFIG_HOME: "/x",
    GIT_DIR: "/evil",
    GIT_CONFIG_GLOBAL: "/evil",
    LD_PRELOAD: "/evil",
  };
  const host = fakeHost({ processes, env });
  assert.deepEqual(await hostGitIdentity(host, host.interrupts.signal), { name: "Ann", email: "a@x" });
  const [call] = processes.calls;
  assert.deepEqual(call?.env, {
    PATH: "/bin",
    HOME: "/h",
    XDG_CONFIG_HOME: "/x",
    LC_ALL: "C",
    GIT_DIR: "/nonexistent",
  });
  assert.match(call?.args[1] ?? "", /^cd \/ && exec git config --global --includes /);
  assert.equal(call?.deadlineMs, 10_000);
});

Deno.test("hostGitIdentity() takes the last of several values, as git does", async () => {
  const stdout = "user.email\nold@x\0user.name\nAnn\0user.email\nnew@x\0";
  assert.deepEqual(await identityOf({ stdout }), { name: "Ann", email: "new@x" });
});

Deno.test("hostGitIdentity() names what is missing and the command that sets it", async () => {
  const tail = ", and `git: { identity: host }` takes the bottle's from there";
  await assert.rejects(identityOf({ code: 1 }), {
    code: "git-identity-missing",
    message: `The host's git has no user.name${tail}`,
    hints: ["`git config --global user.name 'Your Name'`", "Or leave `git.identity` out of the bottle"],
  });
  for (const email of ["", "user.email\0", "user.email\n \0"]) {
    await assert.rejects(identityOf({ stdout: `user.name\nAnn\0${email}` }), {
      message: `The host's git has no user.email${tail}`,
      hints: [
        "`git config --global user.email you@example.com`",
        "Or leave `git.identity` out of the bottle",
      ],
    });
  }
  await assert.rejects(identityOf({ code: 127 }), { message: `There is no git on the host${tail}` });
  await assert.rejects(identityOf({ code: 128 }), { code: "git-identity-unreadable" });
});

Deno.test("hostGitIdentity() refuses what no commit can have", async () => {
  for (const name of ["a\nb", "a<b", "a>b", "a\u001b[1m", "a\ufffd"]) {
    await assert.rejects(identityOf({ stdout: `user.name\n${name}\0user.email\na@x\0` }), {
      code: "git-identity-unusable",
    }, name);
  }
});

Deno.test("identityConfig() is read by git as the same identity", () => {
  for (const name of ["Ann", 'A "B" \\ C # d ; e', " spaces ", "Ünï"]) {
    assert.deepEqual(parseGitConfig(identityConfig({ name, email: "a@x" })), [
      { section: "user", subsection: undefined, key: "name", value: name },
      { section: "user", subsection: undefined, key: "email", value: "a@x" },
    ]);
  }
});
