import { type ScriptedApi, startScriptedApi } from "../../scripts/scripted_api.ts";
import { builtImages, type Workbench } from "./engine.ts";

/** A scripted API of the model's own name. */
export async function scriptedModel(answer: string): Promise<ScriptedApi> {
  const { agent } = await builtImages();
  return await startScriptedApi({ image: agent, host: "api.anthropic.com", answer });
}

/** The model's own name leads to a scripted API; nothing of what the sidecar injects stands in the manifest. */
export async function modelAt(
  api: ScriptedApi,
  bench: Workbench,
): Promise<{ readonly egress: object; readonly image: object }> {
  return {
    // Below the wildcard, because only what the manifest names may be private; the default host counts before it.
    egress: {
      proxy: "squid",
      allowlist: ["*.anthropic.com"],
      private: [api.host],
      networks: [api.network],
    },
    image: { ca: await bench.file("ca.pem", api.caPem) },
  };
}
