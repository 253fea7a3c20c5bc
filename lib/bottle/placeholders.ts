/** How the tokens of well-known services begin: programs look at that before they use one. Longer ones come first. */
const BEGINNINGS =
  /^(?:sk-ant-[a-z]+\d+-|sk-(?:proj|svcacct|admin|or-v1|ant)-|sk-|gh[oprsu]_|github_pat_|gl[a-z]{1,8}-|npm_|pypi-|hf_|dckr_[a-z]{1,8}_|xox[a-z]-|xapp-|AIza|AKIA|ASIA|ya29-)/;

/** Random characters that a placeholder has at least: nobody guesses it. */
const RANDOM_CHARACTERS = 20;
/** The most characters of a placeholder: what looks at a longer one counts no more. */
const MOST_CHARACTERS = 1024;

const DIGITS = "0123456789";
const LOWER = "abcdefghijklmnopqrstuvwxyz";
const ALL = `${DIGITS}${LOWER}${LOWER.toUpperCase()}`;

/** What the characters of a token may be, the narrowest first. */
const ALPHABETS: readonly (readonly [RegExp, string])[] = [
  [/^[0-9]+$/, DIGITS],
  [/^[0-9a-f]+$/, `${DIGITS}abcdef`],
  [/^[0-9A-F]+$/, `${DIGITS}ABCDEF`],
  [/^[0-9a-z]+$/, `${DIGITS}${LOWER}`],
  [/^[0-9A-Z]+$/, `${DIGITS}${LOWER.toUpperCase()}`],
];

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * What a bottle holds instead of a secret: random, of `[A-Za-z0-9_-]` alone, and such as a program that looks at the
 * form of its tokens takes for one. A well-known beginning is kept, and so is the length of a secret that is no shorter
 * than a placeholder must be; of the rest only its alphabet shows.
 */
export function placeholderFor(secret: string, random: (length: number) => Uint8Array): string {
  const beginning = BEGINNINGS.exec(secret)?.[0] ?? "";
  const rest = secret.slice(beginning.length);
  const alphabet = alphabetOf(rest);
  const length = Math.max(RANDOM_CHARACTERS, Math.min(rest.length, MOST_CHARACTERS - beginning.length));
  const characters = randomCharacters(length, alphabet, random);
  const body = UUID.test(rest)
    ? characters.map((character, index) => rest[index] === "-" ? "-" : character)
    : characters;
  const placeholder = beginning + body.join("");
  return placeholder === secret ? beginning + nextCharacters(body, alphabet).join("") : placeholder;
}

function alphabetOf(text: string): string {
  const letters = UUID.test(text) ? text.replaceAll("-", "") : text;
  return ALPHABETS.find(([pattern]) => pattern.test(letters))?.[1] ?? ALL;
}

/** Of 32 bits each: no character is noticeably likelier than another. */
function randomCharacters(
  length: number,
  alphabet: string,
  random: (length: number) => Uint8Array,
): readonly string[] {
  const bytes = random(length * 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length }, (_, index) => alphabet.charAt(view.getUint32(index * 4) % alphabet.length));
}

/** Another text, whatever the first one was. */
function nextCharacters(characters: readonly string[], alphabet: string): readonly string[] {
  const last = characters.at(-1) ?? "";
  return [...characters.slice(0, -1), alphabet.charAt((alphabet.indexOf(last) + 1) % alphabet.length)];
}
