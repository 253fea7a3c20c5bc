import { EXIT, Failure } from "../errors.ts";

/** One secret on its way into the sidecar. */
export interface OpeningSecret {
  /** The variable that holds its placeholder. */
  readonly env: string;
  /** What the bottle is to hold instead; the sidecar keeps one that it was given before. */
  readonly placeholder: string;
  readonly secret: string;
}

/** The bottle's own certificate authority, which signs for the inspected hosts alone. */
export interface Authority {
  /** Its certificate; the key never leaves the sidecar. */
  readonly pem: string;
  /** The hash of its subject, eight hex digits: the name that OpenSSL looks it up by. */
  readonly hash: string;
}

/** What a sidecar answers once it lets requests through. */
export interface Opening {
  readonly authority: Authority;
  /** By the variable that holds it: those that count, whichever were offered. */
  readonly placeholders: ReadonlyMap<string, string>;
}

/** What the sidecar's `open` reads: a frame `LENGTH:ENV NUL PLACEHOLDER NUL SECRET,` for each secret, and an empty one. */
export function openingFrames(secrets: readonly OpeningSecret[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts = [...secrets.map(({ env, placeholder, secret }) => `${env}\0${placeholder}\0${secret}`), ""]
    .map((text) => encoder.encode(text))
    .flatMap((bytes) => [encoder.encode(`${bytes.length}:`), bytes, encoder.encode(",")]);
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const PEM = /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]{1,8192}-----END CERTIFICATE-----\n/m;

/**
 * Reads what `open` printed: lines `placeholder ENV VALUE`, a line `hash HEX`, the certificate, and `ready` at the end.
 *
 * @throws Failure `sidecar-answer` for anything else: what was not understood is not trusted
 */
export function readOpening(stdout: string): Opening {
  const hash = /^hash ([0-9a-f]{8})$/m.exec(stdout)?.[1];
  const pem = PEM.exec(stdout)?.[0];
  if (hash === undefined || pem === undefined || !stdout.endsWith("\nready\n")) {
    throw new Failure("sidecar-answer", "The sidecar did not say that it is ready for inspected hosts", {
      hints: ["`claude-bottle build --force` makes its image anew"],
      exit: EXIT.beforeAgent,
    });
  }
  const placeholders = stdout.matchAll(/^placeholder ([A-Za-z_][A-Za-z0-9_]*) ([A-Za-z0-9_-]{1,4096})$/gm);
  return {
    authority: { pem, hash },
    placeholders: new Map(Array.from(placeholders, ([, env = "", value = ""]) => [env, value])),
  };
}
