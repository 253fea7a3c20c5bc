import type { Problem } from "../errors.ts";
import { hostPlace, injectPlace, isInspected, secretPlace } from "./host_places.ts";
import type { Agent, AllowedHost, Bottle, Manifest, SshEntry } from "./model.ts";
import type { Path } from "./node.ts";
import { linesOf, remarkAt, withoutLines } from "./problems.ts";
import { isService } from "./ready_made/services.ts";
import { looksSecret, looksSecretAs } from "./secret_looks.ts";
import { quoted, shortened } from "./text.ts";

/** What a person should know of a manifest that can be used as it is. */
interface Warning {
  readonly path: Path;
  readonly message: string;
  readonly hint: string;
  /** Whether its line holds what nobody should see. */
  readonly secret?: true;
}

/**
 * What a manifest allows that is most likely more, or something else, than was meant. Pure; in the manifest's order.
 * No line with what looks like a secret is shown: not even the source line of another warning.
 */
export function manifestWarnings(manifest: Manifest): readonly Problem[] {
  const warnings = [
    ...unusedWarnings(manifest),
    ...[...manifest.bottles.values()].flatMap((bottle) => [
      ...envWarnings(bottle),
      ...bottle.ssh.flatMap((entry, index) => sshWarnings(entry, ["bottles", bottle.name, "ssh", index])),
      ...allowlistWarnings(bottle),
      ...inspectionWarnings(bottle),
      ...privateWarnings(bottle),
    ]),
    ...[...manifest.agents.values()].flatMap(agentWarnings),
  ];
  const placed = warnings.map((warning) => ({
    warning,
    problem: remarkAt(manifest, warning.path, { message: warning.message, hints: [warning.hint] }),
  }));
  const secret = placed.filter(({ warning }) => warning.secret).map(({ problem }) => problem);
  return withoutLines(once(placed), linesOf(secret));
}

/** A value that several bottles take over stands in one place; there may be more than one thing to say of it. */
function once(
  placed: readonly { readonly warning: Warning; readonly problem: Problem }[],
): readonly Problem[] {
  const seen = new Set<string>();
  return placed.filter(({ warning: { message }, problem: { where } }) => {
    if (where === undefined) return true;
    const key = `${where.file}:${where.line}:${where.column}:${message}`;
    return !seen.has(key) && seen.add(key);
  }).map(({ problem }) => problem);
}

function unusedWarnings({ agents, bottles }: Manifest): readonly Warning[] {
  const used = new Set([
    ...[...agents.values()].map(({ bottle }) => bottle),
    ...[...bottles.values()].map((bottle) => bottle.extends),
  ]);
  return [...bottles.keys()].filter((name) => !used.has(name)).map((name) => ({
    path: ["bottles", name],
    message: "no agent uses this bottle",
    hint: `Name it where an agent is defined, \`bottle: ${name}\`, or remove it`,
  }));
}

const SECRET = {
  message: "looks like a secret, and whoever can read this file has it",
  secret: true,
} as const;

function envWarnings({ name: bottle, env }: Bottle): readonly Warning[] {
  return [...env].flatMap(([name, source]): readonly Warning[] => {
    const path = ["bottles", bottle, "env", name];
    if (source.kind === "command") return commandWarnings(source.argv, [...path, "secret", "command"]);
    if (source.kind !== "literal") return [];
    if (looksSecretAs(name, source.value)) {
      const hint =
        `Take it from the host, \`${name}: \${${name}}\`, be asked for it, \`${name}: "?"\`, or fetch it with \`{ secret: … }\``;
      return [{ ...SECRET, path, hint }];
    }
    return notTakenFrom(source.value).map((warning) => ({ path, ...warning }));
  });
}

/** A variable as shells, dev containers and workflows write it, and nothing else. */
const OTHER_VARIABLE =
  /^\$(?:([A-Za-z_]\w*)|\{(?:local)?env:([A-Za-z_]\w*)\}|\{\{\s*(?:secrets|env|vars)\.([A-Za-z_]\w*)\s*\}\})$/i;

