import type { Problem } from "../errors.ts";
import type { Manifest } from "./model.ts";
import { type Path, pathText } from "./node.ts";

/** What is said of a value, and what to do about it. */
export type Remark = Pick<Problem, "message" | "hints">;

/** A remark about a value of a merged manifest, where that value stands. */
export function remarkAt(manifest: Manifest, at: Path, { message, hints }: Remark): Problem {
  const where = manifest.where(at);
  const path = pathText(at);
  return {
    path,
    message: `${path}: ${message}`,
    ...(hints === undefined ? {} : { hints }),
    ...(where === undefined ? {} : { where }),
  };
}

/** File by file, from top to bottom. */
export function inOrder<T extends Problem>(
  problems: readonly T[],
  files: readonly { readonly path: string }[],
): readonly T[] {
  const rank = (problem: T): number => files.findIndex(({ path }) => path === problem.where?.file);
  return problems.toSorted((a, b) =>
    rank(a) - rank(b) || (a.where?.line ?? 0) - (b.where?.line ?? 0) ||
    (a.where?.column ?? 0) - (b.where?.column ?? 0)
  );
}

/** What several entries take over from one stands in one place, and is told once: the first time. */
export function oncePerPlace<T extends Problem>(problems: readonly T[]): readonly T[] {
  const first = new Map<string, T>();
  for (const problem of problems) {
    const { where, message } = problem;
    const place = where === undefined ? message : `${where.file}:${where.line}:${where.column}`;
    if (!first.has(place)) first.set(place, problem);
  }
  return [...first.values()];
}

/** The lines that these problems are about, for {@link withoutLines}. */
export function linesOf(problems: readonly Problem[]): ReadonlySet<string> {
  return new Set(problems.flatMap((problem) => lineOf(problem) ?? []));
}

function lineOf({ where }: Problem): string | undefined {
  return where === undefined ? undefined : `${where.file}:${where.line}`;
}

/** The same problems, of which none shows one of these lines. */
export function withoutLines<T extends Problem>(
  problems: readonly T[],
  hidden: ReadonlySet<string>,
): readonly T[] {
  return problems.map((problem) => {
    if (problem.where === undefined || !hidden.has(lineOf(problem) ?? "")) return problem;
    const { snippet: _, ...where } = problem.where;
    return { ...problem, where };
  });
}
