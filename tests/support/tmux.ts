import { eventually, PROGRAM, type Workbench } from "./engine.ts";

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

  async press(key: string): Promise<void> {
    await this.#tmux("send-keys", key);
  }

  /** Waits until the screen matches; the screen. @throws Error with the last screen after 40 seconds */
  async shows(pattern: RegExp): Promise<string> {
    let last = "";
    try {
      return await eventually(`the screen matches ${pattern}`, async () => {
        last = await this.#tmux("capture-pane", "-p");
        return pattern.test(last) ? last : undefined;
      }, 40_000);
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

/**
 * The program as a shell command in the bench's environment. Then it prints `ended with CODE`; the files
 * `before` and `after` of the bench hold the terminal's settings around it.
 */
export function onTerminal(
  bench: Workbench,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string {
  const variables = Object.entries({ ...bench.environment(env), TERM: "screen-256color" })
    .map(([name, value]) => `${name}='${value}'`);
  const words = [...PROGRAM, ...args].map((word) => `'${word}'`).join(" ");
  return `stty -g > '${bench.folder}/before'; env -i ${variables.join(" ")} ${words}; ` +
    `echo "ended with $?"; stty -g > '${bench.folder}/after'; echo settled; sleep 60`;
}
