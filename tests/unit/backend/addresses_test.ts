import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addressIn,
  addressText,
  overlaps,
  parseRange,
  pickSubnets,
  type Range,
  rangeText,
  routesOf,
  subnetPool,
} from "../../../lib/backend/docker/addresses.ts";
import { Failure } from "../../../lib/errors.ts";
import { countingBytes } from "../../support/fake_host.ts";

function range(text: string): Range {
  const parsed = parseRange(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

Deno.test("parseRange() reads a range and refuses what is none or has host bits", () => {
  assert.deepEqual(parseRange("10.213.0.0/16"), { first: 181_731_328, prefix: 16 });
  assert.deepEqual(parseRange("255.255.255.255/32"), { first: 4_294_967_295, prefix: 32 });
  assert.deepEqual(parseRange("0.0.0.0/0"), { first: 0, prefix: 0 });
  const wrong = [
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.256/32",
    "10.0.0.1/24",
    "10.0.0/8",
    "fd00::/8",
    " 10.0.0.0/8",
  ];
  for (const text of wrong) assert.equal(parseRange(text), undefined, text);
});

Deno.test("addressText(), rangeText() and addressIn() write addresses above 2^31 as well", () => {
  assert.equal(addressText(4_294_967_295), "255.255.255.255");
  assert.equal(addressText(0x0ad50003), "10.213.0.3");
  assert.equal(rangeText(range("192.168.7.16/28")), "192.168.7.16/28");
  assert.equal(addressIn(range("192.168.7.16/28"), 3), "192.168.7.19");
});

Deno.test("overlaps() is true for any shared address, in either order, and false for neighbours", () => {
  assert.equal(overlaps(range("10.0.0.0/28"), range("10.0.0.16/28")), false);
  assert.equal(overlaps(range("10.0.0.0/28"), range("10.0.0.0/28")), true);
  assert.equal(overlaps(range("10.0.0.0/8"), range("10.200.0.16/28")), true);
  assert.equal(overlaps(range("10.200.0.16/28"), range("10.0.0.0/8")), true);
  assert.equal(overlaps(range("200.0.0.0/8"), range("72.0.0.0/8")), false);
});

Deno.test("subnetPool() has a default and takes prefixes from /8 to /27", () => {
  assert.equal(rangeText(subnetPool(undefined)), "10.213.0.0/16");
  assert.equal(rangeText(subnetPool("10.0.0.0/8")), "10.0.0.0/8");
  assert.equal(rangeText(subnetPool("10.0.0.32/27")), "10.0.0.32/27");
});

Deno.test("subnetPool() refuses anything else as a usage error that says what to give", () => {
  for (const setting of ["10.0.0.0/28", "0.0.0.0/7", "10.0.0.1/16", "10.0.0.0", ""]) {
    assert.throws(() => subnetPool(setting), (error: unknown) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, "subnets-invalid");
      assert.equal(error.exit, 2);
      assert.equal(
        error.message,
        `CLAUDE_BOTTLE_SUBNETS is not an IPv4 range a bottle fits into: ${setting}`,
      );
      assert.deepEqual(error.hints, ["Give a range such as 10.213.0.0/16, with a prefix from /8 to /27"]);
      return true;
    });
  }
});

Deno.test("pickSubnets() draws two different /28s of the pool", () => {
  // The first two draws are 0x00010203 and 0x04050607: slots 0x203 and 0x607 of 4,096.
  const { internal, egress } = pickSubnets(range("10.213.0.0/16"), [], countingBytes());
  assert.equal(rangeText(internal), "10.213.32.48/28");
  assert.equal(rangeText(egress), "10.213.96.112/28");
});

Deno.test("pickSubnets() passes over what is taken and over its own first draw", () => {
  const draws = [0, 0, 1, 2];
  const random = (): Uint8Array => Uint8Array.of(0, 0, 0, draws.shift() ?? 3);
  const { internal, egress } = pickSubnets(range("10.0.0.0/24"), [range("10.0.0.16/28")], random);
  assert.equal(rangeText(internal), "10.0.0.0/28");
  assert.equal(rangeText(egress), "10.0.0.32/28");
});

Deno.test("pickSubnets() never gives what overlaps with a taken range, whatever is drawn", () => {
  const pool = range("10.0.0.0/22");
  const taken = fc.array(
    fc.record({ slot: fc.nat({ max: 63 }), prefix: fc.constantFrom(24, 26, 28, 30, 32) }),
    { maxLength: 12 },
  );
  const draws = fc.infiniteStream(fc.nat({ max: 255 }));
  fc.assert(fc.property(taken, draws, (slots, stream) => {
    const ranges = slots.map(({ slot, prefix }) => {
      const size = 2 ** (32 - prefix);
      const address = pool.first + slot * 16;
      return { first: address - address % size, prefix };
    });
    const random = (bytes: number): Uint8Array =>
      Uint8Array.from({ length: bytes }, () => stream.next().value);
    let picked;
    try {
      picked = pickSubnets(pool, ranges, random);
    } catch (error) {
      assert.ok(error instanceof Failure && error.code === "subnets-exhausted");
      return;
    }
    const { internal, egress } = picked;
    assert.equal(overlaps(internal, egress), false);
    for (const subnet of [internal, egress]) {
      assert.equal(subnet.prefix, 28);
      assert.equal(subnet.first % 16, 0);
      assert.equal(overlaps(subnet, pool), true);
      for (const other of ranges) assert.equal(overlaps(subnet, other), false);
    }
  }));
});

Deno.test("pickSubnets() fails when 64 draws meet nothing free, and says what helps", () => {
  let draws = 0;
  const random = (): Uint8Array => {
    draws++;
    return Uint8Array.of(1, 2, 3, 4);
  };
  assert.throws(() => pickSubnets(range("10.0.0.0/16"), [range("10.0.0.0/8")], random), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "subnets-exhausted");
    assert.equal(error.message, "No free subnet was found in 10.0.0.0/16");
    assert.deepEqual(error.hints, [
      "Name another range with CLAUDE_BOTTLE_SUBNETS, e.g. CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16",
    ]);
    return true;
  });
  assert.equal(draws, 64);
});

const PROC_NET_ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0000D50A\t00000000\t0001\t0\t0\t50\t00C0FFFF\t0\t0\t0
tun0\t0501A8C0\t00000000\t0005\t0\t0\t50\tFFFFFFFF\t0\t0\t0
`;

Deno.test("routesOf() reads /proc/net/route and leaves the default route out", () => {
  assert.deepEqual(routesOf(PROC_NET_ROUTE).map(rangeText), [
    "192.168.1.0/24",
    "172.17.0.0/16",
    "10.213.0.0/18",
    "192.168.1.5/32",
  ]);
});

Deno.test("routesOf() finds nothing in what is no routing table", () => {
  assert.deepEqual(routesOf(""), []);
  assert.deepEqual(routesOf("Destination Gateway\ndefault 10.0.0.1\n"), []);
});
