import { isAddress } from "./hosts.ts";

/** Never reached, whatever name resolves to it: the sidecar itself, link-local, metadata services, multicast. */
export const NEVER: readonly string[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "168.63.129.16",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/127",
  "fe80::/10",
  "ff00::/8",
];

/** Reached only by names that the manifest calls private. Addresses mapped into IPv6 are judged by the IPv4 ranges. */
export const PRIVATE: readonly string[] = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "64:ff9b::/96",
  "2002::/16",
  "fc00::/7",
  "fec0::/10",
];

/** Whether an IPv4 address lies in one of the ranges; IPv6 ranges hold none. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  return ranges.some((range) => {
    const [base = "", bits = "32"] = range.split("/");
    if (!isAddress(base)) return false;
    const size = 2 ** (32 - Number(bits));
    return Math.floor(numberOf(address) / size) === Math.floor(numberOf(base) / size);
  });
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}
