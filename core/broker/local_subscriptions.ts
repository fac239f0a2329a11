/** The subscriptions whose handlers run in this process. */
import { OWN_PROCESS } from "../delivery/unanswered.ts";
import type { SubscriptionInfo } from "../protocol/protocol.ts";
import { pausedWords } from "../protocol/paused_words.ts";
import type { Clock } from "../base/clock.ts";
import { ConflictError, UnsupportedError } from "../base/errors.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { whenAborted } from "../base/when_aborted.ts";
import { type Event, toEvent, toFilterEvent } from "../event/event.ts";
import { parseOffset } from "../event/offset.ts";
import type { SubscriptionSettings } from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore } from "../store/store.ts";
import {
  type Handler,
  type Position,
  type SubscribeOptions,
  Subscription,
  type WaitOptions,
} from "../delivery/subscription.ts";
import { commitEvents } from "../reading/commit_lines.ts";
import { assertTopicPattern, compilePattern } from "../event/topic_options.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { Ledger } from "../delivery/committer.ts";
import type { ExpiryCount } from "../delivery/deliverable.ts";
import type { SubscriptionDriver } from "../delivery/driver.ts";
import { retriesPage, retryNow } from "../delivery/scheduled_retries.ts";
import { newToken } from "../delivery/tokens.ts";
import { type StartOffset, startsIn } from "../delivery/start_offset.ts";
import { assertOn } from "../delivery/processed.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { HandlerRunner } from "../delivery/runner.ts";
import type { BrokerOptions } from "./broker_options.ts";
import { defaultSettings } from "../delivery/settings.ts";
import { handlerOf, rateOf, seqOf, settingsOf } from "../delivery/handler_options.ts";

/** What is needed to run handlers. */
export interface LocalContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  topics: TopicCatalog;
  expiry: ExpiryCount;
  manager: SubscriptionManager;
  /** The store has no earlier events to start from. */
  liveOnly: boolean;
  /** How long handlers may go on after the end of their subscription, ms. */
  graceMs: number;
  /** Handlers run in spans, where the application has OpenTelemetry. */
  tracing: boolean;
  /** Where an ephemeral subscription stores its retries. */
  ledger(): Ledger;
  onError(error: unknown, context: string): void;
}

/** A subscription without a name that has begun. */
interface Opened {
  driver: SubscriptionDriver;
  runner: HandlerRunner;
}

/** The handlers for a topic's events. */
interface Route {
  /** The topic's subscriptions; a new array once they have changed. */
  drivers: readonly SubscriptionDriver[];
  here: readonly { driver: SubscriptionDriver; runners: readonly HandlerRunner[] }[];
  /** There are subscriptions whose consumers are elsewhere. */
  others: boolean;
}

/** How handlers run. */
export function handlerSettings(
  { handlerGraceMs = 30_000, tracing = true }: BrokerOptions,
): { graceMs: number; tracing: boolean } {
  return { graceMs: handlerGraceMs, tracing };
}

/** The subscriptions with a handler in this process. */
export class LocalSubscriptions {
  readonly #context: LocalContext;
  /** Each with its runner, once that exists. */
  readonly #subscriptions = new Map<Subscription, HandlerRunner | undefined>();
  readonly #byDriver = new Map<SubscriptionDriver, HandlerRunner[]>();
  readonly #routes = new Map<string, Route>();
  readonly #starting = new Set<Promise<unknown>>();

  constructor(context: LocalContext) {
    this.#context = context;
  }

  /** Pending while named subscriptions are being created: publishes wait for them. */
  get starting(): Promise<unknown> | undefined {
    return this.#starting.size > 0 ? Promise.allSettled(this.#starting) : undefined;
  }

