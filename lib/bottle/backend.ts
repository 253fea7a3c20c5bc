import type { EgressPolicy } from "../egress/policy.ts";
import type { EgressEvent } from "../egress/proxy.ts";
import type { Canary, CanaryOptions } from "./canary.ts";
import type { DemoHosts, DemoHostsOptions } from "./demo_hosts.ts";
import type { ActiveBottle } from "./active.ts";
import type { BottleCleanupPlan, CleanupOutcome, SweepOutcome } from "./cleanup.ts";
import type { Finding } from "./diagnosis.ts";
import type { ResolvedEnv } from "./env.ts";
import type { OnEvent } from "./events.ts";
import type { Placeholders } from "./injected.ts";
import type { BottlePlan } from "./plan.ts";
import type { AgentMode, BottleSpec } from "./spec.ts";
import type { KeptWorkspace } from "./workspace.ts";

/** What ended the agent's command. */
export interface AgentOutcome {
  readonly code: number;
}

/** Where the parts of a bottle stand, for whoever tries to reach them. */
export interface BottleAddresses {
  readonly sidecar: string;
  /** The sidecar's name for those in another network with it. */
  readonly sidecarName: string;
  /** Where the host would be on the internal network, and where it is on the egress network. */
  readonly gateway: string;
  readonly egressGateway: string;
}

/** One running bottle. Disposing removes everything of it; it never throws and may be called twice. */
export interface Bottle extends AsyncDisposable {
  readonly name: string;
  /** Runs the agent to its end. @throws Failure when the bottle, not the agent, failed. */
  attach(): Promise<AgentOutcome>;
  /** Whether the agent's command was reached. */
  readonly agentRan: boolean;
  /** Returns when the bottle can run commands. @throws Failure, with the sidecar's last words when it died */
  ready(): Promise<void>;
  /**
   * Runs a command headless as the agent's user, with the literals of the env and no secret, and keeps its output.
   *
   * @throws Failure when the bottle, not the command, failed
   */
  capture(command: readonly string[]): Promise<CapturedOutcome>;
  /** What the sidecar let through and refused so far: each connection once or, after {@link attach}, each target. */
  egressEvents(): Promise<readonly EgressEvent[]>;
  /** The engine's whole account of the bottle's containers, as it gives it. @throws Failure */
  inspection(): Promise<string>;
  readonly addresses: BottleAddresses;
  /**
   * Makes attempts as the agent's user, each an argument of the probe. What it says is a line for each that it made.
   *
   * @throws Failure when the engine does not answer
   */
  probe(attempts: readonly string[]): Promise<string>;
  /** Kills the sidecar: nothing can be reached any more. @throws Failure */
  killSidecar(): Promise<void>;
}

