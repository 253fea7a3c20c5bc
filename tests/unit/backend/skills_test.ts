import assert from "node:assert/strict";
import {
  provisionSkills,
  readSkills,
  type Skill,
  skillNotices,
} from "../../../lib/backend/docker/provision/skills.ts";
import { Failure } from "../../../lib/errors.ts";
import type { Files } from "../../../lib/host/files.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";

const HOME = "/home/me";
const SKILLS = "/home/me/.claude/skills";
type Content = Readonly<Record<string, string | MemoryFile>>;

function read(content: Content, names: readonly string[] = ["one"]): Promise<readonly Skill[]> {
  return readSkills(names, { files: memoryFiles(content), environment: environmentOf({ HOME }) });
}

/** `code: message` of what reading one skill fails with. */
async function refusal(content: Content, names?: readonly string[]): Promise<string> {
  try {
    await read(content, names);
  } catch (error) {
    assert.ok(error instanceof Failure);
    return `${error.code}: ${error.message}`;
  }
  return "read";
}

Deno.test("readSkills() keeps files, modes, folders and inside links, and lists folders first", async () => {
  const bytes = Uint8Array.of(0, 255, 10);
  const skills = await read({
    [`${SKILLS}/one/SKILL.md`]: "# One\n",
    [`${SKILLS}/one/bin/run`]: { text: "#!/bin/sh\n", mode: 0o4755 },
    [`${SKILLS}/one/bin/again`]: { link: "../bin/run" },
    [`${SKILLS}/one/dangling`]: { link: "not/there" },
    [`${SKILLS}/one/data.bin`]: { bytes, mode: 0o600 },
    [`${SKILLS}/two/SKILL.md`]: "# Two\n",
    [`${SKILLS}/unasked/SKILL.md`]: "# No\n",
  }, ["one", "two"]);
  const file = (text: string): Uint8Array => new TextEncoder().encode(text);
  assert.deepEqual(skills, [{
    name: "one",
    path: `${SKILLS}/one`,
    entries: [
      { path: "", mode: 0o755, kind: "directory" },
      { path: "SKILL.md", mode: 0o644, kind: "bytes", bytes: file("# One\n") },
      { path: "bin", mode: 0o755, kind: "directory" },
      { path: "bin/again", mode: 0o777, kind: "link", target: "../bin/run" },
      { path: "bin/run", mode: 0o755, kind: "bytes", bytes: file("#!/bin/sh\n") },
      { path: "dangling", mode: 0o777, kind: "link", target: "not/there" },
      { path: "data.bin", mode: 0o600, kind: "bytes", bytes },
    ],
    skipped: [],
  }, {
    name: "two",
    path: `${SKILLS}/two`,
    entries: [
      { path: "", mode: 0o755, kind: "directory" },
      { path: "SKILL.md", mode: 0o644, kind: "bytes", bytes: file("# Two\n") },
    ],
    skipped: [],
  }]);
});

Deno.test("readSkills() reads nothing of the host when there are no skills", async () => {
  assert.deepEqual(await readSkills([], { files: memoryFiles({}), environment: environmentOf({}) }), []);
});

Deno.test("readSkills() says in the seed's words that a skill is missing, and takes no file for one", async () => {
  const message = "skill-missing: skill 'one' not found on host at /home/me/.claude/skills/one. " +
    "Create it under ~/.claude/skills/, then re-run.";
  assert.equal(await refusal({}), message);
  assert.equal(await refusal({ [`${SKILLS}/one`]: "a file" }), message);
  assert.equal(await refusal({ [`${SKILLS}/one`]: { link: "/gone" } }), message);
});

Deno.test("readSkills() needs a home, and names that are no paths", async () => {
  for (const HOME of [undefined, "", "relative"]) {
    const environment = environmentOf(HOME === undefined ? {} : { HOME });
    await assert.rejects(readSkills(["one"], { files: memoryFiles({}), environment }), {
      code: "home-unset",
    });
  }
  for (const name of ["..", ".", "", ".hidden", "a/b", "-x", "a\0"]) {
    await assert.rejects(read({ [`${SKILLS}/one/a`]: "" }, [name]), RangeError, JSON.stringify(name));
  }
});

Deno.test("readSkills() follows the link that a skill itself is, and says where to", async () => {
  const [skill] = await read({
    [`${SKILLS}/one`]: { link: "/srv/shared/one" },
    "/srv/shared/one/SKILL.md": "x",
  });
  assert.equal(skill?.path, "/srv/shared/one");
  assert.deepEqual(skill?.entries.map(({ path }) => path), ["", "SKILL.md"]);
});

