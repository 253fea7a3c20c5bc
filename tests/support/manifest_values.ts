const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

/** What may come instead of a value: what some fields take, and what none does. */
export const VALUES: readonly unknown[] = [
  ...words("a A -a . .. * *. *.a a. a.. a/b a:b a@b a_b 1.2.3.4 1.2.3 01.2.3.4 ::1 [::1]:22 0x1 a.0x1 a.1"),
  ...words("bücher.example 日本 ａ xn--a xn--bcher-kva.example a\u200b https://a.example a.example/x"),
  ...words("~ ~/x ~root/x $HOME/x / ./x x\ty x\u0085y \ud800 🍾 \u2028 \0"),
  ...words("0 00022 65535 65536 ٢٢ 1e3 64m 63m 64M 0g 1k 1048576g 1048577g 4gb"),
  ...words("git GIT git- c++ host none demo Demo! --demo-- __proto__ constructor toString"),
  ...words(
    "HTTP_PROXY no_proxy A-B 1A bearer Bearer basic: header:X header: auto runsc squid dev base writer nobody",
  ),
  ...[
    "",
    " ",
    "a b",
    "a\nb",
    "22 ",
    "basic:a b",
    "header:X Y",
    "GET /",
    "get /",
    "GET  /",
    "GET /a b",
    "GET /é",
    "GET //",
    "GET /../a",
    "GET /a%2fb",
    "GET /a%2e",
    "TRACE /",
  ],
  ...words("github pypi gihub me/app me/app.git me/.. me/a/b"),
  ...[
    KEY,
    `${KEY} me@host`,
    `host ${KEY}`,
    ` ${KEY}`,
    KEY.slice(0, -1),
    `${KEY}\n`,
    "ssh-rsa",
    "ssh-ed25519 AAAA",
  ],
  ...words(`a:b@sha256:${"0".repeat(64)} sha256:${"0".repeat(64)} a: a__b/c a___b A/b localhost:5000/a`),
  ...[64, 65, 128, 129, 253, 254, 512, 513].map((length) => "a".repeat(length)),
  "é".repeat(300),
  ...[
    null,
    true,
    false,
    0,
    1,
    22,
    -1,
    1.5,
    0.01,
    0.009,
    64,
    63,
    1024,
    1025,
    65_535,
    65_536,
    4_194_304,
    4_194_305,
  ],
  ...[1e21, [], [""], ["a"], ["a", "a"], ["-a"], ["a", "-a"], [null], [["a"]], [{}], {}, { a: "b" }, {
    secret: {},
  }],
  ...[
    { github: {} },
    { github: { push: true } },
    { npm: {}, pypi: {} },
    { use: "npm" },
    {
      use: "npm",
      http: false,
    },
    { host: "a", http: true, allow: ["GET /"] },
    { host: "a", use: "npm" },
  ],
  ...[{ secret: { file: "x" } }, { secret: { file: "x", command: ["y"] } }, { secret: { command: [] } }],
  ...[{ host: "a" }, { host: "a", http: "yes" }, { Host: "a", IdentityFile: "b" }, {
    Host: "a_",
    IdentityFile: "b",
  }],
  ...[{ file: "x" }, { identity: "me" }, { bottle: "dev" }, { extends: "base" }, {
    bottle: "dev",
    extends: "writer",
  }],
];

function words(text: string): readonly string[] {
  return text.split(" ");
}

function bottle(dev: unknown): unknown {
  return { bottles: { dev } };
}

function egress(egress: unknown): unknown {
  return bottle({ egress });
}

/** Small manifests with every field there is, in every form that it has. */
export const MANIFESTS: readonly unknown[] = [
  {
    bottles: { base: {}, dev: { extends: "base" } },
    agents: {
      "Reviewer 2.0": { bottle: "dev", skills: ["review"], prompt: "Review.\n", command: ["claude", "-p"] },
      writer: { extends: "Reviewer 2.0" },
    },
  },
  bottle({
    env: { PLAIN: "text", HOST: "${NAME}", ASKED: "?question", TOKEN: { secret: { file: "~/.token" } } },
  }),
  bottle({
    env: { TOKEN: { secret: { command: ["op", "read"] } } },
    git: { identity: "host" },
    runtime: "auto",
  }),
  bottle({
    ssh: [{
      Host: "gitea",
      IdentityFile: "~/.ssh/id",
      Hostname: "git.example.com",
      User: "git",
      Port: 22,
      KnownHostKey: KEY,
      unpinned: false,
      sign: true,
    }],
    egress: { private: ["gitea"] },
  }),
  bottle({ ssh: [{ Host: "box.example.org", IdentityFile: "key", Port: "2222", KnownHostKey: [KEY] }] }),
  bottle({ ssh: [{ Host: "10.0.0.7", IdentityFile: "/key" }] }),
  egress({
    defaults: true,
    allowlist: ["github.com", "*.example.org"],
    private: ["git.example.org", "*.example.org"],
  }),
  egress({ networks: ["app_default"], proxy: "squid", allowlist: [{ host: "deb.example.net", http: true }] }),
  egress({
    allowlist: [{
      host: "api.example.com",
      allow: ["POST /v1/messages"],
      inject: { env: "TOKEN", secret: "${NAME}", as: "bearer" },
    }],
  }),
  egress({
    allowlist: [{
      host: "api.example.com",
      inject: { env: "TOKEN", secret: { command: ["op", "read"] }, as: "basic:me" },
    }],
  }),
  ...["github", { pypi: {} }, { npm: { token: "${NAME}" } }].map((use) => egress({ allowlist: [{ use }] })),
  egress({
    proxy: "squid",
    allowlist: [{ use: { github: { repos: ["me/app"], push: true, token: "?token" } } }],
  }),
  egress({
    proxy: "squid",
    allowlist: [
      { use: { anthropic: { token: { file: "~/.token" } } } },
      { use: { openai: { key: { command: ["op", "read"] } } } },
      { use: { npm: {} } },
    ],
  }),
  egress({ allowlist: [{ use: { anthropic: { key: "${NAME}" } } }] }),
  bottle({ resources: { cpus: 1.5, memory: "4g", pids: 2048, disk: "20g" } }),
  bottle({
    image: { base: "debian:trixie-slim", dockerfile: "Dockerfile", packages: ["jq"], ca: "~/ca.pem" },
  }),
];
