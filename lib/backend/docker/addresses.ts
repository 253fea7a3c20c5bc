import { EXIT, Failure } from "../../errors.ts";

/**
 * Where bottles take their subnets from unless `CLAUDE_BOTTLE_SUBNETS` says otherwise: 4,096 of 16 addresses,
 * outside the engine's own default pools (172.17–172.31 and 192.168).
 */
export const DEFAULT_SUBNETS = "10.213.0.0/16";

/** A bottle's networks hold two containers, or one and the user's joined ones: /28 is the smallest that leaves room. */
const BOTTLE_PREFIX = 28;
const BOTTLE_SIZE = 2 ** (32 - BOTTLE_PREFIX);

/** An IPv4 range; `first` is its lowest address as a number. */
export interface Range {
  readonly first: number;
  readonly prefix: number;
}

/** The subnets of one bottle. */
export interface Subnets {
  readonly internal: Range;
  readonly egress: Range;
}

function size(range: Range): number {
  return 2 ** (32 - range.prefix);
}

/** `a.b.c.d` of an address. */
export function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** `a.b.c.d/n` of a range. */
export function rangeText(range: Range): string {
  return `${addressText(range.first)}/${range.prefix}`;
}

/** The address `index` places into a range. */
export function addressIn(range: Range, index: number): string {
  return addressText(range.first + index);
}

/** A range from `a.b.c.d/n`; `undefined` when it is none or has host bits set. */
export function parseRange(text: string): Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number);
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  return first % 2 ** (32 - prefix) === 0 ? { first, prefix } : undefined;
}

/** The range around an address: `a.b.c.d/n` whatever its host bits, as an engine repeats what it was given. */
export function rangeAround(text: string): Range | undefined {
  const [address = "", prefix = "", ...more] = text.split("/");
  const host = parseRange(`${address}/32`);
  if (host === undefined || more.length > 0 || !/^(\d|[12]\d|3[0-2])$/.test(prefix)) return undefined;
  return { first: host.first - host.first % 2 ** (32 - Number(prefix)), prefix: Number(prefix) };
}

/** The range that subnets are taken from. @throws Failure `subnets-invalid` */
export function subnetPool(setting: string | undefined): Range {
  const pool = parseRange(setting ?? DEFAULT_SUBNETS);
  if (pool === undefined || pool.prefix > BOTTLE_PREFIX - 1 || pool.prefix < 8) {
    throw new Failure(
      "subnets-invalid",
      `CLAUDE_BOTTLE_SUBNETS is not an IPv4 range a bottle fits into: ${setting}`,
      {
        hints: [`Give a range such as ${DEFAULT_SUBNETS}, with a prefix from /8 to /${BOTTLE_PREFIX - 1}`],
        exit: EXIT.usage,
      },
    );
  }
  return pool;
}

/** Whether two ranges share an address. */
export function overlaps(a: Range, b: Range): boolean {
  return a.first < b.first + size(b) && b.first < a.first + size(a);
}

/** Subnets that are drawn at once. */
export interface SubnetsWanted {
  readonly count: number;
  /** How many must be free for it to make sense; what is drawn later counts as well. */
  readonly room: number;
  /** Who takes them and how, for messages: `a bottle takes 2`. */
  readonly why: string;
}

/**
 * Random free subnets of the pool, each as likely as the others. Random, because parallel launches must not all try the
 * same one; the engine has the last word and a launch tries again when it says "overlaps".
 *
 * @throws Failure `subnets-exhausted` when fewer than `room` are free
 */
export function drawSubnets(
  pool: Range,
  { taken, wanted, random }: {
    readonly taken: readonly Range[];
    readonly wanted: SubnetsWanted;
    readonly random: (bytes: number) => Uint8Array;
  },
): readonly Range[] {
  if (freeSubnets(pool, taken).free < wanted.room) throw exhausted(pool, taken, wanted);
  const drawn: Range[] = [];
  while (drawn.length < wanted.count) {
    const spans = takenSpans(pool, [...taken, ...drawn]);
    const [a = 0, b = 0, c = 0, d = 0] = random(4);
    const choice = (((a * 256 + b) * 256 + c) * 256 + d) % (slotsOf(pool) - sizeOf(spans));
    drawn.push({ first: pool.first + freeSlot(spans, choice) * BOTTLE_SIZE, prefix: BOTTLE_PREFIX });
  }
  return drawn;
}

