import assert from "node:assert/strict";
import { posix } from "node:path";
import fc from "fast-check";
import { basename, dirname, isAbsolute, join, relative, resolve } from "../../../lib/host/paths.ts";

const path = fc.array(fc.constantFrom("a", "b.c", "..", ".", "", "/", "é ", "\\"), { maxLength: 7 })
  .map((parts) => parts.join("/"));
const absolute = path.map((path) => `/${path}`);
const RUNS = { numRuns: 2000 };

Deno.test("paths are joined, taken apart and compared as node:path does it", () => {
  fc.assert(
    fc.property(fc.array(path, { maxLength: 3 }), path, (parts, one) => {
      assert.equal(join(...parts), posix.join(...parts));
      // It leaves one of two slashes in the middle standing.
      assert.equal(dirname(one), posix.dirname(one).replace(/(.)\/+$/, "$1"));
      assert.equal(basename(one), posix.basename(one));
      assert.equal(isAbsolute(one), posix.isAbsolute(one));
    }),
    RUNS,
  );
  fc.assert(
    fc.property(absolute, fc.array(path, { maxLength: 3 }), absolute, (from, parts, to) => {
      assert.equal(resolve(from, ...parts), posix.resolve(from, ...parts));
      assert.equal(relative(from, to), posix.relative(from, to));
    }),
    RUNS,
  );
});

Deno.test("a path that begins nowhere is not resolved: it would depend on where the program was started", () => {
  assert.throws(() => resolve("a", "/b"), RangeError);
  assert.throws(() => relative("/a", "b"), RangeError);
});
