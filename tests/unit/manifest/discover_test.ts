import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import { discoverManifests } from "../../../lib/manifest/discover.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";

const HOME = "/home/u";
const CONFIG = `${HOME}/.config/claude-bottle`;
const GIT = { "/home/u/work/.git/HEAD": "x", "/home/u/work/deep/er/x": "x" };

interface Case {
  readonly does: string;
  readonly files: Readonly<Record<string, string | MemoryFile>>;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly manifestFile?: string;
  readonly uid?: number | undefined;
  /** The paths, a project's marked as such and with its root, or the failure. */
  readonly gives: readonly string[] | {
    readonly code: string;
    readonly exit: number;
    readonly message: string;
  };
}

const CASES: readonly Case[] = [
  { does: "finds nothing where there is nothing", files: {}, gives: [] },
  ...["yaml", "yml", "json"].map((end): Case => ({
    does: `finds the config folder's .${end}`,
    files: { [`${CONFIG}/claude-bottle.${end}`]: "" },
    gives: [`${CONFIG}/claude-bottle.${end}`],
  })),
  {
    does: "finds the home folder's file",
    files: { [`${HOME}/claude-bottle.json`]: "" },
    gives: [`${HOME}/claude-bottle.json`],
  },
  {
    does: "prefers the config folder to the home folder",
    files: { [`${HOME}/claude-bottle.json`]: "", [`${CONFIG}/claude-bottle.yaml`]: "" },
    gives: [`${CONFIG}/claude-bottle.yaml`],
  },
  {
    does: "follows XDG_CONFIG_HOME",
    files: { "/etc/u/claude-bottle/claude-bottle.yaml": "", [`${CONFIG}/claude-bottle.yaml`]: "" },
    env: { XDG_CONFIG_HOME: "/etc/u" },
    gives: ["/etc/u/claude-bottle/claude-bottle.yaml"],
  },
  {
    does: "ignores a relative XDG_CONFIG_HOME",
    files: { [`${CONFIG}/claude-bottle.yaml`]: "", "/work/x/claude-bottle/claude-bottle.yaml": "" },
    env: { XDG_CONFIG_HOME: "x" },
    cwd: "/work",
    gives: [`${CONFIG}/claude-bottle.yaml`],
  },
  {
    does: "refuses two in one folder",
    files: { [`${HOME}/claude-bottle.json`]: "", [`${HOME}/claude-bottle.yaml`]: "" },
    gives: {
      code: "manifest-ambiguous",
      exit: 2,
      message: "There is more than one manifest: /home/u/claude-bottle.yaml and /home/u/claude-bottle.json",
    },
  },
  {
    does: "takes --manifest alone",
    files: {
      ...GIT,
      "/home/u/work/m.yaml": "",
      "/home/u/work/claude-bottle.yaml": "",
      [`${HOME}/claude-bottle.json`]: "",
    },
    cwd: "/home/u/work",
    manifestFile: "m.yaml",
    gives: ["/home/u/work/m.yaml"],
  },
  {
    does: "takes a project's file that is named with --manifest",
    files: { ...GIT, "/home/u/work/claude-bottle.yaml": "" },
    cwd: "/home/u/work/deep",
    manifestFile: "../claude-bottle.yaml",
    gives: ["/home/u/work/claude-bottle.yaml"],
  },
  {
    does: "refuses a --manifest that is not there",
    files: { [`${HOME}/claude-bottle.json`]: "" },
    manifestFile: "/nowhere.yaml",
    gives: { code: "manifest-missing", exit: 2, message: "There is no manifest at /nowhere.yaml" },
  },
  {
    does: "refuses a --manifest that is a folder",
    files: { "/a/b": "" },
    manifestFile: "/a",
    gives: { code: "manifest-unreadable", exit: 2, message: "/a is not a regular file" },
  },
  {
    does: "finds a project's file at the repository's root beside the user's",
    files: { ...GIT, "/home/u/work/claude-bottle.yml": "", [`${HOME}/claude-bottle.json`]: "" },
    cwd: "/home/u/work/deep/er",
    gives: [`${HOME}/claude-bottle.json`, "project /home/u/work/claude-bottle.yml in /home/u/work"],
  },
  {
    does: "finds the nearest of a project's files",
    files: { ...GIT, "/home/u/work/claude-bottle.yml": "", "/home/u/work/deep/claude-bottle.json": "" },
    cwd: "/home/u/work/deep/er",
    gives: ["project /home/u/work/deep/claude-bottle.json in /home/u/work"],
  },
  {
    does: "looks no further up than the repository's root",
    files: { ...GIT, "/home/claude-bottle.yaml": "", [`${HOME}/claude-bottle.json`]: "" },
    cwd: "/home/u/work/deep",
    gives: [`${HOME}/claude-bottle.json`],
  },
  {
    does: "looks into the working directory alone without a repository",
    files: { "/srv/claude-bottle.yaml": "", "/srv/a/x": "" },
    cwd: "/srv/a",
    gives: [],
  },
  {
    does: "takes the working directory for the project without a repository",
    files: { "/srv/claude-bottle.yaml": "" },
    cwd: "/srv",
    gives: ["project /srv/claude-bottle.yaml in /srv"],
  },
  {
    does: "takes a .git file for a repository's root too",
    files: { "/srv/.git": "gitdir: x", "/srv/claude-bottle.yaml": "", "/srv/a/x": "" },
    cwd: "/srv/a",
    gives: ["project /srv/claude-bottle.yaml in /srv"],
  },
  {
    does: "takes the user's own file for theirs in the home folder",
    files: { [`${HOME}/claude-bottle.yaml`]: "" },
    cwd: HOME,
    gives: [`${HOME}/claude-bottle.yaml`],
  },
  {
    does: "takes the user's own file for theirs in a home folder that is a repository",
    files: { [`${HOME}/.git/HEAD`]: "", [`${CONFIG}/claude-bottle.yaml`]: "", [`${HOME}/a/x`]: "" },
    cwd: `${HOME}/a`,
    gives: [`${CONFIG}/claude-bottle.yaml`],
  },
  {
    does: "takes the user's own file for theirs in its folder",
    files: { [`${CONFIG}/claude-bottle.yaml`]: "" },
    cwd: CONFIG,
    gives: [`${CONFIG}/claude-bottle.yaml`],
  },
  {
    does: "takes a user's link to the project's file for the user's",
    files: {
      ...GIT,
      "/home/u/work/claude-bottle.yaml": "",
      [`${HOME}/claude-bottle.yaml`]: { link: "/home/u/work/claude-bottle.yaml" },
    },
    cwd: "/home/u/work",
    gives: [`${HOME}/claude-bottle.yaml`],
  },
  {
    does: "takes a config folder within the repository for the project's",
    files: { ...GIT, "/home/u/work/conf/claude-bottle/claude-bottle.yaml": "" },
    cwd: "/home/u/work/deep",
    env: { XDG_CONFIG_HOME: "/home/u/work/conf" },
    gives: ["project /home/u/work/conf/claude-bottle/claude-bottle.yaml in /home/u/work"],
  },
  {
    does: "takes a link out of the config folder into the repository for the project's",
    files: {
      ...GIT,
      "/home/u/work/m.yaml": "",
      "/etc/u/claude-bottle/claude-bottle.yaml": { link: "/home/u/work/m.yaml" },
    },
    cwd: "/home/u/work/deep",
    env: { XDG_CONFIG_HOME: "/etc/u" },
    gives: ["project /etc/u/claude-bottle/claude-bottle.yaml in /home/u/work"],
  },
  {
    does: "takes a config folder within an unpacked project for the project's",
    files: { "/srv/conf/claude-bottle/claude-bottle.yaml": "", "/srv/x": "" },
    cwd: "/srv",
    env: { XDG_CONFIG_HOME: "/srv/conf" },
    gives: ["project /srv/conf/claude-bottle/claude-bottle.yaml in /srv"],
  },
  {
    does: "takes a config folder of another name in the home for the user's, also from there",
    files: { [`${HOME}/conf/claude-bottle/claude-bottle.yaml`]: "" },
    cwd: HOME,
    env: { XDG_CONFIG_HOME: `${HOME}/conf` },
    gives: [`${HOME}/conf/claude-bottle/claude-bottle.yaml`],
  },
  {
    does: "refuses a second file that counts as the project's",
    files: {
      ...GIT,
      "/home/u/work/claude-bottle.yaml": "",
      "/home/u/work/conf/claude-bottle/claude-bottle.yaml": "",
    },
    cwd: "/home/u/work/deep",
    env: { XDG_CONFIG_HOME: "/home/u/work/conf" },
    gives: {
      code: "manifest-ambiguous",
      exit: 2,
      message:
        "There is more than one manifest: /home/u/work/conf/claude-bottle/claude-bottle.yaml and /home/u/work/claude-bottle.yaml",
    },
  },
  {
    does: "refuses a project's file that is a link out of the project",
    files: { ...GIT, "/home/u/.netrc": "", "/home/u/work/claude-bottle.yaml": { link: "/home/u/.netrc" } },
    cwd: "/home/u/work",
    gives: {
      code: "manifest-unreadable",
      exit: 2,
      message: "/home/u/work/claude-bottle.yaml is a link that leads out of the project",
    },
  },
  {
    does: "finds a project's file that is a link within the project",
    files: {
      ...GIT,
      "/home/u/work/m.yaml": "",
      "/home/u/work/claude-bottle.yaml": { link: "/home/u/work/m.yaml" },
    },
    cwd: "/home/u/work",
    gives: ["project /home/u/work/claude-bottle.yaml in /home/u/work"],
  },
  {
    does: "refuses another user's file in a project",
    files: { ...GIT, "/home/u/work/claude-bottle.yaml": { uid: 1001 } },
    cwd: "/home/u/work",
    gives: {
      code: "manifest-not-yours",
      exit: 2,
      message: "/home/u/work/claude-bottle.yaml belongs to neither you nor root, so others may change it",
    },
  },
  {
    does: "refuses another user's file",
    files: { [`${HOME}/claude-bottle.yaml`]: { uid: 1001 } },
    gives: {
      code: "manifest-not-yours",
      exit: 2,
      message: "/home/u/claude-bottle.yaml belongs to neither you nor root, so others may change it",
    },
  },
  {
    does: "takes root's file",
    files: { [`${HOME}/claude-bottle.yaml`]: { uid: 0 } },
    gives: [`${HOME}/claude-bottle.yaml`],
  },
  {
    does: "refuses a file that everyone may write",
    files: { "/m.yaml": { mode: 0o666 } },
    manifestFile: "/m.yaml",
    gives: { code: "manifest-not-yours", exit: 2, message: "/m.yaml can be written by everyone" },
  },
  {
    does: "asks for no owner where there are none",
    files: { [`${HOME}/claude-bottle.yaml`]: { uid: 0, mode: 0 } },
    uid: undefined,
    gives: [`${HOME}/claude-bottle.yaml`],
  },
  {
    does: "refuses a link to nothing",
    files: { [`${HOME}/claude-bottle.yaml`]: { link: "/gone" } },
    gives: {
      code: "manifest-unreadable",
      exit: 2,
      message: "/home/u/claude-bottle.yaml is a link to nothing",
    },
  },
  {
    does: "refuses to guess without HOME",
    files: {},
    env: { HOME: "" },
    gives: {
      code: "home-unset",
      exit: 2,
      message: "Cannot look for a manifest: HOME is not set to an absolute path",
    },
  },
];

