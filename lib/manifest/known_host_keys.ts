import { bad, type Checked, good } from "./names.ts";

/** The types of a host's key. */
export const KEY_TYPES = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

/** Lines of a known_hosts file, and keys, that a bottle's ssh-agent cannot bind a key to. */
const REFUSED = [
  {
    pattern: /^@cert-authority$/,
    why: "is a certificate authority's line, and a key is bound to a host's own key",
    hint: "Give the host's own key, as `ssh-keyscan HOST` prints it",
  },
  {
    pattern: /^@revoked$/,
    why: "is a revoked key",
    hint: "Give the key that the host has now",
  },
  {
    pattern: /^(SHA256|MD5):/,
    why: "is a fingerprint, and the key itself is wanted",
    hint:
      "`ssh-keyscan HOST` prints it; compare its fingerprint, as `ssh-keygen -lf FILE` shows it, with this one",
  },
  {
    pattern: /^\|1\|/,
    why: "begins with a hashed host name",
    hint: "Leave out what stands before the key's type",
  },
  {
    pattern: /-cert-v01@openssh\.com$/,
    why: "is a certificate, and a key is bound to a host's own key",
    hint: "Give the host's own key, as `ssh-keyscan HOST` prints it",
  },
] as const;

/** A host's public key, `TYPE BASE64 [COMMENT]`; the value is without its comment. */
export function checkKnownHostKey(text: string): Checked<string> {
  // deno-lint-ignore no-control-regex -- a second line would be a second entry of a known_hosts file
  if (/[\u0000-\u001f\u007f]/.test(text)) return bad("must be one line");
  const [type = "", blob = ""] = text.trim().split(/ +/);
  const other = REFUSED.find(({ pattern }) => pattern.test(type));
  if (other !== undefined) return bad(other.why, other.hint);
  if (!KEY_TYPES.includes(type)) {
    if (KEY_TYPES.includes(blob)) {
      return bad("must begin with the key's type", "Leave out the host name before it");
    }
    return bad(
      "is not a host key of a known type",
      `Write \`TYPE BASE64\`; the types are ${KEY_TYPES.join(", ")}`,
    );
  }
  if (blob === "") return bad("lacks the key itself after its type");
  const inner = innerType(blob);
  if (inner === undefined) return bad("is not a whole key: its base64 is broken");
  if (inner !== type) return bad("is not a whole key of that type");
  return good(`${type} ${blob}`);
}

/** The type that a key's own bytes begin with; `undefined` for bad base64, empty for bytes that are no key. */
function innerType(blob: string): string | undefined {
  if (blob.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return undefined;
  const bytes = Uint8Array.from(atob(blob), (character) => character.charCodeAt(0));
  if (bytes.length < 4) return "";
  const length = new DataView(bytes.buffer).getUint32(0);
  if (length > 64 || bytes.length <= 4 + length) return "";
  return new TextDecoder("latin1").decode(bytes.subarray(4, 4 + length));
}
