import assert from "node:assert/strict";
import { join } from "node:path";
import { builtImages, engineRuntimes, hasProgram, programPath, Workbench } from "../support/engine.ts";
import { ATTEMPTS, judged, type Result, THIEF_FILES, unprotectedAttempts } from "../support/key_thief.ts";
import { makeKey, startSshHost, type TestKey } from "../support/ssh_host.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0 || !await hasProgram("ssh-keygen");

/** The kinds of keys, each bound to `git` on git.test by an entry of its own. */
const KEY_TYPES: Readonly<Record<string, readonly string[]>> = {
  ed25519: ["-t", "ed25519"],
  ecdsa: ["-t", "ecdsa", "-b", "256"],
  rsa: ["-t", "rsa", "-b", "2048"],
};

/** What gets nothing in a runtime even where nothing is protected: gVisor has no setuid programs and no core files. */
const IMPOSSIBLE: Readonly<Record<string, readonly string[]>> = { runc: [], runsc: ["setuid", "core"] };

const THIEF = "~/.claude/skills/thief";

/** Uses of the keys, then the theft, then the uses again; each probe prints `NAME=ok` or `NAME=no`. */
const SCRIPT = `
K=/run/claude-bottle
probe() { name=$1; shift; if ("$@") >/tmp/out 2>&1 </dev/null; then echo "$name=ok"; else echo "$name=no"; sed "s/^/$name: /" /tmp/out >&2; fi; }
signs() { rm -f /tmp/text.sig; echo text >/tmp/text; ssh-keygen -Y sign -n "$2" -f "$1" /tmp/text; }
pushes() {
  rm -rf ~/repo && git clone --quiet "$1:/srv/repo.git" ~/repo && cd ~/repo &&
    git -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message m && git push --quiet
}
lists() { ssh-add -L >/tmp/list && [ "$(grep -c . /tmp/list)" = 4 ] && ! grep -v '^[a-z0-9-]* AAAA[A-Za-z0-9+/=]* [a-z0-9]*$' /tmp/list; }
uses() {
  probe "$1-list" lists
  for type in ed25519 ecdsa rsa; do
    probe "$1-login-$type" ssh $type whoami
    probe "$1-push-$type" pushes $type
  done
}
other() { ssh -F none -o IdentityFile=$1 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o "ProxyCommand $(ssh -G ed25519 | sed -n 's/^proxycommand //p')" "$2" whoami; }
signatures() {
  probe "sign-$1" signs $2 git
  probe "user-$1" other $2 root@git.test
  probe "host-$1" other $2 git@elsewhere.test
  probe "impostor-$1" other $2 git@git.elsewhere.test
}
uses before
signatures ed25519 $K/key1.pub
signatures ecdsa $K/key2.pub
signatures rsa $K/key3.pub
signatures unbound $K/key4.pub
ssh-keygen -q -t ed25519 -N '' -f /tmp/own
printf '#!/bin/sh\necho x\n' >/tmp/askpass && chmod 0755 /tmp/askpass
export SSH_ASKPASS=/tmp/askpass SSH_ASKPASS_REQUIRE=force
changes() {
  probe "$1-add" ssh-add /tmp/own
  probe "$1-remove" ssh-add -d "$2"
  probe "$1-remove-all" ssh-add -D
  probe "$1-lock" ssh-add -x
}
changes granted $K/key1.pub
probe granted-pkcs11 ssh-add -s /usr/lib/ssh-pkcs11.so
export -f probe changes
ssh-agent bash -c 'changes own /tmp/own; ssh-agent -k >/dev/null'
perl ${THIEF}/key_thief.pl ${ATTEMPTS.join(" ")} 2>/dev/null
uses after
`;

/** A docker that first starts a watching thief in the bottle whose keys are about to be loaded. */
function watched(real: string): string {
  return `case "$*" in
*/ssh_agent.pl*)
  id=$(echo "$*" | grep -o '[0-9a-f]\\{64\\}')
  ${real} exec --detach --user 47291:47291 "$id" perl /home/node/.claude/skills/thief/key_thief.pl watch 8
  ${real} exec --user 47291:47291 "$id" sh -c 'until [ -s /tmp/watched ]; do sleep 0.1; done'
  ;;
esac
exec ${real} "$@"`;
}

/** What came of one bottle. */
interface Theft {
  /** What the probes that failed said, for people. */
  readonly said: string;
  readonly probes: Readonly<Record<string, string>>;
  readonly results: ReadonlyMap<string, Result>;
  readonly unprotected: ReadonlyMap<string, Result>;
}

