import { equal, throws } from "node:assert/strict";
import { withRuntime } from "../../../scripts/engine_runtime.ts";

const RUNSC = { name: "runsc", path: "/opt/runsc" };

Deno.test("withRuntime() writes a configuration where there was none", () => {
  const expected = `{
  "runtimes": {
    "runsc": {
      "path": "/opt/runsc"
    }
  }
}
`;
  equal(withRuntime(undefined, RUNSC), expected);
  equal(withRuntime("\n", RUNSC), expected);
});

Deno.test("withRuntime() keeps everything else and replaces the runtime of that name", () => {
  const text = `{"dns":["10.0.0.1"],"runtimes":{"crun":{"path":"/usr/bin/crun"},"runsc":{"path":"/gone"}}}`;
  equal(
    withRuntime(text, RUNSC),
    `{
  "dns": [
    "10.0.0.1"
  ],
  "runtimes": {
    "crun": {
      "path": "/usr/bin/crun"
    },
    "runsc": {
      "path": "/opt/runsc"
    }
  }
}
`,
  );
});

Deno.test("withRuntime() refuses what it does not understand", () => {
  throws(() => withRuntime("{ // mine\n}", RUNSC), SyntaxError);
  throws(() => withRuntime("[]", RUNSC), /not a JSON object/);
  throws(() => withRuntime(`{"runtimes":[]}`, RUNSC), /`runtimes` is not a JSON object/);
});
