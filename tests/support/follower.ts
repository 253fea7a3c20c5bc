import { eventually } from "./engine.ts";

/** No test waits longer for a text. */
const DEADLINE_MS = 120_000;

/** Reads a stream that goes on, as fast as it comes: what writes it is never held up. */
export class Follower {
  readonly #reading: Promise<void>;
  #isOver = false;
  /** What came so far. */
  text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reading = this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) this.text += piece;
    this.#isOver = true;
  }

  /** Waits until what came so far matches. @throws Error when the stream ends first, or it does not in time */
  async shows(pattern: RegExp): Promise<void> {
    await this.#comesTo(`${pattern}`, () => pattern.test(this.text));
  }

  /** Waits until so many lines came. @throws Error when the stream ends first, or they do not come in time */
  async hasLines(count: number): Promise<void> {
    await this.#comesTo(`${count} lines`, () => this.text.split("\n").length > count);
  }

  async #comesTo(what: string, isThere: () => boolean): Promise<void> {
    await eventually(`the stream comes to ${what}`, () => {
      const isOver = this.#isOver;
      if (isThere()) return Promise.resolve(true);
      if (isOver) throw new Error(`The stream ended before ${what}:\n${this.text.slice(-2000)}`);
      return Promise.resolve(undefined);
    }, DEADLINE_MS);
  }

  /** Waits for the end of the stream. */
  async end(): Promise<void> {
    await this.#reading;
  }
}
