import type { EgressPolicy, InjectionForm } from "../egress/policy.ts";
import { Failure } from "../errors.ts";
import { type ResolvedEnv, Secret } from "./env.ts";

/** What the bottle holds instead of its injected secrets, by the variable that it is in. */
export type Placeholders = ReadonlyMap<string, string>;

/** A secret that only the sidecar is given, and the requests that it is put into. */
export interface InjectedUse {
  readonly env: string;
  readonly form: InjectionForm;
  /** More than one where a secret is used the same way at several hosts. */
  readonly hosts: readonly string[];
}

/** The most bytes of an injected secret: it stands in one header of a request. */
const LONGEST = 4096;
/** From that length on a secret is recognised within a longer value. */
const SHORTEST_PART = 8;

/** Where each injected secret of a policy goes, in the policy's order. */
export function injectedUses(policy: EgressPolicy): readonly InjectedUse[] {
  const uses = new Map<string, InjectedUse>();
  for (const { host, inspection } of policy.hosts) {
    if (inspection?.secret === undefined) continue;
    const { env, form } = inspection.secret;
    const key = JSON.stringify([env, form]);
    uses.set(key, { env, form, hosts: [...uses.get(key)?.hosts ?? [], host] });
  }
  return [...uses.values()];
}

/** As a manifest writes it: `bearer`, `basic:USER`, `header:NAME`. */
export function formText(form: InjectionForm): string {
  switch (form.kind) {
    case "bearer":
      return form.kind;
    case "basic":
      return `basic:${form.user}`;
    case "header":
      return `header:${form.name}`;
    default:
      return form satisfies never;
  }
}

/**
 * Refuses, before anything is made, a secret that cannot stand where it is put, and one that comes into the bottle all
 * the same.
 *
 * @throws Failure `injected-invalid`, `injected-granted`
 */
export function requireInjectable(
  injected: ResolvedEnv,
  { env, policy }: {
    /** What the bottle is given besides. */
    readonly env: ResolvedEnv;
    readonly policy: EgressPolicy;
  },
): void {
  const uses = injectedUses(policy);
  for (const [name, secret] of injected) {
    const value = secret.reveal();
    const forms = uses.filter((use) => use.env === name).map(({ form }) => form.kind);
    const problem = problemOf(value, forms);
    if (problem !== undefined) {
      throw new Failure("injected-invalid", `The secret that ${name} stands for ${problem}`, {
        hints: ["Give the token alone: what its source says, without a line end or anything around it"],
      });
    }
    const granted = [...env].find(([, other]) => holds(other.reveal(), value));
    if (granted === undefined) continue;
    throw new Failure(
      "injected-granted",
      `The secret that ${name} stands for is in the bottle's env as well, as ${granted[0]}`,
      {
        hints: [
          `Take ${granted[0]} out of \`env\`: the bottle has the placeholder ${name} and needs no more`,
        ],
      },
    );
  }
}

/** A short one may stand in any text by chance. */
function holds(text: string, secret: string): boolean {
  return secret.length < SHORTEST_PART ? text === secret : text.includes(secret);
}

/** What keeps a secret from being put into requests in all of these ways. */
function problemOf(value: string, forms: readonly InjectionForm["kind"][]): string | undefined {
  if (value === "") return "is empty";
  const bytes = new TextEncoder().encode(value).length;
  if (bytes > LONGEST) return `has ${bytes} bytes, more than the ${LONGEST} it may have`;
  if (/[\r\n]/.test(value)) return "has more than one line";
  if (value.trim() !== value) return "begins or ends with a space";
  if (/\p{Cc}/u.test(value)) return "holds control characters";
  // A password is encoded.
  if (forms.every((form) => form === "basic")) return undefined;
  if (!/^[\x20-\x7e]*$/.test(value)) return "holds characters that no header can hold";
  return value.includes(" ") && forms.includes("bearer")
    ? "holds a space, as no bearer token does"
    : undefined;
}

/** Every text that a secret can be recognised by in a policy's requests: where it is the password, the two joined. */
export function requestForms(injected: ResolvedEnv, policy: EgressPolicy): readonly Secret[] {
  return injectedUses(policy).flatMap(({ env, form }) => {
    const secret = injected.get(env);
    if (form.kind !== "basic" || secret === undefined) return [];
    const bytes = new TextEncoder().encode(`${form.user}:${secret.reveal()}`);
    return [new Secret(bytes.toBase64())];
  });
}
