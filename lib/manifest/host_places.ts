import type { AllowedHost, EgressSettings } from "./model.ts";
import type { Path } from "./node.ts";

/**
 * Where the parts of an allowed host stand below its bottle. A service of the allowlist becomes several hosts, whose
 * places are the one word that they come from: a host's index in the program's list says nothing of the file.
 */
export function hostPlace({ at = ["egress", "allowlist"] }: AllowedHost): Path {
  return at;
}

/** Of one of its rules. */
export function rulePlace(host: AllowedHost, index: number): Path {
  return host.use === undefined ? [...hostPlace(host), "allow", index] : hostPlace(host);
}

/** Of what is injected. */
export function injectPlace(host: AllowedHost): Path {
  return host.use === undefined ? [...hostPlace(host), "inject"] : secretPlace(host);
}

/** Of where the injected secret comes from. */
export function secretPlace(host: AllowedHost): Path {
  const { use } = host;
  if (use === undefined) return [...hostPlace(host), "inject", "secret"];
  return use.option === undefined ? hostPlace(host) : [...hostPlace(host), use.service, use.option];
}

/** Whether the sidecar has to open a host's TLS. */
export function isInspected({ allow, inject }: AllowedHost): boolean {
  return allow.length > 0 || inject !== undefined;
}

/** The default hosts that a bottle has besides its allowlist: those of which that says nothing, nor narrows them. */
export function defaultsBeside(
  { defaults, allowlist }: Pick<EgressSettings, "defaults" | "allowlist">,
  hosts: readonly string[],
): readonly string[] {
  if (!defaults) return [];
  const named = new Set(allowlist.map(({ host }) => host));
  const narrowed = allowlist.filter(isInspected).map(({ host }) => host).filter((host) =>
    host.startsWith("*.")
  );
  return hosts.filter((host) =>
    !named.has(host) && !narrowed.some((above) => `.${host}`.endsWith(above.slice(1)))
  );
}
