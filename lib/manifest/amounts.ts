import { bad, type Checked, good } from "./names.ts";

/** What stands behind a size, and how many bytes it is. */
export const UNITS: ReadonlyMap<string, number> = new Map([["b", 1], ["k", 1024], ["m", 1024 ** 2], [
  "g",
  1024 ** 3,
]]);

/** The largest size in bytes. */
export const LARGEST = 2 ** 50;
/** Below it no agent starts. */
export const LEAST_MEMORY = 64 * 1024 ** 2;
/** What a bottle has before its agent does anything is below it. */
export const LEAST_DISK = 16 * 1024 ** 2;
/** The last port. */
export const MOST_PORT = 65_535;

/** A size such as `512m` or `4g`, in bytes. */
function checkSize(text: string): Checked<number> {
  const match = /^(\d+)([bkmg])$/i.exec(text);
  const bytes = Number(match?.[1]) * (UNITS.get(match?.[2]?.toLowerCase() ?? "") ?? NaN);
  if (match === null || Number.isNaN(bytes)) {
    return bad("is not a size", sizeHint(text));
  }
  if (bytes === 0) return bad("must be more than nothing");
  return bytes <= LARGEST ? good(bytes) : bad("must be at most 1048576g");
}

/** Other ways to write a size: `4GB`, `20Gi`, `1.5 gigs`, `2t`. */
const OTHER_SIZE = /^(\d{1,6}(?:\.\d{1,3})?)\s*([kmgt])(?:i?b|i|[a-z]*bytes?|igs?|egs?)?$/i;

function sizeHint(text: string): string {
  const [, number, letter = ""] = OTHER_SIZE.exec(text) ?? [];
  const form = "a whole number with b, k, m or g behind it";
  const units = ["k", "m", "g", "t"];
  const unit = units.indexOf(letter.toLowerCase());
  const isSmaller = unit > 0 && (!Number.isInteger(Number(number)) || unit === 3);
  const amount = Math.round(Number(number) * (isSmaller ? 1024 : 1));
  const better = `${amount}${units[isSmaller ? unit - 1 : unit]}`;
  return number !== undefined && checkSize(better).kind === "good"
    ? `Write \`${better}\`: ${form}`
    : `Write ${form}, such as \`512m\` or \`4g\``;
}

/** A memory limit in bytes. */
export function checkMemory(text: string): Checked<number> {
  const size = checkSize(text);
  return size.kind === "good" && size.value < LEAST_MEMORY ? bad("must be at least 64m") : size;
}

/** A disk limit in bytes. */
export function checkDisk(text: string): Checked<number> {
  const size = checkSize(text);
  return size.kind === "good" && size.value < LEAST_DISK ? bad("must be at least 16m") : size;
}

/** Engines count billionths of a processor, and refuse what is finer. */
const CPU_DECIMALS = 9;

/** Fewer and more than these no engine gives. */
export const CPUS = { least: 0.01, most: 1024 } as const;

/** A number of processors. */
export function checkCpus(cpus: number): Checked<number> {
  if (!(cpus >= CPUS.least && cpus <= CPUS.most)) return bad("must be a number from 0.01 to 1024");
  return Number(cpus.toFixed(CPU_DECIMALS)) === cpus
    ? good(cpus)
    : bad(`must have at most ${CPU_DECIMALS} decimals`, `Write \`${Number(cpus.toFixed(2))}\``);
}

/** gVisor itself takes more than 48 processes to start. */
export const PIDS = { least: 64, most: 4_194_304 } as const;

/** A number of processes. */
export function checkPids(pids: number): Checked<number> {
  if (!Number.isInteger(pids)) return bad("must be a whole number");
  return pids >= PIDS.least && pids <= PIDS.most ? good(pids) : bad("must be from 64 to 4194304");
}

/** A port, as a number or in digits. */
export function checkPort(port: number | string): Checked<number> {
  const number = typeof port === "number" ? port : /^\d{1,5}$/.test(port) ? Number(port) : NaN;
  return Number.isInteger(number) && number >= 1 && number <= MOST_PORT
    ? good(number)
    : bad("must be a port from 1 to 65535");
}
