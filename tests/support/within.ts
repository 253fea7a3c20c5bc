/** How long {@link yardstick} takes on a machine that does nothing else, in milliseconds. */
const CALM_MS = 150;
const ATTEMPTS = 3;

/**
 * Whether work takes so many milliseconds at most. What a busy machine adds does not count: it makes a fixed
 * amount of other work slower as well, and seldom all of several attempts.
 */
export async function within(milliseconds: number, work: () => Promise<unknown>): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const start = performance.now();
    await work();
    const taken = performance.now() - start;
    if (taken < milliseconds || taken * CALM_MS / yardstick() < milliseconds) return true;
  }
  return false;
}

/** How long a fixed amount of arithmetic takes at the moment; never less than on a calm machine. */
function yardstick(): number {
  const start = performance.now();
  let sum = 0;
  for (let number = 0; number < 200_000_000; number++) sum += number;
  const taken = performance.now() - start;
  return sum > 0 ? Math.max(CALM_MS, taken) : CALM_MS;
}
