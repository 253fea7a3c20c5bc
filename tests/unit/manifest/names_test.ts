import assert from "node:assert/strict";
import { checkCpus, checkPort } from "../../../lib/manifest/amounts.ts";
import { checkEnvName, checkEnvText } from "../../../lib/manifest/env_entries.ts";
import {
  checkAgentName,
  type Checked,
  checkImage,
  checkInjectionForm,
  checkName,
  checkNetwork,
  checkPackage,
  checkPath,
  checkSkill,
  checkSshWord,
  checkText,
  checkWord,
  nameSlug,
} from "../../../lib/manifest/names.ts";
import { checkRule } from "../../../lib/manifest/rules.ts";

/** What a check takes as it is, and what it says of what it refuses. */
interface Rules<T> {
  readonly title: string;
  readonly check: (value: T) => Checked<unknown>;
  readonly good: readonly T[];
  readonly bad: readonly (readonly [value: T, message: RegExp, hint?: RegExp])[];
}

function rulesTest<T>({ title, check, good, bad }: Rules<T>): void {
  Deno.test(`${title} takes what is good and says what is wrong with the rest`, () => {
    for (const value of good) assert.equal(check(value).kind, "good", JSON.stringify(value));
    for (const [value, message, hint] of bad) {
      const checked = check(value);
      assert.ok(checked.kind === "bad", JSON.stringify(value).slice(0, 100));
      assert.match(checked.message, message);
      if (hint !== undefined) assert.match(checked.hint ?? "", hint);
    }
  });
}

rulesTest({
  title: "checkName()",
  check: checkName,
  good: ["a", "A b", "Code Reviewer 2.0", "_x", ".x", "a-", "con", "constructor", "a".repeat(64)],
  bad: [
    ["", /empty/],
    ["a".repeat(65), /at most 64/],
    ["a/b", /letters, digits/],
    ["ä", /letters, digits/],
    ["a\n", /letters, digits/],
    ["-a", /begin with a dash/],
    [" a", /space/],
    ["a ", /space/],
    ["...", /letter or digit/],
    ["_-.", /letter or digit/],
  ],
});

Deno.test("every good name has a slug that an engine takes", () => {
  for (const name of ["a", ".a.", "_A_", "A  b", "9", "a".repeat(64), "a--b", "Z.-_z"]) {
    assert.equal(checkName(name).kind, "good");
    assert.match(nameSlug(name), /^[a-z0-9]+(-[a-z0-9]+)*$/);
  }
});

rulesTest({
  title: "checkAgentName()",
  check: checkAgentName,
  good: ["demos", "my demo"],
  bad: [["demo", /reserved/, /tour/], ["Demo.", /reserved/], ["-demo", /begin with a dash/]],
});

rulesTest({
  title: "checkEnvName()",
  check: checkEnvName,
  good: ["A", "_", "a1", "LD_PRELOAD", "PATH", "BASH_ENV", "NODE_OPTIONS", "DOCKER_HOST", "A".repeat(255)],
  bad: [
    ["", /empty/],
    ["1A", /not begin with a digit/],
    ["A-B", /letters, digits/],
    ["A=B", /letters, digits/],
    ["A\n", /letters, digits/],
    ["Ä", /letters, digits/],
    ["A".repeat(256), /at most 255/],
    ["http_proxy", /set by claude-bottle/, /allowlist/],
    ["All_Proxy", /set by claude-bottle/],
  ],
});

rulesTest({
  title: "checkEnvText()",
  check: checkEnvText,
  good: ["", "a\nb", "?", "?the token\n", "? a ", "a\x1bb", "?wie heißt du 🍾", "x".repeat(131_071)],
  bad: [
    ["a\0", /NUL/],
    ["\ud800", /half a character/],
    ["?a\nb", /one line/],
    ["?\x1b[2J", /one line/],
    ["x".repeat(131_072), /longer than the 131071 bytes/],
    ["é".repeat(65_536), /longer than the 131071 bytes/],
  ],
});

