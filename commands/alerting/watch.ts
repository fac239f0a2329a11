/** The loop of `evs alert`: looks, judges, remembers, tells. */
import type { Clock } from "../../core/base/clock.ts";
import { EvsError } from "../../core/base/errors.ts";
import { didYouMean } from "../../core/base/suggest.ts";
import type { Client } from "../../core/client/client.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import { type Notice, noticeOf } from "./notice.ts";
import { isOfAllNodes } from "./limit.ts";
import { lookOf, see, type Sightings } from "./look.ts";
import { type ClockTimes, type HeldCondition, judge, type Rules } from "./machine.ts";
import { SharedTurn, turnPartOf, withoutShared } from "./shared_turn.ts";
import type { AlertState } from "./state_file.ts";
import { Teller, type TellerOptions } from "./teller.ts";
import { Untold } from "./untold.ts";

/** What an {@link AlertWatch} works with. */
export interface AlertWatchOptions extends Omit<TellerOptions, "untold" | "onTold"> {
  client: Client;
  paths: Paths;
  state: AlertState;
  rules: Rules;
  /** What is watched, as it was given: a name or a pattern; undefined: all. */
  subscription: string | undefined;
  /** The name of this `evs alert`. */
  name: string;
  host: string;
  /** Another one for each file of what was told: one `evs alert` of many is known by it. */
  holder: string;
  everyMs: number;
  /** It looks once, and exits. */
  isOnce: boolean;
  clock: Clock;
  /** Something began or ended. */
  onChange: (facts: Notice) => void;
}

/** Watches one daemon. */
export class AlertWatch {
  readonly #options: AlertWatchOptions;
  readonly #untold: Untold;
  readonly #teller: Teller;
  readonly #turn: SharedTurn;
  /** The daemon shares a database with others. */
  #isShared = false;
  #conditions: HeldCondition[];
  /** The data dir of the daemon, as it said itself. */
  #dataDir: string | undefined;
  /** The daemon has answered, and has been asked where its data dir is. */
  #isKnown = false;
  /** What is watched has been there, or is a pattern, which need not match anything. */
  #wasThere = false;
  /** What is remembered is not what was saved. */
  #isDirty = false;
  /** What was said of each trouble. */
  readonly #troubles = new Map<string, string>();
  readonly #stopped = Promise.withResolvers<void>();
  #isStopping = false;

