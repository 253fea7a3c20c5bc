/** Longer than any name of ours: comparing would only cost time. */
const LONGEST = 100;

/** The most steps between two words of which one is a slip for the other. */
function tolerance(word: string): number {
  return Math.min(3, Math.max(1, Math.floor(word.length / 3)));
}

/** The candidate that a mistyped word most likely stands for; the first of several equally near ones. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined;
  const plain = comparable(word);
  let best: string | undefined;
  let least = tolerance(plain) + 1;
  for (const candidate of candidates) {
    const other = comparable(candidate);
    if (Math.abs(other.length - plain.length) >= least) continue;
    const steps = distance(plain, other);
    if (steps < least && steps < other.length) {
      best = candidate;
      least = steps;
    }
  }
  return best;
}

/** Whether two words differ in case, dashes and the like only, as `host_name` and `Hostname` do. */
export function sameLetters(a: string, b: string): boolean {
  if (a.length > LONGEST || b.length > LONGEST) return false;
  const letters = (word: string): string => word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
  return letters(a) === letters(b) && letters(a) !== "";
}

/** A word as it is compared: without case, and without what a word processor puts around it. */
function comparable(word: string): string {
  return word.toLowerCase().replaceAll(/^[\s“”„‘’'"`*,;:]+|[\s“”„‘’'"`*,;:]+$/g, "");
}

/** How many letters must be added, removed, changed or swapped with their neighbour (Damerau-Levenshtein). */
export function distance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let steps = Math.min(changed, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        steps = Math.min(steps, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(steps);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