Deno.test("readSkills() refuses a skill that is a link to what holds ~/.claude or its skills", async () => {
  for (const target of ["/", "/home", HOME, "/home/me/.claude", SKILLS]) {
    const said = await refusal({ [`${SKILLS}/one`]: { link: target }, [`${SKILLS}/two/a`]: "" });
    const held = target === SKILLS ? SKILLS : "/home/me/.claude";
    assert.equal(
      said,
      `skill-refused: Skill one is not copied: ${SKILLS}/one leads to ${target}, which holds all of ${held}`,
    );
  }
  const moved = await refusal({
    "/home/me/.claude": { link: "/data/claude" },
    "/data/claude/skills/one": { link: "/data" },
  });
  assert.match(moved, /^skill-refused: .* leads to \/data, which holds all of \/home\/me\/\.claude$/);
});

for (const folder of [".ssh", ".aws", ".gnupg", ".config", ".docker", ".kube"]) {
  Deno.test(`readSkills() refuses a skill that is a link into ${folder}, however it leads there`, async () => {
    const credentials = `/home/me/${folder}`;
    for (const target of [credentials, `${credentials}/deeper`]) {
      assert.equal(
        await refusal({ [`${SKILLS}/one`]: { link: target }, [`${credentials}/deeper/key`]: "secret" }),
        `skill-refused: Skill one is not copied: ${SKILLS}/one leads to ${target}, ` +
          `which is in ${credentials}, where credentials are`,
      );
    }
    const moved = { [credentials]: { link: "/data/real" }, "/data/real/key": "secret" };
    assert.match(
      await refusal({ ...moved, [`${SKILLS}/one`]: { link: "/data/real" } }),
      /^skill-refused: .* leads to \/data\/real, which is in /,
    );
    assert.match(
      await refusal({ ...moved, [`${SKILLS}/one`]: { link: "/data" } }),
      /^skill-refused: .* leads to \/data, which holds /,
    );
    const like = { [`${SKILLS}/one`]: { link: `${credentials}-like` }, [`${credentials}-like/a`]: "" };
    assert.equal(await refusal(like), "read");
  });
}

Deno.test("readSkills() refuses a link that leaves the skill, by its words or by where it leads", async () => {
  const rows: readonly (readonly [string, string])[] = [
    ["key", "/home/me/.ssh/id"],
    ["inside", `${SKILLS}/one/SKILL.md`],
    ["up", "../two/a"],
    ["gone", "../../gone"],
    ["deep/up", "../../two"],
    ["deep/er/hop", "root/../two/a"],
    ["prefix", "../one-more"],
  ];
  for (const [path, link] of rows) {
    const content = {
      [`${SKILLS}/one/SKILL.md`]: "",
      [`${SKILLS}/one/deep/er/root`]: { link: "../.." },
      [`${SKILLS}/two/a`]: "",
      [`${SKILLS}/one-more`]: "",
      "/home/me/.ssh/id": "secret",
    };
    assert.equal(await refusal(content), "read");
    assert.equal(
      await refusal({ ...content, [`${SKILLS}/one/${path}`]: { link } }),
      `skill-link: Skill one holds a link out of it: ${path} -> ${link}`,
    );
  }
});

Deno.test("readSkills() leaves out sockets and devices and tells them", async () => {
  const skills = await read({
    [`${SKILLS}/one/SKILL.md`]: "x",
    [`${SKILLS}/one/run/sock`]: { kind: "other" },
    [`${SKILLS}/one/null`]: { kind: "other" },
  });
  assert.deepEqual(skills[0]?.entries.map(({ path }) => path), ["", "SKILL.md", "run"]);
  assert.deepEqual(skillNotices(skills), ["skill one: no regular file, left out: null, run/sock"]);
  assert.deepEqual(skillNotices(await read({ [`${SKILLS}/one/SKILL.md`]: "x" })), []);
});

const EMPTY = { kind: "file", size: 0, mode: 0o644, uid: 1, modified: 0, birth: "" } as const;

Deno.test("readSkills() bounds size, number and paths over all skills", async () => {
  const half = { bytes: new Uint8Array(25_000_000) };
  const content: Content = { [`${SKILLS}/one/a`]: half, [`${SKILLS}/two/b`]: half };
  assert.equal(await refusal(content, ["one", "two"]), "read");
  assert.equal(
    await refusal({ ...content, [`${SKILLS}/two/c`]: "x" }, ["one", "two"]),
    "skill-too-large: Skills may have 50 MB together, and skill two exceeds that at c",
  );
  const folder = (count: number): Files => ({
    ...memoryFiles({ [`${SKILLS}/one/a`]: "" }),
    readDirectory: () =>
      Promise.resolve(
        Array.from({ length: count }, (_, index) => ({ name: `${index}`, kind: "file" as const })),
      ),
    linkStatus: (path) =>
      Promise.resolve({
        ...EMPTY,
        kind: path.endsWith("one") ? "directory" : "file",
        identity: path,
      }),
    open: (path) =>
      Promise.resolve({
        status: () => Promise.resolve({ ...EMPTY, identity: path }),
        read: () => Promise.resolve(undefined),
        [Symbol.dispose]: () => {},
      }),
    realPath: (path) => Promise.resolve(path),
  });
  const environment = environmentOf({ HOME });
  const [most] = await readSkills(["one"], { files: folder(9_999), environment });
  assert.equal(most?.entries.length, 10_000);
  await assert.rejects(readSkills(["one"], { files: folder(10_000), environment }), {
    code: "skill-too-large",
    message: "Skills may have 10000 files together, and skill one exceeds that at 9999",
  });
  const deep = Array.from({ length: 18 }, () => "d".repeat(200)).join("/");
  assert.match(
    await refusal({ [`${SKILLS}/one/${deep}`]: "" }),
    /^skill-too-large: Paths in a skill may have 3500/,
  );
});

