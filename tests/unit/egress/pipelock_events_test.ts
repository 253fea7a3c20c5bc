import assert from "node:assert/strict";
import fc from "fast-check";
import { eventWords } from "../../support/event_words.ts";
import { readEvent } from "../../../lib/egress/pipelock/events.ts";

/** Lines of a real sidecar (pipelock 2.3.0), and what they say; `undefined` for nothing. */
const REAL: readonly (readonly [string, string, string | undefined])[] = [
  [
    "its start",
    '{"level":"info","component":"pipelock","event":"startup","listen":"10.213.251.2:8888","mode":"strict","version":"2.3.0","config_hash":"2c0d625113edcae61612c8a9783074ffa46216ff9119c995e3a3d54c70a75a65","time":"2026-11-24T10:21:55Z","message":"pipelock started"}',
    undefined,
  ],
  [
    "a tunnel",
    '{"level":"info","component":"pipelock","event":"tunnel_open","target":"api.test:443","client_ip":"10.213.251.3","request_id":"req-1","agent":"bottle","time":"2026-11-24T10:22:29Z","message":"tunnel opened"}',
    "allowed api.test:443  req-1",
  ],
  [
    "the end of the same tunnel",
    '{"level":"info","component":"pipelock","event":"tunnel_close","target":"api.test:443","client_ip":"10.213.251.3","request_id":"req-1","agent":"bottle","total_bytes":3519,"duration_ms":12.151939,"time":"2026-11-24T10:22:29Z","message":"tunnel closed"}',
    "closed api.test:443  req-1 3519 bytes",
  ],
  [
    "a name in other letters",
    '{"level":"info","component":"pipelock","event":"tunnel_open","target":"API.TEST:443","client_ip":"10.213.251.3","request_id":"req-16","agent":"bottle","time":"2026-11-24T10:22:29Z","message":"tunnel opened"}',
    "allowed api.test:443  req-16",
  ],
  [
    "a name with a dot behind it",
    '{"level":"info","component":"pipelock","event":"tunnel_open","target":"api.test.:443","client_ip":"10.213.251.3","request_id":"req-15","agent":"bottle","time":"2026-11-24T10:22:29Z","message":"tunnel opened"}',
    "allowed api.test:443  req-15",
  ],
  [
    "plain HTTP",
    '{"level":"info","component":"pipelock","event":"forward_http","method":"GET","url":"http://api.test:8080/p","client_ip":"10.213.251.3","request_id":"req-13","agent":"bottle","status_code":200,"size_bytes":105,"duration_ms":2.332615,"time":"2026-11-24T10:22:29Z","message":"forward proxy request"}',
    "allowed api.test:8080  105 bytes",
  ],
  [
    "plain HTTP on its own port",
    '{"level":"info","component":"pipelock","event":"forward_http","method":"GET","url":"http://api.test/","client_ip":"10.213.251.3","request_id":"req-219","agent":"bottle","status_code":200,"size_bytes":71,"duration_ms":2.654269,"time":"2026-11-24T10:30:34Z","message":"forward proxy request"}',
    "allowed api.test:80  71 bytes",
  ],
  [
    "the proxy's own /fetch",
    '{"level":"info","component":"pipelock","agent":"bottle","event":"allowed","method":"GET","url":"http://api.test:8080/f","client_ip":"10.213.251.3","request_id":"req-43","status_code":200,"size_bytes":86,"duration_ms":3.320703,"agent":"bottle","time":"2026-11-24T10:25:40Z","message":"request allowed"}',
    "allowed api.test:8080  86 bytes",
  ],
  [
    "its /fetch of an unlisted host",
    '{"level":"warn","component":"pipelock","agent":"bottle","event":"blocked","method":"GET","url":"https://other.test/","client_ip":"10.213.251.3","request_id":"req-42","scanner":"allowlist","reason":"domain not in allowlist: other.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:25:40Z","message":"request blocked"}',
    "refused other.test:443 not an allowed host",
  ],
  [
    "an unlisted host",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"other.test:443","client_ip":"10.213.251.3","request_id":"req-4","scanner":"allowlist","reason":"domain not in allowlist: other.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:22:29Z","message":"request blocked"}',
    "refused other.test:443 not an allowed host",
  ],
  [
    "an unlisted name outside ASCII",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"café.test:443","client_ip":"10.213.251.3","request_id":"req-214","scanner":"allowlist","reason":"domain not in allowlist: café.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:30:30Z","message":"request blocked"}',
    "refused caf?.test:443 not an allowed host",
  ],
  [
    "an unlisted host over plain HTTP",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://user:pw@other.test/","client_ip":"10.213.251.3","request_id":"req-217","scanner":"allowlist","reason":"domain not in allowlist: other.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:30:33Z","message":"request blocked"}',
    "refused other.test:80 not an allowed host",
  ],
  [
    "an IPv6 literal with a zone that ends like an allowed name",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"[::1%.wild.test]:9091","client_ip":"10.213.251.3","request_id":"req-24","scanner":"parser","reason":"invalid URL","agent":"bottle","mitre_technique":"T1190","time":"2026-11-24T10:22:41Z","message":"request blocked"}',
    "refused [::1%.wild.test]:9091 refused by the sidecar: parser",
  ],
  [
    "a private address",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"priv.test:443","client_ip":"10.213.251.3","request_id":"req-5","scanner":"ssrf","reason":"SSRF blocked: priv.test resolves to internal IP 10.213.251.36","agent":"bottle","mitre_technique":"T1046","time":"2026-11-24T10:25:13Z","message":"request blocked"}',
    "refused priv.test:443 resolves to a private address",
  ],
  [
    "a name that does not resolve",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"missing.test:443","client_ip":"10.213.251.3","request_id":"req-6","scanner":"ssrf","reason":"SSRF check failed: DNS resolution error for missing.test: lookup missing.test on 127.0.0.11:53: no such host","agent":"bottle","mitre_technique":"T1046","time":"2026-11-24T10:22:29Z","message":"request blocked"}',
    "refused missing.test:443 name does not resolve",
  ],
  [
    "where an unlisted redirect led",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://other.test:8080/","client_ip":"10.213.251.3","request_id":"req-29","scanner":"allowlist","reason":"redirect from http://api.test:8080/redir?to=http%3A%2F%2Fother.test%3A8080%2F blocked: domain not in allowlist: other.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:22:51Z","message":"request blocked"}',
    "refused other.test:8080 not an allowed host",
  ],
  [
    "who redirected there",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://api.test:8080/redir?to=http%3A%2F%2Fother.test%3A8080%2F","client_ip":"10.213.251.3","request_id":"req-29","scanner":"allowlist","reason":"redirect blocked: domain not in allowlist: other.test","agent":"bottle","mitre_technique":"T1071.001","time":"2026-11-24T10:22:51Z","message":"request blocked"}',
    "refused api.test:8080 its answer leads to a host that is not allowed",
  ],
  [
    "the redirect itself",
    '{"level":"info","component":"pipelock","event":"redirect","original_url":"http://api.test:8080/redir?to=http%3A%2F%2Fother.test%3A8080%2F","redirect_url":"http://other.test:8080/","client_ip":"10.213.251.3","request_id":"req-29","agent":"bottle","hop":1,"time":"2026-11-24T10:22:51Z","message":"redirect followed"}',
    undefined,
  ],
  [
    "TLS for another host",
    '{"level":"warn","component":"pipelock","event":"sni_mismatch","connect_host":"api.test","sni_host":"other.test","client_ip":"10.213.251.3","request_id":"req-18","agent":"bottle","category":"mismatch","mitre_technique":"T1090.004","time":"2026-11-24T10:22:29Z","message":"SNI verification failed"}',
    "refused api.test:0 TLS that names another host: other.test",
  ],
  [
    "a client that says nothing first",
    '{"level":"warn","component":"pipelock","event":"sni_mismatch","connect_host":"api.test","sni_host":"","client_ip":"10.213.251.3","request_id":"req-21","agent":"bottle","category":"timeout","mitre_technique":"T1090.004","time":"2026-11-24T10:22:36Z","message":"SNI verification failed"}',
    "refused api.test:0 nothing was sent in the first seconds",
  ],
  [
    "malformed TLS",
    '{"level":"warn","component":"pipelock","event":"sni_mismatch","connect_host":"api.test","sni_host":"","client_ip":"10.213.251.3","request_id":"req-226","agent":"bottle","category":"malformed_tls","mitre_technique":"T1090.004","time":"2026-11-24T10:30:38Z","message":"SNI verification failed"}',
    "refused api.test:0 malformed TLS",
  ],
  [
    "a closed port",
    '{"level":"error","component":"pipelock","event":"error","method":"CONNECT","target":"api.test:9","client_ip":"10.213.251.3","request_id":"req-23","agent":"bottle","error":"dial tcp 10.213.251.36:9: connect: connection refused","time":"2026-11-24T10:22:38Z","message":"request error"}',
    "refused api.test:9 could not be reached: connection refused",
  ],
  [
    "an address without a machine",
    '{"level":"error","component":"pipelock","event":"error","method":"CONNECT","target":"10.213.251.40:22","client_ip":"10.213.251.3","request_id":"req-28","agent":"bottle","error":"dial tcp 10.213.251.40:22: connect: no route to host","time":"2026-11-24T10:25:31Z","message":"request error"}',
    "refused 10.213.251.40:22 could not be reached",
  ],
  [
    "a name that resolves no more",
    '{"level":"error","component":"pipelock","event":"error","method":"CONNECT","target":"0x0ad5fb24:22","client_ip":"10.213.251.3","request_id":"req-26","agent":"bottle","error":"ssrfSafeDialContext: DNS lookup \\"0x0ad5fb24\\": lookup 0x0ad5fb24 on 127.0.0.11:53: no such host","time":"2026-11-24T10:22:45Z","message":"request error"}',
    "refused 0x0ad5fb24:22 name does not resolve",
  ],
  [
    "a certificate that the sidecar does not trust",
    '{"level":"error","component":"pipelock","event":"error","method":"GET","url":"https://api.test/","client_ip":"10.213.251.3","request_id":"req-220","agent":"bottle","error":"Get \\"https://api.test/\\": tls: failed to verify certificate: x509: certificate signed by unknown authority","time":"2026-11-24T10:30:35Z","message":"request error"}',
    "refused api.test:443 could not be reached: its certificate is not trusted",
  ],
  [
    "a port that is none",
    '{"level":"error","component":"pipelock","event":"error","method":"CONNECT","target":"api.test:99999","client_ip":"10.213.251.3","request_id":"req-216","agent":"bottle","error":"dial tcp: address 99999: invalid port","time":"2026-11-24T10:30:32Z","message":"request error"}',
    undefined,
  ],
  [
    "a reload that was refused",
    '{"level":"error","component":"pipelock","event":"error","method":"CONFIG_RELOAD","resource":"/config/pipelock.yaml","error":"rejected: security downgrade from strict mode","time":"2026-11-24T10:29:50Z","message":"request error"}',
    undefined,
  ],
  [
    "a reload",
    '{"level":"info","component":"pipelock","event":"config_reload","status":"success","detail":"mode=strict","config_hash":"a56aacbe5efa600f70206d80d24920d8ded6c872e9800d262ff822af1fa94d33","time":"2026-11-24T10:29:52Z","message":"configuration reloaded"}',
    undefined,
  ],
  [
    "a secret in a body",
    '{"level":"warn","component":"pipelock","event":"body_dlp","method":"POST","url":"http://api.test:8080/","action":"block","client_ip":"10.213.251.3","request_id":"req-33","agent":"bottle","match_count":1,"patterns":["AWS Access ID"],"mitre_technique":"T1048","time":"2026-11-24T10:25:39Z","message":"request body DLP scan hit"}',
    "refused api.test:8080 looks like a secret: AWS Access ID",
  ],
  [
    "a secret in a URL",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://api.test:8080/?k=AKIAIOSFODNN7EXAMPLE","client_ip":"10.213.251.3","request_id":"req-34","scanner":"core_dlp","reason":"core DLP match: AWS Access ID (critical)","agent":"bottle","mitre_technique":"T1048","time":"2026-11-24T10:25:39Z","message":"request blocked"}',
    "refused api.test:8080 looks like a secret: AWS Access ID",
  ],
  [
    "a secret in a header of CONNECT",
    '{"level":"warn","component":"pipelock","event":"header_dlp","method":"CONNECT","target":"api.test:443","header":"X-Token","action":"block","client_ip":"10.213.251.3","request_id":"req-37","agent":"bottle","patterns":["AWS Access ID"],"mitre_technique":"T1048","time":"2026-11-24T10:25:40Z","message":"request header DLP scan hit"}',
    "refused api.test:443 looks like a secret: AWS Access ID",
  ],
  [
    "a secret in a name",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"CONNECT","target":"[redacted-url]","client_ip":"10.213.251.3","request_id":"req-222","scanner":"dlp","reason":"DLP match: Anthropic API Key (critical)","agent":"bottle","mitre_technique":"T1048","time":"2026-11-24T10:30:36Z","message":"request blocked"}',
    "refused (name withheld):0 looks like a secret: Anthropic API Key",
  ],
  [
    "random text in a URL",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://api.test:8080/?k=q8Zr3Lw0xVbN7tYpK2mJcF5hGdS9aE1u","client_ip":"10.213.251.3","request_id":"req-39","scanner":"entropy","reason":"high entropy query param \\"k\\" (5.00 > 4.50 threshold)","agent":"bottle","mitre_technique":"T1048","time":"2026-11-24T10:25:40Z","message":"request blocked"}',
    "refused api.test:8080 looks like a secret: random-looking text",
  ],
  [
    "a large upload",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"POST","url":"http://api.test:8080/[redacted]","client_ip":"10.213.251.3","request_id":"req-41","scanner":"body_dlp","reason":"request body exceeds max_body_bytes (5242880)","agent":"bottle","mitre_technique":"T1048","time":"2026-11-24T10:25:40Z","message":"request blocked"}',
    "refused api.test:8080 plain HTTP with more than 5 MB",
  ],
  [
    "a line break in a URL",
    '{"level":"warn","component":"pipelock","event":"blocked","method":"GET","url":"http://other.test/%0d%0aX:1","client_ip":"10.213.251.3","request_id":"req-218","scanner":"crlf_injection","reason":"CRLF injection sequence in URL","agent":"bottle","mitre_technique":"T1190","time":"2026-11-24T10:30:33Z","message":"request blocked"}',
    "refused other.test:80 refused by the sidecar: crlf injection",
  ],
  ["its banner", "pipelock: metrics listening on 127.0.0.1:9091", undefined],
];