  subscribe(topic: string, handler: Handler, options: SubscribeOptions): Subscription {
    assertTopicPattern(topic);
    const { from, name } = options;
    if (this.#context.liveOnly && from !== undefined && from !== "end") {
      throw new UnsupportedError("a store with three methods has no earlier events to start from", {
        hint: "omit `from`: the subscription then starts now",
      });
    }
    const settings = settingsOf(options);
    const subscription = name === undefined
      ? this.#ephemeral(topic, { handler, options, settings })
      : this.#named(name, topic, { handler, options, settings });
    if (!this.#subscriptions.has(subscription)) this.#subscriptions.set(subscription, undefined);
    whenAborted(options.signal, () => {
      subscription.unsubscribe().catch((error) => this.#context.onError(error, "unsubscribe"));
    });
    return subscription;
  }

  #ephemeral(
    topic: string,
    of: { handler: Handler; options: SubscribeOptions; settings: Partial<SubscriptionSettings> },
  ): Subscription {
    const { clock, store, topics, manager, onError } = this.#context;
    const name = `unnamed-${newToken()}`;
    const offset = parseOffset(of.options.from ?? "end");
    const now = () => clock.now();
    let opened: Opened | undefined;
    const opening = whenReady(
      startsIn({ store, now }, topics.match(topic), offset),
      (starts) => opened = this.#open({ name, topic, starts }, of),
    );
    const there = <T>(ask: () => MaybePromise<T>) =>
      opened ? ask() : Promise.resolve(opening).then(ask);
    const subscription: Subscription = new Subscription({
      name,
      topic,
      runner: isPromise(opening)
        ? opening.then(({ runner }) => runner)
        : Promise.resolve(opening.runner),
      clock,
      onError,
      info: () => there(() => manager.info(name)),
      retries: (page) => there(() => retriesPage(opened!.driver, page)),
      retryNow: async (request) => await there(() => retryNow(opened!.driver, request)),
      whenProcessed: (position, options) => this.#whenProcessed(opened!.driver, position, options),
      ended: async () => {
        this.#forget(subscription, opened?.driver);
        if (!opened) return;
        manager.dropDriver(opened.driver);
        await opened.driver.close();
      },
    });
    const attach = ({ driver, runner }: Opened) => this.#attach(subscription, driver, runner);
    if (isPromise(opening)) this.#track(opening.then(attach), name, () => subscription);
    else attach(opening);
    return subscription;
  }

  /** Adds the driver of a subscription without a name, and what runs its handler. */
  #open(
    { name, topic, starts }: { name: string; topic: string; starts: readonly StartOffset[] },
    of: { handler: Handler; options: SubscribeOptions; settings: Partial<SubscriptionSettings> },
  ): Opened {
    const { clock, random, store, expiry, manager, onError } = this.#context;
    const settings = { ...defaultSettings, ...of.settings };
    const cursors = starts.map(({ topic, seq: next }) => ({ subscription: name, topic, next }));
    const driver = manager.addDriver(
      { name, topic, from: "end", settings, paused: false, createdAt: clock.now() },
      { cursors, done: [], missed: [], retries: [] },
      { clock, random, store, expiry, onError, ledger: this.#context.ledger(), trip: neverTrips },
    );
    manager.useFilter(driver);
    return { driver, runner: this.#runner(driver, of) };
  }

  #named(
    name: string,
    topic: string,
    of: { handler: Handler; options: SubscribeOptions; settings: Partial<SubscriptionSettings> },
  ): Subscription {
    const { clock, manager, onError } = this.#context;
    let driver: SubscriptionDriver | undefined;
    const made = manager.put(name, {
      topic,
      settings: of.settings,
      update: true,
      resume: true,
      from: of.options.from,
    }).then((info) => {
      if (info.paused) onError(pausedError(info), `the subscription ${name}`);
      driver = manager.require(name);
      const runner = this.#runner(driver, of);
      this.#attach(subscription, driver, runner);
      return runner;
    });
    this.#track(made, name, () => subscription);
    const there = <T>(ask: () => MaybePromise<T>) => driver ? ask() : made.then(ask);
    const subscription: Subscription = new Subscription({
      name,
      topic,
      runner: made,
      clock,
      onError,
      info: () => there(() => manager.info(name)),
      retries: (page) => there(() => retriesPage(manager.require(name), page)),
      retryNow: async (request) => await there(() => retryNow(manager.require(name), request)),
      whenProcessed: (position, options) =>
        this.#whenProcessed(manager.require(name), position, options),
      ended: () => this.#forget(subscription, driver),
    });
    return subscription;
  }

  /** Publishes wait for a subscription that is being made. */
  #track(made: Promise<unknown>, name: string, subscription: () => Subscription): void {
    this.#starting.add(made);
    made.then(
      () => this.#starting.delete(made),
      (error) => {
        this.#starting.delete(made);
        this.#subscriptions.delete(subscription());
        this.#context.onError(error, `the subscription ${name}`);
      },
    );
  }

