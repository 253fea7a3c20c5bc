import type { Act, Sent } from "../attempt.ts";

/** The port that every sidecar listens on. */
const PORT = "8888";

/** Bytes for the sidecar, after each of which its answer is awaited. */
export function toSidecar(...sends: readonly Sent[]): Act {
  return { kind: "tcp", host: "{sidecar}", port: PORT, sends };
}

/** `CONNECT target`, and what follows in the tunnel: the beginning of TLS for the target's name unless told. */
export function connect(target: string, then?: Sent, headers = `Host: ${target}`): Act {
  const name = target.replace(/:\d+$/, "");
  return toSidecar(`CONNECT ${target} HTTP/1.1\r\n${headers}\r\n\r\n`, then ?? { hello: name });
}

/** A request for a whole URL, as clients of a proxy send it. */
export function request(method: string, url: string, headers = "Host: {allowed}", body = ""): Act {
  return toSidecar(
    `${method} ${url} HTTP/1.1\r\n${headers}\r\nX-Mark: {mark}\r\nConnection: close\r\n\r\n${body}`,
  );
}
