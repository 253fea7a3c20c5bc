/** One host of the allowlist, as the sidecar enforces it. */
export interface HostRule {
  /** Lower case; `*.x` stands for x and every name below it. */
  readonly host: string;
  /** May resolve to private addresses. */
  readonly private: boolean;
  /** Plain HTTP on port 80 as well. */
  readonly http: boolean;
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