/** The two subnets of a bottle, as {@link drawSubnets} draws them. @throws Failure `subnets-exhausted` */
export function pickSubnets(
  pool: Range,
  taken: readonly Range[],
  random: (bytes: number) => Uint8Array,
): Subnets {
  const wanted = { count: 2, room: 2, why: "a bottle takes 2" };
  const [internal, egress] = drawSubnets(pool, { taken, wanted, random });
  if (internal === undefined || egress === undefined) throw exhausted(pool, taken, wanted);
  return { internal, egress };
}

function exhausted(pool: Range, taken: readonly Range[], { room, why }: SubnetsWanted): Failure {
  const { all } = freeSubnets(pool, taken);
  const other = "Name a larger range that nothing else uses, e.g. CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16";
  return new Failure("subnets-exhausted", `${freeText(pool, taken)}; ${why}`, {
    hints: all < room ? [other] : [
      "`claude-bottle cleanup` removes what bottles left that are over; `docker network ls` and this machine's routes show what else takes them",
      other,
    ],
    exit: EXIT.beforeAgent,
  });
}

/** How much of the pool is free, in words. */
export function freeText(pool: Range, taken: readonly Range[]): string {
  const { free, all } = freeSubnets(pool, taken);
  return `${free} of ${all} subnets of ${rangeText(pool)} are free`;
}

/** How many subnets of a bottle's size the pool has, and how many of them share no address with a taken range. */
export function freeSubnets(
  pool: Range,
  taken: readonly Range[],
): { readonly all: number; readonly free: number } {
  const all = slotsOf(pool);
  return { all, free: all - sizeOf(takenSpans(pool, taken)) };
}

/** Subnets of a pool that follow each other, counted from its first: `from` and up to `to`, without it. */
interface Span {
  readonly from: number;
  readonly to: number;
}

function slotsOf(pool: Range): number {
  return size(pool) / BOTTLE_SIZE;
}

function sizeOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** The subnets of the pool that share an address with a taken range: in order, none of them twice. */
function takenSpans(pool: Range, taken: readonly Range[]): readonly Span[] {
  const place = (address: number): number => Math.floor((address - pool.first) / BOTTLE_SIZE);
  const spans = taken.filter((range) => overlaps(pool, range)).map((range) => ({
    from: Math.max(0, place(range.first)),
    to: Math.min(slotsOf(pool), place(range.first + size(range) - 1) + 1),
  })).sort((one, other) => one.from - other.from);
  let end = 0;
  return spans.flatMap(({ from, to }) => {
    const rest = { from: Math.max(from, end), to };
    end = Math.max(end, to);
    return rest.from < to ? [rest] : [];
  });
}

/** The place in the pool of the free subnet that has `choice` free ones before it. */
function freeSlot(spans: readonly Span[], choice: number): number {
  return spans.reduce((slot, { from, to }) => from <= slot ? slot + to - from : slot, choice);
}

/**
 * The destinations of `/proc/net/route`, so that no bottle shadows a network of the host. The default route
 * (prefix 0) covers everything and so says nothing.
 */
export function routesOf(procNetRoute: string): readonly Range[] {
  const routes: Range[] = [];
  for (const line of procNetRoute.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const destination = littleEndian(fields[1]);
    const mask = littleEndian(fields[7]);
    if (destination === undefined || mask === undefined || mask === 0) continue;
    const prefix = 32 - Math.log2(2 ** 32 - mask);
    if (Number.isInteger(prefix)) routes.push({ first: destination, prefix });
  }
  return routes;
}

function littleEndian(hex: string | undefined): number | undefined {
  if (hex === undefined || !/^[0-9A-F]{8}$/.test(hex)) return undefined;
  return (hex.match(/../g) ?? []).reduce((sum, byte, index) => sum + parseInt(byte, 16) * 256 ** index, 0);
}
