import type { BuildOptions, BuiltImage } from "../../bottle/backend.ts";
import type { OnEvent } from "../../bottle/events.ts";
import type { Host } from "../../host/host.ts";
import { VERSION } from "../../version.ts";
import type { DockerClient } from "./client.ts";
import { findImages } from "./engine.ts";
import { executeSteps } from "./execute.ts";
import { buildSteps, type ImageChoice } from "./image_steps.ts";
import { type ImageRecipe, imageRecipes } from "./images.ts";
import { stdinOf } from "./stdin.ts";

/** Builds both images, or those that are missing. @throws Failure */
export async function buildImages(
  { host, client }: { readonly host: Host; readonly client: DockerClient },
  options: BuildOptions,
): Promise<readonly BuiltImage[]> {
  const recipes = await imageRecipes(host.environment);
  const names = [recipes.agent.name, recipes.sidecar.name, recipes.agent.base];
  const found = await findImages(client, { names, signal: options.signal });
  const choice = (recipe: ImageRecipe): ImageChoice => ({
    name: recipe.name,
    id: options.force ? undefined : found.get(recipe.name)?.id,
    build: {
      ...recipe,
      pull: !found.has(recipe.base),
      ca: options.ca ?? "",
      version: VERSION,
      fresh: options.force,
    },
  });
  const images = { agent: choice(recipes.agent), sidecar: choice(recipes.sidecar) };
  const ids = new Map<string, string>();
  const watch = stopwatch(host, options.onEvent);
  await executeSteps(buildSteps(images, client.globalArguments), {
    client,
    ids,
    signal: options.signal,
    onEvent: watch.onEvent,
    stdin: stdinOf,
  });
  return (["agent", "sidecar"] as const).map((role) => ({
    role,
    name: images[role].name,
    id: ids.get(`${role}-image`) ?? images[role].id ?? "",
    built: images[role].id === undefined,
    seconds: watch.seconds.get(`${role}-build`) ?? 0,
  }));
}

/** Passes events on and takes the seconds of each step. */
function stopwatch(
  host: Pick<Host, "now">,
  onEvent: OnEvent,
): { readonly seconds: ReadonlyMap<string, number>; readonly onEvent: OnEvent } {
  const started = new Map<string, number>();
  const seconds = new Map<string, number>();
  return {
    seconds,
    onEvent(event): void {
      const now = host.now();
      if (event.kind === "started") started.set(event.id, now);
      if (event.kind === "finished") seconds.set(event.id, (now - (started.get(event.id) ?? now)) / 1000);
      onEvent(event);
    },
  };
}
