import type * as z from "zod";

/** Where a secret comes from, as a manifest writes it. */
export type WrittenSecret = string | {
  readonly command?: readonly string[] | undefined;
  readonly file?: string | undefined;
};

/** How a secret is put into requests, likewise. */
export interface WrittenInjection {
  readonly env: string;
  readonly as: string;
  readonly secret: WrittenSecret;
}

/** One host of a service. */
export interface ReadyMadeHost {
  readonly host: string;
  /** Rules, at least one. */
  readonly allow: readonly string[];
  /** `option` is the service's that names the secret. */
  readonly inject?: WrittenInjection & { readonly option: string };
}

/** An entry of the allowlist that stands for others, which have been looked through. */
export interface Service<Options> {
  /** In the JSON Schema. */
  readonly options: z.ZodType<Options>;
  /** What it lets through: a sentence for editors. */
  readonly description: string;
  /** All its hosts, whatever the options. */
  readonly hosts: readonly string[];
  /** What it stands for: each of its hosts once. */
  readonly expand: (options: Options) => readonly ReadyMadeHost[];
}
