import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addressIn,
  addressText,
  drawSubnets,
  freeSubnets,
  overlaps,
  parseRange,
  pickSubnets,
  type Range,
  rangeAround,
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

Deno.test("pickSubnets() draws two different /28s of the pool, of the free ones only", () => {
  // The first two draws are 0x00010203 and 0x04050607: places 0x203 of 4,096 and 0x40506070 % 4,095 of the rest.
  const { internal, egress } = pickSubnets(range("10.213.0.0/16"), [], countingBytes());
  assert.equal(rangeText(internal), "10.213.32.48/28");
  assert.equal(rangeText(egress), "10.213.101.192/28");
});

Deno.test("pickSubnets() counts over what is taken and over its own first draw", () => {
  const draws = [0, 0];
  const random = (): Uint8Array => Uint8Array.of(0, 0, 0, draws.shift() ?? 3);
  const { internal, egress } = pickSubnets(range("10.0.0.0/24"), [range("10.0.0.16/28")], random);
  assert.equal(rangeText(internal), "10.0.0.0/28");
  assert.equal(rangeText(egress), "10.0.0.32/28");
});

Deno.test("pickSubnets() takes the last two of a million, whatever is drawn", () => {
  const pool = range("10.0.0.0/8");
  const free = [range("10.77.12.48/28"), range("10.200.255.240/28")];
  // Everything but the two: what is below, between and above them, in pieces that overlap.
  const between = (from: number, to: number): Range[] =>
    Array.from({ length: 65 }, (_, index) => 2 ** (32 - index % 33)).flatMap((size, index) => {
      const prefix = index % 33;
      const first = Math.ceil(from / size) * size;
      return first + size <= to
        ? [{ first, prefix }, { first: Math.floor(to / size - 1) * size, prefix }]
        : [];
    });
  const covered = (from: number, to: number): Range[] => {
    if (from >= to) return [];
    const [largest] = between(from, to).sort((one, other) => one.prefix - other.prefix);
    if (largest === undefined) return [];
    const end = largest.first + 2 ** (32 - largest.prefix);
    return [...covered(from, largest.first), largest, ...covered(end, to)];
  };
  const [one, two] = free.map(({ first }) => first);
  assert.ok(one !== undefined && two !== undefined);
  const taken = [
    ...covered(pool.first, one),
    ...covered(one + 16, two),
    ...covered(two + 16, pool.first + 2 ** 24),
    range("10.77.0.0/21"),
  ];
  assert.deepEqual(freeSubnets(pool, taken), { all: 2 ** 20, free: 2 });
  fc.assert(fc.property(fc.infiniteStream(fc.nat({ max: 255 })), (stream) => {
    const random = (bytes: number): Uint8Array =>
      Uint8Array.from({ length: bytes }, () => stream.next().value);
    const { internal, egress } = pickSubnets(pool, taken, random);
    assert.deepEqual(new Set([internal, egress].map(rangeText)), new Set(free.map(rangeText)));
  }));
});

Deno.test("pickSubnets() draws each pair of a small pool about as often as the others", () => {
  const counts = new Map<string, number>();
  let state = 1;
  const random = (bytes: number): Uint8Array =>
    Uint8Array.from({ length: bytes }, () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return state >>> 24;
    });
  for (let index = 0; index < 6_000; index++) {
    const { internal, egress } = pickSubnets(range("10.0.0.0/26"), [range("10.0.0.16/30")], random);
    const pair = `${rangeText(internal)} ${rangeText(egress)}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  for (const [pair, count] of counts) assert.ok(count > 850 && count < 1_150, `${pair}: ${count} of 1,000`);
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

/** What a draw that must fail says. */
function refusal(draw: () => unknown): Failure {
  try {
    draw();
  } catch (error) {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "subnets-exhausted");
    assert.equal(error.exit, 125);
    return error;
  }
  throw new Error("nothing was refused");
}

const OTHER_RANGE = "Name a larger range that nothing else uses, e.g. CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16";

Deno.test("pickSubnets() fails when fewer than two are free, and says how many and what helps", () => {
  const full = refusal(() =>
    pickSubnets(range("10.0.0.0/16"), [range("10.0.0.0/8")], () => Uint8Array.of(1, 2, 3, 4))
  );
  assert.equal(full.message, "0 of 4096 subnets of 10.0.0.0/16 are free; a bottle takes 2");
  assert.deepEqual(full.hints, [
    "`claude-bottle cleanup` removes what bottles left that are over; `docker network ls` and this machine's routes show what else takes them",
    OTHER_RANGE,
  ]);
  const nearly = refusal(() => pickSubnets(range("10.0.0.0/27"), [range("10.0.0.8/30")], countingBytes()));
  assert.equal(nearly.message, "1 of 2 subnets of 10.0.0.0/27 are free; a bottle takes 2");
  const { internal, egress } = pickSubnets(range("10.0.0.0/27"), [], countingBytes());
  assert.deepEqual([internal, egress].map(rangeText).sort(), ["10.0.0.0/28", "10.0.0.16/28"]);
});

Deno.test("drawSubnets() leaves room for what is drawn later, and says when the range is too small for it", () => {
  const wanted = { count: 1, room: 3, why: "the probe and its bottle take 3" };
  const random = countingBytes();
  const small = refusal(() => drawSubnets(range("10.0.0.0/27"), { taken: [], wanted, random }));
  assert.equal(small.message, "2 of 2 subnets of 10.0.0.0/27 are free; the probe and its bottle take 3");
  assert.deepEqual(small.hints, [OTHER_RANGE]);
  assert.equal(drawSubnets(range("10.0.0.0/26"), { taken: [], wanted, random }).length, 1);
});

Deno.test("rangeAround() reads what an engine repeats, host bits and all", () => {
  assert.deepEqual(rangeAround("10.199.7.5/28"), range("10.199.7.0/28"));
  assert.deepEqual(rangeAround("172.17.0.0/16"), range("172.17.0.0/16"));
  for (
    const text of ["", "fd00::/8", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.256/8", "10.0.0.0/8/8"]
  ) {
    assert.equal(rangeAround(text), undefined, text);
  }
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