for (const [what, line, said] of REAL) {
  Deno.test(`readEvent() of pipelock reads ${what}`, () => {
    const event = readEvent(line);
    assert.equal(event && eventWords(event), said);
  });
}

/** A line as pipelock writes them, with some members replaced. */
function line(members: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    level: "warn",
    component: "pipelock",
    event: "blocked",
    target: "other.test:443",
    scanner: "allowlist",
    reason: "domain not in allowlist: other.test",
    time: "2026-11-24T10:22:29Z",
    ...members,
  });
}

Deno.test("readEvent() of pipelock tells the time in milliseconds", () => {
  assert.equal(readEvent(line({}))?.time, 1795515749000);
});

Deno.test("readEvent() of pipelock tells an address that is never reachable from a private one", () => {
  const reason = (address: string): string | undefined =>
    readEvent(
      line({ scanner: "ssrf", reason: `SSRF blocked: a.test resolves to internal IP ${address}` }),
    )?.reason;
  for (const address of ["127.0.0.1", "169.254.169.254", "168.63.129.16", "0.0.0.0"]) {
    assert.equal(reason(address), "resolves to an address that is never reachable", address);
  }
  for (const address of ["10.0.0.1", "168.63.129.17", "fc00::1"]) {
    assert.equal(reason(address), "resolves to a private address", address);
  }
});

