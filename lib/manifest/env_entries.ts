import { bad, type Checked, checkText, good, tooLong, tooManyBytes } from "./names.ts";
import type { EnvSource } from "./model.ts";

/** The form of a whole value that is taken from the host. */
const HOST_VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;
/** The variables that a bottle has from us, in whatever case. */
export const OURS = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"];
/** Those that would hold no placeholder for long, or lead the bottle's own programs astray if they did. */
export const OURS_ALONE = [
  "HOME",
  "PATH",
  "LANG",
  "TERM",
  "COLORTERM",
  "SSH_AUTH_SOCK",
  "GIT_CONFIG_SYSTEM",
  "NODE_EXTRA_CA_CERTS",
  "DENO_CERT",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
  "AWS_CA_BUNDLE",
];

/** Longer than any program's. */
export const NAME_LIMIT = 255;
/** The most bytes of `NAME=VALUE`: Linux refuses to start a program with a longer string. */
export const ENTRY_LIMIT = 131_071;

/**
 * The name of an environment variable of the agent. `LD_PRELOAD`, `PATH`, `BASH_ENV` and their kin are as good as any
 * other: they reach the agent's own command, never a process of the host, of root in the bottle, or of the engine's
 * client.
 */
export function checkEnvName(name: string): Checked<string> {
  if (name === "") return bad("must not be empty");
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return bad("must have letters, digits and `_` only, and not begin with a digit");
  }
  if (name.length > NAME_LIMIT) return bad(`must have at most ${NAME_LIMIT} characters`);
  if (OURS.includes(name.toUpperCase())) {
    return bad(
      "is set by claude-bottle itself, so that all traffic goes through the sidecar",
      "Remove it; allow hosts with egress.allowlist",
    );
  }
  return good(name);
}

/** The name of a variable that holds a placeholder. */
export function checkInjectedName(name: string): Checked<string> {
  if (!OURS_ALONE.includes(name)) return checkEnvName(name);
  return bad(
    "is a variable that the bottle's own programs need as it is",
    "Name one that the program looks for its key in, such as `API_TOKEN`",
  );
}

/** The value of an environment variable as a manifest writes it. */
export function checkEnvText(text: string): Checked<string> {
  const checked = checkText(text);
  if (checked.kind === "bad") return checked;
  if (tooLong(text, ENTRY_LIMIT)) return tooManyBytes(ENTRY_LIMIT);
  // deno-lint-ignore no-control-regex -- a question is one line of a terminal
  if (text.startsWith("?") && /[\u0000-\u001f\u007f]/.test(text.slice(1).trim())) {
    return bad("is a question, and must be one line without control characters");
  }
  return checked;
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
