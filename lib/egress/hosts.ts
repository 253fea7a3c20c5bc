const OCTET = /^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/;

/** Whether a text is an IPv4 address in its one canonical form. */
export function isAddress(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => OCTET.test(part));
}

/** Whether an allowed host, perhaps a wildcard, stands for a name. */
export function covers(host: string, name: string): boolean {
  return host === name || (host.startsWith("*.") && `.${name}`.endsWith(host.slice(1)));
}