  #runner(
    driver: SubscriptionDriver,
    of: { handler: Handler; options: SubscribeOptions },
  ): HandlerRunner {
    const { retryDelay, concurrency } = of.options;
    const { clock, graceMs } = this.#context;
    return new HandlerRunner(driver, {
      handler: handlerOf(of.handler, of.options, { clock, tracing: this.#context.tracing }),
      clock,
      graceMs,
      load: this.#context.manager.loadOf(OWN_PROCESS),
      concurrency: Math.max(1, concurrency ?? 1),
      rate: rateOf(of.options),
      ...(typeof retryDelay === "function" ? { retryDelay } : {}),
      onError: this.#context.onError,
    });
  }

  #attach(subscription: Subscription, driver: SubscriptionDriver, runner: HandlerRunner): void {
    this.#subscriptions.set(subscription, runner);
    this.#byDriver.set(driver, [...this.#byDriver.get(driver) ?? [], runner]);
    this.#routes.clear();
    subscription.attach(runner);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #whenProcessed(
    driver: SubscriptionDriver,
    position: Position,
    { signal }: WaitOptions,
  ): Promise<void> {
    assertOn(driver, position.topic);
    driver.look();
    return driver.whenProcessed(position.topic, seqOf(position), signal);
  }

  /** The subscriptions on a topic. */
  on(topic: string): Subscription[] {
    return [...this.#subscriptions.keys()].filter((one) => compilePattern(one.topic)(topic));
  }

  #forget(subscription: Subscription, driver: SubscriptionDriver | undefined): void {
    const runner = this.#subscriptions.get(subscription);
    this.#subscriptions.delete(subscription);
    if (!driver) return;
    const left = (this.#byDriver.get(driver) ?? []).filter((other) => other !== runner);
    if (left.length > 0) this.#byDriver.set(driver, left);
    else this.#byDriver.delete(driver);
    this.#routes.clear();
  }

  /**
   * True if a topic has subscriptions whose consumers are elsewhere, or are still being created.
   */
  hasOthers(topic: string): boolean {
    return this.#starting.size > 0 || this.#route(topic).others;
  }

  /** The local handlers of a topic; computed again when subscriptions have changed. */
  #route(topic: string): Route {
    const drivers = this.#context.manager.of(topic);
    let route = this.#routes.get(topic);
    if (route?.drivers !== drivers) {
      const here = drivers.flatMap((driver) => {
        const runners = this.#byDriver.get(driver);
        return runners ? [{ driver, runners }] : [];
      });
      route = { drivers, here, others: here.length < drivers.length };
      this.#routes.set(topic, route);
    }
    return route;
  }

  /** True if a handler here gets this subscription's events of topics that store nothing. */
  has(driver: SubscriptionDriver): boolean {
    return this.#byDriver.has(driver);
  }

  /**
   * Passes an event of a topic that stores nothing to the handlers here. `forFilters`: the event
   * with numbers in their original notation.
   */
  hand(event: Event, forFilters: Event = event): void {
    const { here } = this.#route(event.topic);
    for (let i = 0; i < here.length; i++) {
      const { driver, runners } = here[i]!;
      if (!driver.wants(forFilters)) continue;
      const runner = runners.length === 1
        ? runners[0]!
        : runners.find(({ paused }) => !paused) ?? runners[0]!;
      runner.hand(event);
    }
  }

  /** The same for a commit. */
  handCommit(commit: Commit): void {
    if (this.#byDriver.size === 0) return;
    for (const event of commitEvents(commit, commit.events ?? [])) {
      this.hand(toEvent(event), toFilterEvent(event));
    }
  }

  /** True while a handler has work, or is about to. */
  get busy(): boolean {
    return this.#starting.size > 0 || this.#active().some((runner) => !runner.isIdle);
  }

  /** Resolves when the current work is done; there may be more by then. */
  async idle(): Promise<void> {
    await this.starting;
    for (const runner of this.#active()) await runner.idle();
  }

  /** All runners here, including those about to end. */
  get runners(): Iterable<HandlerRunner | undefined> {
    return this.#subscriptions.values();
  }

  #active(): HandlerRunner[] {
    return [...this.#subscriptions.values()]
      .filter((runner) => runner !== undefined)
      .filter(({ paused }) => !paused);
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#subscriptions.keys()].map((subscription) => subscription.unsubscribe()),
    );
  }
}

/**
 * The warning for a subscription that a person has paused: otherwise its silence would look as if
 * there were no events.
 */
function pausedError(info: SubscriptionInfo): ConflictError {
  return new ConflictError(pausedWords(info), {
    code: "subscription/paused",
    details: { subscription: info.name },
  });
}

/** An unnamed subscription has no breaker, because nobody could resume it. */
const neverTrips = () => Promise.resolve();
