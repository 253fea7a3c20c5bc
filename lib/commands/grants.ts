import { shellQuoted } from "../bottle/invocation.ts";
import type { Environment } from "../host/environment.ts";
import { requireAgent } from "../manifest/agents.ts";
import type { Manifest } from "../manifest/model.ts";
import type { Path } from "../manifest/node.ts";
import { bottleGrants } from "./bottle_grants.ts";
import { withClaudeInjection } from "./claude_grants.ts";
import { extendsGrant, type Grant, grant, type GrantContext } from "./grant_rows.ts";

/** Everything that an agent is given, in the order it is shown. @throws Failure `agent-unknown` */
export function grantsOf(manifest: Manifest, agentName: string, environment: Environment): readonly Grant[] {
  const { agent, bottle } = requireAgent(manifest, agentName);
  const context: GrantContext = { manifest, environment, path: ["agents", agent.name] };
  const below: GrantContext = { manifest, environment, path: ["bottles", bottle.name] };
  const row = (label: string, value: { readonly text: string; readonly at: Path; readonly data: unknown }) =>
    grant(context, { of: "agent", label, text: value.text, data: { value: value.data }, at: value.at });
  return [
    row("agent", { text: agent.name, at: [], data: agent.name }),
    ...extendsGrant("agent", { entry: agent, entries: manifest.agents, context }),
    row("uses", { text: `bottle ${agent.bottle}`, at: ["bottle"], data: agent.bottle }),
    row("command", { text: shellQuoted(agent.command), at: ["command"], data: agent.command }),
    row("prompt", {
      text: firstLine(agent.prompt) || "(none)",
      at: ["prompt"],
      data: firstLine(agent.prompt),
    }),
    ...agent.skills.map((skill, index) => row("skill", { text: skill, at: ["skills", index], data: skill })),
    ...withClaudeInjection(bottleGrants(bottle, below), { bottle, environment }),
  ];
}

/** The first line of a prompt that says anything. */
export function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
