import { docker } from "./engine.ts";

/** More than any engine's default pools have room for. */
const TOO_MANY = 300;

/** What an engine says that has no pool left; 28 and 20.10 say it in other words. */
const NO_POOL = /non-overlapping IPv4 address pool|fully subnetted/;

/** An engine whose own address pools are used up by networks of a test, until this is disposed. */
export class FullPools implements AsyncDisposable {
  readonly #networks: string[] = [];
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
  }

  /** Creates networks named after `name` until the engine has no pool left. */
  static async create(name: string): Promise<FullPools> {
    const pools = new FullPools(name);
    try {
      while (await pools.hasRoom()) {
        if (pools.#networks.length === TOO_MANY) throw new Error(`There is room for ${TOO_MANY} networks`);
      }
      return pools;
    } catch (error) {
      await pools[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether the engine makes one more network of its own choice, which it then keeps. */
  async hasRoom(): Promise<boolean> {
    try {
      this.#networks.push(await docker("network", "create", `${this.#name}-${this.#networks.length}`));
      return true;
    } catch (error) {
      if (error instanceof Error && NO_POOL.test(error.message)) return false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#networks.length > 0) await docker("network", "rm", ...this.#networks);
  }
}
