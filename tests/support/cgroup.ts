const DECODER = new TextDecoder();

/** The system's folders are closed to this process, but not to a shell. @throws Error with what it says when it fails */
async function sh(script: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", script, "sh", ...args],
    stdin: "null",
  }).output();
  if (!success) throw new Error(DECODER.decode(stderr));
  return DECODER.decode(stdout).trim();
}

/** Prints the folder of a new group; kernels before 5.14 cannot end one. */
const MAKE = `
for root in /sys/fs/cgroup/unified /sys/fs/cgroup; do
  [ -f "$root/cgroup.procs" ] && mkdir "$root/$1" || continue
  [ -f "$root/$1/cgroup.kill" ] && echo "$root/$1" && exit 0
  rmdir "$root/$1"
done
exit 1
`;

/** It can be removed once the kernel has taken the last of its processes away. */
const REMOVE = `
echo 1 > "$1/cgroup.kill"
for round in 1 2 3 4 5 6 7 8 9; do rmdir "$1" 2>/dev/null && exit 0; sleep 1; done
rmdir "$1"
`;

/** A group of processes that end together, however they are related: as when a service is stopped or memory runs out. */
export class Cgroup implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `undefined` where this process may make none. */
  static async create(): Promise<Cgroup | undefined> {
    const name = `claude-bottle-test-${crypto.randomUUID().slice(0, 13)}`;
    try {
      return new Cgroup(await sh(MAKE, name));
    } catch {
      return undefined;
    }
  }

  /** SIGKILL to all of them at the same moment. */
  async kill(): Promise<void> {
    await sh('echo 1 > "$1/cgroup.kill"', this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await sh(REMOVE, this.folder);
  }
}
