import { expectationOf, malformedNames, told } from "../tests/support/malformed_manifests.ts";

/** What is said of each malformed manifest: written beside it, for a human to read. */

const USAGE = "usage: deno run -P=project scripts/malformed.ts [--print]\n";

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 1 || args.some((arg) => arg !== "--print")) {
    await say(USAGE);
    return 2;
  }
  const { manifests, orphans } = await malformedNames();
  const accepted: string[] = [];
  for (const name of manifests) {
    const text = await told(name);
    if (text === undefined) accepted.push(name);
    else if (args[0] === "--print") await print(`==> ${name}\n${text}\n`);
    else await Deno.writeTextFile(expectationOf(name), text);
  }
  for (const name of accepted) await say(`${name} is not malformed\n`);
  for (const name of orphans) await say(`${name} is expected and not there\n`);
  return accepted.length + orphans.length === 0 ? 0 : 1;
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

async function say(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
