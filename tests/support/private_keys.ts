/** A block of PEM. */
export function pem(label: string, body: string): string {
  const lines = body.match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines.map(padded), `-----END ${label}-----`, ""].join("\n");
}

function padded(line: string): string {
  return /^[A-Za-z0-9+/]+$/.test(line) ? line.padEnd(Math.ceil(line.length / 4) * 4, "A") : line;
}

/** A key in OpenSSH's own form that no ssh would take: its halves are made up. */
export function openSshKey(
  {
    magic = "openssh-key-v1\0",
    cipher = "none",
    count = 1,
    type = "ssh-ed25519",
    point = 7,
    comment = "",
    cut = 0,
  }: {
    readonly magic?: string;
    readonly cipher?: string;
    readonly count?: number;
    readonly type?: string;
    /** Every byte of the public half. */
    readonly point?: number;
    readonly comment?: string;
    /** How many bytes are missing at the end. */
    readonly cut?: number;
  } = {},
): string {
  const text = (value: string): readonly number[] => [...new TextEncoder().encode(value)];
  const number = (value: number): readonly number[] => [0, 0, value >> 8, value & 255];
  const string = (value: readonly number[]): readonly number[] => [...number(value.length), ...value];
  const publicHalf = [...string(text(type)), ...string(new Array<number>(32).fill(point))];
  const privateHalf = [...number(9), ...number(9), ...publicHalf, ...string(text(comment))];
  const bytes = [
    ...text(magic),
    ...string(text(cipher)),
    ...string(text(cipher === "none" ? "none" : "bcrypt")),
    ...string([]),
    ...number(count),
    ...string(publicHalf),
    ...string(privateHalf),
  ];
  const kept = bytes.slice(0, bytes.length - cut);
  const body = btoa(String.fromCharCode(...kept));
  const lines = body.match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}
