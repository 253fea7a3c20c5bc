import { type Attempt, CANARY } from "../attempt.ts";
import { connect } from "./requests.ts";

/** Straight out and by what is left of the sidecar, both to a host that is allowed. */
const BOTH_WAYS = [
  { kind: "tcp" as const, host: "{canary}", port: "443", sends: ["{mark}"] },
  connect("{allowed}:443"),
];

function tried(id: string, title: string): Attempt {
  return {
    id: `closed-${id}`,
    group: "fail-closed",
    title,
    acts: BOTH_WAYS,
    witness: CANARY,
    stoppedBy: ["one-network"],
  };
}

/** Whoever makes them brings the sidecar into that state first. */
export const FAIL_CLOSED: readonly Attempt[] = [
  tried("paused", "while the sidecar is paused"),
  tried("detached", "while the sidecar is off the internal network"),
  tried("out-of-memory", "after the sidecar ran out of memory"),
  tried("killed", "after the sidecar was killed"),
  {
    ...tried("misconfigured", "after the sidecar was told to read a configuration that is no configuration"),
    acts: [BOTH_WAYS[0], connect("{other}:443")].filter((act) => act !== undefined),
    stoppedBy: ["one-network"],
  },
];
