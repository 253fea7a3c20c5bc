export interface FileStatus {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  /** Permission bits, e.g. 0o644; 0 where the platform has none. */
  readonly mode: number;
  readonly uid: number;
  /** Last change of the content, in whole seconds since the epoch; 0 where the platform tells none. */
  readonly modified: number;
  /** The same for one and the same file, whatever path leads to it. */
  readonly identity: string;
  /** Inode and time of creation: also the same after a restart, and another one when the inode is used anew. */
  readonly birth: string;
}

/** A file that is open for reading, at its beginning. */
export interface OpenFile extends Disposable {
  status(): Promise<FileStatus>;
  /** How many bytes were read into the buffer; `undefined` at the end. */
  read(into: Uint8Array): Promise<number | undefined>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink" | "other";
}

/** Reading the host's files. Missing files are `undefined`; every other error is thrown as the platform gives it. */
export interface Files {
  readBytes(path: string): Promise<Uint8Array | undefined>;
  /** Follows links: whoever must not compares `identity` with what was found before. */
  open(path: string): Promise<OpenFile | undefined>;
  /** Follows links. */
  status(path: string): Promise<FileStatus | undefined>;
  /** Does not follow links. */
  linkStatus(path: string): Promise<FileStatus | undefined>;
  /** Where a link leads, as it stands in it; throws for what is no link. */
  readLink(path: string): Promise<string | undefined>;
  realPath(path: string): Promise<string | undefined>;
  readDirectory(path: string): Promise<readonly DirectoryEntry[] | undefined>;
}