/** What a captured command left. */
export interface CapturedOutcome extends AgentOutcome {
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run in a bottle: as an agent, or without a terminal but with the user's stdin. */
export type CommandMode = AgentMode | "piped";

/** One command that is run in a bottle that is there. */
export interface BottleCommand {
  readonly command: readonly string[];
  readonly mode: CommandMode;
  /** The values of its variables; ours come before them. */
  readonly env: ResolvedEnv;
  /** Whether `CLAUDE_BOTTLE_OAUTH_TOKEN` is handed over. */
  readonly forwardOauthToken: boolean;
  /** What {@link OpenBottle.inject} gave; none unless told. */
  readonly placeholders?: Placeholders;
}

/** A bottle that runs without us: nothing ends with it. */
export interface OpenBottle {
  readonly name: string;
  /** The agent's home and the directory that commands start in. */
  readonly home: string;
  readonly workdir: string;
  /**
   * Gives the sidecar these secrets in place of those that it has, without a connection being cut.
   *
   * @returns what stands for them in the bottle: the same as before where it had one
   * @throws Failure, before anything is changed for one that cannot be injected
   */
  inject(secrets: ResolvedEnv): Promise<Placeholders>;
  /** Runs a command as the agent's user to its end; one that is interrupted is ended. @throws Failure as {@link Bottle.attach} */
  run(command: BottleCommand): Promise<AgentOutcome>;
  /** Remembers where the sidecar's log ends; what it gives tells what was let through and refused since. */
  watchEgress(): Promise<() => Promise<readonly EgressEvent[]>>;
}

/** Asks the person in the middle of a launch; nothing is drawn meanwhile. Both reject when the launch is interrupted. */
export interface LaunchQuestions {
  /** A value that is not echoed; `undefined` when none is given. */
  secret(question: string): Promise<string | undefined>;
  /** Whether the answer is yes. */
  confirm(question: string): Promise<boolean>;
}

export interface LaunchOptions {
  /** Without it a launch that has to ask fails. */
  readonly questions?: LaunchQuestions;
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
  /** The values of the agent's variables. */
  readonly env: ResolvedEnv;
  /** Those of the secrets that only the sidecar is given; none unless told. */
  readonly injected?: ResolvedEnv;
}

/** One image that a backend builds. */
export interface BuiltImage {
  readonly role: "agent" | "sidecar";
  readonly name: string;
  readonly id: string;
  /** False when it was there already. */
  readonly built: boolean;
  readonly seconds: number;
}

export interface BuildOptions {
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
  /** Extra certificate authorities, PEM. */
  readonly ca: string | undefined;
  /** Builds even when an image of the same digest exists. */
  readonly force: boolean;
}

/** Which engine a backend talks to. */
export interface EngineIdentity {
  readonly version: string;
  /** How its client names it; `undefined` where it does not. */
  readonly context: string | undefined;
}

/** An implementation of bottles. */
export interface BottleBackend {
  readonly name: string;
  /** Checks and decisions that create nothing. @throws Failure */
  prepare(spec: BottleSpec, signal: AbortSignal): Promise<BottlePlan>;
  /** Does what the plan says. On failure everything created is gone when it throws. @throws Failure */
  launch(plan: BottlePlan, options: LaunchOptions): Promise<Bottle>;
  /** Makes commands possible in a bottle that runs. Changes nothing. @throws Failure */
  open(
    bottle: ActiveBottle,
    options: {
      /** Bytes of disk that it may take while they run; the backend's own limit unless told. */
      readonly disk: number | undefined;
      /** What its sidecar lets through. */
      readonly policy: EgressPolicy;
      readonly signal: AbortSignal;
      readonly onEvent: OnEvent;
    },
  ): Promise<OpenBottle>;
  /**
   * Tells what a bottle's sidecar let through and refused, oldest first; with `follow` also what is to come, until
   * the bottle or `signal` ends it. Only then are there `closed` events: otherwise a connection is told once, with
   * its bytes if it has ended. @throws Failure
   */
  egressLog(
    bottle: ActiveBottle,
    options: {
      readonly follow: boolean;
      readonly signal: AbortSignal;
      readonly onEgress: (event: EgressEvent) => void;
    },
  ): Promise<void>;
  /** Starts the hosts that the tour shows a bottle with. @throws Failure */
  openDemoHosts(options: DemoHostsOptions): Promise<DemoHosts>;
  /** Starts the host that the probe's attempts are seen at. The images must be there. @throws Failure */
  openCanary(options: CanaryOptions): Promise<Canary>;
  /** How the engine's client names it, as far as that can be told without asking anybody. */
  contextName(): Promise<string>;
  /** @throws Failure when it does not answer */
  identify(options: { readonly signal: AbortSignal }): Promise<EngineIdentity>;
  /** Looks at everything of the backend that a launch depends on. What is wrong is a finding. @throws Interrupted */
  diagnose(options: { readonly signal: AbortSignal }): Promise<readonly Finding[]>;
  /** Builds the images that bottles are made from. @throws Failure */
  build(options: BuildOptions): Promise<readonly BuiltImage[]>;
  /** The running bottles, never their sidecars; with `stopped` also those whose container has ended. @throws Failure */
  listActive(
    options: { readonly signal: AbortSignal; readonly stopped?: boolean },
  ): Promise<readonly ActiveBottle[]>;
  /**
   * Removes everything of one bottle, but a workspace that holds, or may hold, what is nowhere else: that one is the
   * answer. @throws Failure `bottle-left`
   */
  stop(bottle: ActiveBottle): Promise<KeptWorkspace | undefined>;
  /** Finds what ended runs left; with `all` every object of every run. Removes nothing. @throws Failure */
  prepareCleanup(
    options: { readonly all: boolean; readonly signal: AbortSignal },
  ): Promise<BottleCleanupPlan>;
  /** Removes what the plan lists; what cannot be removed does not keep the rest. @throws Interrupted */
  cleanup(plan: BottleCleanupPlan, signal: AbortSignal): Promise<CleanupOutcome>;
  /**
   * Does both, without `all` and within half a minute, while something else is done; `onEvent` is told of calls alone.
   * @throws Failure, Interrupted, or another error where it does not come to its end
   */
  sweep(options: { readonly signal: AbortSignal; readonly onEvent: OnEvent }): Promise<SweepOutcome>;
}
