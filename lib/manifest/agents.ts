import { EXIT, Failure } from "../errors.ts";
import type { Agent, Bottle, Manifest } from "./model.ts";
import { nearest } from "./nearest.ts";
import { quoted } from "./text.ts";

/** An agent together with its bottle. @throws Failure `agent-unknown` */
export function requireAgent(
  manifest: Manifest,
  name: string,
): { readonly agent: Agent; readonly bottle: Bottle } {
  const agent = manifest.agents.get(name);
  const bottle = manifest.bottles.get(agent?.bottle ?? "");
  if (agent !== undefined && bottle !== undefined) return { agent, bottle };
  const names = [...manifest.agents.keys()];
  const near = nearest(name, names);
  throw new Failure("agent-unknown", `No agent is named ${quoted(name)}`, {
    exit: EXIT.usage,
    hints: [
      ...(near === undefined ? [] : [`Did you mean \`${near}\`?`]),
      ...(manifest.bottles.has(name) ? [`${quoted(name)} is a bottle: name an agent that uses it`] : []),
      agentsHint(names),
    ],
  });
}

function agentsHint(names: readonly string[]): string {
  const [only] = names;
  if (only === undefined) return "The manifest defines no agents";
  return names.length === 1 ? `The only agent is ${only}` : `The agents are ${names.join(", ")}`;
}
