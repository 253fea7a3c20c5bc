/** What word processors, chats and web pages make of plain characters, and what to write instead. */
const LOOKALIKES: readonly (readonly [RegExp, (found: string) => string])[] = [
  [/[“”„‟‘’‚«»]/, (found) => `${found} is a typographic quote: write " or '`],
  [
    /[\u00a0\u2000-\u200a\u202f\u205f\u3000]/,
    () => "It contains a space that is no plain one: type it again",
  ],
  [/[\u00ad\u200b\u200c\u2060\ufeff]/, () => "It contains a character that cannot be seen: type it again"],
  [/^[–—‒−]/, (found) => `${found} is a typographic dash: write -`],
  [/：/, (found) => `${found} is a full-width colon: write : and a space`],
];

/** A hint for text with characters that look like others; `undefined` for what is fine. */
export function lookalikeHint(text: string): string | undefined {
  const start = text.slice(0, 500);
  for (const [pattern, hint] of LOOKALIKES) {
    const found = pattern.exec(start)?.[0];
    if (found !== undefined) return hint(found);
  }
  return undefined;
}
