import assert from "node:assert/strict";
import type { HostRule } from "../../lib/egress/policy.ts";
import type { SidecarProgram } from "../../lib/egress/proxy.ts";
import { builtImages, engineRuntimes, eventually } from "../support/engine.ts";
import { type InspectedSidecar, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork, startRecorder } from "../support/recorder.ts";
import { FAULTS, startTlsHost, type TlsHost } from "../support/tls_host.ts";
import brokenService from "../testdata/engine/broken_service.mjs" with { type: "text" };

const ignore = (await engineRuntimes()).length === 0;

const NAMES = ["right.test", ...Object.keys(FAULTS)];

interface Scene extends AsyncDisposable {
  readonly far: TlsHost;
  readonly sidecar: InspectedSidecar;
  readonly ca: string;
}

/** A sidecar of all those hosts, and one of `down.test`, where a machine is but nothing listens. */
async function setUp({ trusts }: { readonly trusts: boolean }): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const further = brokenService;
  const far = stack.use(await startTlsHost({ image, network, names: NAMES, faults: FAULTS, further }));
  stack.use(await startRecorder({ image, network: network.name, aliases: ["down.test"] }));
  const inspection = { rules: [{ method: "GET", path: "/*" }], secret: undefined };
  const hosts: readonly HostRule[] = [...NAMES, "down.test"].toSorted().map((host) => (
    { host, private: false, http: false, inspection }
  ));
  const sidecar = stack.use(
    await startSidecar({ hosts, ssh: [] }, {
      network,
      index: 10,
      ...(trusts ? { authorities: far.caPem } : {}),
    }),
  );
  const { authority } = await sidecar.open([]);
  const all = stack.move();
  return { far, sidecar, ca: authority.pem, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** What curl is answered for a URL, in a line: type, status and text. */
function asked(urls: readonly string[]): string {
  return urls.map((url) =>
    `curl -sS --max-time 60 -w ' %{http_code} %{content_type}\\n' ${url} 2>&1 | tr -s '\\n ' ' '; echo`
  )
    .join("\n");
}

const PLAIN = "text/plain; charset=utf-8";

Deno.test({
  name: "who asks an inspected host whose certificate is wrong is told so in a sentence",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp({ trusts: true });

    const said = await scene.sidecar.shell(asked(NAMES.map((name) => `https://${name}/`)), scene.ca);

    const cannot = (name: string, why: string): string =>
      `claude-bottle cannot reach ${name}:443, and has sent nothing to it: ${why} 503 ${PLAIN} `;
    assert.deepEqual(said.trimEnd().split("\n").map((line) => `${line.trimEnd()} `), [
      "you asked for / 200 text/plain ",
      cannot("expired.test", "the server's certificate has expired"),
      cannot("early.test", "the server's certificate is not valid yet"),
      cannot("wrong.test", "the server's certificate is for another name"),
      cannot(
        "unknown.test",
        "the server's certificate cannot be verified; image.ca names further authorities",
      ),
    ]);
    assert.deepEqual((await scene.far.requests()).length, 1);
  },
});

Deno.test({
  name: "who asks an inspected host of an authority that nobody has named is told what would name it",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp({ trusts: false });

    const said = await scene.sidecar.shell(asked(["https://right.test/"]), scene.ca);

    assert.match(
      said,
      /^claude-bottle cannot reach right\.test:443, .* cannot be verified; image\.ca names further authorities 503 text\/plain/,
    );
    assert.deepEqual(
      (await scene.sidecar.events()).map(({ verdict, reason }) => `${verdict} ${reason}`),
      ["refused the server's certificate cannot be verified; image.ca names further authorities"],
    );
    assert.deepEqual(await scene.far.requests(), []);
  },
});

Deno.test({
  name: "an inspected host that does not answer is told in a sentence, and its own answers keep their type",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp({ trusts: true });
    const urls = [
      "https://down.test/",
      "https://right.test/nothing",
      "https://right.test/cut",
      "https://right.test/html",
    ];

    const said = await scene.sidecar.shell(asked(urls), scene.ca);

    assert.deepEqual(said.trimEnd().split("\n").map((line) => line.trimEnd()), [
      `claude-bottle cannot reach down.test:443: nothing answers there ((111) Connection refused) 503 ${PLAIN}`,
      // As without us.
      "curl: (52) Empty reply from server 000",
      `claude-bottle lost the connection to right.test:443 before all of its answer had come 502 ${PLAIN}`,
      "<p>an answer</p> 200 text/html",
    ]);
  },
});

/** What a sidecar of `right.test` and `down.test`, both with plain HTTP, and of inspected hosts answers to a script. */
async function askedPlain(
  script: string,
  { inspected, change }: {
    readonly inspected: readonly string[];
    readonly change?: (program: SidecarProgram) => SidecarProgram;
  },
): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const place = { image, network: network.name };
  stack.use(await startRecorder({ ...place, aliases: ["right.test"], ports: [80] }));
  stack.use(await startRecorder({ ...place, aliases: ["down.test"], ports: [8080] }));
  const inspection = { rules: [{ method: "GET", path: "/*" }], secret: undefined };
  const hosts: readonly HostRule[] = [
    ...inspected.map((host) => ({ host, private: false, http: false, inspection })),
    ...["down.test", "right.test"].map((host) => ({ host, private: false, http: true })),
  ];
  const options = { network, index: 10, ...(change === undefined ? {} : { change }) };
  const sidecar = stack.use(await startSidecar({ hosts, ssh: [] }, options));
  if (inspected.length > 0) await sidecar.open([]);
  const said = await sidecar.shell(
    `export http_proxy=$HTTPS_PROXY; place=\${HTTPS_PROXY#http://}; place=/dev/tcp/\${place/:/\\/}
    for wait in {1..100}; do (exec 3<>$place) 2>/dev/null && break; sleep 0.2; done
    ${script}`,
    "",
  );
  return said.trimEnd().split("\n").map((line) => line.trimEnd());
}

