const UNITS = ["kB", "MB", "GB", "TB"] as const;

/** A number of bytes for people, in its largest decimal unit: `1.2 kB`. */
export function bytesText(bytes: number): string {
  let amount = bytes;
  let unit = "B";
  for (const larger of UNITS) {
    // What would be rounded to 1000 of a unit is one of the next.
    if (amount < (unit === "B" ? 1000 : 999.95)) break;
    amount /= 1000;
    unit = larger;
  }
  return `${unit === "B" ? amount : amount.toFixed(1)} ${unit}`;
}

const BINARY_UNITS = [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024]] as const;

/** A number of bytes in its largest binary unit that leaves no rest: what a manifest says, never rounded. */
export function exactBytesText(bytes: number): string {
  for (const [unit, size] of BINARY_UNITS) {
    if (bytes % size === 0) return `${bytes / size} ${unit}`;
  }
  return `${bytes} bytes`;
}
