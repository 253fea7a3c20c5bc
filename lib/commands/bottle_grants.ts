import { DEFAULT_MEMORY, DEFAULT_PIDS } from "../bottle/default_limits.ts";
import { DEFAULT_DISK } from "../bottle/disk_limit.ts";
import { shellQuoted } from "../bottle/invocation.ts";
import { OAUTH_TOKEN } from "../bottle/oauth_token.ts";
import { DEFAULT_HOSTS } from "../egress/allowlist.ts";
import type { Environment } from "../host/environment.ts";
import { defaultsBeside, hostPlace } from "../manifest/host_places.ts";
import type { AllowedHost, Bottle, EnvSource, Resources, SshEntry } from "../manifest/model.ts";
import type { Path } from "../manifest/node.ts";
import { exactBytesText } from "../ui/amount.ts";
import { HOST_VARIABLES } from "./authorities.ts";
import { extendsGrant, type Grant, grant, type GrantContext } from "./grant_rows.ts";
import { proxyDefault } from "./proxy_choice.ts";

/** Everything that a bottle is given. */
export function bottleGrants(bottle: Bottle, context: GrantContext): readonly Grant[] {
  const row = (label: string, value: { readonly text: string; readonly at: Path; readonly data?: unknown }) =>
    grant(context, {
      of: "bottle",
      label,
      text: value.text,
      data: { value: value.data ?? value.text },
      at: value.at,
    });
  const { egress, gitIdentity } = bottle;
  return [
    row("bottle", { text: bottle.name, at: [] }),
    ...extendsGrant("bottle", { entry: bottle, entries: context.manifest.bottles, context }),
    ...envGrants(bottle, context),
    ...egress.allowlist.map((host) => hostGrant(context, host)),
    ...defaultHosts(bottle),
    ...egress.private.map((name, index) => row("private", { text: name, at: ["egress", "private", index] })),
    ...egress.networks.map((name, index) =>
      row("network", { text: name, at: ["egress", "networks", index] })
    ),
    proxyGrant(bottle, context),
    ...bottle.ssh.map((entry, index) => sshGrant(context, { entry, index })),
    ...(gitIdentity === undefined ? [] : [row("git identity", {
      text: "user.name and user.email of the host's git",
      at: ["git", "identity"],
      data: gitIdentity,
    })]),
    row("runtime", { text: bottle.runtime, at: ["runtime"] }),
    ...limitGrants(bottle.resources, context),
    ...imageGrants(bottle, context),
  ];
}

function envGrants({ env }: Bottle, context: GrantContext): readonly Grant[] {
  const named = [...env].map(([name, source]) =>
    grant(context, {
      of: "bottle",
      label: "env",
      text: `${name} (${sourceText(source)})`,
      data: { name, source: sourceData(source) },
      at: ["env", name],
    })
  );
  if (!context.environment.get(OAUTH_TOKEN.onHost) || env.has(OAUTH_TOKEN.inBottle)) return named;
  const source: EnvSource = { kind: "host", variable: OAUTH_TOKEN.onHost };
  return [...named, {
    of: "bottle",
    label: "env",
    text: `${OAUTH_TOKEN.inBottle} (${sourceText(source)})`,
    data: { name: OAUTH_TOKEN.inBottle, source: sourceData(source) },
    origin: { kind: "environment", variable: OAUTH_TOKEN.onHost },
  }];
}

/** Where a value comes from, never the value. */
function sourceText(source: EnvSource): string {
  switch (source.kind) {
    case "literal":
      return "a literal";
    case "host":
      return `from ${source.variable}`;
    case "prompt":
      return source.text === "" ? "asked" : `asked: ${source.text}`;
    case "command":
      return `from the command ${shellQuoted(source.argv)}`;
    case "file":
      return `from the file ${source.path}`;
    default:
      return source satisfies never;
  }
}

function sourceData(source: EnvSource): unknown {
  return source.kind === "literal" ? { kind: source.kind } : source;
}

function hostGrant(context: GrantContext, allowed: AllowedHost): Grant {
  const { host, http, allow, inject, use } = allowed;
  const notes = [
    ...(http ? ["plain HTTP too"] : []),
    ...(allow.length > 0 ? [`only ${allow.join(", ")}`] : []),
    ...(inject === undefined ? [] : [`injects ${inject.env} as ${inject.as}, ${sourceText(inject.secret)}`]),
    ...(use === undefined ? [] : [`use: ${use.service}`]),
  ];
  const injected = inject === undefined ? {} : { inject: { ...inject, secret: sourceData(inject.secret) } };
  return grant(context, {
    of: "bottle",
    label: "host",
    text: notes.length === 0 ? host : `${host} (${notes.join("; ")})`,
    data: { value: host, http, allow, ...injected, ...(use === undefined ? {} : { use: use.service }) },
    at: hostPlace(allowed),
  });
}

