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