rulesTest({
  title: "checkPath()",
  check: checkPath,
  good: ["a", "./~a", "~/a", "/a b", "../a", "a$b", "$a", "-a", "a,b:c", "é🍾", "/" + "a".repeat(4094)],
  bad: [
    ["", /empty/],
    ["a\n", /control/],
    ["a\0", /control/],
    ["\udc00", /half a character/],
    ["~", /home folder/],
    ["~/", /home folder/],
    ["~root/x", /another user's home/, /`~\/…`/],
    ["~x", /another user's home/, /`\.\/~…`/],
    ["$HOME/.ssh/id", /begins with a variable/, /^Write `~\/\.ssh\/id`$/],
    ["${XDG_CONFIG_HOME}/x", /begins with a variable/, /whole path/],
    ["/" + "a".repeat(4095), /longer than the 4095 bytes/],
  ],
});

rulesTest({
  title: "checkText()",
  check: checkText,
  good: ["", "a\nb\tc", "🍾"],
  bad: [["\0", /NUL/], ["a\ud83cb", /half a character/]],
});

rulesTest({
  title: "checkWord()",
  check: checkWord,
  good: ["-x", "a b", "$(id)", "a\nb"],
  bad: [["", /empty/], ["a\0", /NUL/], ["x".repeat(131_072), /longer than the 131071 bytes/]],
});

rulesTest({
  title: "checkSshWord()",
  check: checkSshWord,
  good: ["git", "a.b", "_a", "A-b", "9"],
  bad: [
    ["", /empty/],
    ["-oProxyCommand=id", /dash/],
    ["a b", /letters, digits/],
    ["a@b", /letters, digits/],
    ["%h", /letters, digits/],
    ["*", /letters, digits/],
    ["..", /letter or digit/],
    ["a".repeat(254), /letters, digits/],
  ],
});

rulesTest({
  title: "checkSkill()",
  check: checkSkill,
  good: ["a", "code-review", "A.b_c"],
  bad: [["", /skill's name/], ["..", /skill's name/], ["a/b", /skill's name/], ["-a", /skill's name/], [
    ".a",
    /skill's/,
  ]],
});

rulesTest({
  title: "checkNetwork()",
  check: checkNetwork,
  good: ["app_default", "a", "5"],
  bad: [
    ["host", /joined/],
    ["none", /joined/],
    ["container:a", /network's name/],
    ["--x", /network's name/],
    ["", /name/],
  ],
});

rulesTest({
  title: "checkPackage()",
  check: checkPackage,
  good: ["g++", "libstdc++6", "python3.13", "ab"],
  bad: [
    ["a", /at least two/],
    ["git-", /apt would remove/, /^Write `git`$/],
    ["git--", /apt would remove/, /^Write `git`$/],
    ["git=1", /Debian package/],
    ["git/stable", /Debian package/],
    ["git:arm64", /Debian package/],
    ["-y", /Debian package/],
    ["Git", /lower-case/],
  ],
});

rulesTest({
  title: "checkImage()",
  check: checkImage,
  good: ["debian:trixie-slim", "localhost:5000/a/b:1", `a@sha256:${"0".repeat(64)}`],
  bad: [["-v", /image reference/], ["Debian", /image reference/], ["a b", /image/], ["a\nRUN id", /image/], [
    "",
    /image/,
  ]],
});

rulesTest({
  title: "checkInjectionForm()",
  check: checkInjectionForm,
  good: ["bearer", "basic:me", "basic:a@b", "header:X-Api-Key", "header:Authorization", "header:Cookie"],
  bad: [
    ["", /must be `bearer`/],
    ["Bearer", /must be/],
    ["basic:", /must be/],
    ["basic:a:b", /must be/],
    ["header:", /must be/],
    ["header:a b", /must be/],
    ["header:X\r\nHost", /must be/],
    ["header:-X", /does not begin with a letter/],
    ["header:1X", /does not begin with a letter/],
    ["header:Host", /connection or the message/, /X-Api-Key/],
    ["header:content-length", /connection or the message/],
    ["header:Transfer-Encoding", /connection or the message/],
    ["header:Connection", /connection or the message/],
    ["header:TE", /connection or the message/],
    ["header:Upgrade", /connection or the message/],
    ["header:Proxy-Authorization", /connection or the message/],
    ["header:Proxy-Connection", /connection or the message/],
  ],
});

rulesTest({
  title: "checkRule()",
  check: checkRule,
  good: [
    "GET /",
    "POST /v1/messages?beta=true",
    "PUT /a%20b",
    "GET /*",
    "GET /*/*/info/refs?service=git-upload-pack",
    "GET /@*%2f*",
    "DELETE /~me/.well-known/..a",
    "PATCH /a;b=c/d:e?f=/../x//y",
    "OPTIONS /%C3%A9",
    `HEAD /${"a".repeat(1000)}`,
  ],
  bad: [
    ["", /^is not a rule$/],
    ["GET", /has no path/, /`GET \/\*`/],
    ["post ", /has no path/, /`POST \/\*`/],
    ["/v1", /has no method/, /`GET \/v1`/],
    ["get /", /is not a rule/, /`GET \/`/],
    ["GET  /", /is not a rule/, /`GET \/`/],
    ["* /", /names no method/, /`GET`, `HEAD`/],
    ["ANY /", /names no method/],
    ["PSOT /", /has a method that no rule lets through/, /`POST`/],
    ["CONNECT /", /has a method that no rule lets through/, /The methods are/],
    ["TRACE /", /has a method that no rule lets through/],
    ["PROPFIND /", /has a method that no rule lets through/],
    ["COPY /", /has a method that no rule lets through/],
    ["GET v1", /does not begin with/, /`GET \/v1`/],
    ["GET *", /does not begin with/, /`GET \/\*`/],
    ["GET https://api.example.org/v1?a=b", /has a URL/, /`GET \/v1\?a=b`/],
    ["GET /a b", /a space/, /%20/],
    ["GET /a\n", /a space/],
    ["GET /é", /a character/, /%C3%A9/],
    ["GET /a|b", /a character/],
    ["GET /a#b", /`#`/],
    ["GET /a\\b", /a character/],
    ["GET /a//b", /two slashes/],
    ["GET //", /two slashes/],
    ["GET /a%2F/b", /two slashes/],
    ["GET /a/../b", /dots alone/],
    ["GET /..", /dots alone/],
    ["GET /./a", /dots alone/],
    ["GET /.../a", /dots alone/],
    ["GET /a/..;/b", /dots alone/],
    ["GET /a%2f..%2fb", /dots alone/],
    ["GET /..?a", /dots alone/],
    ["GET /a/**", /two `\*`/, /at the end/],
    ["GET /a?b=**", /two `\*`/],
    ["GET /a%", /without two hexadecimal digits/],
    ["GET /a%2", /without two hexadecimal digits/],
    ["GET /a%2e%2e/b", /more than one way/],
    ["GET /a%252fb", /more than one way/],
    ["GET /a%3bb", /more than one way/],
    ["GET /a%5cb", /more than one way/],
    ["GET /a%00", /more than one way/],
    ["GET /%61", /more than one way/],
    ["GET /a?b?c", /two `\?`/],
    [`GET /${"a".repeat(1001)}`, /more than 1000 characters/],
  ],
});

rulesTest({
  title: "checkCpus()",
  check: checkCpus,
  good: [0.01, 1.5, 1024, 0.123456789],
  bad: [[0, /from 0\.01/], [1025, /to 1024/], [Infinity, /to 1024/], [
    1 / 3,
    /at most 9 decimals/,
    /^Write `0\.33`$/,
  ]],
});

rulesTest<number | string>({
  title: "checkPort()",
  check: checkPort,
  good: [1, 65535, "22", "00022"],
  bad: [
    [0, /from 1 to 65535/],
    [65536, /from 1 to 65535/],
    [22.5, /from 1/],
    ["22 ", /from 1/],
    ["0x16", /from 1/],
    ["-22", /from 1/],
    ["٢٢", /from 1/],
    ["", /from 1/],
  ],
});
