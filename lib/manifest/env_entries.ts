import { bad, type Checked, checkText, good } from "./names.ts";
import type { EnvSource } from "./model.ts";

/** The form of a whole value that is taken from the host. */
const HOST_VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;
const OURS = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"];

/** The name of an environment variable of the agent. */
export function checkEnvName(name: string): Checked<string> {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return bad("must have letters, digits and `_` only, and not begin with a digit");
  }
  if (OURS.includes(name.toUpperCase())) {
    return bad(
      "is set by claude-bottle itself, so that all traffic goes through the sidecar",
      "Remove it; allow hosts with egress.allowlist",
    );
  }
  return good(name);
}

/** The value of an environment variable as a manifest writes it. */
export function checkEnvText(text: string): Checked<string> {
  return checkText(text);
}

/** A secret that is fetched on the host. */
export interface SecretSource {
  readonly command?: readonly string[] | undefined;
  readonly file?: string | undefined;
}

/** Where a value comes from: `?text` is asked, a whole `${NAME}` is the host's, anything else is meant literally. */
export function envSource(entry: string | { readonly secret: SecretSource }): EnvSource {
  if (typeof entry !== "string") {
    const { command, file } = entry.secret;
    return command === undefined ? { kind: "file", path: file ?? "" } : { kind: "command", argv: command };
  }
  if (entry.startsWith("?")) return { kind: "prompt", text: entry.slice(1).trim() };
  const variable = HOST_VARIABLE.exec(entry)?.[1];
  return variable === undefined ? { kind: "literal", value: entry } : { kind: "host", variable };
}
