import type { EgressPolicy } from "../policy.ts";
import { inspectedHosts } from "./inspection.ts";
import { squidNames } from "./names.ts";

/** What the back's log has besides where hosts are inspected: the judge's words, and what was wrong with a certificate. */
export const INSIDE_FIELDS =
  ',"said":"%{why_}note","asked":"%{asked_}note","held":"%{held_}note","detail":"%#.200err_detail"';

/** One JSON object a transaction. Everything that the bottle wrote is URL-quoted and cut off. */
export function log(
  options: { readonly by: "front" | "back"; readonly only?: string; readonly more?: string },
): readonly string[] {
  const only = options.only === undefined ? "" : ` ${options.only}`;
  return [
    `logformat egress {"by":"${options.by}","time":%ts.%03tu,"status":%>Hs,"tag":"%Ss","method":"%#.16rm",` +
    '"host":"%#.300>rd","port":"%>rP","why":"%{why}note","bump":"%ssl::bump_mode",' +
    `"sni":"%#.300ssl::>sni","error":"%err_code","from":"%>p","bytes":"%st"${options.more ?? ""}}`,
    `access_log stdio:/dev/stdout logformat=egress${only}`,
  ];
}

/** The front's lines of ended tunnels to inspected hosts, each with the port by which the back's lines name it (`reader.ts`). */
export function endsOfTunnels(policy: EgressPolicy): readonly string[] {
  return [
    ...squidNames(inspectedHosts(policy)).map((name) => `acl inspected dstdomain -n ${name}`),
    'logformat end {"by":"front","time":%ts.%03tu,"to":"%<lp"}',
    "access_log stdio:/dev/stdout logformat=end connect inspected !refused",
  ];
}