/** Text that other tools put something in the place of, and nobody does here. */
function notTakenFrom(value: string): readonly Omit<Warning, "path">[] {
  const isCommand = /^(?:\$\(.+\)|`.+`)$/s.test(value);
  if (isCommand || /^op:\/\/\S+$/.test(value)) {
    const words = isCommand ? "PROGRAM, …" : `op, read, "${shortened(value, 60)}"`;
    return [{
      message: "is taken as it stands, and no program is asked for it",
      hint: `Write \`{ secret: { command: [${words}] } }\` to have its output`,
    }];
  }
  if (!/\$\{\{?\s*[A-Za-z_]|^\$[A-Za-z_]\w*(\/|$)/.test(value)) return [];
  const name = OTHER_VARIABLE.exec(value)?.slice(1).find((one) => one !== undefined);
  return [{
    message: "is taken as it stands, with its `$`",
    hint: name === undefined
      ? "A variable of the host is the whole value: `${NAME}`, with nothing before or behind it"
      : `Write \`\${${name}}\` to take it from the host`,
  }];
}

function commandWarnings(words: readonly string[], path: Path): readonly Warning[] {
  const hint = "Give the secret to the program in another way, such as a variable or a file";
  return words.flatMap((word, index) =>
    looksSecret(word) ? [{ ...SECRET, path: [...path, index], hint }] : []
  );
}

function sshWarnings({ hostname, port, knownHostKeys, unpinned }: SshEntry, path: Path): readonly Warning[] {
  const scan = port === 22 ? `ssh-keyscan ${hostname}` : `ssh-keyscan -p ${port} ${hostname}`;
  const give = `\`${scan}\` prints it for \`KnownHostKey\`; compare it with what the host's owner publishes`;
  if (knownHostKeys.length > 0) {
    return unpinned
      ? [{
        path: [...path, "unpinned"],
        message: "does nothing beside a KnownHostKey",
        hint: "Remove it",
      }]
      : [];
  }
  if (unpinned) {
    const message = "whoever answers in that host's place is believed when nobody can be asked";
    return [{ path: [...path, "unpinned"], message, hint: give }];
  }
  const message =
    "has no KnownHostKey, so each launch asks whether the host's key is right, and a headless one refuses";
  return [{ path, message, hint: give }];
}

/** What people write who mean their own machine. */
const OWN_MACHINE = /^(localhost|.+\.localhost|host\.docker\.internal)$/;

function allowlistWarnings({ name, egress }: Bottle): readonly Warning[] {
  const privates = new Set(egress.private);
  return egress.allowlist.flatMap((host) =>
    hostWarnings(host, {
      path: ["bottles", name, ...hostPlace(host)],
      isNear: egress.networks.length > 0 || privates.has(host.host),
    })
  );
}

function hostWarnings(
  { host, http }: AllowedHost,
  { path, isNear }: { readonly path: Path; readonly isNear: boolean },
): readonly Warning[] {
  const warnings: Warning[] = [];
  if (host.startsWith("*.")) {
    warnings.push({
      path,
      message: `${quoted(host)} allows every name below ${
        host.slice(2)
      }: whoever can make one receives what is sent there`,
      hint: "List the names that are needed, unless all of them are yours",
    });
  } else if (OWN_MACHINE.test(host)) {
    warnings.push({
      path,
      message: `${quoted(host)} is not this machine to a bottle, and nothing is reached by that name`,
      hint: "Run the service in a container, and give the bottle its network with `egress.networks`",
    });
  } else if (!host.includes(".") && !isNear) {
    warnings.push({
      path,
      message: `${quoted(host)} has no dot in it: no public host has such a name`,
      hint: isService(host)
        ? `Write \`- use: ${host}\` for the service of that name`
        : "Write the whole name, such as `github.com`; containers are reached over `egress.networks`",
    });
  }
  if (http) {
    warnings.push({
      path: [...path, "http"],
      message: "plain HTTP can be read and changed by anybody on the way",
      hint: "Remove it where the host answers on HTTPS",
    });
  }
  return warnings;
}

/** Of hosts that the sidecar opens. */
function inspectionWarnings({ name, egress }: Bottle): readonly Warning[] {
  const path = ["bottles", name];
  const inspected = egress.allowlist.filter(isInspected);
  const [first] = inspected;
  return [
    ...(first === undefined || egress.proxy !== undefined ? [] : [{
      path: [...path, ...hostPlace(first)],
      message: "is inspected, for which the bottle must name `squid` as its proxy",
      hint: "Add `proxy: squid` to its `egress`",
    }]),
    ...inspected.flatMap((allowed): readonly Warning[] => {
      const { host, inject } = allowed;
      return [
        ...(inject?.secret.kind === "literal"
          ? writtenSecret(inject.secret.value).map((warning) => ({
            path: [...path, ...secretPlace(allowed)],
            ...warning,
          }))
          : []),
        ...(inject !== undefined && host.startsWith("*.")
          ? [{
            path: [...path, ...injectPlace(allowed)],
            message: `is sent to every name below ${host.slice(2)} that the agent asks`,
            hint: "Name the hosts that the secret is for",
          }]
          : []),
      ];
    }),
  ];
}

/** Of a secret that is the manifest's own text: a slip in naming where it is, or the secret itself. */
function writtenSecret(value: string): readonly Omit<Warning, "path">[] {
  const slips = notTakenFrom(value);
  const hint = "Take it from the host, `${NAME}`, be asked for it, `?`, or fetch it with a command or file";
  return slips.length > 0 ? slips : [{ ...SECRET, hint }];
}

function privateWarnings({ name, egress }: Bottle): readonly Warning[] {
  return egress.private.flatMap((host, index) =>
    host.startsWith("*.")
      ? [{
        path: ["bottles", name, "egress", "private", index],
        message: `${quoted(host)} lets every name below ${host.slice(2)} lead into your own network`,
        hint: "List the names that do",
      }]
      : []
  );
}

/** A whole command line in the place of its first word. */
function lineWarnings([program = ""]: readonly string[], path: Path): readonly Warning[] {
  const [first = "", second] = program.split(/\s+/);
  if (second === undefined || looksSecret(program)) return [];
  return [{
    path: [...path, 0],
    message: `a program named ${quoted(program)}, with its spaces, is looked for`,
    hint: `Make its words items of their own: \`[${shortened(first, 40)}, ${shortened(second, 40)}, …]\``,
  }];
}

function agentWarnings({ name, prompt, command }: Agent): readonly Warning[] {
  const path = ["agents", name];
  const hint = "Give it to the agent with its bottle's `env`, as `${NAME}`";
  return [
    ...(looksSecret(prompt) ? [{ ...SECRET, path: [...path, "prompt"], hint }] : []),
    ...lineWarnings(command, [...path, "command"]),
    ...commandWarnings(command, [...path, "command"]).map((warning) => ({ ...warning, hint })),
  ];
}
