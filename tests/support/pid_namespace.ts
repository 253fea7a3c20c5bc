import { eventually } from "./engine.ts";

/** Kills a process with everything that it started, before any of them can do anything about it. */
const KILL_TREE = `
my %tree = ($ARGV[0] => 1);
kill STOP => $ARGV[0];
for (my $found = 1; $found;) {
  $found = 0;
  for my $file (glob '/proc/[0-9]*/stat') {
    open(my $stat, '<', $file) or next;
    my ($pid, $parent) = (<$stat> // '') =~ /^(\\d+) .*\\) \\S (\\d+) /s or next;
    next if $tree{$pid} || !$tree{$parent};
    kill STOP => $pid;
    $tree{$pid} = $found = 1;
  }
}
kill KILL => keys %tree;
`;

/** Ends a child and all that it started, its reaper included, as when a whole machine goes down. */
export async function killTree(child: Deno.ChildProcess): Promise<void> {
  await killTreeOf(child.pid);
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
}

/** The same for a process that is nobody's child here. */
export async function killTreeOf(pid: number): Promise<void> {
  await new Deno.Command("perl", { args: ["-e", KILL_TREE, String(pid)], stdin: "null" }).output();
}

/** Processes that see nobody but each other, as those of another machine; disposing ends them all. */
export class PidNamespace implements AsyncDisposable {
  /** The words before those of a program that is to run in it, where it was called. */
  readonly words: readonly string[];
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess, first: string) {
    this.#holder = holder;
    const enter = ["nsenter", "--target", first, "--pid", "--mount"];
    this.words = [...enter, "sh", "-c", 'cd "$0" && exec "$@"'];
  }

  /** Whether this user may make one. */
  static async isPossible(): Promise<boolean> {
    const made = new Deno.Command("unshare", {
      args: ["--pid", "--fork", "--mount-proc", "true"],
      stderr: "null",
    });
    return await made.output().then(({ success }) => success, () => false);
  }

  static async create(): Promise<PidNamespace> {
    const holder = new Deno.Command("unshare", {
      args: ["--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "3600"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const first = await eventually("the namespace has its first process", async () => {
      // The file system of processes is closed to Deno.
      const children = `cat /proc/${holder.pid}/task/${holder.pid}/children`;
      const { stdout } = await new Deno.Command("sh", { args: ["-c", children], stderr: "null" }).output();
      return /\d+/.exec(new TextDecoder().decode(stdout))?.[0];
    });
    return new PidNamespace(holder, first);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
  }
}
