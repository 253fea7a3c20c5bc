import type { Where } from "../errors.ts";

/** Where the value of one environment variable comes from. */
export type EnvSource =
  | { readonly kind: "literal"; readonly value: string }
  /** `${NAME}`: the host's variable of that name. */
  | { readonly kind: "host"; readonly variable: string }
  /** `?text`: asked at launch, never stored; `text` may be empty. */
  | { readonly kind: "prompt"; readonly text: string }
  /** What a host command prints. */
  | {
    readonly kind: "command";
    readonly argv: readonly string[];
    /** What its files held when they were approved with it. */
    readonly marks?: readonly string[];
  }
  /** The content of a host file; `~` not yet expanded. */
  | {
    readonly kind: "file";
    readonly path: string;
    /** Whether it was approved as what is there itself: a link that has come into it since leads elsewhere. */
    readonly isReal?: boolean;
  };

export interface SshEntry {
  readonly host: string;
  /** As written; `~` not yet expanded. */
  readonly identityFile: string;
  readonly hostname: string;
  readonly user: string;
  readonly port: number;
  readonly knownHostKeys: readonly string[];
  readonly unpinned: boolean;
  readonly sign: boolean;
}

/** How an injected secret is put into a request. */
export interface Injection {
  readonly env: string;
  readonly secret: EnvSource;
  /** `bearer`, `basic:USER` or `header:NAME`. */
  readonly as: string;
}

/** The service of the allowlist that a host comes from. */
export interface HostService {
  readonly service: string;
  /** The service's option that says where the injected secret comes from. */
  readonly option: string | undefined;
}

export interface AllowedHost {
  /** Lower case, without a trailing dot; `*.x` stands for x and every name below it. */
  readonly host: string;
  /** Plain HTTP on port 80 as well. */
  readonly http: boolean;
  /** `METHOD path` rules; not empty only for an inspected host. */
  readonly allow: readonly string[];
  readonly inject: Injection | undefined;
  /** Where it stands below its bottle; absent of one that no manifest names. */
  readonly at?: readonly (string | number)[];
  /** Absent of one that is named itself. */
  readonly use?: HostService;
}

export type ProxyName = "pipelock" | "squid";
export type RuntimeChoice = "auto" | "runc" | "runsc";

export interface EgressSettings {
  /** Whether the default hosts are joined to `allowlist`. */
  readonly defaults: boolean;
  readonly allowlist: readonly AllowedHost[];
  readonly private: readonly string[];
  readonly networks: readonly string[];
  /** `undefined` when the manifest names none. */
  readonly proxy: ProxyName | undefined;
}

export interface Resources {
  readonly cpus: number | undefined;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly pids: number | undefined;
  /** Bytes. */
  readonly disk: number | undefined;
}

export interface ImageSettings {
  readonly base: string | undefined;
  readonly dockerfile: string | undefined;
  readonly packages: readonly string[];
  /** A host file with extra certificate authorities; `~` not yet expanded. */
  readonly ca: string | undefined;
}

export interface Bottle {
  readonly name: string;
  /** The bottle whose entries it takes over; they are in this one already. */
  readonly extends: string | undefined;
  readonly env: ReadonlyMap<string, EnvSource>;
  readonly ssh: readonly SshEntry[];
  readonly gitIdentity: "host" | undefined;
  readonly egress: EgressSettings;
  readonly runtime: RuntimeChoice;
  readonly resources: Resources;
  readonly image: ImageSettings;
}

export interface Agent {
  readonly name: string;
  /** The agent whose settings it takes over; they are in this one already. */
  readonly extends: string | undefined;
  readonly bottle: string;
  readonly skills: readonly string[];
  /** Empty when there is none. */
  readonly prompt: string;
  /** At least one word. */
  readonly command: readonly string[];
}

/** The two kinds of entries. */
export type EntryKind = "bottles" | "agents";

/** The project that a manifest file comes with. */
export interface Project {
  /** Real path of the repository's root; of the working directory where there is no repository. */
  readonly root: string;
  /** Of the manifest file. */
  readonly file: string;
}

/** One file that a manifest was read from. */
export interface ManifestFile {
  /** Absolute; `built-in` for the one in the program. */
  readonly path: string;
  /** SHA-256 of its text, hex. */
  readonly digest: string;
}

/** The whole merged, validated manifest: what each entry extends is in it. */
export interface Manifest {
  readonly bottles: ReadonlyMap<string, Bottle>;
  readonly agents: ReadonlyMap<string, Agent>;
  /** In order of rising precedence. */
  readonly files: readonly ManifestFile[];
  /** The project of a file that is the project's, not the user's: what it grants needs approval. */
  readonly project: Project | undefined;
  /** The files that an entry's values stand in: its own first, then those of what it extends. Empty for an unknown one. */
  filesOf(kind: EntryKind, name: string): readonly string[];
  /**
   * Where a value stands, e.g. `["bottles", "dev", "ssh", 0, "Port"]`, also one that was taken over from another
   * entry; the nearest enclosing value's place when it is a default.
   */
  where(path: readonly (string | number)[]): Where | undefined;
}
