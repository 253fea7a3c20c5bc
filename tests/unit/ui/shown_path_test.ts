import assert from "node:assert/strict";
import { shortPaths, shownPath } from "../../../lib/ui/shown_path.ts";

Deno.test("shownPath() is what a person would write where they are", () => {
  const rows = [
    ["/home/me/repo/a.yaml", "/home/me/repo", "a.yaml"],
    ["/home/me/repo/sub/a.yaml", "/home/me/repo", "sub/a.yaml"],
    ["/home/me/repo/a.yaml", "/home/me/repo/sub", "~/repo/a.yaml"],
    ["/home/me/.config/a.yaml", "/srv", "~/.config/a.yaml"],
    ["/home/me2/a.yaml", "/srv", "/home/me2/a.yaml"],
    ["/a.yaml", "/", "/a.yaml"],
    ["built-in", "/srv", "built-in"],
  ] as const;
  for (const [path, cwd, expected] of rows) {
    assert.equal(shownPath(path, { cwd, home: "/home/me" }), expected);
  }
  for (const home of [undefined, "", "/", "relative"]) {
    assert.equal(shownPath("/home/me/a.yaml", { cwd: "/srv", home }), "/home/me/a.yaml");
  }
});

Deno.test("shortPaths() keeps as much of each path as tells it from the others", () => {
  const rows = [
    [["/x/y/a.yaml"], ["a.yaml"]],
    [["~/x/a.yaml", "~/y/b.yaml", "~/x/a.yaml"], ["a.yaml", "b.yaml"]],
    [["~/x/a.yaml", "~/y/a.yaml"], ["x/a.yaml", "y/a.yaml"]],
    [["~/x/a.yaml", "a.yaml"], ["x/a.yaml", "a.yaml"]],
    [["/a", "a"], ["/a", "a"]],
    [[], []],
  ] as const;
  for (const [paths, expected] of rows) {
    const short = shortPaths(paths);
    assert.deepEqual([...short.keys()], [...new Set(paths)]);
    assert.deepEqual([...short.values()], expected);
  }
});
