import { runApp } from "./lib/cli/app.ts";
import type { BackendLoader } from "./lib/commands/context.ts";
import { denoHost, endBySignal } from "./lib/host/deno.ts";

if (import.meta.main) {
  const host = denoHost();
  const docker: BackendLoader = async (choice) => {
    const { DockerBottleBackend } = await import("./lib/backend/docker/backend.ts");
    return new DockerBottleBackend(choice);
  };
  const outcome = await runApp(Deno.args, { host, backends: new Map([["docker", docker]]) });
  host.interrupts.release();
  if (outcome.kind === "interrupted") await endBySignal(outcome.by);
  else Deno.exit(outcome.code);
}
