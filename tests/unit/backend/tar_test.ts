import assert from "node:assert/strict";
import { tarHead, tarOf } from "../../../lib/backend/docker/tar.ts";

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

const LINK = { path: "s/l", mode: 0o777, uid: 1, gid: 2, kind: "link", target: "../é" } as const;

Deno.test("tarOf() writes bytes as they are", () => {
  const { text: _, ...owner } = FILE;
  const bytes = Uint8Array.of(0, 255, 0xc3, 0x28, 10);
  const tar = tarOf([{ ...owner, kind: "bytes", bytes }]);
  assert.equal(text(tar, [124, 12]), "00000000005\0");
  assert.equal(text(tar, [156, 1]), "0");
  assert.deepEqual(tar.subarray(512, 518), Uint8Array.of(0, 255, 0xc3, 0x28, 10, 0));
});

Deno.test("tarOf() writes links and directories as one header each, without content", () => {
  const tar = tarOf([{ path: "s", mode: 0o750, uid: 1, gid: 2, kind: "directory" }, LINK]);
  assert.equal(tar.length, 512 + 512 + 1024);
  assert.equal(text(tar, [0, 4]), "s/\0\0");
  assert.equal(text(tar, [100, 8]), "0000750\0");
  assert.equal(text(tar, [124, 12]), "00000000000\0");
  assert.equal(text(tar, [156, 2]), "5\0");
  assert.equal(text(tar, [512, 4]), "s/l\0");
  assert.equal(text(tar, [512 + 100, 8]), "0000777\0");
  assert.equal(text(tar, [512 + 124, 12]), "00000000000\0");
  assert.equal(text(tar, [512 + 156, 1]), "2");
  assert.equal(text(tar, [512 + 157, 7]), "../é\0\0");
});

Deno.test("tarOf() writes a pax header before an entry whose path or target is longer than 100 bytes", () => {
  assert.equal(text(tarOf([{ ...FILE, path: "x".repeat(100) }]), [0, 101]), "x".repeat(100) + "0");

  const long = `${"é".repeat(50)}/`;
  const tar = tarOf([{ ...FILE, path: `${long}a` }]);
  assert.equal(tar.length, 512 + 512 + 512 + 512 + 1024);
  assert.equal(text(tar, [0, 12]), "pax_header\0\0");
  assert.equal(text(tar, [156, 1]), "x");
  // "112 path=" and the line feed are 10 bytes, the path 102.
  assert.equal(text(tar, [124, 12]), "00000000160\0");
  assert.equal(text(tar, [512, 113]), `112 path=${long}a\n\0`);
  assert.equal(text(tar, [1024, 100]), "é".repeat(50));
  assert.equal(text(tar, [1024 + 156, 1]), "0");
  assert.equal(text(tar, [1536, 4]), "hé\n");

  const link = tarOf([{ ...LINK, target: "t".repeat(101) }]);
  assert.equal(text(link, [512, 117]), `115 linkpath=${"t".repeat(101)}\n\0\0`);
  assert.equal(text(link, [1024 + 156, 102]), "2" + "t".repeat(100) + "u");
});

Deno.test("tarOf() counts the digits of a pax record's length among it", () => {
  // 7 + 991 bytes are 998 without the digits: three of them make it 1001, which has four.
  for (const [size, length] of [[988, 998], [989, 999], [990, 1001], [991, 1002]] as const) {
    const tar = tarOf([{ ...FILE, path: "x".repeat(size) }]);
    const record = `${length} path=${"x".repeat(size)}\n`;
    assert.equal(record.length, length);
    assert.equal(text(tar, [512, length + 1]), `${record}\0`);
  }
});

Deno.test("tarOf() refuses what its fields cannot hold instead of writing another file", () => {
  assert.throws(() => tarOf([{ ...FILE, path: "x".repeat(4096) }]), RangeError);
  assert.throws(() => tarOf([{ ...FILE, path: "é".repeat(2048) }]), RangeError);
  for (const path of ["", "/a", "a//b", "a/", ".", "a/./b", "..", "a/../b", "a\0b"]) {
    assert.throws(() => tarOf([{ ...FILE, path }]), RangeError, JSON.stringify(path));
  }
  for (const target of ["", "a\0b", "x".repeat(4096)]) {
    assert.throws(() => tarOf([{ ...LINK, target }]), RangeError, JSON.stringify(target));
  }
  assert.throws(() => tarOf([{ ...FILE, uid: 0o10000000 }]), RangeError);
  assert.equal(text(tarOf([{ ...FILE, uid: 0o7777777 }]), [108, 8]), "7777777\0");
});

Deno.test("tarHead() writes sizes of 8 GiB and more as GNU tar does, and times that no field holds as the nearest", () => {
  const head = (size: number, modified: number): Uint8Array =>
    tarHead({ path: Uint8Array.of(0xe9), mode: 0o644, uid: 1, gid: 1, type: "0", size, modified });
  const field = (bytes: Uint8Array, from: number): string =>
    new TextDecoder().decode(bytes.subarray(from, from + 11));
  assert.equal(field(head(8 ** 11 - 1, 5), 124), "77777777777");
  assert.deepEqual([...head(8 ** 11, 5).subarray(124, 136)], [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
  assert.equal(field(head(0, -5), 136), "00000000000");
  assert.equal(head(0, 0)[0], 0xe9);
});
