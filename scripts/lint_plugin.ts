import { fromFileUrl, isWithin, posixRelative, resolvePosix } from "./lint_paths.ts";

/** What a layer may take from another one: everything, or types alone. */
type Grant = "values" | "types";

/** Where a file belongs. */
type Layer =
  | "main"
  | "cli"
  | "commands"
  | "manifest"
  | "manifest/diagnostics"
  | "bottle"
  | "egress"
  | "isolation"
  | "backend"
  | "host"
  | "host/deno"
  | "ui"
  | "assets"
  | "errors"
  | "version"
  | "scripts"
  | "tests";

/** The layers that a layer may import, besides itself. */
type Grants = Readonly<Partial<Record<Layer, Grant>>>;

/** What everyone may use. */
const SHARED: Grants = { host: "values", errors: "values", version: "values" };

/** Layers that are missing here (main, scripts, tests) wire the rest together and are not restricted by it. */
const ALLOWED: Readonly<Partial<Record<Layer, Grants>>> = {
  cli: {
    ...SHARED,
    commands: "values",
    ui: "values",
    manifest: "types",
    "manifest/diagnostics": "types",
  },
  commands: {
    ...SHARED,
    manifest: "values",
    "manifest/diagnostics": "values",
    bottle: "values",
    egress: "values",
    isolation: "values",
    ui: "values",
  },
  backend: {
    ...SHARED,
    bottle: "values",
    egress: "values",
    assets: "values",
    manifest: "types",
    "manifest/diagnostics": "types",
  },
  bottle: { ...SHARED, egress: "types", manifest: "types", "manifest/diagnostics": "types" },
  egress: { ...SHARED, assets: "values", manifest: "types", "manifest/diagnostics": "types" },
  isolation: {},
  ui: { ...SHARED, bottle: "types", "manifest/diagnostics": "values" },
  manifest: { ...SHARED, "manifest/diagnostics": "values" },
  "manifest/diagnostics": { ...SHARED, manifest: "values" },
  host: { errors: "values" },
  "host/deno": { host: "values", errors: "values" },
  assets: {},
  errors: {},
  version: {},
};

/** Packages that one layer alone knows. */
const PACKAGE_HOMES: Readonly<Record<string, readonly Layer[]>> = {
  "@stricli/core": ["cli", "tests"],
  "js-yaml": ["manifest", "manifest/diagnostics", "tests"],
  "fast-check": ["tests"],
  "ajv": ["tests"],
  "tldts": ["manifest"],
  "tldts/dist/index.esm.min.js": ["manifest"],
};

/** The members of `Deno` that touch nothing outside the process. */
const HARMLESS_DENO_MEMBERS: ReadonlySet<string> = new Set(["errors", "inspect", "build"]);

/** One import, whatever its syntax. */
interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

function layerOf(path: string): Layer | undefined {
  if (path === "main.ts") return "main";
  const [top, second, third] = path.split("/");
  if (top === "scripts" || top === "tests") return top;
  if (top !== "lib") return undefined;
  switch (second) {
    case "errors.ts":
      return "errors";
    case "version.ts":
      return "version";
    case "host":
      return /^deno(_[a-z]+)?\.ts$/.test(third ?? "") ? "host/deno" : "host";
    case "manifest":
      return third === "diagnostics.ts" || third === "diagnostics" ? "manifest/diagnostics" : "manifest";
    case "cli":
    case "commands":
    case "bottle":
    case "egress":
    case "isolation":
    case "backend":
    case "ui":
    case "assets":
      return second;
    default:
      return undefined;
  }
}

/** Why a file of `from` may not import `target`, or `undefined`. */
function layeringProblem(from: Layer, target: Layer, use: Import): string | undefined {
  if (from === "scripts" || from === "tests") return undefined;
  if (target === "scripts" || target === "tests") return `${from} must not import ${target}`;
  if (from === "main") {
    const lazy = target !== "backend" || use.dynamic || use.typeOnly;
    return lazy ? undefined : "main imports the backend dynamically, so that other commands start without it";
  }
  if (from === target) return undefined;
  if (target === "host/deno") return "Only main.ts imports lib/host/deno*.ts";
  const grant = ALLOWED[from]?.[target];
  if (grant === undefined) return `${from} must not import ${target}`;
  if (grant === "types" && !use.typeOnly) return `${from} may import types of ${target} only`;
  return undefined;
}

function packageProblem(from: Layer, specifier: string): string | undefined {
  const homes = PACKAGE_HOMES[specifier];
  if (homes === undefined || homes.includes(from)) return undefined;
  return `${specifier} belongs to ${homes[0]} alone`;
}

/** Calls `visit` for every import of a file: static, re-exported, dynamic, and `import("…")` types. */
function importVisitor(
  visit: (use: Import | "computed", node: Deno.lint.Node) => void,
): Deno.lint.LintVisitor {
  return {
    ImportDeclaration(node): void {
      const inlineTypes = node.specifiers.length > 0 &&
        node.specifiers.every((specifier) =>
          specifier.type === "ImportSpecifier" && specifier.importKind === "type"
        );
      const typeOnly = node.importKind === "type" || inlineTypes;
      visit({ specifier: node.source.value, typeOnly, dynamic: false }, node);
    },
    ExportNamedDeclaration(node): void {
      if (node.source === null) return;
      visit({ specifier: node.source.value, typeOnly: node.exportKind === "type", dynamic: false }, node);
    },
    ExportAllDeclaration(node): void {
      visit({ specifier: node.source.value, typeOnly: node.exportKind === "type", dynamic: false }, node);
    },
    ImportExpression(node): void {
      const source = node.source;
      if (source.type === "Literal" && typeof source.value === "string") {
        visit({ specifier: source.value, typeOnly: false, dynamic: true }, node);
      } else visit("computed", node);
    },
    TSImportType(node): void {
      const specifier = typeArgument(node);
      visit(specifier === undefined ? "computed" : { specifier, typeOnly: true, dynamic: false }, node);
    },
  };
}

