/** Why something was refused, in the words of both proxies' events. */
export const REASON = {
  host: "not an allowed host",
  unresolved: "name does not resolve",
  never: "resolves to an address that is never reachable",
  private: "resolves to a private address",
  /** The name that TLS gave follows. */
  otherName: "TLS that names another host",
  unknown: "refused by the sidecar",
} as const;
