import { EXIT, Failure } from "../errors.ts";
import { isAddress } from "./hosts.ts";

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A last label that resolvers may read as part of an address, such as `1`, `0x7f` or `017`. */
const NUMERIC = /^(\d+|0x[0-9a-f]*)$/;

/** A host name, checked again: nothing else may reach a configuration. */
export function checkedName(name: string): string {
  const labels = name.split(".");
  const last = labels.at(-1) ?? "";
  if (name.length <= 253 && labels.every((label) => LABEL.test(label)) && !NUMERIC.test(last)) return name;
  throw new Failure(
    "egress-host",
    `Not a host name that the sidecar can enforce: ${JSON.stringify(shown(name))}`,
    {
      exit: EXIT.usage,
      hints: ["Write a name such as `git.example.com`, or `*.example.com` for it and all names below it"],
    },
  );
}

/** An ssh entry's host name or IPv4 address, checked again. */
export function checkedSshHost(host: string): string {
  return isAddress(host) ? host : checkedName(host);
}

/** The sidecar's internal address, checked again. */
export function checkedAddress(text: string): string {
  if (isAddress(text)) return text;
  throw new Failure("sidecar-address", "The sidecar's internal address is not an IPv4 address");
}

/** An ssh entry's port, checked again. */
export function checkedPort(value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= 65535) return value;
  throw new Failure("egress-port", "A port of the bottle's ssh entries is not between 1 and 65535");
}

function shown(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, "?");
}