Deno.test("readSkills() fails when anything cannot be read, and leaves nothing out for it", async () => {
  const content = { [`${SKILLS}/one/SKILL.md`]: "x", [`${SKILLS}/one/l`]: { link: "SKILL.md" } };
  const whole = memoryFiles(content);
  const shorter = memoryFiles({ [`${SKILLS}/one/SKILL.md`]: "" });
  const longer = memoryFiles({ [`${SKILLS}/one/SKILL.md`]: "xy" });
  const secret = memoryFiles({ "/home/me/.ssh/id": "k" });
  const rows: readonly (readonly [string, Partial<Files>])[] = [
    ["denied: a folder", { readDirectory: () => Promise.reject(new Error("denied: a folder")) }],
    ["denied: a file", { open: () => Promise.reject(new Error("denied: a file")) }],
    ["denied: a link", { readLink: () => Promise.reject(new Error("denied: a link")) }],
    ["denied: itself", { status: () => Promise.reject(new Error("denied: itself")) }],
    ["changed meanwhile", { open: () => Promise.resolve(undefined) }],
    ["changed meanwhile", { open: () => shorter.open(`${SKILLS}/one/SKILL.md`) }],
    ["changed meanwhile", { open: () => longer.open(`${SKILLS}/one/SKILL.md`) }],
    // A link took the file's place while it was read, and was gone again.
    ["changed meanwhile", { open: () => secret.open("/home/me/.ssh/id") }],
    ["changed meanwhile", { readLink: () => Promise.resolve("SKILL\ufffd.md") }],
    ["not UTF-8", { readDirectory: () => Promise.resolve([{ name: "a\ufffd", kind: "file" }]) }],
    [
      "changed meanwhile",
      {
        // A link took the file's place after it was looked at.
        realPath: (path) =>
          path.endsWith("SKILL.md") ? Promise.resolve("/home/me/.ssh/id") : whole.realPath(path),
      },
    ],
  ];
  for (const [words, changes] of rows) {
    const ports = { files: { ...whole, ...changes }, environment: environmentOf({ HOME }) };
    await assert.rejects(readSkills(["one"], ports), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, "skill-unreadable");
      assert.ok(error.message.includes(words), error.message);
      return true;
    });
  }
  assert.match(
    await refusal({ [`${SKILLS}/one/loop`]: { link: "loop" } }),
    /^skill-unreadable: Skill one cannot be read at \/home\/me\/\.claude\/skills\/one\/loop: Too many links/,
  );
});

Deno.test("readSkills() says in the seed's words that a skill is there and then is not", async () => {
  const whole = memoryFiles({ [`${SKILLS}/one/SKILL.md`]: "x" });
  const files: Files = { ...whole, linkStatus: () => Promise.resolve(undefined) };
  await assert.rejects(readSkills(["one"], { files, environment: environmentOf({ HOME }) }), {
    code: "skill-missing",
    message: `skill 'one' disappeared from host between validation and copy at ${SKILLS}/one.`,
  });
});

Deno.test("provisionSkills() makes everything the agent's and touches no folder above the skill's own", async () => {
  const skills = await read({
    [`${SKILLS}/one/bin/run`]: { text: "x", mode: 0o755 },
    [`${SKILLS}/one/l`]: { link: "bin/run" },
  });
  const files = provisionSkills(skills, { directory: "/opt/skills", user: { uid: 12, gid: 34 } });
  assert.deepEqual(files, [
    { path: "opt/skills/one", mode: 0o755, uid: 12, gid: 34, kind: "directory" },
    { path: "opt/skills/one/bin", mode: 0o755, uid: 12, gid: 34, kind: "directory" },
    {
      path: "opt/skills/one/bin/run",
      mode: 0o755,
      uid: 12,
      gid: 34,
      kind: "bytes",
      bytes: Uint8Array.of(120),
    },
    { path: "opt/skills/one/l", mode: 0o777, uid: 12, gid: 34, kind: "link", target: "bin/run" },
  ]);
});
