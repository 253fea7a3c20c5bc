import assert from "node:assert/strict";
import { ATTEMPTS } from "../../../lib/isolation/attempts.ts";
import { CONTROLS } from "../../../lib/isolation/controls.ts";
import type { Result } from "../../../lib/isolation/judge.ts";
import type { ProxyName } from "../../../lib/manifest/model.ts";
import { isRight, options, type Row, scoreboard } from "../../../scripts/scoreboard.ts";

/** What became of everything on one engine; by id where it is not what should. */
function row(different: Readonly<Record<string, Result["verdict"]>>, proxy: ProxyName = "squid"): Row {
  const results = (
    trials: readonly { readonly id: string }[],
    verdict: Result["verdict"],
  ): readonly Result[] => trials.map(({ id }) => ({ id, verdict: different[id] ?? verdict, said: "" }));
  return {
    place: { engine: "20.10.24", runtime: "runc", runtimeVersion: "runc 1.1.5", proxy },
    outcome: {
      held: results(ATTEMPTS, "stopped"),
      live: ATTEMPTS.map(({ id }) => ({ id, verdict: "through", said: "" })),
      controls: results(CONTROLS, "through"),
      seconds: 1,
    },
  };
}

/** The cells of one attempt. */
function cells(text: string, title: string): readonly string[] {
  const line = text.split("\n").find((one) => one.startsWith(`| ${title} |`)) ?? "";
  return line.split("|").slice(3, -1).map((cell) => cell.trim());
}

Deno.test("the scoreboard tells what was not made, or not known of, from what was stopped", () => {
  const text = scoreboard([
    row({ "direct-udp": "untried", "direct-tcp": "through", "direct-icmp": "unknown" }),
  ]);
  assert.deepEqual(cells(text, "a UDP packet to a host's address"), ["1", "not made"]);
  assert.deepEqual(cells(text, "a TCP connection to a host's address"), ["1", "**x**"]);
  assert.deepEqual(cells(text, "an ICMP echo request with data in it"), ["1", "not known"]);
  assert.deepEqual(cells(text, "an IP packet made by hand"), ["1", "stopped"]);
  assert.match(text, /\| 69 of 72 \| none \| 72 of 72 \| 10 of 10 \|/);
});

Deno.test("a row is right when all was stopped but named exceptions, and all that is granted got through", () => {
  assert.equal(isRight(row({})), true);
  for (const verdict of ["through", "untried", "unknown"] as const) {
    assert.equal(isRight(row({ "direct-tcp": verdict })), false, verdict);
  }
  assert.equal(isRight(row({ "control-tls": "stopped" })), false);
  assert.equal(isRight(row({ "proxy-port": "through" })), false);
  assert.equal(isRight(row({ "proxy-port": "through" }, "pipelock")), true);
  assert.equal(isRight(row({ "proxy-port": "unknown" }, "pipelock")), false);
});

Deno.test("the scoreboard's command line is engines and a file", () => {
  assert.deepEqual(options(["--engine", "unix:///a", "--output", "/b", "--engine", "unix:///c"]), {
    engines: ["unix:///a", "unix:///c"],
    output: "/b",
  });
  assert.deepEqual(options([])?.engines, [undefined]);
  for (const args of [["--help"], ["--engine"], ["--engine", ""], ["--what", "x"], ["FILE"]]) {
    assert.equal(options(args), undefined, args.join(" "));
  }
});