for (const { does, files, cwd = "/", env = {}, manifestFile, gives, ...rest } of CASES) {
  Deno.test(`discoverManifests() ${does}`, async () => {
    const variables = new Map(Object.entries({ HOME, ...env }));
    const found = discoverManifests({
      files: memoryFiles(files),
      environment: { get: (name) => variables.get(name) },
      cwd,
      uid: "uid" in rest ? rest.uid : 1000,
      manifestFile,
    });
    if (!("code" in gives)) {
      const shown = (await found).map((file) =>
        file.origin === "project" ? `project ${file.path} in ${file.root}` : file.path
      );
      assert.deepEqual(shown, gives);
      return;
    }
    const error: unknown = await found.then(() => undefined, (error: unknown) => error);
    assert.ok(error instanceof Failure, "nothing was refused");
    assert.deepEqual({ code: error.code, exit: error.exit, message: error.message }, gives);
  });
}

Deno.test("discoverManifests() tells what kept it from looking", async () => {
  const files = {
    ...memoryFiles({}),
    linkStatus: () => Promise.reject(new Error("Permission denied (os error 13)")),
  };
  const error: unknown = await discoverManifests({
    files,
    environment: { get: () => HOME },
    cwd: "/",
    uid: 1,
  })
    .catch((error: unknown) => error);
  assert.ok(error instanceof Failure);
  assert.equal(error.message, "Cannot look for a manifest: Permission denied (os error 13)");
});
