import assert from "node:assert/strict";
import { launchDetails } from "../../../lib/backend/docker/details.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import { testInputs, testSpec, testSshEntry, testSshKey } from "../../support/plan_inputs.ts";

Deno.test("launchDetails() tells what is started and copied, in the seed's words", () => {
  const skills = ["review", "test"].map((name) => ({
    name,
    path: `/home/me/.claude/skills/${name}`,
    entries: [],
    skipped: [],
  }));
  const workspace = { directory: "/srv/project", entries: [], files: 0, bytes: 0, notices: [] };
  const ssh = [testSshEntry()];
  const spec = testSpec({
    skills: ["review", "test"],
    ssh,
    workspace: { directory: "/srv/project", exclude: [] },
    workdir: "/home/node/workspace",
  });
  const inputs = testInputs({ spec, skills, workspace, sshKeys: [testSshKey({ entries: ssh })] });
  assert.deepEqual(launchDetails(composePlan(inputs)), [
    "starting container claude-bottle-code-reviewer from claude-bottle:aaaaaaaaaaaa",
    "copying /srv/project -> claude-bottle-code-reviewer:/home/node/workspace",
    "copying skill review into claude-bottle-code-reviewer:/home/node/.claude/skills/review",
    "copying skill test into claude-bottle-code-reviewer:/home/node/.claude/skills/test",
    "copying ssh key for 'gitea' -> claude-bottle-code-reviewer (root-only, never staged)",
    "starting in-container ssh-agent at /run/claude-bottle/private/agent.sock (forwarded via /run/claude-bottle/ssh.sock)",
    "writing /home/node/.ssh/config",
    "writing /home/node/.ssh/known_hosts",
  ]);
  assert.deepEqual(launchDetails(composePlan(testInputs())), [
    "starting container claude-bottle-code-reviewer from claude-bottle:aaaaaaaaaaaa",
  ]);
});
