/** One request that an inspected host may be asked. */
export interface RequestRule {
  /** Upper case. */
  readonly method: string;
  /**
   * Begins with `/`. A `*` at its end stands for whatever follows, anywhere else for one or more characters without
   * `/`. Without a `?` in it, any query is let through.
   */
  readonly path: string;
}

/** Where an injected secret stands in a request. */
export type InjectionForm =
  | { readonly kind: "bearer" }
  /** It is the password. */
  | { readonly kind: "basic"; readonly user: string }
  | { readonly kind: "header"; readonly name: string };

/** A secret that the sidecar puts into the requests to one host. */
export interface InjectedSecret {
  /** The agent's variable that holds the placeholder: one secret of the bottle has one. */
  readonly env: string;
  readonly form: InjectionForm;
}

/** What may be asked of a host whose TLS the sidecar opens. */
export interface Inspection {
  /** The only requests that are let through; `undefined` where any is. */
  readonly rules: readonly RequestRule[] | undefined;
  /** `undefined` where the agent's own credentials pass. */
  readonly secret: InjectedSecret | undefined;
}

/** One host of the allowlist, as the sidecar enforces it. */
export interface HostRule {
  /** Lower case; `*.x` stands for x and every name below it. */
  readonly host: string;
  /** May resolve to private addresses. */
  readonly private: boolean;
  /** Plain HTTP on port 80 as well; never of an inspected host. */
  readonly http: boolean;
  /** Absent for a host whose TLS passes untouched. */
  readonly inspection?: Inspection;
}

/** One host and port that ssh may reach; its traffic is not TLS. */
export interface SshRule {
  readonly host: string;
  readonly port: number;
  readonly private: boolean;
}

/** All that one bottle may reach. */
export interface EgressPolicy {
  /** Sorted by name, without duplicates. */
  readonly hosts: readonly HostRule[];
  readonly ssh: readonly SshRule[];
}

/** Whether any host is inspected: the bottle then has an authority of its own. */
export function inspects({ hosts }: Pick<EgressPolicy, "hosts">): boolean {
  return hosts.some(({ inspection }) => inspection !== undefined);
}