/** Steals in a bottle that was granted all kinds of keys, and where nothing is protected. */
async function theft(runtime: string): Promise<Theft> {
  const { agent: agentImage } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await Workbench.create());
  const made = async (name: string, options: readonly string[]): Promise<TestKey> =>
    await makeKey(bench.folder, { name, options });
  const bound = await Promise.all(Object.entries(KEY_TYPES).map(([name, options]) => made(name, options)));
  const loose = await made("loose", ["-t", "ed25519"]);
  const [hostKey, elsewhereKey] = [
    await made("host", ["-t", "ed25519"]),
    await made("other", ["-t", "ed25519"]),
  ];
  const keys = [...bound, loose];
  const names = [["git.test", "loose.test"], ["elsewhere.test", "git.elsewhere.test"]];
  const hosts = [
    stack.use(await startSshHost({ agentImage, names: names[0] ?? [], hostKey, authorized: keys })),
    stack.use(
      await startSshHost({ agentImage, names: names[1] ?? [], hostKey: elsewhereKey, authorized: keys }),
    ),
  ];
  const folder = join(bench.folder, "home/.claude/skills/thief");
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries({ ...THIEF_FILES, "SKILL.md": "steals\n" })) {
    await Deno.writeTextFile(join(folder, name), text);
  }
  const pinned = Object.keys(KEY_TYPES).map((name) => (
    { Host: name, Hostname: "git.test", IdentityFile: `./${name}`, KnownHostKey: hostKey.publicKey }
  ));
  const unpinned = ["loose.test", ...names[1] ?? []].map((Host) => ({
    Host,
    IdentityFile: "./loose",
    unpinned: true,
  }));
  await bench.manifest({
    bottle: {
      env: { PERL5OPT: "-I/home/node/.claude/skills/thief -MSteal" },
      ssh: [...pinned, ...unpinned],
      egress: { defaults: false, private: names.flat(), networks: hosts.map(({ network }) => network) },
      runtime,
    },
    agent: { skills: ["thief"], command: ["bash", "-c", SCRIPT] },
  });
  const path = await bench.onPath("docker", watched(await programPath("docker")));
  const { code, stdout, stderr } = await bench.start([], { PATH: path });
  assert.equal(code, 0, stderr);
  assert.deepEqual(await bench.leftovers(), []);
  const unprotected = await unprotectedAttempts(keys, { image: agentImage, runtime });
  // It did watch while the keys were loaded.
  assert.match(stdout, /^loot race 0 0 77617463686564/m);
  return {
    said: stderr,
    probes: Object.fromEntries(
      Array.from(stdout.matchAll(/^([a-z0-9-]+)=(ok|no)$/gm), ([, name, said]) => [name, said]),
    ),
    results: await judged(stdout, keys),
    unprotected: await judged(unprotected, keys),
  };
}

function lines({ results, unprotected }: Theft): readonly string[] {
  return ATTEMPTS.map((attempt) => {
    const [here, there] = [results.get(attempt), unprotected.get(attempt)];
    return `  ${attempt.padEnd(12)} ${here?.succeeded ? "GOT IT" : "nothing"} in ${here?.tried} tries` +
      ` (${here?.error}); unprotected: ${there?.succeeded ? "got it" : `nothing (${there?.error})`}`;
  });
}

/** Counts of probes by the beginning of their names and what they said. */
function count(probes: Readonly<Record<string, string>>, name: RegExp, said: string): string {
  const chosen = Object.entries(probes).filter(([probe]) => name.test(probe));
  return `${chosen.filter(([, one]) => one === said).length} of ${chosen.length}`;
}

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `no key can be taken out of a bottle, and each is used for what it was granted for (${runtime})`,
    ignore: ignore || !runtimes.includes(runtime),
    async fn(): Promise<void> {
      const made = await theft(runtime);
      const { probes, results, unprotected } = made;
      const succeeded = (all: ReadonlyMap<string, Result>): readonly string[] =>
        ATTEMPTS.filter((attempt) => all.get(attempt)?.succeeded);
      const counts = {
        taken: `${succeeded(results).length} of ${results.size}`,
        before: count(probes, /^before-/, "ok"),
        after: count(probes, /^after-/, "ok"),
        signatures: count(probes, /^(sign|user|host|impostor)-(ed25519|ecdsa|rsa)$/, "ok"),
        unbound: count(probes, /^(sign|user|host|impostor)-unbound$/, "ok"),
        changes: count(probes, /^granted-/, "ok"),
        own: count(probes, /^own-/, "ok"),
      };
      await Deno.stdout.write(
        new TextEncoder().encode(
          [`keys, ${runtime}:`, ...lines(made), JSON.stringify(counts), ""].join("\n"),
        ),
      );

      const whole = {
        taken: "0 of 14",
        before: "7 of 7",
        after: "7 of 7",
        signatures: "0 of 12",
        unbound: "4 of 4",
        changes: "0 of 5",
        own: "4 of 4",
      };
      assert.deepEqual(counts, whole, `${JSON.stringify(counts)}\n${made.said}`);
      const possible = ATTEMPTS.filter((attempt) => !IMPOSSIBLE[runtime]?.includes(attempt));
      assert.deepEqual(succeeded(unprotected), possible);
    },
  });
}
