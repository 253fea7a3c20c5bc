import program from "../lib/assets/scripted_api.mjs" with { type: "text" };

/** One request that the scripted Messages API received. */
export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  /** The Host header. */
  readonly host: string;
  readonly sni: string;
  readonly port: number;
  /** See {@link credentialFingerprint}; `null` when the header was not there. */
  readonly authorization: string | null;
  readonly apiKey: string | null;
  readonly model: string | null;
  readonly stream: boolean;
  /** The last user text, truncated. */
  readonly text: string;
  /** The end of the system prompt, truncated. */
  readonly systemEnd: string;
}

export interface ScriptedApiOptions {
  /** An image with node and openssl, e.g. the agent image. */
  readonly image: string;
  /** The first name under which the API is known in its network; a certificate names all of them. */
  readonly host: string;
  readonly aliases?: readonly string[];
  /** Default 443. */
  readonly ports?: readonly number[];
  readonly answer?: string;
  /** Value of the label `claude-bottle-test` on container and network; random unless told. */
  readonly label?: string;
  /** Of the docker context to use; docker's own choice unless told. */
  readonly context?: string;
  readonly signal?: AbortSignal;
}

/** A running scripted Messages API; disposing removes its container and network. */
export interface ScriptedApi extends AsyncDisposable {
  /** Name of the network that it alone is in. */
  readonly network: string;
  readonly host: string;
  /** Of the API's container in that network. */
  readonly address: string;
  /** The authority that signed the API's certificate. */
  readonly caPem: string;
  readonly label: string;
  /** All requests so far, oldest first. */
  requests(): Promise<readonly ScriptedRequest[]>;
}

/** The range that the networks are taken from: 256 of 16 addresses each. */
const RANGE = "10.213.240.0/20";
const NETWORKS_IN_RANGE = 256;
const NETWORK_ATTEMPTS = 20;
const READY_DEADLINE_MS = 15_000;
const END_DEADLINE_MS = 5_000;

/** What the API records of a credential: enough to recognise it. */
export async function credentialFingerprint(credential: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(credential)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 16);
}

/** Starts a scripted Messages API in a container on a network of its own; the container ends with this process. */
export async function startScriptedApi(options: ScriptedApiOptions): Promise<ScriptedApi> {
  const id = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const label = options.label ?? id;
  const name = `scripted-api-${id}`;
  const engine: Engine = { context: options.context, name, label };
  options.signal?.throwIfAborted();
  const address = await createNetwork(engine);
  try {
    return await startContainer(engine, { options, address });
  } catch (error) {
    await docker(engine, ["network", "rm", name]).catch(() => {});
    throw error;
  }
}

/** The engine and the objects of one scripted API on it; container and network have the same name. */
interface Engine {
  readonly context: string | undefined;
  readonly name: string;
  readonly label: string;
}

async function startContainer(
  engine: Engine,
  { options, address }: { readonly options: ScriptedApiOptions; readonly address: string },
): Promise<ScriptedApi> {
  const hosts = [options.host, ...options.aliases ?? []];
  const child = new Deno.Command("docker", {
    args: dockerArguments(engine, [
      ...["run", "--interactive", "--rm", "--name", engine.name, "--label", labelOf(engine)],
      ...["--network", engine.name, "--ip", address],
      ...hosts.flatMap((host) => ["--network-alias", host]),
      // Root, because the container's port 443 is for root alone on some engines.
      ...["--user", "0:0", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"],
      ...["--security-opt", "no-new-privileges", "--memory", "512m", "--pids-limit", "256"],
      ...["--env", `SCRIPTED_HOSTS=${hosts.join(",")}`],
      ...["--env", `SCRIPTED_PORTS=${(options.ports ?? [443]).join(",")}`],
      ...(options.answer === undefined ? [] : ["--env", `SCRIPTED_ANSWER=${options.answer}`]),
      ...["--entrypoint", "node", options.image, "--input-type=module", "--eval", program],
    ]),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    // A Ctrl-C on the terminal is for the program that uses the API; its end ends the API.
    detached: true,
  }).spawn();
  const requests: ScriptedRequest[] = [];
  const ready = Promise.withResolvers<string>();
  const stderr = new Response(child.stderr).text();
  const reading = readRecords(child.stdout, { requests, ready: ready.resolve });
  reading.then(async () => {
    ready.reject(new Error(`The scripted API ended before it was ready: ${(await stderr).trim()}`));
  }, ready.reject);
  const remove = async (): Promise<void> => {
    await child.stdin.close().catch(() => {});
    const ended = await within(END_DEADLINE_MS, child.status);
    // --rm has removed it unless the engine is in trouble or it never listened to its stdin.
    if (ended === undefined) await docker(engine, ["rm", "--force", "--volumes", engine.name]);
    await reading;
  };
  try {
    const caPem = await within(READY_DEADLINE_MS, ready.promise, options.signal);
    if (caPem === undefined) throw new Error("The scripted API was not ready in time");
    return {
      network: engine.name,
      host: options.host,
      address,
      caPem,
      label: engine.label,
      requests: () => Promise.resolve([...requests]),
      async [Symbol.asyncDispose](): Promise<void> {
        await remove();
        await docker(engine, ["network", "rm", engine.name]);
      },
    };
  } catch (error) {
    await remove().catch(() => {});
    throw error;
  }
}

/** Creates the network on a random part of the range; the address of the API in it. */
async function createNetwork(engine: Engine): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const index = (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) % NETWORKS_IN_RANGE;
    const prefix = `10.213.${240 + (index >> 4)}`;
    const first = (index & 15) * 16;
    try {
      await docker(engine, [
        ...["network", "create", "--internal", "--label", labelOf(engine)],
        ...["--subnet", `${prefix}.${first}/28`, engine.name],
      ]);
      return `${prefix}.${first + 2}`;
    } catch (error) {
      const taken = error instanceof Error && /overlap/i.test(error.message);
      if (!taken || attempt === NETWORK_ATTEMPTS) {
        throw new Error(`No network of ${RANGE} could be created`, { cause: error });
      }
    }
  }
}

async function readRecords(
  stream: ReadableStream<Uint8Array>,
  into: { readonly requests: ScriptedRequest[]; readonly ready: (caPem: string) => void },
): Promise<void> {
  let partial = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (partial + text).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      const { kind, ...record } = JSON.parse(line);
      if (kind === "ready") into.ready(record.caPem);
      else into.requests.push(record);
    }
  }
}

/** What `promise` becomes, or `undefined` after the deadline. */
async function within<T>(ms: number, promise: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const stop = (): void => late.reject(signal?.reason);
  const timer = setTimeout(() => late.resolve(undefined), ms);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function labelOf(engine: Engine): string {
  return `claude-bottle-test=${engine.label}`;
}

function dockerArguments(engine: Engine, args: readonly string[]): string[] {
  return [...(engine.context === undefined ? [] : ["--context", engine.context]), ...args];
}

async function docker(engine: Engine, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("docker", {
    args: dockerArguments(engine, args),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  if (code !== 0) throw new Error(`docker ${args.slice(0, 2).join(" ")}: ${text.decode(stderr).trim()}`);
  return text.decode(stdout);
}
