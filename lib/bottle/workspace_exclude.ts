import { EXIT, Failure } from "../errors.ts";

/** Whether an entry is left out. */
export interface Exclusion {
  /** By its path from the directory's root. */
  path(path: string): boolean;
  /** By its own name, wherever it is. */
  name(name: string): boolean;
  /** The patterns that have matched nothing so far. */
  unmatched(): readonly string[];
}

/**
 * What `--exclude` patterns mean: without a slash the name of any entry, with one the path from the directory's root;
 * `*` is any text within a name.
 *
 * @throws Failure `exclude-invalid` for one that can match nothing
 */
export function exclusion(patterns: readonly string[]): Exclusion {
  const names = new Map<string, RegExp>();
  const paths = new Map<string, RegExp>();
  const matched = new Set<string>();
  for (const pattern of patterns) {
    // A slash at the end says that it is a directory, and a beginning that it is meant from the root.
    const plain = pattern.replace(/\/+$/, "");
    const isPath = plain.includes("/");
    const segments = plain.replace(/^(\.?\/)+/, "").split("/");
    if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
      throw new Failure("exclude-invalid", `--exclude ${JSON.stringify(pattern)} can match nothing`, {
        hints: [
          "Give a name such as `node_modules` or `*.log`, or a path from the directory such as `docs/build`",
        ],
        exit: EXIT.usage,
      });
    }
    (isPath ? paths : names).set(pattern, new RegExp(`^${segments.map(segmentPattern).join("/")}$`, "su"));
  }
  const isMatched = (candidates: ReadonlyMap<string, RegExp>, text: string): boolean => {
    const hits = [...candidates].filter(([, expression]) => expression.test(text));
    for (const [pattern] of hits) matched.add(pattern);
    return hits.length > 0;
  };
  return {
    path: (path) => isMatched(paths, path),
    name: (name) => isMatched(names, name),
    unmatched: () => patterns.filter((pattern) => !matched.has(pattern)),
  };
}

function segmentPattern(segment: string): string {
  return segment.split("*").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("[^/]*");
}

/** A pattern that leaves out exactly this entry. */
export function patternFor(path: string): string {
  return path.includes("/") ? path : `/${path}`;
}

const SECRET_NAMES: readonly RegExp[] = [
  /^\.env(\.(?!(example|sample|template|dist|defaults)$).*)?$/i,
  /^\.(npmrc|yarnrc\.yml|netrc|pypirc|pgpass|htpasswd|my\.cnf|dockercfg|git-credentials|vault-token)$/i,
  /^_netrc$/i,
  /^\.?credentials(\..*)?$/i,
  /^id_[a-z0-9_-]+$/i,
  /\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx)$/i,
  /^(client_secret|service[-_]account).*\.json$/i,
  /^secrets?\.(json|ya?ml|toml|env|txt)$/i,
];

/** Whether a file's name is one that secrets often have. */
export function looksSecret(name: string): boolean {
  return SECRET_NAMES.some((pattern) => pattern.test(name));
}
