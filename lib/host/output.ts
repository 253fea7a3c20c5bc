import { OUTPUT_LIMIT, type RunOptions } from "./processes.ts";

/** How a child's output is read. */
export interface Collecting extends Pick<RunOptions, "binary" | "limit" | "kept"> {
  readonly signal: AbortSignal;
  readonly onChunk?: () => void;
  readonly onLine: (line: string) => void;
  readonly onFlood: () => void;
}

/** Of a line that is longer than this only the last bytes are told: each piece of it is looked through again. */
const LINE_LIMIT = 131_072;

/** Everything that a stream says until it ends or is given up; only its last bytes are kept. */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  { signal, binary, limit = Infinity, kept: most = OUTPUT_LIMIT, onChunk, onLine, onFlood }: Collecting,
): Promise<string> {
  let kept = "";
  let partial = "";
  for await (const text of untilAborted(stream, { signal, binary: binary === true })) {
    onChunk?.();
    kept += text;
    if (kept.length > limit) {
      onFlood();
      kept = "";
    }
    // Not at once: what is cut off is copied each time.
    if (kept.length > 2 * most) kept = kept.slice(-most);
    const lines = (partial + text).split(/\r\n|\n|\r/);
    partial = (lines.pop() ?? "").slice(-LINE_LIMIT);
    for (const line of lines) onLine(line);
  }
  if (partial !== "") onLine(partial);
  return kept.slice(-most);
}

/** The stream's text; an abort ends it as its own end would. */
async function* untilAborted(
  stream: ReadableStream<Uint8Array>,
  { signal, binary }: { readonly signal: AbortSignal; readonly binary: boolean },
): AsyncGenerator<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const stop = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    yield binary ? byteText(value) : decoder.decode(value, { stream: true });
  }
  signal.removeEventListener("abort", stop);
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}

function byteText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
