import type { Attempt } from "./attempt.ts";
import { BOTTLES } from "./attempts/bottles.ts";
import { DIRECT } from "./attempts/direct.ts";
import { DNS } from "./attempts/dns.ts";
import { FAIL_CLOSED } from "./attempts/fail_closed.ts";
import { HOST } from "./attempts/host.ts";
import { PORTS } from "./attempts/ports.ts";
import { PROXY } from "./attempts/proxy.ts";

/** Everything that is tried, in the order it is told. */
export const ATTEMPTS: readonly Attempt[] = [
  ...DIRECT,
  ...HOST,
  ...DNS,
  ...BOTTLES,
  ...PROXY,
  ...PORTS,
  ...FAIL_CLOSED,
];
