import { EXIT, Failure } from "../../errors.ts";
import { isAddress } from "../hosts.ts";
import type { HostRule, SshRule } from "../policy.ts";

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A last label that resolvers may read as part of an address, such as `1`, `0x7f` or `017`. */
const NUMERIC = /^(\d+|0x[0-9a-f]*)$/;

/**
 * The names as squid's `dstdomain` wants them. A name that a wildcard of the same list covers is left out, since
 * squid refuses lists that say a thing twice.
 */
export function squidNames(rules: readonly HostRule[]): readonly string[] {
  const names = [...new Set(rules.map((rule) => squidName(rule.host)))];
  const wildcards = names.filter((name) => name.startsWith("."));
  return names.filter((name) =>
    !wildcards.some((wildcard) => wildcard !== name && `.${name}`.endsWith(wildcard))
  );
}

/** An ssh entry's host name or IPv4 address, checked again: nothing else may reach a configuration. */
export function sshName(rule: SshRule): string {
  return isAddress(rule.host) ? rule.host : checkedName(rule.host);
}

function squidName(host: string): string {
  return host.startsWith("*.") ? `.${checkedName(host.slice(2))}` : checkedName(host);
}

function checkedName(name: string): string {
  const labels = name.split(".");
  const last = labels.at(-1) ?? "";
  if (name.length <= 253 && labels.every((label) => LABEL.test(label)) && !NUMERIC.test(last)) return name;
  throw new Failure(
    "egress-host",
    `Not a host name that the sidecar can enforce: ${JSON.stringify(printable(name))}`,
    {
      exit: EXIT.usage,
      hints: ["Write a name such as `git.example.com`, or `*.example.com` for it and all names below it"],
    },
  );
}

function printable(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, "?");
}
