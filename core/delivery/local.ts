/** The subscriptions whose handlers run in this process. */
import type { Clock } from "../clock.ts";
import { InvalidArgumentError, UnsupportedError } from "../errors.ts";
import { type Event, toEvent } from "../event.ts";
import { parseOffset, resolveOffset } from "../offset.ts";
import type { SubscriptionSettings } from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore } from "../store/store.ts";
import { type Handler, type SubscribeOptions, Subscription } from "../subscription.ts";
import { commitEvents } from "../tail.ts";
import { assertTopicPattern } from "../topic.ts";
import type { TopicCatalog } from "../topic_catalog.ts";
import type { Ledger } from "./committer.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { newToken } from "./driver_parts.ts";
import type { SubscriptionManager } from "./manager.ts";
import { HandlerRunner } from "./runner.ts";
import { checkSettings, defaultSettings } from "./settings.ts";

/** What is needed to run handlers. */
export interface LocalContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  topics: TopicCatalog;
  manager: SubscriptionManager;
  /** The store has no past to begin in. */
  liveOnly: boolean;
  /** Where an ephemeral subscription keeps its retries. */
  ledger(): Ledger;
  onError(error: unknown, context: string): void;
}

/** The subscriptions with a handler here. */
export class LocalSubscriptions {
  readonly #context: LocalContext;
  readonly #subscriptions = new Set<Subscription>();
  readonly #byDriver = new Map<SubscriptionDriver, Subscription[]>();
  readonly #starting = new Set<Promise<unknown>>();

  constructor(context: LocalContext) {
    this.#context = context;
  }

  /** While named subscriptions are being made: what is published meanwhile waits for them. */
  get starting(): Promise<unknown> | undefined {
    return this.#starting.size > 0 ? Promise.allSettled(this.#starting) : undefined;
  }

  subscribe(topic: string, handler: Handler, options: SubscribeOptions): Subscription {
    assertTopicPattern(topic);
    const { from, name } = options;
    if (this.#context.liveOnly && from !== undefined && from !== "end") {
      throw new UnsupportedError("a store with three methods has no past to begin in", {
        hint: "leave `from` out: the subscription begins now",
      });
    }
    const settings = settingsOf(options);
    const subscription = name === undefined
      ? this.#ephemeral(topic, { handler, options, settings })
      : this.#named(name, topic, { handler, options, settings });
    this.#subscriptions.add(subscription);
    options.signal?.addEventListener("abort", () => {
      subscription.unsubscribe().catch((error) => this.#context.onError(error, "unsubscribe"));
    }, { once: true });
    return subscription;
  }

  #ephemeral(
    topic: string,
    of: { handler: Handler; options: SubscribeOptions; settings: Partial<SubscriptionSettings> },
  ): Subscription {
    const { clock, random, store, topics, manager, onError } = this.#context;
    const name = `unnamed-${newToken()}`;
    const settings = { ...defaultSettings, ...of.settings };
    const offset = parseOffset(of.options.from ?? "end");
    const cursors = topics.match(topic).map((match) => ({
      subscription: name,
      topic: match,
      next: resolveOffset(offset, {
        head: store.head(match),
        now: clock.now(),
        seekTime: (at) => store.seekTime(match, at),
      }),
    }));
    const driver = manager.addDriver(
      { name, topic, from: "end", settings, paused: false, createdAt: clock.now() },
      { cursors, done: [], missed: [], retries: [] },
      { clock, random, store, onError, ledger: this.#context.ledger(), trip: neverTrips },
    );
    manager.useFilter(driver);
    const runner = this.#runner(driver, of);
    const subscription: Subscription = new Subscription({
      name,
      topic,
      runner: Promise.resolve(runner),
      info: () => manager.info(name),
      ended: async () => {
        this.#forget(subscription, driver);
        manager.dropDriver(driver);
        await driver.close();
      },
    });
    this.#attach(subscription, driver, runner);
    return subscription;
  }

  #named(
    name: string,
    topic: string,
    of: { handler: Handler; options: SubscribeOptions; settings: Partial<SubscriptionSettings> },
  ): Subscription {
    const { manager, onError } = this.#context;
    let driver: SubscriptionDriver | undefined;
    const made = manager.put(name, {
      topic,
      settings: of.settings,
      update: true,
      resume: true,
      ...(of.options.from === undefined ? {} : { from: of.options.from }),
    }).then(() => {
      driver = manager.require(name);
      const runner = this.#runner(driver, of);
      this.#attach(subscription, driver, runner);
      return runner;
    });
    this.#starting.add(made);
    made.then(
      () => this.#starting.delete(made),
      (error) => {
        this.#starting.delete(made);
        this.#subscriptions.delete(subscription);
        onError(error, `the subscription ${name}`);
      },
    );
    const subscription: Subscription = new Subscription({
      name,
      topic,
      runner: made,
      info: () => manager.info(name),
      ended: () => this.#forget(subscription, driver),
    });
    return subscription;
  }

