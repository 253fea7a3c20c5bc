/** What of an attempt may be seen where; both empty unless told. */
export interface Attempt {
  /** As `raw_requests.pl` reads them. */
  readonly parts: readonly string[];
  /** The paths that arrive at `deb.test`, on port 80 and with its name. */
  readonly arrives?: readonly string[];
  /** The paths that arrive at `evil.test` or `tls.test`, or on another port, once nothing is refused. */
  readonly live?: readonly string[];
}

const END = "\\r\\nConnection: close\\r\\n\\r\\n";

/** A GET of a URL, with other headers where told. */
export function get(url: string, headers = "Host: deb.test"): readonly string[] {
  return [`GET ${url} HTTP/1.1\\r\\n${headers}${END}`];
}

/** A request whose body is another one, for a server or proxy that sees its end too early. */
export function hidden(path: string, headers: string, before = ""): readonly string[] {
  return [
    `POST http://deb.test/${path} HTTP/1.1\\r\\nHost: deb.test\\r\\n${headers}\\r\\n\\r\\n` +
    `${before}GET http://evil.test/${path}-in HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n`,
  ];
}

/** Each tries to reach another host or port than `deb.test:80`, or to be taken for another host there. */
export const ATTEMPTS: readonly Attempt[] = [
  // What is granted, in each spelling that means it.
  { parts: get("http://deb.test/plain"), arrives: ["/plain"] },
  { parts: get("HTTP://DEB.TEST/upper", "Host: DEB.TEST"), arrives: ["/upper"] },
  { parts: get("http://deb.test./dot", "Host: deb.test."), arrives: ["/dot"] },
  { parts: get("http://deb.test:80/port-80"), arrives: ["/port-80"] },
  { parts: ["GET http://deb.test/old HTTP/1.0\\r\\n\\r\\n"], arrives: ["/old"] },
  // Fronting: the name that arrives is the URL's, whatever the header says and however often.
  { parts: get("http://deb.test/front", "Host: evil.test"), arrives: ["/front"] },
  { parts: get("http://deb.test/front-port", "Host: deb.test:8080"), arrives: ["/front-port"] },
  {
    parts: get("http://deb.test/front-first", "Host: evil.test\\r\\nHost: deb.test"),
    arrives: ["/front-first"],
  },
  {
    parts: get("http://deb.test/front-last", "Host: deb.test\\r\\nHost: evil.test"),
    arrives: ["/front-last"],
  },
  { parts: get("http://deb.test/front-fold", "Host: deb.test\\r\\n evil.test"), arrives: ["/front-fold"] },
  { parts: get("http://deb.test/front-space", "Host : evil.test") },
  { parts: get("http://evil.test/front-back"), live: ["/front-back"] },
  { parts: get("/origin", "Host: evil.test") },
  { parts: get("//evil.test/schemeless") },
  // Whose name it is.
  { parts: get("http://deb.test@evil.test/user"), live: ["/user"] },
  { parts: get("http://deb.test:80@evil.test/user-port"), live: ["/user-port"] },
  { parts: get("http://evil.test@deb.test/user-back"), arrives: ["/user-back"] },
  { parts: get("http://evil.test\\\\@deb.test/backslash"), arrives: ["/backslash"] },
  { parts: get("http://deb.test\\\\@evil.test/backslash-back"), live: ["/backslash-back"] },
  { parts: get("http://evil.test#@deb.test/hash"), live: ["/#@deb.test/hash"] },
  { parts: get("http://evil.test?@deb.test/query"), live: ["/?@deb.test/query"] },
  { parts: get("http://evil.test%00.deb.test/encoded") },
  { parts: get("http://evil.test\\0.deb.test/nul") },
  { parts: get("http://deb.test/crlf%0d%0aHost:%20evil.test"), arrives: ["/crlf%0d%0aHost:%20evil.test"] },
  { parts: get("http://tls.test/neighbour"), live: ["/neighbour"] },
  // Other ports and protocols.
  { parts: get("http://deb.test:8080/port"), live: ["/port"] },
  { parts: get("http://deb.test:443/tls-port"), live: ["/tls-port"] },
  { parts: get("http://deb.test:65616/port-wraps") },
  { parts: get("ftp://deb.test:80/ftp") },
  { parts: get("https://deb.test:8080/https") },
  { parts: get("cache_object://deb.test/menu") },
  { parts: get("http://127.0.0.1:3128/squid-internal-mgr/menu") },
  { parts: get("http://deb.test/squid-internal-mgr/menu"), arrives: ["/squid-internal-mgr/menu"] },
  { parts: [`TRACE http://deb.test/trace HTTP/1.1\\r\\nHost: deb.test${END}`] },
  { parts: [`PURGE http://deb.test/purge HTTP/1.1\\r\\nHost: deb.test${END}`] },
  {
    parts: [
      "GET http://deb.test/upgrade HTTP/1.1\\r\\nHost: deb.test\\r\\nUpgrade: x\\r\\nConnection: upgrade\\r\\n\\r\\n",
      "GET /raw HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n",
    ],
    arrives: ["/upgrade"],
  },
  // Several requests on one connection are judged one by one.
  {
    parts: [
      "GET http://deb.test/first HTTP/1.1\\r\\nHost: deb.test\\r\\n\\r\\n" +
      "GET http://evil.test/second HTTP/1.1\\r\\nHost: deb.test\\r\\n\\r\\n" +
      `GET http://deb.test/third HTTP/1.1\\r\\nHost: deb.test${END}`,
    ],
    arrives: ["/first", "/third"],
    live: ["/second"],
  },
  // Smuggling: what is hidden in a body stays in it, or is judged as a request of its own.
  {
    parts: hidden("te-cl", "Content-Length: 70\\r\\nTransfer-Encoding: chunked", "0\\r\\n\\r\\n"),
    arrives: ["/te-cl"],
    live: ["/te-cl-in"],
  },
  {
    parts: hidden("te-tab", "Transfer-Encoding:\\tchunked\\r\\nContent-Length: 5", "0\\r\\n\\r\\n"),
    arrives: ["/te-tab"],
    live: ["/te-tab-in"],
  },
  { parts: hidden("te-space", "Transfer-Encoding : chunked\\r\\nContent-Length: 5", "0\\r\\n\\r\\n") },
  { parts: hidden("te-other", "Transfer-Encoding: xchunked\\r\\nContent-Length: 5", "0\\r\\n\\r\\n") },
  { parts: hidden("two-cl", "Content-Length: 0\\r\\nContent-Length: 62") },
  { parts: hidden("zero-cl", "Content-Length: 0"), arrives: ["/zero-cl"], live: ["/zero-cl-in"] },
  { parts: hidden("whole-cl", "Content-Length: 62"), arrives: ["/whole-cl"] },
  // Tunnels: none to port 80, nothing but TLS in those to 443.
  {
    parts: ["CONNECT deb.test:80 HTTP/1.1\\r\\n\\r\\n", ...get("/in-80", "Host: evil.test")],
    live: ["/in-80"],
  },
  {
    parts: ["CONNECT deb.test:443 HTTP/1.1\\r\\n\\r\\n", ...get("http://evil.test/in-443")],
    live: ["http://evil.test/in-443"],
  },
  {
    parts: ["CONNECT deb.test:443 HTTP/1.1\\r\\n\\r\\n", ...get("http://deb.test/in-443-own")],
    live: ["http://deb.test/in-443-own"],
  },
  {
    parts: [
      "CONNECT deb.test:80 HTTP/1.1\\r\\n\\r\\n",
      "CONNECT evil.test:80 HTTP/1.1\\r\\n\\r\\n",
      ...get("/relayed"),
    ],
    live: ["/relayed"],
  },
];
