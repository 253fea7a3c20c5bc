import type { LaunchOptions, LaunchQuestions } from "../../bottle/backend.ts";
import { Secret } from "../../bottle/env.ts";
import { addressOf, isHostKey, type UnknownHost, whereKnown } from "../../bottle/host_keys.ts";
import { fingerprint } from "../../bottle/known_hosts.ts";
import { isLearned, type SshKey } from "../../bottle/ssh_keys.ts";
import { EXIT, Failure, oneLine } from "../../errors.ts";
import type { Outcome } from "../../host/processes.ts";
import type { SshEntry } from "../../manifest/model.ts";
import { unreadableAnswer } from "./failures.ts";
import type { PlanInputs } from "./plan.ts";
import { keyFrames, knownHosts } from "./provision/ssh.ts";

/** How often a person may type a key's passphrase. */
const TRIES = 3;

/** What a launch comes to know of its ssh hosts and keys by asking. Of one attempt: nothing of it is kept. */
export class SshLaunch {
  readonly #inputs: Pick<PlanInputs, "spec" | "sshKeys" | "unknownHosts">;
  readonly #options: Pick<LaunchOptions, "questions" | "onEvent"> & {
    /** Told of each passphrase, before it is used. */
    readonly onSecret: (secret: Secret) => void;
  };
  /** Host keys by address. */
  readonly #learned = new Map<string, string>();
  /** By the key's place among the launch's. */
  readonly #passphrases = new Map<number, Secret>();
  readonly #wrong = new Map<number, number>();

  constructor(
    inputs: Pick<PlanInputs, "spec" | "sshKeys" | "unknownHosts">,
    options: Pick<LaunchOptions, "questions" | "onEvent"> & { readonly onSecret: (secret: Secret) => void },
  ) {
    this.#inputs = inputs;
    this.#options = options;
  }

  /** Judges the keys that hosts showed, and asks about those that nothing is known of. @throws Failure, Interrupted */
  async learn(stdout: string): Promise<void> {
    const shown = shownKeys(stdout);
    for (const host of this.#inputs.unknownHosts) {
      const key = shown.get(addressOf(host));
      if (key === undefined) throw unreadableAnswer("asking ssh hosts for their keys");
      await this.#accept(host, key);
      this.#learned.set(addressOf(host), key);
    }
  }

  async #accept(host: UnknownHost, key: string): Promise<void> {
    const whose = host.names.join(", ");
    const print = `${key.split(" ")[0]} ${await fingerprint(key)}`;
    const where = await whereKnown(host, key);
    if (where !== undefined) {
      this.#say(`host key of ${whose} is the one in ${oneLine(where)}: ${print}`);
      return;
    }
    this.#say(`host key of ${whose} (${addressOf(host)}): ${print}`);
    if (
      !await this.#questions().confirm(
        "is it the one that the host's owner tells of? trust it in this bottle?",
      )
    ) {
      throw new Failure(
        "host-key-refused",
        `The host key of ${whose} was not accepted: nothing was launched`,
        {
          hints: [
            "Compare it with what the host's owner says, or write the right one as the entry's KnownHostKey",
          ],
        },
      );
    }
    this.#say(`to be asked no more, add this to ${whose} in the manifest:`);
    this.#say(`KnownHostKey: ${key}`);
  }

  /** The keys with what they are bound to and their passphrases; those that are not known yet are asked. @throws Failure, Interrupted */
  async keyFrames(): Promise<Uint8Array> {
    const { sshKeys, spec } = this.#inputs;
    for (const [index, key] of sshKeys.entries()) {
      if (!key.encrypted || this.#passphrases.has(index)) continue;
      this.#passphrases.set(index, await this.#passphrase(index, key));
    }
    const withKey = (entry: SshEntry): SshEntry => {
      const key = isLearned(entry) ? this.#learned.get(addressOf(entry)) : undefined;
      return key === undefined ? entry : { ...entry, knownHostKeys: [key] };
    };
    return keyFrames(
      sshKeys.map((key, index) => ({
        ...key,
        entries: key.entries.map(withKey),
        passphrase: this.#passphrases.get(index),
      })),
      this.#learned.size > 0 ? knownHosts(spec.ssh.map(withKey)) : "",
    );
  }

  async #passphrase(index: number, key: SshKey): Promise<Secret> {
    for (;;) {
      const answer = await this.#questions().secret(`passphrase of the ssh key ${key.path}`);
      if (answer === undefined) {
        throw new Failure(
          "ssh-passphrase-missing",
          `No passphrase was given for the ssh key ${oneLine(key.path)}`,
          {
            hints: [
              "Run again and type it, or make a key for the bottle without one: `ssh-keygen -t ed25519 -N ''`",
            ],
          },
        );
      }
      if (!isPassphrase(answer)) {
        this.#countWrong(index);
        continue;
      }
      const passphrase = new Secret(answer);
      this.#options.onSecret(passphrase);
      return passphrase;
    }
  }

  /** Whether the keys are to be loaded again: a passphrase was wrong and may be typed once more. @throws Failure `ssh-passphrase-wrong` */
  isTriedAgain({ stderr }: Outcome): boolean {
    const [, number] = /^claude-bottle: wrong passphrase: (\d+)$/m.exec(stderr) ?? [];
    const index = Number(number) - 1;
    if (!this.#passphrases.delete(index)) return false;
    this.#countWrong(index);
    return true;
  }

  #countWrong(index: number): void {
    const path = oneLine(this.#inputs.sshKeys[index]?.path ?? "");
    const wrong = (this.#wrong.get(index) ?? 0) + 1;
    this.#wrong.set(index, wrong);
    if (wrong < TRIES) {
      this.#say("that is not its passphrase");
      return;
    }
    throw new Failure(
      "ssh-passphrase-wrong",
      `The passphrase of the ssh key ${path} was wrong ${TRIES} times`,
      {
        hints: [`\`ssh-keygen -y -f ${path}\` tries it without a bottle`],
      },
    );
  }

  /** @throws Failure `no-terminal` */
  #questions(): LaunchQuestions {
    const { questions } = this.#options;
    if (questions !== undefined) return questions;
    throw new Failure(
      "no-terminal",
      "A host key or a passphrase cannot be asked for: there is nobody to ask",
      {
        hints: ["Run on a terminal, give the ssh entry a KnownHostKey, and use a key without a passphrase"],
        exit: EXIT.usage,
      },
    );
  }

  #say(text: string): void {
    this.#options.onEvent({ kind: "notice", text });
  }
}

/** What ssh-add takes: it reads one line of 1,023 bytes at most. */
function isPassphrase(text: string): boolean {
  // deno-lint-ignore no-control-regex -- they end a line or a string
  return text !== "" && !/[\u0000\r\n]/.test(text) && new TextEncoder().encode(text).length < 1024;
}

/** `HOST PORT TYPE BASE64` lines, by address. */
function shownKeys(stdout: string): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    const [hostname = "", port = "", ...key] = line.split(" ");
    if (isHostKey(key.join(" "))) keys.set(`${hostname}:${port}`, key.join(" "));
  }
  return keys;
}
