import assert from "node:assert/strict";
import {
  CLAUDE_ENVIRONMENT,
  claudeArguments,
  claudeHomeFiles,
  claudeSystemFile,
} from "../../../lib/bottle/claude.ts";
import { EXIT, Failure } from "../../../lib/errors.ts";

Deno.test("claudeHomeFiles() answers Claude Code's first questions for the working directory alone", () => {
  assert.deepEqual(claudeHomeFiles({ home: "/home/node", workdir: "/home/node/workspace" }), [{
    path: "/home/node/.claude.json",
    mode: 0o600,
    text: '{"hasCompletedOnboarding":true,"bypassPermissionsModeAccepted":true,' +
      '"projects":{"/home/node/workspace":{"hasTrustDialogAccepted":true}}}\n',
  }]);
});

Deno.test("claudeHomeFiles() writes JSON whatever the working directory is called", () => {
  const workdir = '/home/node/a "b"\\\n__proto__';
  const [file] = claudeHomeFiles({ home: "/home/node", workdir });
  assert.deepEqual(Object.keys(JSON.parse(file?.text ?? "").projects), [workdir]);
});

Deno.test("CLAUDE_ENVIRONMENT switches off what would reach hosts that are not granted", () => {
  assert.deepEqual(CLAUDE_ENVIRONMENT, {
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
  });
});

Deno.test("claudeArguments() adds nothing that was not asked for", () => {
  assert.deepEqual(claudeArguments({ args: [], remoteControl: false }), []);
  assert.deepEqual(claudeArguments({ args: ["--model", "opus", "--", "-x"], remoteControl: false }), [
    "--model",
    "opus",
    "--",
    "-x",
  ]);
});

Deno.test("claudeArguments() puts its own options before the user's", () => {
  const tail = claudeArguments({
    args: ["fix it"],
    systemPromptFile: "/home/node/.claude-bottle-prompt.txt",
    remoteControl: true,
  });
  assert.deepEqual(tail, [
    "--remote-control=",
    "--append-system-prompt-file",
    "/home/node/.claude-bottle-prompt.txt",
    "fix it",
  ]);
});

Deno.test("claudeArguments() keeps the first word of the user from becoming the remote session's name", () => {
  assert.deepEqual(claudeArguments({ args: ["hello"], remoteControl: true }), ["--remote-control=", "hello"]);
});

Deno.test("claudeArguments() gives the prompt as the last word, behind --", () => {
  const tail = claudeArguments({
    args: ["--allowedTools", "Bash", "Read"],
    prompt: "--version\n-x $HOME",
    systemPromptFile: "/prompt",
    remoteControl: false,
  });
  assert.deepEqual(tail, [
    "--print",
    "--append-system-prompt-file",
    "/prompt",
    "--allowedTools",
    "Bash",
    "Read",
    "--",
    "--version\n-x $HOME",
  ]);
});

Deno.test("claudeArguments() takes a prompt that is itself --", () => {
  assert.deepEqual(claudeArguments({ args: [], prompt: "--", remoteControl: false }), [
    "--print",
    "--",
    "--",
  ]);
});

for (const prompt of ["", " \n\t"]) {
  Deno.test(`claudeArguments() refuses the prompt ${JSON.stringify(prompt)}`, () => {
    assert.throws(
      () => claudeArguments({ args: [], prompt, remoteControl: false }),
      (error) => error instanceof Failure && error.code === "prompt-empty" && error.exit === EXIT.usage,
    );
  });
}

Deno.test("claudeArguments() refuses a second place for the prompt", () => {
  assert.throws(
    () => claudeArguments({ args: ["--model", "opus", "--", "other"], prompt: "this", remoteControl: false }),
    (error) => error instanceof Failure && error.code === "prompt-conflict" && error.exit === EXIT.usage,
  );
});

Deno.test("claudeSystemFile() lets WebFetch go without asking only where the way to the model is inspected", () => {
  const inspection = { rules: undefined, secret: undefined };
  const api = { host: "api.anthropic.com", private: false, http: false };
  assert.equal(claudeSystemFile({ hosts: [api] }), undefined);
  assert.equal(claudeSystemFile({ hosts: [api, { ...api, host: "api.test", inspection }] }), undefined);
  const file = claudeSystemFile({ hosts: [{ ...api, inspection }] });
  assert.deepEqual(JSON.parse(file?.text ?? ""), { skipWebFetchPreflight: true });
});
