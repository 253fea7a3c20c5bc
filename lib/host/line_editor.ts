/** What a key did to the line. */
export type KeyResult =
  | "more"
  /** The line is complete. */
  | "done"
  /** End of input with nothing typed. */
  | "end"
  /** Ctrl-C, which a raw terminal hands over as a byte. */
  | "interrupt";

/** One line typed on a raw terminal: does what the terminal's own editing would have done, and shows nothing. */
export class LineEditor {
  readonly #bytes: number[] = [];

  /** Takes one byte; `undefined` is the end of input. */
  key(byte: number | undefined): KeyResult {
    switch (byte) {
      case undefined:
      case 4: // Ctrl-D
        return this.#bytes.length === 0 ? "end" : "done";
      case 10:
      case 13:
        return "done";
      case 3:
        return "interrupt";
      case 8:
      case 127:
        this.#backspace();
        return "more";
      case 21: // Ctrl-U
        this.#bytes.length = 0;
        return "more";
      default:
        this.#bytes.push(byte);
        return "more";
    }
  }

  /** What was typed. */
  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#bytes));
  }

  /** A whole character of UTF-8: its continuation bytes and its first. */
  #backspace(): void {
    let last: number | undefined;
    do last = this.#bytes.pop(); while (last !== undefined && (last & 0xc0) === 0x80);
  }
}
