import assert from "node:assert/strict";
import { tarOf } from "../../../lib/backend/docker/tar.ts";

function text(bytes: Uint8Array, [from, length]: readonly [number, number]): string {
  return new TextDecoder().decode(bytes.subarray(from, from + length));
}

const FILE = { path: "home/node/a.txt", mode: 0o600, uid: 47291, gid: 13, text: "hé\n" };

Deno.test("tarOf() writes one ustar header, the content and two empty blocks", () => {
  const tar = tarOf([FILE]);
  assert.equal(tar.length, 512 + 512 + 1024);
  assert.equal(text(tar, [0, 100]), "home/node/a.txt" + "\0".repeat(85));
  assert.equal(text(tar, [100, 8]), "0000600\0");
  assert.equal(text(tar, [108, 8]), "0134273\0");
  assert.equal(text(tar, [116, 8]), "0000015\0");
  assert.equal(text(tar, [124, 12]), "00000000004\0");
  assert.equal(text(tar, [136, 12]), "00000000000\0");
  assert.equal(text(tar, [156, 1]), "0");
  assert.equal(text(tar, [157, 100]), "\0".repeat(100));
  assert.equal(text(tar, [257, 8]), "ustar\x0000");
  assert.equal(text(tar, [265, 247]), "\0".repeat(247));
  assert.deepEqual(tar.subarray(512, 517), Uint8Array.of(0x68, 0xc3, 0xa9, 0x0a, 0));
  assert.deepEqual(tar.subarray(517), new Uint8Array(507 + 1024));
});

Deno.test("tarOf() sums the header's bytes, its own field as spaces", () => {
  // By hand: letters of the path, digits (48 and their value) of five octal fields, the type, the magic, and
  // eight spaces.
  const path = [..."home/node/a.txt"].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  const digits = 7 * 48 * 3 + 11 * 48 * 2 + 6 + (1 + 3 + 4 + 2 + 7 + 3) + (1 + 5) + 4;
  const magic = [..."ustar00"].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  const sum = path + digits + 48 + magic + 8 * 32;
  assert.equal(text(tarOf([FILE]), [148, 8]), `${sum.toString(8).padStart(6, "0")}\0 `);
  assert.equal(sum, 0o10617);
});

Deno.test("tarOf() pads nothing behind a full block and keeps files in order", () => {
  const file = { path: "a", mode: 0o644, uid: 0, gid: 0 };
  const tar = tarOf([{ ...file, text: "x".repeat(512) }, { ...file, path: "b", text: "" }]);
  assert.equal(tar.length, 512 + 512 + 512 + 1024);
  assert.equal(text(tar, [1024, 1]), "b");
  assert.equal(tarOf([]).length, 1024);
});

Deno.test("tarOf() gives equal bytes for equal files", () => {
  assert.deepEqual(tarOf([FILE]), tarOf([FILE]));
});

Deno.test("tarOf() refuses what its fields cannot hold instead of writing another file", () => {
  assert.throws(() => tarOf([{ ...FILE, path: "x".repeat(101) }]), RangeError);
  assert.throws(() => tarOf([{ ...FILE, path: "é".repeat(51) }]), RangeError);
  assert.equal(text(tarOf([{ ...FILE, path: "x".repeat(100) }]), [0, 101]), "x".repeat(100) + "0");
  assert.throws(() => tarOf([{ ...FILE, uid: 0o10000000 }]), RangeError);
  assert.equal(text(tarOf([{ ...FILE, uid: 0o7777777 }]), [108, 8]), "7777777\0");
});
