import assert from "node:assert/strict";
import { FakeBackend, runCli } from "../support/cli_harness.ts";

const IMAGES = [
  { role: "agent", name: "claude-bottle:aaaaaaaaaaaa", id: "sha256:a11", built: true, seconds: 61.25 },
  { role: "sidecar", name: "claude-bottle-squid:bbbbbbbbbbbb", id: "sha256:b22", built: false, seconds: 0 },
] as const;

function withImages(): FakeBackend {
  const backend = new FakeBackend();
  backend.images = IMAGES;
  return backend;
}

Deno.test("build prints a line for each image", async () => {
  const run = await runCli(["build"], { backend: withImages() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  assert.equal(
    run.stdout,
    "agent    claude-bottle:aaaaaaaaaaaa  built in 61.3 s\n" +
      "sidecar  claude-bottle-squid:bbbbbbbbbbbb  was there\n",
  );
  assert.equal(run.stderr, "");
  assert.equal(run.backend.builds[0]?.force, false);
});

Deno.test("build --json prints one object with everything known of the images", async () => {
  const run = await runCli(["build", "--json", "--force"], { backend: withImages() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  assert.deepEqual(JSON.parse(run.stdout), { images: IMAGES });
  assert.equal(run.stderr, "");
  assert.equal(run.backend.builds[0]?.force, true);
});

Deno.test("build over docker makes the calls that the images need and reports their ids", async () => {
  const rows = [
    { argv: ["build", "--json"], calls: ["image inspect", "image inspect", "image inspect"], built: false },
    {
      argv: ["build", "--json", "--force"],
      calls: [
        "image inspect",
        "image inspect",
        "image inspect",
        "image pull",
        "image build",
        "image build",
        "image inspect",
        "image inspect",
      ],
      built: true,
    },
  ];
  for (const { argv, calls, built } of rows) {
    const run = await runCli(argv, {
      over: "docker",
      arrange: ({ processes }) => {
        processes.on(/^docker image (pull|build) /, { stdout: "Step 1/1\n" });
        processes.on(/^docker image inspect --format /, { stdout: `sha256:${"c".repeat(64)}\n` });
      },
    });
    assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stderr);
    const made = run.host.processes.calls.map(({ args }) => args.slice(0, 2).join(" "));
    assert.deepEqual(made.sort(), [...calls].sort());
    const { images } = JSON.parse(run.stdout);
    assert.deepEqual(images.map(({ role }: { role: string }) => role), ["agent", "sidecar"]);
    for (const image of images) {
      assert.equal(image.built, built);
      assert.match(image.id, built ? /^sha256:c{64}$/ : /^sha256:(a{64}|b{64})$/);
      assert.match(image.name, /^claude-bottle(-squid)?:[0-9a-f]{12}$/);
    }
  }
});

Deno.test("build that fails shows the end of what the build said, and prints nothing on stdout", async () => {
  const run = await runCli(["build", "--force"], {
    over: "docker",
    arrange: ({ processes }) => {
      processes.on(/^docker image pull /, {});
      processes.on(/^docker image build /, { code: 1, stdout: "Step 7/9\nE: no such package\u001b[31m\n" });
    },
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.equal(run.stdout, "");
  assert.match(run.stderr, /^E: no such package·\[31m$/m);
  assert.match(run.stderr, /^error: The engine failed at building the (agent|sidecar) image/m);
});
