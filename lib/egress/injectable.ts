import type { InjectionForm } from "./policy.ts";

/** The most bytes of an injected secret: servers refuse headers much longer than that. */
const LONGEST = 8192;

const FORMS = {
  bearer: /^[\x21-\x7e]+$/,
  // deno-lint-ignore no-control-regex -- that is what is not let through
  basic: /^[^\x00-\x1f\x7f]+$/,
  header: /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/,
} as const satisfies Readonly<Record<InjectionForm["kind"], RegExp>>;

/** Whether a secret can stand in a request in this form; the sidecar judges the same way and takes nothing else. */
export function injectable(secret: string, form: InjectionForm): boolean {
  return new TextEncoder().encode(secret).length <= LONGEST && FORMS[form.kind].test(secret);
}
