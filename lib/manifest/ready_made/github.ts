import * as z from "zod";
import { filledDistinctList, flag, HINT, text } from "../fields.ts";
import { injectedSecret } from "../injection_schema.ts";
import { bad, type Checked, good } from "../names.ts";
import { PATTERNS } from "../patterns.ts";
import type { ReadyMadeHost, Service } from "./service.ts";

const GIT = "github.com";
const API = "api.github.com";

/** Where `github.com` and the API send those who download; what stands there is public, or its address is a secret. */
const DOWNLOADS: readonly ReadyMadeHost[] = [
  // Archives of a repository.
  { host: "codeload.github.com", allow: ["GET /*"] },
  // Files of releases, by its older and its newer name.
  { host: "objects.githubusercontent.com", allow: ["GET /*"] },
  { host: "release-assets.githubusercontent.com", allow: ["GET /*"] },
  // Single files of repositories.
  { host: "raw.githubusercontent.com", allow: ["GET /*"] },
];

/** Cloning and fetching. Not by git LFS: the request for a download has the form of the one for an upload. */
function reading(path: string): readonly string[] {
  return [`GET ${path}/info/refs?service=git-upload-pack`, `POST ${path}/git-upload-pack`];
}

function pushing(path: string): readonly string[] {
  return [`GET ${path}/info/refs?service=git-receive-pack`, `POST ${path}/git-receive-pack`];
}

/** Archives, and files of releases: answered with an address of one of the other hosts. */
function downloading(path: string): readonly string[] {
  return [`GET ${path}/archive/*`, `GET ${path}/releases/download/*`];
}

/** Not `/graphql`, by which everything can be changed. */
function api(path: string): readonly string[] {
  return [`GET /repos${path}`, `GET /repos${path}/*`];
}

const options = z.strictObject({
  repos: filledDistinctList(
    text(checkRepository, {
      description: "A repository: its owner and name, as in its address.",
      pattern: PATTERNS.repository,
      patternErrorMessage: "A repository as `OWNER/NAME`, such as `me/app`, without `.git`",
      examples: ["me/app"],
    }),
    {
      description:
        "The repositories that may be pushed to with `push`, and with `token` the only ones that are read.",
      examples: [["me/app"]],
    },
  ).optional(),
  push: flag(false, "Whether `repos` may be pushed to."),
  token: injectedSecret.optional().meta({
    description: "A token of GitHub; the bottle's GITHUB_TOKEN is a placeholder, which git gives by itself.",
    examples: ["${GITHUB_TOKEN}"],
  }),
}).superRefine(({ repos, push, token }, context) => {
  if (repos !== undefined) return;
  const needs = (path: readonly string[], message: string): void =>
    context.addIssue({
      code: "custom",
      path: [...path],
      message,
      params: { [HINT]: "Name them, as in `repos: [me/app]`" },
    });
  if (push) needs(["push"], "needs `repos`: a push is let through to repositories that are named");
  else if (token !== undefined) {
    // Not at the token, whose text would be shown.
    needs([], "must have `repos` beside `token`, which may read others than are meant");
  }
}).meta({
  id: "GitHub",
  description: "Cloning, fetching and downloading; pushing to named repositories alone.",
  if: {
    anyOf: [{ properties: { push: { const: true } }, required: ["push"] }, { required: ["token"] }],
  },
  then: { required: ["repos"] },
});

type Options = z.output<typeof options>;

/**
 * Without a token any public repository can be cloned; with one only those that are named: it may read others, whose text
 * is none of this bottle's business. None is pushed to but those.
 */
export const github: Service<Options> = {
  options,
  description: "Cloning, fetching and downloading; pushing to named repositories alone.",
  hosts: [GIT, API, ...DOWNLOADS.map(({ host }) => host)],
  expand,
};

function expand({ repos = [], push, token }: Options): readonly ReadyMadeHost[] {
  const own = repos.flatMap((repo) => [`/${repo}`, `/${repo}.git`]);
  const isNarrow = token !== undefined;
  const repositories = isNarrow ? repos.map((repo) => `/${repo}`) : ["/*/*"];
  const inject = (as: string): Pick<ReadyMadeHost, "inject"> =>
    token === undefined ? {} : { inject: { env: "GITHUB_TOKEN", as, secret: token, option: "token" } };
  return [
    {
      host: GIT,
      allow: [
        ...(isNarrow ? own : ["/*/*"]).flatMap(reading),
        ...(push ? own.flatMap(pushing) : []),
        ...repositories.flatMap(downloading),
      ],
      ...inject("basic:x-access-token"),
    },
    {
      host: API,
      allow: ["GET /rate_limit", ...(isNarrow ? repositories.flatMap(api) : ["GET /repos/*"])],
      ...inject("bearer"),
    },
    ...DOWNLOADS,
  ];
}

/** A repository as it stands in paths. */
function checkRepository(text: string): Checked<string> {
  if (new RegExp(PATTERNS.repository).test(text)) return good(text);
  const [, plain] = /^(?:https?:\/\/|git@)?(?:github\.com[:/])?([^\s]*?)(?:\.git)?\/?$/i.exec(text) ?? [];
  const isBetter = plain !== undefined && new RegExp(PATTERNS.repository).test(plain);
  return bad(
    "is not a repository",
    isBetter ? `Write \`${plain}\`` : "Write its owner and name, such as `me/app`",
  );
}
