import { LABEL } from "../../lib/backend/docker/labels.ts";
import { docker } from "./engine.ts";

/** Objects that are nobody's business: a plain container, network and volume, and copies with labels of another run. */
export class ForeignObjects implements AsyncDisposable {
  readonly #name: string;
  #before = "";

  private constructor(name: string) {
    this.#name = name;
  }

  /** Makes them; the container sleeps in `image`. */
  static async create(image: string): Promise<ForeignObjects> {
    const foreign = new ForeignObjects(`foreign-${crypto.randomUUID().slice(0, 13)}`);
    for (const [index, labels] of [[], COPIED].entries()) {
      const name = `${foreign.#name}-${index}`;
      const words = labels.flatMap((label) => ["--label", label]);
      await docker("network", "create", "--internal", ...words, name);
      await docker("volume", "create", ...words, name);
      await docker(
        ...["run", "--detach", "--name", name, ...words, "--runtime", "runc", "--init"],
        ...["--network", name, "--mount", `type=volume,src=${name},dst=/mnt`],
        ...["--entrypoint", "sleep", image, "3600"],
      );
    }
    foreign.#before = await foreign.#state();
    return foreign;
  }

  /** How they differ from what they were; empty when nobody touched them. */
  async touched(): Promise<string> {
    const now = await this.#state().catch((error: unknown) => String(error));
    return now === this.#before ? "" : `before:\n${this.#before}\nnow:\n${now}`;
  }

  get #names(): readonly string[] {
    return [0, 1].map((index) => `${this.#name}-${index}`);
  }

  async #state(): Promise<string> {
    const names = this.#names;
    const [containers, networks, volumes] = await Promise.all([
      docker(
        "container",
        "inspect",
        "--format",
        "{{.Id}} {{.State.StartedAt}} {{.State.Running}} {{.RestartCount}} {{range .NetworkSettings.Networks}}{{.EndpointID}}{{end}}",
        ...names,
      ),
      docker("network", "inspect", "--format", "{{.Id}} {{json .Containers}}", ...names),
      docker("volume", "inspect", "--format", "{{.Name}} {{.CreatedAt}} {{json .Labels}}", ...names),
    ]);
    return [containers, networks, volumes].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker("container", "rm", "--force", "--volumes", ...this.#names).catch(() => {});
    await docker("network", "rm", ...this.#names).catch(() => {});
    await docker("volume", "rm", "--force", ...this.#names).catch(() => {});
  }
}

/** As of a bottle of another machine. */
const COPIED = [
  `${LABEL.run}=abcdefghijklm`,
  `${LABEL.agent}=somebody`,
  `${LABEL.bottle}=else`,
  `${LABEL.role}=agent`,
  `${LABEL.owner}=0123456789abcdef/another-boot/pid:4026531836/0/1/1`,
];
