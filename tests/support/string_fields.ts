import * as z from "zod";

/** Where in a manifest: keys and indexes from its root. */
export type Path = readonly (string | number)[];

/**
 * A place for text in a manifest, e.g. `bottles.*.ssh[].Host`. `{key}` is the name of a record's entry, `{unknown}` a key
 * that a closed mapping does not have.
 */
export interface StringField {
  readonly template: string;
  /** Of a value; of the mapping whose key it is otherwise. */
  readonly path: Path;
  readonly kind: "value" | "key" | "unknown";
  /** The text or key that stands there; empty where a key is added. */
  readonly written: string;
}

/** What a schema is without the words around it. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? bare(schema.unwrap())
    : schema;
}

function isText(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodString || schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral;
}

/** Every place for text that a schema has. @throws for a kind of schema that is not known here */
export function fieldsOf(wrapped: z.core.$ZodType, template = ""): readonly string[] {
  const schema = bare(wrapped);
  if (isText(schema)) return [template];
  if (schema instanceof z.ZodNumber || schema instanceof z.ZodBoolean) return [];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => fieldsOf(option, template));
  if (schema instanceof z.ZodArray) return fieldsOf(schema.element, `${template}[]`);
  if (schema instanceof z.ZodRecord) {
    return [`${template}.{key}`, ...fieldsOf(schema.valueType, `${template}.*`)];
  }
  if (schema instanceof z.ZodObject) {
    const below = Object.entries(schema.shape).flatMap(([key, field]) =>
      field instanceof z.ZodType ? fieldsOf(field, `${template}.${key}`) : []
    );
    return [`${template}.{unknown}`, ...below];
  }
  throw new Error(`${template}: a schema that this cannot walk: ${schema.constructor.name}`);
}

/** The same places in a manifest that a schema takes, with their paths. */
export function placesOf(
  wrapped: z.core.$ZodType,
  at: { readonly value: unknown; readonly path?: Path; readonly template?: string },
): readonly StringField[] {
  const { value, path = [], template = "" } = at;
  const schema = bare(wrapped);
  if (isText(schema)) return [{ template, path, kind: "value", written: String(value) }];
  if (schema instanceof z.ZodUnion) {
    const taken = schema.options.find((option) => z.safeParse(option, value).success);
    return taken === undefined ? [] : placesOf(taken, at);
  }
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((item, index) =>
      placesOf(schema.element, { value: item, path: [...path, index], template: `${template}[]` })
    );
  }
  if (typeof value !== "object" || value === null) return [];
  const entries = Object.entries(value);
  if (schema instanceof z.ZodRecord) {
    return entries.flatMap(([key, item]) => [
      { template: `${template}.{key}`, path, kind: "key", written: key } as const,
      ...placesOf(schema.valueType, { value: item, path: [...path, key], template: `${template}.*` }),
    ]);
  }
  if (!(schema instanceof z.ZodObject)) return [];
  return [
    { template: `${template}.{unknown}`, path, kind: "unknown", written: "" },
    ...entries.flatMap(([key, item]) => {
      const field: unknown = schema.shape[key];
      return field instanceof z.ZodType
        ? placesOf(field, { value: item, path: [...path, key], template: `${template}.${key}` })
        : [];
    }),
  ];
}

/** A manifest with `text` at one of its places; a copy. What refers to a name that is changed is changed with it. */
export function withText(manifest: unknown, { path, kind, written }: StringField, text: string): unknown {
  if (kind === "value") {
    const replaced = changed(manifest, path, () => text);
    const isHost = path.includes("allowlist") || path.at(-1) === "Host" || path.at(-1) === "Hostname";
    return isHost
      ? changed(
        replaced,
        [...path.slice(0, 2), "egress", "private"],
        (list) => Array.isArray(list) ? list.map((name) => name === written ? text : name) : list,
      )
      : replaced;
  }
  if (kind === "unknown") {
    return changed(
      manifest,
      path,
      (value) => Object.fromEntries([...Object.entries(value ?? {}), [text, "x"]]),
    );
  }
  const renamed = changed(
    manifest,
    path,
    (value) =>
      Object.fromEntries(
        Object.entries(value ?? {}).map(([name, item]) => [name === written ? text : name, item]),
      ),
  );
  const names = { from: written, to: text };
  if (path.length !== 1) return renamed;
  const extended = changed(renamed, path, (value) => referring(value, { ...names, by: "extends" }));
  return path[0] === "bottles"
    ? changed(extended, ["agents"], (value) => referring(value, { ...names, by: "bottle" }))
    : extended;
}

function changed(value: unknown, path: Path, change: (value: unknown) => unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return change(value);
  if (Array.isArray(value)) {
    return value.map((item, index) => index === step ? changed(item, rest, change) : item);
  }
  return Object.fromEntries(
    Object.entries(value ?? {}).map((
      [key, item],
    ) => [key, key === step ? changed(item, rest, change) : item]),
  );
}

/** What refers to an entry by its old name, by its new one. */
function referring(
  value: unknown,
  { from, to, by }: { readonly from: string; readonly to: string; readonly by: string },
): unknown {
  const entries = Object.entries(value ?? {}).map(([name, entry]) =>
    [name, changed(entry, [by], (other) => other === from ? to : other)] as const
  );
  return Object.fromEntries(entries);
}
