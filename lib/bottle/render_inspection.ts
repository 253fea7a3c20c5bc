import type { HostRule } from "../egress/policy.ts";
import type { EnvSource } from "../manifest/model.ts";
import { formText, type InjectedUse, injectedUses } from "./injected.ts";
import type { BottleSpec } from "./spec.ts";

type Inspecting = Pick<BottleSpec, "policy" | "injected">;

/** Where a value comes from, in words; never the value. */
export function sourceText(source: EnvSource): string {
  switch (source.kind) {
    case "literal":
      return "from the manifest";
    case "host":
      return `from ${source.variable}`;
    case "prompt":
      return "asked";
    case "command":
      return `from a command: ${source.argv[0]}`;
    case "file":
      return `from a file ${source.path}`;
    default:
      return source satisfies never;
  }
}

/** The hosts whose TLS is opened, and what may be asked there: a row each. */
export function inspectedRows(spec: Inspecting): readonly (readonly [string, string])[] {
  return inspectedHosts(spec).map((rule) => {
    const rules = rulesOf(rule);
    return ["  inspected", `${rule.host} (${rules === undefined ? "any request" : rules.join(", ")})`];
  });
}

/** The secrets that only the sidecar holds, and where it puts them: a row each. */
export function injectedRows(spec: Inspecting): readonly (readonly [string, string])[] {
  return injectedUses(spec.policy).map((use) => ["  injected", injectedText(use, spec)]);
}

/** One of them, by name. */
export function injectedText(
  { env, form, hosts }: InjectedUse,
  { injected }: Pick<Inspecting, "injected">,
): string {
  const source = injected.get(env);
  const words = [formText(form), ...(source === undefined ? [] : [sourceText(source)])];
  return `${env} → ${hosts.join(", ")} (${words.join(", ")})`;
}

/** The same for programs; `allow` is `null` where any request is let through. */
export function inspectedJson(spec: Inspecting): readonly Readonly<Record<string, unknown>>[] {
  return inspectedHosts(spec).map((rule) => ({
    host: rule.host,
    allow: rulesOf(rule) ?? null,
    inject: rule.inspection?.secret?.env ?? null,
  }));
}

/** By name: a source says what it is and where, never what it holds. */
export function injectedJson(spec: Inspecting): readonly Readonly<Record<string, unknown>>[] {
  return injectedUses(spec.policy).map(({ env, form, hosts }) => {
    const source = spec.injected.get(env);
    return { env, hosts, as: formText(form), source: source === undefined ? null : sourceJson(source) };
  });
}

function sourceJson(source: EnvSource): Readonly<Record<string, string>> {
  switch (source.kind) {
    case "literal":
    case "prompt":
      return { kind: source.kind };
    case "host":
      return { kind: source.kind, name: source.variable };
    case "command":
      return { kind: source.kind, name: source.argv[0] ?? "" };
    case "file":
      return { kind: source.kind, name: source.path };
    default:
      return source satisfies never;
  }
}

function inspectedHosts({ policy }: Inspecting): readonly HostRule[] {
  return policy.hosts.filter(({ inspection }) => inspection !== undefined);
}

function rulesOf({ inspection }: HostRule): readonly string[] | undefined {
  return inspection?.rules?.map(({ method, path }) => `${method} ${path}`);
}
