import type { Where } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Agent, Bottle, Manifest } from "../manifest/model.ts";
import type { Path } from "../manifest/node.ts";
import { valueAt } from "../manifest/values.ts";
import { ancestorsOf } from "./entry_order.ts";

/** Why something is granted: a manifest says so, nobody says otherwise, or a variable of the host's does. */
export type GrantOrigin =
  | { readonly kind: "manifest"; readonly where: Where }
  | { readonly kind: "default" }
  | { readonly kind: "environment"; readonly variable: string };

/** One thing that an agent or its bottle is given. Never holds a literal's value. */
export interface Grant {
  readonly of: "agent" | "bottle";
  readonly label: string;
  /** For people. */
  readonly text: string;
  /** For programs. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly origin: GrantOrigin;
}

/** What all grants of one agent or bottle are made from. */
export interface GrantContext {
  readonly manifest: Manifest;
  readonly environment: Environment;
  /** Of the agent or bottle. */
  readonly path: Path;
}

/** A grant and the place of its value. */
interface Row extends Omit<Grant, "origin"> {
  /** Below the agent or bottle. */
  readonly at: Path;
}

/** A grant with its origin. */
export function grant({ manifest, path }: GrantContext, { at, ...shown }: Row): Grant {
  return { ...shown, origin: origin(manifest, [...path, ...at]) };
}

/** A value that is filled in has the place of what it would stand in. */
function origin(manifest: Manifest, path: Path): GrantOrigin {
  const where = manifest.where(path);
  const around = manifest.where(path.slice(0, -1));
  const same = where?.file === around?.file && where?.line === around?.line &&
    where?.column === around?.column && where?.length === around?.length;
  return where === undefined || same ? { kind: "default" } : { kind: "manifest", where };
}

/** What an entry takes over from another one, and that one from others. */
export function extendsGrant<T extends Agent | Bottle>(
  of: Grant["of"],
  from: { readonly entry: T; readonly entries: ReadonlyMap<string, T>; readonly context: GrantContext },
): readonly Grant[] {
  const { entry, entries, context } = from;
  if (entry.extends === undefined) return [];
  const names = ancestorsOf(entry, entries).map(({ name }) => name);
  const lists = replacedLists(entries.get(entry.extends), { parent: entry.extends, context });
  const line = names.join(" → ");
  const text = lists.length === 0 ? line : `${line} (${lists.join(", ")} replaced)`;
  const data = { value: entry.extends, chain: names, replaced: lists };
  return [grant(context, { of, label: "extends", text, data, at: ["extends"] })];
}

/** The lists of agents and bottles, to which nothing can be added by extending. */
const LISTS: readonly Path[] = [
  ["skills"],
  ["ssh"],
  ["egress", "allowlist"],
  ["egress", "private"],
  ["egress", "networks"],
  ["image", "packages"],
];

/** Those of a parent that an entry has a list of its own for, where people might expect both. */
function replacedLists(
  values: Agent | Bottle | undefined,
  { parent, context: { manifest, path } }: { readonly parent: string; readonly context: GrantContext },
): readonly string[] {
  const place = (entry: Path, list: Path): string => {
    const { file, line, column } = manifest.where([...entry, ...list]) ?? {};
    return `${file}:${line}:${column}`;
  };
  return LISTS.filter((list) => {
    const value = valueAt(values, list);
    const isOwn = place(path, list) !== place([...path.slice(0, -1), parent], list);
    return Array.isArray(value) && value.length > 0 && isOwn;
  }).map((list) => list.join("."));
}
