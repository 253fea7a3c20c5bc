import assert from "node:assert/strict";
import { bytesText, exactBytesText } from "../../../lib/ui/amount.ts";

Deno.test("bytesText() uses the largest unit that leaves a whole part", () => {
  const rows = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1234, "1.2 kB"],
    [999_949, "999.9 kB"],
    [999_950, "1.0 MB"],
    [3_008_664, "3.0 MB"],
    [290_308_282, "290.3 MB"],
    [5_000_000_000, "5.0 GB"],
    [7.5e12, "7.5 TB"],
    [7.5e15, "7500.0 TB"],
  ] as const;
  for (const [bytes, text] of rows) assert.equal(bytesText(bytes), text);
});

Deno.test("exactBytesText() rounds nothing", () => {
  const rows = [
    [1, "1 bytes"],
    [1024, "1 KiB"],
    [64 * 1024 ** 2, "64 MiB"],
    [1500 * 1024 ** 2, "1500 MiB"],
    [4 * 1024 ** 3, "4 GiB"],
    [4 * 1024 ** 3 + 1, "4294967297 bytes"],
  ] as const;
  for (const [bytes, text] of rows) assert.equal(exactBytesText(bytes), text);
});