const UNREAD = "claude-bottle refused a request that cannot be read in one way only " +
  "(its first line, its version or its headers)";

for (const inspected of [[], ["api.test"]]) {
  Deno.test({
    name: `a host of plain HTTP that does not answer is told in a sentence, and an answer keeps its type${
      inspected.length === 0 ? "" : " (beside an inspected host)"
    }`,
    ignore,
    async fn(): Promise<void> {
      const script = `${asked(["http://down.test/", "http://right.test/"])}
        for request in "GARBAGE" "GET http://right.test/ HTTP/3.7" "GET http://right.test:x/ HTTP/1.1"; do
          exec 3<>$place
          printf '%s\\r\\n\\r\\n' "$request" >&3
          timeout 20 cat <&3 | tr -d '\\r' | sed -n 's/^Content-Type: //p; /^claude-bottle/p'
          exec 3>&-
        done`;

      assert.deepEqual(await askedPlain(script, { inspected }), [
        `claude-bottle cannot reach down.test:80: nothing answers there ((111) Connection refused) 503 ${PLAIN}`,
        "answer 1 200 application/x-recorded",
        // The front itself.
        ...[PLAIN, UNREAD, PLAIN, UNREAD, PLAIN, UNREAD],
      ]);
    },
  });
}

Deno.test({
  name: "who asks over plain HTTP while the front has no back is answered in a sentence of plain text",
  ignore,
  async fn(): Promise<void> {
    const change = (program: SidecarProgram): SidecarProgram => ({
      ...program,
      files: program.files.map((file) =>
        file.path === "front.conf" ? { ...file, text: file.text.replace("parent 3128", "parent 1") } : file
      ),
    });

    const [said = "", ...more] = await askedPlain(asked(["http://right.test/"]), { inspected: [], change });

    assert.match(said, /^claude-bottle [a-z].* right\.test:80.* 50[23] text\/plain; charset=utf-8$/);
    assert.deepEqual(more, []);
  },
});

/** What squid cannot read, by what is wrong with it. */
const UNREADABLE = {
  "no HTTP": "GARBAGE\r\n\r\n",
  "version": "GET / HTTP/3.7\r\nHost: right.test\r\n\r\n",
  "no path": "GET right.test HTTP/1.1\r\nHost: right.test\r\n\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "expectation": "GET / HTTP/1.1\r\nHost: right.test\r\nExpect: miracles\r\n\r\n",
  "the whole server": "OPTIONS * HTTP/1.1\r\nHost: right.test\r\n\r\n",
};
const LARGE = `GET / HTTP/1.1\r\nHost: right.test\r\nX-Large: ${"x".repeat(70_000)}\r\n\r\n`;

Deno.test({
  name: "a request that cannot be read is refused in a sentence, and told with the host of its connection",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp({ trusts: true });
    const requests = [...Object.values(UNREADABLE), LARGE].map((raw) => ({ host: "right.test", raw }));

    const answers = await scene.sidecar.say(requests, scene.ca);

    const sentence = "claude-bottle refused a request that cannot be read in one way only " +
      "(its first line, its version or its headers)\n";
    const told = answers.map((answer) => [
      /^HTTP\/1\.1 (4|5)\d\d /.test(answer),
      /^content-type: (.*)\r$/im.exec(answer)?.[1],
      /\r\n\r\n([^]*)$/.exec(answer)?.[1],
    ]);
    assert.deepEqual(told, [
      ...Object.keys(UNREADABLE).map(() => [true, PLAIN, sentence]),
      [true, PLAIN, "claude-bottle refused a request with more than 64 KB of headers\n"],
    ]);
    const reasons = (await scene.sidecar.events()).map(({ verdict, host, reason }) =>
      `${verdict} ${host} ${reason}`
    );
    assert.deepEqual(reasons.toSorted(), [
      ...Object.keys(UNREADABLE).map(() =>
        "refused right.test a request that cannot be read in one way only"
      ),
      "refused right.test a request with more than 64 KB of headers",
    ]);
    assert.deepEqual(await scene.far.requests(), []);
  },
});

Deno.test({
  name: "squid finds a page of ours wherever it looks for its own",
  ignore,
  async fn(): Promise<void> {
    const complaints = async (isWhole: boolean): Promise<number> => {
      await using stack = new AsyncDisposableStack();
      const network = stack.use(await closedNetwork("203.0.113"));
      const sidecar = stack.use(
        await startSidecar({ hosts: [], ssh: [] }, {
          network,
          index: 10,
          change: (program) => ({
            ...program,
            files: program.files.filter(({ path }) => isWhole || path !== "ERR_ESI"),
          }),
        }),
      );
      const said = async (): Promise<string> => {
        const { stderr } = await new Deno.Command("docker", { args: ["logs", sidecar.id] }).output();
        return new TextDecoder().decode(stderr);
      };
      // Both have read all of theirs by then.
      await eventually(
        "both run",
        async () => (await said()).match(/Service Name/g)?.length === 2 || undefined,
      );
      return (await said()).match(/ERROR: loading file/g)?.length ?? 0;
    };
    assert.deepEqual([await complaints(true), await complaints(false)], [0, 2]);
  },
});
