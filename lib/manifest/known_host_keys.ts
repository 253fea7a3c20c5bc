import { bad, type Checked, good } from "./names.ts";

const TYPES = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

/** A host's public key, `TYPE BASE64 [COMMENT]`; the value is without its comment. */
export function checkKnownHostKey(text: string): Checked<string> {
  // deno-lint-ignore no-control-regex -- a second line would be a second entry of a known_hosts file
  if (/[\u0000-\u001f\u007f]/.test(text)) return bad("must be one line");
  const [type = "", blob = ""] = text.trim().split(/ +/);
  if (!TYPES.includes(type)) {
    if (TYPES.includes(blob)) {
      return bad("must begin with the key's type", "Leave out the host name before it");
    }
    return bad(
      "is not a host key of a known type",
      `Write \`TYPE BASE64\`; the types are ${TYPES.join(", ")}`,
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
