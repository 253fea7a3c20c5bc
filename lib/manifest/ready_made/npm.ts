import * as z from "zod";
import { injectedSecret } from "../injection_schema.ts";
import type { Service } from "./service.ts";

const HOST = "registry.npmjs.org";

/** Publishing is a `PUT`, and so is signing in. */
const RULES: readonly string[] = [
  // What there is of a package, and the packages themselves.
  "GET /*",
  // The same for a package with a scope: npm writes its slash so.
  "GET /@*%2f*",
  // `npm audit` and `npm install` ask which of these are known to be vulnerable.
  "POST /-/npm/v1/security/advisories/bulk",
  "POST /-/npm/v1/security/audits",
  "POST /-/npm/v1/security/audits/quick",
];

const options = z.strictObject({
  token: injectedSecret.optional().meta({
    description:
      "A token for private packages; the bottle's NPM_TOKEN is a placeholder, which `.npmrc` must name.",
    examples: ["${NPM_TOKEN}"],
  }),
}).meta({
  id: "Npm",
  description: "Installing packages of npm, and no publishing.",
});

/** Packages can be installed, and none published. */
export const npm: Service<z.output<typeof options>> = {
  options,
  description: "Installing packages of npm; no publishing.",
  hosts: [HOST],
  expand: ({ token }) => [{
    host: HOST,
    allow: RULES,
    ...(token === undefined
      ? {}
      : { inject: { env: "NPM_TOKEN", as: "bearer", secret: token, option: "token" } }),
  }],
};
