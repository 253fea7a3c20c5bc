import { eventually, PROGRAM, type Workbench } from "./engine.ts";

/** What is on in a terminal, one word each; `screen` is the second one. */
const MODES = "#{?alternate_on,screen,} #{?cursor_flag,,hidden} #{?mouse_any_flag,pointer,} " +
  "#{?keypad_flag,keypad,} #{?keypad_cursor_flag,cursor-keys,}";

/** A terminal of its own: a tmux server that nobody else uses, 120 columns by 40 lines. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #socket = `claude-bottle-test-${crypto.randomUUID()}`;

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await new Deno.Command("tmux", { args: ["-L", this.#socket, ...args], stdin: "null" })
      .output();
    return new TextDecoder().decode(stdout);
  }

  /** Starts a shell command on the terminal. */
  async run(command: string): Promise<void> {
    await this.#tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", command);
  }

  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** Like typing, but the text stands in no argv. */
  async paste(text: string): Promise<void> {
    const child = new Deno.Command("tmux", {
      args: ["-L", this.#socket, "load-buffer", "-"],
      stdin: "piped",
      stdout: "null",
    }).spawn();
    await ReadableStream.from([new TextEncoder().encode(text)]).pipeTo(child.stdin);
    await child.status;
    await this.#tmux("paste-buffer", "-d");
  }

  /** Writes all that is shown from now on into a file, as it was sent to the terminal. */
  async record(path: string): Promise<void> {
    await this.#tmux("pipe-pane", `cat > '${path}'`);
  }

  async press(key: string): Promise<void> {
    await this.#tmux("send-keys", key);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What a program switched on in the terminal and not off again. */
  async modes(): Promise<readonly string[]> {
    return (await this.#tmux("display-message", "-p", MODES)).split(/\s+/).filter((name) => name !== "");
  }

  /** Waits until the screen matches; the screen. @throws Error with the last screen after 90 seconds */
  async shows(pattern: RegExp): Promise<string> {
    let last = "";
    try {
      return await eventually(`the screen matches ${pattern}`, async () => {
        last = await this.#tmux("capture-pane", "-p");
        return pattern.test(last) ? last : undefined;
      }, 90_000);
    } catch (error) {
      throw new Error(`${error}\n${last}`);
    }
  }

  /** Closes the window as a person would: what runs in it gets SIGHUP. */
  async closeWindow(): Promise<void> {
    await this.#tmux("kill-session");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
  }
}

/** What {@link onTerminal} needs of a test's folder. */
type Bench = Pick<Workbench, "folder" | "environment">;

/**
 * The program as a shell command in the bench's environment. Then it prints `ended with CODE`; the files
 * `before` and `after` of the bench hold the terminal's settings around it.
 */
export function onTerminal(
  bench: Bench,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string {
  return commandOnTerminal(bench, [...PROGRAM, ...args].map((word) => `'${word}'`).join(" "), env);
}

/** The same with any shell command. */
export function commandOnTerminal(
  bench: Bench,
  command: string,
  env: Readonly<Record<string, string>> = {},
): string {
  const variables = Object.entries({ ...bench.environment(env), TERM: "screen-256color" })
    .map(([name, value]) => `${name}='${value}'`);
  return `stty -g > '${bench.folder}/before'; env -i ${variables.join(" ")} ${command}; ` +
    `echo "ended with $?"; stty -g > '${bench.folder}/after'; echo settled; sleep 60`;
}

/**
 * The program as a shell command with an environment that stands in a file alone, not in an argv. The file `pid` of
 * the bench says which process it is; its code is printed at the end.
 */
export async function scriptOnTerminal(
  bench: Workbench,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const variables = Object.entries({ ...env, TERM: "screen-256color" });
  const lines = [
    ...variables.map(([name, value]) => `export ${name}=${quoted(value)}`),
    `echo $$ > ${quoted(`${bench.folder}/pid`)}`,
    `exec ${[...PROGRAM, ...args].map(quoted).join(" ")}`,
  ];
  const script = await bench.file("on_terminal.sh", `${lines.join("\n")}\n`);
  // A killed program leaves the terminal as it is.
  return `env -i sh ${quoted(script)}; code=$?; stty sane; echo; echo "ended with $code"; sleep 60`;
}
