import { Failure } from "../../lib/errors.ts";
import { renderProblem } from "../../lib/manifest/diagnostics.ts";
import { parseManifest } from "../../lib/manifest/load.ts";

/** The folder of manifests that are wrong, each beside what is said of it in `NAME.expected`. */
export const MALFORMED = new URL("../testdata/manifest/malformed/", import.meta.url);

const EXPECTED = ".expected";

/** The names of the manifests, and those of manifests that an expectation lacks. */
export async function malformedNames(): Promise<
  { manifests: readonly string[]; orphans: readonly string[] }
> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(MALFORMED)) if (!name.startsWith(".")) names.push(name);
  const manifests = names.filter((name) => !name.endsWith(EXPECTED)).toSorted();
  const orphans = names.filter((name) => name.endsWith(EXPECTED))
    .map((name) => name.slice(0, -EXPECTED.length)).filter((name) => !manifests.includes(name));
  return { manifests, orphans };
}

/** The file with what is expected of a manifest. */
export function expectationOf(name: string): URL {
  return new URL(`${name}${EXPECTED}`, MALFORMED);
}

/** What a user sees of a manifest's problems, as text with a line feed at its end; `undefined` when there are none. */
export async function told(name: string): Promise<string | undefined> {
  const failure = await refusal(name);
  return failure && `${failure.problems.map(renderProblem).join("\n")}\n`;
}

/** Why a manifest is refused. */
export async function refusal(name: string): Promise<Failure | undefined> {
  const bytes = await Deno.readFile(new URL(name, MALFORMED));
  try {
    await parseManifest([{ path: name, bytes }]);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}