Deno.test("readEvent() of pipelock drops lines without a target, a time or pipelock's mark, and what only warns", () => {
  for (
    const members of [
      { target: undefined },
      { target: "other.test" },
      { target: "other.test:0" },
      { target: ":443" },
      { time: "yesterday" },
      { component: "other" },
      { event: "body_dlp", action: "warn" },
      { event: ["blocked"] },
      { target: 443, url: "/relative" },
    ]
  ) {
    assert.equal(readEvent(line(members)), undefined, JSON.stringify(members));
  }
});

Deno.test("readEvent() of pipelock never quotes what the bottle sent", () => {
  const sent = "hunter2-hunter2";
  for (
    const scanner of ["dlp", "entropy", "subdomain_entropy", "seed_phrase", "length", "new_scanner", sent]
  ) {
    const event = readEvent(line({ scanner, reason: `matched "${sent}" (${sent})` }));
    assert.ok(event !== undefined && !event.reason.includes("hunter2"), scanner);
  }
});

Deno.test("readEvent() of pipelock never throws and lets nothing but printable ASCII through", () => {
  const field = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom(
      "",
      "\u001b]0;x\u0007",
      "a\nb:443",
      "x".repeat(3000),
      "good.test:443",
      "http://good.test/",
    ),
  );
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.string().map((text) => `{"level":${text}`),
    fc.record({
      event: fc.constantFrom("blocked", "tunnel_open", "sni_mismatch", "header_dlp", "error", "__proto__"),
      target: fc.oneof(field, fc.constant("good.test:22")),
      url: field,
      connect_host: fc.oneof(field, fc.constant("")),
      sni_host: field,
      category: fc.constantFrom("mismatch", "timeout", "x"),
      scanner: fc.oneof(field, fc.constantFrom("dlp", "ssrf")),
      reason: field,
      action: fc.constant("block"),
      patterns: fc.array(field),
      error: field,
    }).map(line),
  );
  let events = 0;
  fc.assert(
    fc.property(hostile, (text) => {
      const event = readEvent(text);
      if (event === undefined) return;
      events++;
      for (const shown of [event.host, event.reason]) {
        assert.match(shown, /^[\x20-\x7e]*$/);
        assert.ok(shown.length <= 300);
      }
      assert.ok(Number.isInteger(event.port) && event.port >= 0 && event.port <= 65535);
      assert.ok(Number.isSafeInteger(event.time) && event.time >= 0);
    }),
    { numRuns: 2000 },
  );
  assert.ok(events > 100, `only ${events} lines were events`);
});

Deno.test("readEvent() of pipelock cuts long names off and ignores lines that no request can cause", () => {
  assert.equal(readEvent(line({ target: `${"a".repeat(5000)}.test:443` }))?.host, "a".repeat(255));
  assert.equal(readEvent(line({ target: `${"a".repeat(70_000)}.test:443` })), undefined);
});