/** The specifier of an `import("…")` type; the tree names it differently from version to version. */
function typeArgument(node: Deno.lint.TSImportType): string | undefined {
  const argument: unknown = node.argument;
  if (typeof argument !== "object" || argument === null) return undefined;
  if ("value" in argument && typeof argument.value === "string") return argument.value;
  if ("literal" in argument && typeof argument.literal === "object" && argument.literal !== null) {
    const literal = argument.literal;
    if ("value" in literal && typeof literal.value === "string") return literal.value;
  }
  return undefined;
}

function layeringRule(root: string): Deno.lint.Rule {
  return {
    create(context): Deno.lint.LintVisitor {
      const path = posixRelative(root, context.filename);
      if (path === undefined) return {};
      const from = layerOf(path);
      if (from === undefined) {
        return path.startsWith("lib/") ? unknownLayer(context, path) : {};
      }
      return importVisitor((use, node) => {
        const message = importProblem({ from, path, root }, use);
        if (message !== undefined) context.report({ node, message });
      });
    },
  };
}

function unknownLayer(context: Deno.lint.RuleContext, path: string): Deno.lint.LintVisitor {
  const message = `${path} is in no layer: give its folder a row in scripts/lint_plugin.ts`;
  return { Program: (node) => context.report({ node, message }) };
}

function importProblem(
  file: { readonly from: Layer; readonly path: string; readonly root: string },
  use: Import | "computed",
): string | undefined {
  const free = file.from === "main" || file.from === "scripts" || file.from === "tests";
  if (use === "computed") return free ? undefined : "A computed import cannot be checked: write the path out";
  if (/^(file:|\/)/.test(use.specifier)) {
    return free ? undefined : "An absolute import cannot be checked: write a relative one";
  }
  if (!use.specifier.startsWith(".")) return packageProblem(file.from, use.specifier);
  const target = resolvePosix(file.path, use.specifier);
  const layer = isWithin(target) ? layerOf(target) : undefined;
  if (layer !== undefined) return layeringProblem(file.from, layer, use);
  return free ? undefined : `${use.specifier} is outside every layer`;
}

function noNodeRule(root: string): Deno.lint.Rule {
  return {
    create(context): Deno.lint.LintVisitor {
      const path = posixRelative(root, context.filename);
      const layer = path === undefined ? undefined : layerOf(path);
      const allowed = layer === "tests"
        ? ["node:path", "node:assert/strict"]
        : layer === "scripts"
        ? ["node:path"]
        : [];
      return importVisitor((use, node) => {
        if (use === "computed" || !use.specifier.startsWith("node:")) return;
        if (allowed.includes(use.specifier)) return;
        context.report({
          node,
          message:
            `${use.specifier} is not used here: only scripts and tests use node:path, only tests node:assert/strict`,
        });
      });
    },
  };
}

function noDirectEffectRule(root: string): Deno.lint.Rule {
  return {
    create(context): Deno.lint.LintVisitor {
      const path = posixRelative(root, context.filename);
      if (path === undefined || !path.startsWith("lib/") || layerOf(path) === "host/deno") return {};
      return {
        Identifier(node): void {
          if (node.name !== "Deno") return;
          const member = denoMember(node);
          if (member === "type" || HARMLESS_DENO_MEMBERS.has(member)) return;
          context.report({
            node,
            message: member === ""
              ? "Deno must not be passed on or taken apart outside lib/host/deno*.ts and main.ts"
              : `Deno.${member} belongs to lib/host/deno*.ts and main.ts: take a port of lib/host instead`,
          });
        },
      };
    },
  };
}

/** The member of `Deno` that is used; `type` in a type, empty when it cannot be told. */
function denoMember(node: Deno.lint.Identifier): string {
  const parent = node.parent;
  if (parent.type === "TSQualifiedName" || parent.type === "TSTypeQuery") return "type";
  if (parent.type !== "MemberExpression") return "";
  // In `globalThis.Deno.env`, `Deno` is itself a member; the one above it names the effect.
  const access = parent.object === node ? parent : parent.parent;
  if (access.type !== "MemberExpression") return "";
  const property = access.property;
  if (!access.computed && property.type === "Identifier") return property.name;
  return property.type === "Literal" && typeof property.value === "string" ? property.value : "";
}

/** The project's lint rules for a checkout at `root`, an absolute path. */
export function createPlugin(root: string): Deno.lint.Plugin {
  return {
    name: "claude-bottle",
    rules: {
      layering: layeringRule(root),
      "no-direct-effect": noDirectEffectRule(root),
      "no-node": noNodeRule(root),
    },
  };
}

const plugin: Deno.lint.Plugin = createPlugin(fromFileUrl(new URL("..", import.meta.url)));

/** The rules for the checkout that this file stands in. */
export default plugin;
