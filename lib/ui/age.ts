const UNITS = [["d", 86_400], ["h", 3600], ["min", 60]] as const;

/** How long ago something was, in its largest unit: `3 min`. Clocks differ: what is to come counts as now. */
export function age(since: number | undefined, now: number): string {
  if (since === undefined) return "unknown";
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${seconds} s`;
}
