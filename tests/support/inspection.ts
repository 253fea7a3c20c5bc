import type { BottleSpec } from "../../lib/bottle/spec.ts";
import type { EgressPolicy, Inspection } from "../../lib/egress/policy.ts";
import type { EnvSource } from "../../lib/manifest/model.ts";
import { testSpec } from "./plan_inputs.ts";

/** A certificate's form, and nothing else. */
export const PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2xhdWRl\n-----END CERTIFICATE-----\n";
export const HASH = "0badc0de";

/** A host that a secret is injected for, one that has rules alone, and one that is left alone. */
export const INSPECTED: EgressPolicy = {
  hosts: [
    inspected("api.test", {
      rules: [{ method: "POST", path: "/v1/messages" }, { method: "GET", path: "/v1/models*" }],
      secret: { env: "API_KEY", form: { kind: "bearer" } },
    }),
    inspected("*.git.test", {
      rules: undefined,
      secret: { env: "GIT_PASSWORD", form: { kind: "basic", user: "me" } },
    }),
    { host: "plain.test", private: false, http: false },
    inspected("read.test", { rules: [{ method: "GET", path: "/*" }], secret: undefined }),
  ],
  ssh: [],
};

function inspected(host: string, inspection: Inspection): EgressPolicy["hosts"][number] {
  return { host, private: false, http: false, inspection };
}

/** Where its secrets come from. */
export const INJECTED: ReadonlyMap<string, EnvSource> = new Map([
  ["API_KEY", { kind: "host", variable: "REAL_KEY" }],
  ["GIT_PASSWORD", { kind: "file", path: "/home/somebody/password" }],
]);

/** A bottle with {@link INSPECTED} hosts. */
export function inspectedSpec(changes: Partial<BottleSpec> = {}): BottleSpec {
  return testSpec({ policy: INSPECTED, injected: INJECTED, env: new Map(), ...changes });
}

/** What a sidecar was given, as it reads it. */
export function openingEntries(
  input: Uint8Array,
): readonly { readonly env: string; readonly placeholder: string; readonly secret: string }[] {
  let rest = new TextDecoder().decode(input);
  const entries = [];
  for (;;) {
    const [head = "", digits = ""] = /^(\d+):/.exec(rest) ?? [];
    const frame = rest.slice(head.length, head.length + Number(digits));
    const end = head.length + Number(digits);
    if (head === "" || rest[end] !== ",") throw new Error(`No frame: ${rest}`);
    rest = rest.slice(end + 1);
    if (frame === "") break;
    const [env = "", placeholder = "", secret = ""] = frame.split("\0");
    entries.push({ env, placeholder, secret });
  }
  if (rest !== "") throw new Error(`Behind the last frame: ${rest}`);
  return entries;
}

/** What a sidecar answers that takes all that it is given; one that has placeholders keeps them. */
export function openingAnswer(
  input: Uint8Array,
  known: ReadonlyMap<string, string> = new Map(),
): string {
  const lines = openingEntries(input).map(({ env, placeholder }) =>
    `placeholder ${env} ${known.get(env) ?? placeholder}\n`
  );
  return `${lines.join("")}hash ${HASH}\n${PEM}\nready\n`;
}