  constructor(options: AlertWatchOptions) {
    this.#options = options;
    const { conditions, untold, dataDir } = options.state.load(this.#now());
    this.#conditions = conditions;
    this.#untold = new Untold(untold);
    this.#dataDir = dataDir;
    this.#teller = new Teller({
      ...options,
      untold: this.#untold,
      onTold: () => {
        this.#save();
        void this.#keep();
      },
    });
    const { client, name, holder, everyMs, isOnce: once } = options;
    this.#turn = new SharedTurn({ client, name, holder, everyMs, once });
  }

  /** Looks again and again until it is stopped. */
  async run(): Promise<void> {
    while (!this.#isStopping) {
      await this.look();
      if (!this.#isStopping) await this.#pause();
    }
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await this.#teller.settled();
    await this.#turn.settled();
    this.#options.client.close();
  }

  /**
   * Looks once; resolves when the command has had its chance with each begin and end. Says how many
   * it has not taken, whether that is remembered, and why nothing was seen, if nothing was.
   */
  async once(): Promise<{ untold: number; isSaved: boolean; silent: EvsError | undefined }> {
    const { silent } = await this.look();
    await this.#settled();
    return { untold: this.#untold.all.length, isSaved: !this.#isDirty, silent: silent?.error };
  }

  /** Stops; again: also the commands that run. */
  stop(): void {
    this.#isStopping = true;
    this.#stopped.resolve();
    this.#teller.stop();
  }

  /** Looks, judges, and starts to tell. */
  async look(): Promise<Sightings> {
    const { rules, name, host, client } = this.#options;
    const { limits } = rules;
    const seen = await see({
      client,
      limits,
      isWatched: rules.isWatched,
      dataDir: () => this.#folder,
      monotonic: () => this.#options.clock.monotonic(),
      learn: () => this.#learn(),
      noteDisk: (trouble) => this.#note("disk", trouble),
    });
    const { socket } = client;
    const isOthers = await this.#takeTurn(seen);
    // While there are connections, an idle daemon looks after them once a second.
    client.close();
    if (seen.silent !== undefined) this.#isKnown = false;
    // Where --down tells it, that is enough.
    this.#note("down", limits.down === undefined ? seen.silent?.error.message : undefined);
    this.#noteMissing(seen);
    if (this.#isStopping) return seen;
    const now = this.#now();
    const looked = lookOf(seen, { limits, now });
    const judged = judge(this.#conditions, isOthers ? withoutShared(looked) : looked, {
      rules,
      now,
    });
    this.#conditions = judged.conditions;
    const source = {
      name,
      host,
      ...(this.#folder === undefined ? {} : { dataDir: this.#folder }),
      socket,
    };
    const happened = judged.occurrences.map((occurrence) =>
      noticeOf(occurrence, { limits, source, now: now.wall })
    );
    for (const facts of happened) this.#add(facts);
    // Before the command runs: whatever it is told now is ended once, whenever this process ends.
    if (judged.changed || this.#isDirty) this.#save();
    if (judged.changed) await this.#keep();
    client.close();
    for (const facts of happened) this.#options.onChange(facts);
    this.#teller.go();
    return seen;
  }

  /**
   * Asks whether what is of all nodes is this one's to judge; true if it is not, or that is not known.
   * What it remembers of that is then what the one before it did, or nothing.
   */
  async #takeTurn({ silent }: Sightings): Promise<boolean> {
    if (silent !== undefined) return this.#isShared;
    if (!this.#isShared) return false;
    const { held, taken } = await this.#turn.look(this.#now());
    if (held === undefined) return true;
    if (held && taken === undefined) return false;
    const own =
      turnPartOf({ conditions: this.#conditions, untold: [] }, { shared: false }).conditions;
    const shared = taken && turnPartOf(taken, { shared: true });
    this.#isDirty ||= own.length < this.#conditions.length || shared !== undefined;
    this.#conditions = [...own, ...shared?.conditions ?? []];
    this.#untold.drop(({ alert }) => isOfAllNodes(alert));
    for (const facts of shared?.untold ?? []) this.#add(facts);
    return !held;
  }

  /** What is of all nodes is remembered where the next one finds it. */
  async #keep(): Promise<void> {
    if (!this.#turn.isHeld) return;
    try {
      const all = { conditions: this.#conditions, untold: this.#untold.all };
      await this.#turn.keep(turnPartOf(all, { shared: true }));
      this.#note("turn", undefined);
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      this.#note("turn", error.message);
    }
  }

  #add(facts: Notice): void {
    const dropped = this.#untold.add(facts);
    if (dropped.length === 0) return;
    this.#options.say(
      `the command has not taken what happened ${new Date(dropped[0]!.at).toISOString()}, and so ` +
        `much has happened since that this is dropped: ${
          dropped.map(({ state, message }) => `${state}: ${message}`).join("; ")
        }`,
    );
  }

  #now(): ClockTimes {
    const { clock } = this.#options;
    return { wall: clock.now(), monotonic: clock.monotonic() };
  }

  /** The folder whose disk is looked at. */
  get #folder(): string | undefined {
    const { paths } = this.#options;
    return this.#dataDir ?? (paths.chosen === "data-dir" ? paths.dataDir : undefined);
  }

  /** Asks a daemon that was not there before where its data dir is. */
  async #learn(): Promise<void> {
    if (this.#isKnown) return;
    const { dataDir, cluster } = await this.#options.client.status();
    this.#isKnown = true;
    this.#isShared = cluster !== undefined;
    if (dataDir === this.#dataDir) return;
    this.#dataDir = dataDir;
    this.#isDirty = true;
  }

  /** The one subscription that is watched was never there: its name may be a wrong one. */
  #noteMissing({ subscriptions }: Sightings): void {
    const { subscription } = this.#options;
    if (subscription === undefined || subscriptions === undefined || this.#wasThere) return;
    const missing = missingOf(subscription, subscriptions.map(({ name }) => name));
    this.#wasThere = missing === undefined;
    this.#note("missing", missing);
  }

  /** Says a trouble once, not at each look. */
  #note(kind: keyof typeof TROUBLES, trouble: string | undefined): void {
    const before = this.#troubles.get(kind);
    if (trouble === undefined) {
      this.#troubles.delete(kind);
      return;
    }
    this.#troubles.set(kind, trouble);
    if (before === undefined) this.#options.say(TROUBLES[kind](trouble));
  }

  #save(): void {
    const dataDir = this.#dataDir;
    try {
      this.#options.state.save({
        conditions: this.#conditions,
        untold: this.#untold.all,
        ...(dataDir === undefined ? {} : { dataDir }),
      });
      this.#isDirty = false;
      this.#note("state", undefined);
    } catch (error) {
      // A full disk is what this may have to tell: it goes on, and saves as soon as it can.
      if (!(error instanceof EvsError)) throw error;
      this.#isDirty = true;
      this.#note("state", error.message);
    }
  }

  async #pause(): Promise<void> {
    const { clock, everyMs } = this.#options;
    let cancel = () => {};
    const passed = new Promise<void>((resolve) => cancel = clock.setTimer(resolve, everyMs));
    await Promise.race([passed, this.#stopped.promise]);
    cancel();
  }
}

/** Says that there is no subscription of this name; undefined: there is, or it is a pattern. */
export function missingOf(subscription: string, names: readonly string[]): string | undefined {
  if (subscription.includes("*") || names.includes(subscription)) return undefined;
  const near = didYouMean(subscription, names);
  const missing = `there is no subscription ${subscription}: it is watched as soon as there is one`;
  return near === undefined ? missing : `${missing}; ${near}`;
}

const TROUBLES = {
  missing: (trouble: string) => trouble,
  disk: (trouble: string) => `the disk cannot be looked at: ${trouble}`,
  down: (trouble: string) => `nothing is judged until the daemon answers: ${trouble}`,
  turn: (trouble: string) =>
    `${trouble}; if this machine is lost before that works, another one may tell something twice`,
  state: (trouble: string) => `${trouble}; a restart before that works may tell something twice`,
} as const;
