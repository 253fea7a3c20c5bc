import assert from "node:assert/strict";
import {
  keyFrames,
  knownHosts,
  provisionSsh,
  sshConfig,
  type SshPlace,
} from "../../../lib/backend/docker/provision/ssh.ts";
import { launchStdin, stdinOf } from "../../../lib/backend/docker/stdin.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { SshEntry } from "../../../lib/manifest/model.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { HOST_KEY, testInputs, testSshEntry, testSshKey } from "../../support/plan_inputs.ts";

const PLACE: SshPlace = {
  home: "/home/node",
  user: { uid: 47291, gid: 47292 },
  sidecarAddress: "10.213.0.2",
};
const OTHER_KEY = "ssh-rsa AAAAB3NzaC1yc2E=";

const GITEA = testSshEntry({ port: 2222 });
const DEPLOY = testSshEntry({ host: "deploy", user: "deploy", hostname: "hub.example" });
const PAGES = testSshEntry({ host: "pages", hostname: "hub.example", knownHostKeys: [HOST_KEY, OTHER_KEY] });
const BOX = testSshEntry({
  host: "10.0.0.7",
  user: "me",
  hostname: "10.0.0.7",
  knownHostKeys: [],
  unpinned: true,
});
const ENTRIES = [GITEA, DEPLOY, PAGES, BOX];
const KEYS = [
  testSshKey({ entries: [GITEA, PAGES] }),
  testSshKey({ path: "/srv/deploy", text: new Secret("é"), entries: [DEPLOY] }),
  testSshKey({ path: "/srv/box", text: new Secret("box"), entries: [BOX] }),
];

Deno.test("sshConfig() has a block for each entry and one that sends every host through the sidecar", () => {
  assert.equal(
    sshConfig(ENTRIES, { keys: KEYS, place: PLACE }),
    `Host gitea git.example.com
  HostName git.example.com
  User git
  Port 2222
  IdentityFile /run/claude-bottle/key1.pub
  IdentitiesOnly yes

Host deploy
  HostName hub.example
  User deploy
  Port 22
  IdentityFile /run/claude-bottle/key2.pub
  IdentitiesOnly yes

Host pages
  HostName hub.example
  User git
  Port 22
  IdentityFile /run/claude-bottle/key1.pub
  IdentitiesOnly yes

Host 10.0.0.7
  HostName 10.0.0.7
  User me
  Port 22
  IdentityFile /run/claude-bottle/key3.pub
  IdentitiesOnly yes
  StrictHostKeyChecking accept-new

Host *
  IdentityAgent /run/claude-bottle/ssh.sock
  StrictHostKeyChecking yes
  UserKnownHostsFile /home/node/.ssh/known_hosts
  UpdateHostKeys no
  ProxyCommand /usr/bin/perl /usr/local/lib/claude-bottle/ssh_connect.pl 10.213.0.2 8888 %h %p
`,
  );
});

Deno.test("sshConfig() lets a host whose key is learned pass for nothing else, by what root writes", () => {
  const entries = [testSshEntry({ knownHostKeys: [] }), BOX];
  const config = sshConfig(entries, { keys: [testSshKey({ entries }), ...KEYS.slice(2)], place: PLACE });
  assert.equal(config.match(/accept-new/g)?.length, 1);
  assert.match(config, /Host 10\.0\.0\.7\n(?: {2}.*\n){5} {2}StrictHostKeyChecking accept-new/);
  assert.match(
    config,
    /^ {2}UserKnownHostsFile \/home\/node\/\.ssh\/known_hosts \/run\/claude-bottle\/known_hosts$/m,
  );
  assert.equal(knownHosts(entries), "");
});

Deno.test("keyFrames() has a passphrase with the key that it opens, and the hosts that were learned", () => {
  const key = testSshKey({ text: new Secret("key"), entries: [DEPLOY], encrypted: true });
  const frames = keyFrames([{ ...key, passphrase: new Secret("pass") }], "a b c\n");
  assert.match(new TextDecoder().decode(frames), /^1:1,6:a b c\n,6:deploy,.*4:pass,3:key,$/s);
  assert.throws(() => keyFrames([key]), RangeError);
});

Deno.test("keyFrames() binds no key to nothing", () => {
  const entries = [DEPLOY, testSshEntry({ knownHostKeys: [] })];
  assert.throws(() => keyFrames([testSshKey({ entries })]), RangeError);
  assert.ok(keyFrames([testSshKey({ entries: [DEPLOY] })]).length > 0);
});

Deno.test("provisionSsh() delivers what asks for passphrases and host keys where it is needed", () => {
  const paths = (entries: readonly SshEntry[], encrypted: boolean): readonly string[] =>
    provisionSsh(entries, { keys: [testSshKey({ entries, encrypted })], place: PLACE })
      .filter(({ path }) => /askpass|host_keys/.test(path))
      .map(({ path, mode, uid }) => `${path.replace(/.*\//, "")} ${mode.toString(8)} ${uid}`);
  assert.deepEqual(paths([DEPLOY, BOX], false), []);
  assert.deepEqual(paths([DEPLOY], true), ["ssh_askpass.pl 755 0"]);
  assert.deepEqual(paths([testSshEntry({ knownHostKeys: [] })], false), ["ssh_host_keys.pl 644 0"]);
});