/** Those that the allowlist does not name itself. */
function defaultHosts({ egress }: Bottle): readonly Grant[] {
  return defaultsBeside(egress, DEFAULT_HOSTS).map((name) => ({
    of: "bottle",
    label: "host",
    text: name,
    data: { value: name, http: false, allow: [] },
    origin: { kind: "default" },
  }));
}

/** As `start` settles it without a flag. @throws Failure for a variable that names no proxy */
function proxyGrant({ egress }: Bottle, context: GrantContext): Grant {
  const variable = "CLAUDE_BOTTLE_PROXY";
  const preset = egress.proxy === undefined ? proxyDefault(context.environment.get(variable)) : undefined;
  const value = egress.proxy ?? preset ?? "pipelock";
  const shown = { of: "bottle", label: "proxy", text: value, data: { value } } as const;
  return preset === undefined
    ? grant(context, { ...shown, at: ["egress", "proxy"] })
    : { ...shown, origin: { kind: "environment", variable } };
}

function sshGrant(
  context: GrantContext,
  { entry, index }: { readonly entry: SshEntry; readonly index: number },
): Grant {
  const { host, user, hostname, port, identityFile, knownHostKeys, unpinned, sign } = entry;
  const keys = knownHostKeys.length;
  const notes = [
    `key ${identityFile}`,
    keys === 0 ? "host key unknown" : `${keys} known host ${keys === 1 ? "key" : "keys"}`,
    ...(unpinned ? ["unpinned"] : []),
    ...(sign ? ["signs commits"] : []),
  ];
  return grant(context, {
    of: "bottle",
    label: "ssh",
    text: `${host}: ${user}@${hostname}:${port} (${notes.join(", ")})`,
    data: {
      host,
      hostname,
      user,
      port,
      identity_file: identityFile,
      known_host_keys: knownHostKeys,
      unpinned,
      sign,
    },
    at: ["ssh", index],
  });
}

function limitGrants({ cpus, memory, pids, disk }: Resources, context: GrantContext): readonly Grant[] {
  const rows = [
    ["cpus", cpus, cpus === undefined ? "(not limited)" : String(cpus)],
    [
      "memory",
      memory,
      memory === undefined
        ? `${exactBytesText(DEFAULT_MEMORY)}, or what the engine has`
        : exactBytesText(memory),
    ],
    ["pids", pids, `${pids ?? DEFAULT_PIDS} processes`],
    ["disk", disk, exactBytesText(disk ?? DEFAULT_DISK)],
  ] as const;
  return rows.map(([label, value, text]) =>
    grant(context, { of: "bottle", label, text, data: { value: value ?? null }, at: ["resources", label] })
  );
}

function imageGrants({ image }: Bottle, context: GrantContext): readonly Grant[] {
  const row = (label: string, value: string, at: Path): Grant =>
    grant(context, { of: "bottle", label, text: value, data: { value }, at: ["image", ...at] });
  return [
    imageGrant(context.environment),
    ...presetGrant(context.environment, "base image", ["CLAUDE_BOTTLE_BASE_IMAGE"]),
    ...(image.base === undefined ? [] : [row("base image", image.base, ["base"])]),
    ...(image.dockerfile === undefined ? [] : [row("dockerfile", image.dockerfile, ["dockerfile"])]),
    ...image.packages.map((name, index) => row("package", name, ["packages", index])),
    ...(image.ca === undefined
      ? presetGrant(context.environment, "extra CAs", HOST_VARIABLES)
      : [row("extra CAs", image.ca, ["ca"])]),
  ];
}

function imageGrant(environment: Environment): Grant {
  const [preset] = presetGrant(environment, "image", ["CLAUDE_BOTTLE_IMAGE"]);
  return preset ?? {
    of: "bottle",
    label: "image",
    text: "built by claude-bottle",
    data: { value: null },
    origin: { kind: "default" },
  };
}

/** What the first of these variables that is set says. */
function presetGrant(
  environment: Environment,
  label: string,
  variables: readonly string[],
): readonly Grant[] {
  for (const variable of variables) {
    const value = environment.get(variable);
    if (value) {
      return [{
        of: "bottle",
        label,
        text: value,
        data: { value },
        origin: { kind: "environment", variable },
      }];
    }
  }
  return [];
}
