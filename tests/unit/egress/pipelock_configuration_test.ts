import assert from "node:assert/strict";
import fc from "fast-check";
import { configuration } from "../../../lib/egress/pipelock/configuration.ts";
import { pipelock } from "../../../lib/egress/pipelock/pipelock.ts";
import type { EgressPolicy } from "../../../lib/egress/policy.ts";
import { Failure } from "../../../lib/errors.ts";

const PLACE = { listen: "10.213.0.2", egressSubnet: "10.213.0.16/28" };
const FULL: EgressPolicy = {
  hosts: [
    { host: "*.example.com", private: false, http: false },
    { host: "*.intra.lan", private: true, http: false },
    { host: "a.example.com", private: false, http: false },
    { host: "git.lan", private: true, http: false },
  ],
  ssh: [
    { host: "10.0.0.5", port: 22, private: true },
    { host: "git.example.com", port: 2222, private: false },
    { host: "git.lan", port: 22, private: true },
  ],
};
const NOTHING: EgressPolicy = { hosts: [], ssh: [] };

/** A configuration written out in full. */
function written(name: string): string {
  return Deno.readTextFileSync(new URL(`testdata/${name}`, import.meta.url));
}

function parsed(policy: EgressPolicy): Record<string, unknown> {
  return JSON.parse(configuration(policy, PLACE));
}

Deno.test("configuration() of wildcard, private and ssh entries is as written out", () => {
  assert.equal(configuration(FULL, PLACE), written("full_pipelock.conf"));
});

Deno.test("configuration() of nothing allows a name that never resolves, since an empty list is an error", () => {
  const { api_allowlist, trusted_domains, ssrf } = parsed(NOTHING);
  assert.deepEqual([api_allowlist, trusted_domains, ssrf], [["deny-all.invalid"], [], { ip_allowlist: [] }]);
});

Deno.test("configuration() trusts no address of the sidecar itself, of loopback or of a metadata service", () => {
  const addresses = [
    "0.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    PLACE.listen,
    "10.213.0.17",
  ];
  const granted = [
    "10.0.0.5",
    "10.213.0.32",
    "168.63.129.17",
    "169.255.0.1",
    "223.255.255.255",
    "126.255.255.255",
  ];
  const ssh = [...addresses, ...granted].map((host) => ({ host, port: 22, private: true }));
  assert.deepEqual(parsed({ hosts: [], ssh })["ssrf"], {
    ip_allowlist: granted.map((address) => `${address}/32`).sort(),
  });
});

Deno.test("configuration() lets no name lead to the sidecar or the host, wherever the user has put their ranges", () => {
  const place = { listen: "203.0.113.2", egressSubnet: "203.0.113.16/28" };
  const { internal } = JSON.parse(configuration(FULL, place));
  assert.deepEqual(internal.slice(-2), ["203.0.113.2/32", "203.0.113.16/28"]);
});

Deno.test("configuration() changes nothing but the allowlist when a host is added, so a reload is taken", () => {
  const more = { ...FULL, hosts: [...FULL.hosts, { host: "new.example.org", private: false, http: false }] };
  const { api_allowlist: before, ...rest } = parsed(FULL);
  const { api_allowlist: after, ...others } = parsed(more);
  assert.deepEqual(others, rest);
  assert.deepEqual(new Set(after as string[]), new Set([...before as string[], "new.example.org"]));
});

Deno.test("configuration() is an error wherever it is cut off, never a shorter policy", () => {
  const text = configuration(FULL, PLACE).trimEnd();
  for (let length = 0; length < text.length; length++) {
    assert.throws(() => JSON.parse(text.slice(0, length)), SyntaxError);
  }
});

Deno.test("configuration() refuses a private wildcard of one label, which pipelock does not start with", () => {
  assert.throws(
    () => configuration({ hosts: [{ host: "*.lan", private: true, http: false }], ssh: [] }, PLACE),
    (error: unknown) =>
      error instanceof Failure && error.message === "pipelock cannot let every name below 'lan' be private" &&
      error.hints.some((hint) => hint.includes("--proxy squid")),
  );
  assert.deepEqual(
    parsed({ hosts: [{ host: "*.lan", private: false, http: false }], ssh: [] })["api_allowlist"],
    ["*.lan"],
  );
});