  #runner(
    driver: SubscriptionDriver,
    of: { handler: Handler; options: SubscribeOptions },
  ): HandlerRunner {
    const { retryDelay, concurrency, upcast } = of.options;
    return new HandlerRunner(driver, {
      handler: upcast ? (event) => of.handler(upcast.upcast(event)) : of.handler,
      concurrency: Math.max(1, concurrency ?? 1),
      ...(typeof retryDelay === "function" ? { retryDelay } : {}),
      onError: this.#context.onError,
    });
  }

  #attach(subscription: Subscription, driver: SubscriptionDriver, runner: HandlerRunner): void {
    this.#byDriver.set(driver, [...this.#byDriver.get(driver) ?? [], subscription]);
    subscription.attach(runner);
  }

  #forget(subscription: Subscription, driver: SubscriptionDriver | undefined): void {
    this.#subscriptions.delete(subscription);
    if (!driver) return;
    const left = (this.#byDriver.get(driver) ?? []).filter((other) => other !== subscription);
    if (left.length > 0) this.#byDriver.set(driver, left);
    else this.#byDriver.delete(driver);
  }

  /** True when a topic has subscriptions whose consumers are elsewhere. */
  hasOthers(topic: string): boolean {
    return this.#context.manager.of(topic).some((driver) => !this.#byDriver.has(driver));
  }

  /** True when this subscription's events of topics that store nothing go straight to a handler here. */
  has(driver: SubscriptionDriver): boolean {
    return this.#byDriver.has(driver);
  }

  /** Gives an event of a topic that stores nothing to the handlers here. */
  hand(event: Event): void {
    for (const driver of this.#context.manager.of(event.topic)) {
      const here = this.#byDriver.get(driver);
      if (!here || !driver.wants(event)) continue;
      const subscription = here.find(({ paused }) => !paused) ?? here[0]!;
      subscription.runner?.hand(event);
    }
  }

  /** The same for a commit. */
  handCommit(commit: Commit): void {
    if (this.#byDriver.size === 0) return;
    for (const event of commitEvents(commit, commit.events ?? [])) this.hand(toEvent(event));
  }

  /** True while a handler has something to do, or is about to. */
  get busy(): boolean {
    return this.#starting.size > 0 || this.#active().some((runner) => !runner.isIdle);
  }

  /** Resolves when what is being done now is done; there may be more then. */
  async idle(): Promise<void> {
    await this.starting;
    for (const runner of this.#active()) await runner.idle();
  }

  #active(): HandlerRunner[] {
    return [...this.#subscriptions]
      .filter(({ paused }) => !paused)
      .map(({ runner }) => runner)
      .filter((runner) => runner !== undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.unsubscribe()));
  }
}

/** One without a name cannot be resumed by anybody: it has no breaker. */
const neverTrips = () => Promise.resolve();

function settingsOf(options: SubscribeOptions): Partial<SubscriptionSettings> {
  const { retryDelay, maxRetries, eventTypes, where, breaker } = options;
  if (breaker && options.name === undefined) {
    throw new InvalidArgumentError("a breaker pauses a subscription that has a name", {
      details: { field: "breaker" },
      hint: "give the subscription a name",
    });
  }
  const wait = typeof retryDelay === "number" ? Math.max(0, Math.round(retryDelay)) : undefined;
  return checkSettings({
    maxRetries,
    eventTypes,
    where,
    breaker,
    backoff: wait === undefined
      ? undefined
      : { kind: "fixed", base: wait, max: wait, jitter: false },
  });
}
