/**
 * The first record of a TLS 1.2 connection, as bytes of a Latin-1 string (RFC 5246 7.4.1.2, RFC 6066 3).
 *
 * @param name the host that it names; `undefined` for none
 * @param mark up to 32 bytes that whoever receives it finds in its session id
 */
export function clientHello(name: string | undefined, mark: string): string {
  const body = "\x03\x03" + // the version
    mark.padEnd(32, "\x5a").slice(0, 32) + // random
    sized(1, mark.slice(0, 32)) + // session id
    sized(2, "\xc0\x2f\xc0\x30\x00\x9c\x00\x2f") + // cipher suites
    sized(1, "\x00") + // no compression
    sized(2, (name === undefined ? "" : serverName(name)) + CURVES);
  return "\x16\x03\x01" + sized(2, "\x01" + sized(3, body));
}

/** The extensions supported_groups and ec_point_formats, without which servers refuse the suites above. */
const CURVES = "\x00\x0a" + sized(2, sized(2, "\x00\x1d\x00\x17")) + "\x00\x0b" + sized(2, sized(1, "\x00"));

function serverName(name: string): string {
  return "\x00\x00" + sized(2, sized(2, "\x00" + sized(2, name)));
}

/** A string behind its length in `bytes` bytes. */
function sized(bytes: number, text: string): string {
  let length = "";
  for (let shift = bytes - 1; shift >= 0; shift--) {
    length += String.fromCharCode((text.length >> (8 * shift)) & 0xff);
  }
  return length + text;
}