Deno.test("configuration() refuses hosts, ports and addresses that are none", () => {
  for (
    const host of ["", "a b", "A.example", "*", "a*.example", 'a"', "a\n", "1.2.3.4", "[::1]", "a:1", "é.x"]
  ) {
    assert.throws(
      () => configuration({ hosts: [{ host, private: false, http: false }], ssh: [] }, PLACE),
      Failure,
      host,
    );
  }
  for (const host of ["", "*.example.com", "10.1", "010.0.0.1", "10.0.0.1/8"]) {
    assert.throws(
      () => configuration({ hosts: [], ssh: [{ host, port: 22, private: true }] }, PLACE),
      Failure,
      host,
    );
  }
  for (const port of [0, 65536, 22.5, NaN]) {
    assert.throws(
      () => configuration({ hosts: [], ssh: [{ host: "a.example", port, private: false }] }, PLACE),
      Failure,
    );
  }
  for (const listen of ["", "::1", "10.0.0", "10.0.0.1:1"]) {
    assert.throws(() => configuration(FULL, { ...PLACE, listen }), Failure, listen);
  }
});

Deno.test("configuration() quotes whatever a host is, and gains no key from it", () => {
  const keys = Object.keys(parsed(FULL));
  const name = fc.oneof(
    fc.domain(),
    fc.domain().map((domain) => `*.${domain}`),
    fc.string({ unit: "binary" }),
  );
  let accepted = 0;
  fc.assert(
    fc.property(name, fc.boolean(), (host, isPrivate) => {
      try {
        assert.deepEqual(
          Object.keys(parsed({ hosts: [{ host, private: isPrivate, http: false }], ssh: [] })),
          keys,
        );
        accepted++;
      } catch (error) {
        assert.ok(error instanceof Failure);
      }
    }),
  );
  assert.ok(accepted > 0);
});

Deno.test("pipelock.program() takes no inspected host: it would let everything through to it", () => {
  const [rule] = FULL.hosts;
  assert.ok(rule !== undefined);
  const inspection = { rules: [{ method: "GET", path: "/" }], secret: undefined };
  assert.throws(() => pipelock.program({ hosts: [{ ...rule, inspection }], ssh: [] }, PLACE), {
    code: "egress-inspection",
    exit: 2,
  });
  assert.equal(pipelock.program({ hosts: [rule], ssh: [] }, PLACE).open, undefined);
});

Deno.test("pipelock.program() listens on the internal address, as nobody's user, and writes nowhere", () => {
  const program = pipelock.program(FULL, PLACE);
  assert.deepEqual([program.uid, program.gid, program.command, program.tmpfs], [
    65532,
    65532,
    ["run", "--config", "/config/pipelock.yaml", "--listen", "10.213.0.2:8888"],
    [],
  ]);
  assert.deepEqual(program.files.map(({ path, mode }) => `${path} ${mode.toString(8)}`), [
    "pipelock.yaml 644",
  ]);
});

Deno.test("pipelock.limits() names what is not pinned, and which names may resolve to anything", () => {
  assert.deepEqual(pipelock.limits(NOTHING), []);
  const pinned =
    "pipelock pins names, not ports: allowed hosts can be reached on any port, also with plain HTTP and other " +
    "protocols, and TLS that names no host passes";
  assert.deepEqual(
    pipelock.limits({ hosts: [{ host: "a.example", private: false, http: false }], ssh: [] }),
    [pinned],
  );
  const http = [{ host: "a.example", private: false, http: true }];
  assert.deepEqual(pipelock.limits({ hosts: http, ssh: [] }), [
    pinned,
    "a.example: over plain HTTP pipelock ends what comes at 10 MiB without an error, and refuses to send more than " +
    "5; squid does neither",
  ]);
  assert.deepEqual(pipelock.limits(FULL), [
    pinned,
    "*.intra.lan, git.lan: private, so pipelock lets the name resolve to any address, a metadata service's and " +
    "the sidecar's own included",
  ]);
});