Deno.test("sshConfig() takes a Hostname that is another entry's Host for that entry", () => {
  const swapped = [
    testSshEntry({ host: "a.example", hostname: "b.example" }),
    testSshEntry({ host: "b.example", hostname: "c.example" }),
  ];
  const config = sshConfig(swapped, { keys: [testSshKey({ entries: swapped })], place: PLACE });
  assert.deepEqual(config.match(/^Host .*$/gm), ["Host a.example", "Host b.example c.example", "Host *"]);
});

Deno.test("knownHosts() knows hosts as the seed does: bare on 22, with the port elsewhere, by Host and by Hostname", () => {
  assert.equal(
    knownHosts(ENTRIES),
    `[gitea]:2222 ${HOST_KEY}
[git.example.com]:2222 ${HOST_KEY}
deploy ${HOST_KEY}
hub.example ${HOST_KEY}
pages ${HOST_KEY}
pages ${OTHER_KEY}
hub.example ${HOST_KEY}
hub.example ${OTHER_KEY}
`,
  );
});

Deno.test("knownHosts() lets no Host stand for another entry's Hostname", () => {
  const entries = [
    testSshEntry({ host: "git.example.com", hostname: "elsewhere.example", knownHostKeys: [OTHER_KEY] }),
    testSshEntry({ host: "real", hostname: "git.example.com" }),
  ];
  assert.equal(
    knownHosts(entries),
    `elsewhere.example ${OTHER_KEY}\nreal ${HOST_KEY}\ngit.example.com ${HOST_KEY}\n`,
  );
});

Deno.test("keyFrames() frames each key with whose it is, its hosts' keys, what it is bound to and whether it signs", () => {
  const hosts = `[git.example.com]:2222 ${HOST_KEY}\nhub.example ${HOST_KEY}\nhub.example ${OTHER_KEY}\n`;
  const bound = "git@[git.example.com]:2222\ngit@hub.example\n";
  const deploy = `hub.example ${HOST_KEY}\n`;
  const text = "the key's own text\n";
  const [gitea = testSshKey(), , box = testSshKey()] = KEYS;
  const signing = testSshKey({ text: new Secret("é"), entries: [{ ...DEPLOY, sign: true }] });
  assert.equal(
    new TextDecoder().decode(keyFrames([gitea, signing, box])),
    `1:3,0:,12:gitea, pages,${hosts.length}:${hosts},${bound.length}:${bound},0:,0:,${text.length}:${text},` +
      `6:deploy,${deploy.length}:${deploy},19:deploy@hub.example\n,4:sign,0:,2:é,` +
      "8:10.0.0.7,0:,0:,0:,0:,3:box,",
  );
});

Deno.test("launchStdin() gives the keys of its launch, and nobody else does", async () => {
  const input = { kind: "keys", names: KEYS.map(({ path }) => path) } as const;
  const none = (): Uint8Array => new Uint8Array();
  const keys = (): Promise<Uint8Array> => Promise.resolve(keyFrames(KEYS));
  const ports = { host: fakeHost(), onEvent: () => {}, keys, secrets: none, authority: none };
  assert.deepEqual(await launchStdin(testInputs(), ports)(input), keyFrames(KEYS));
  assert.throws(() => stdinOf(input), RangeError);
});

Deno.test("provisionSsh() delivers root's programs and the agent's own files, and nothing without entries", () => {
  assert.deepEqual(provisionSsh([], { keys: [], place: PLACE }), []);
  const files = provisionSsh(ENTRIES, { keys: KEYS, place: PLACE });
  assert.deepEqual(
    files.map(({ path, mode, uid, gid, kind }) =>
      `${mode.toString(8)} ${uid}:${gid} ${kind ?? "text"} ${path}`
    ),
    [
      "644 0:0 text usr/local/lib/claude-bottle/ssh_agent.pl",
      "644 0:0 text usr/local/lib/claude-bottle/ssh_relay.pl",
      "644 0:0 text usr/local/lib/claude-bottle/ssh_connect.pl",
      "700 47291:47292 directory home/node/.ssh",
      "600 47291:47292 text home/node/.ssh/config",
      "600 47291:47292 text home/node/.ssh/known_hosts",
    ],
  );
  assert.equal(JSON.stringify(files).includes("the key's own text"), false);
});

for (
  const changes of [
    { host: "a b" },
    { host: "-oProxyCommand=id" },
    { host: "a\n  ProxyCommand id" },
    { host: "*" },
    { host: "!a" },
    { hostname: "a\nHost *" },
    { hostname: "%h" },
    { user: "git\n" },
    { user: "a@b" },
    { port: 0 },
    { port: 65_536 },
    { port: 22.5 },
    { knownHostKeys: ["ssh-rsa AAAA comment"] },
    { knownHostKeys: ["ssh-rsa AAAA\nevil ssh-rsa AAAA"] },
    { knownHostKeys: ["@cert-authority * ssh-rsa AAAA"] },
  ]
) {
  Deno.test(`no line is made of an entry with ${JSON.stringify(changes)}`, () => {
    const entry = testSshEntry(changes);
    const keys = [testSshKey({ entries: [entry] })];
    assert.throws(() => {
      provisionSsh([entry], { keys, place: PLACE });
      keyFrames(keys);
    }, RangeError);
  });
}
