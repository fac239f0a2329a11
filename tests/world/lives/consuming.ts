/** Consumers: handlers of the library, and programs that lease by hand. */
import { deadLetter, retry, skip } from "../../../core/delivery/outcome.ts";
import { HandlerTimeoutError, NonRetryableError } from "../../../core/base/errors.ts";
import type { Event } from "../../../core/event/event.ts";
import type { HandlerContext } from "../../../core/delivery/handler.ts";
import type { Subscription } from "../../../core/delivery/subscription.ts";
import type { Act, Behaviour, Settings } from "./act.ts";
import type { Outcome } from "./fact.ts";
import type { Access, HandLease } from "./place.ts";
import { contentOf } from "./publishing.ts";
import type { Recorder } from "./recorder.ts";

/** What `retry({ afterMs })` waits, ms. */
const AFTER_MS = 50;

type Payload = { n: number; script?: Behaviour[]; takesMs?: number } | null;

/** What a handler is told about an event; in a batch the attempt may be missing. */
type Told = Omit<HandlerContext, "attempt"> & Partial<Pick<HandlerContext, "attempt">>;

/** Does what consumers do. */
export class Consuming {
  readonly #recorder: Recorder;
  /** The live subscriptions of the library, by process and name. */
  readonly #live = new Map<string, Subscription>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  async act(act: Act, access: Access): Promise<void> {
    switch (act.do) {
      case "subscribe":
        return await this.subscribe(act, access);
      case "unsubscribe":
        return await this.#unsubscribe(act.name, access);
      case "lease":
        return await this.#lease(act, access);
    }
  }

  async subscribe(
    { name, topic, settings }: { name: string; topic: string; settings: Settings },
    access: Access,
  ): Promise<void> {
    const place = `${access.holder} ${name}`;
    if (this.#live.has(place)) return;
    const { concurrency, maxRetries, maxDeliveries, waitMs, timeoutMs, rate, prefetch } = settings;
    const options = {
      name,
      maxRetries,
      maxDeliveries,
      retryDelay: waitMs,
      timeoutMs,
      ...(rate === undefined ? {} : { rate }),
      ...(prefetch === undefined ? {} : { prefetch }),
    };
    const holder = access.holder;
    const request = { to: "subscribe" as const, name, topic, holder, settings };
    await this.#recorder.ask(holder, request, async () => {
      const { broker } = access;
      const one = (event: Event, context: HandlerContext) =>
        this.#handle(event, context, { access, settings });
      // A batch is told the attempt of its first event only, and tells all outcomes at its end.
      const all = async (events: Event[], { attempt, ...context }: HandlerContext) => {
        const told: (() => void)[] = [];
        const atEnd = (tell: () => void) => void told.push(tell);
        const outcomes = await Promise.all(events.map((event, i) => {
          const its = i === 0 ? { attempt, ...context } : context;
          return settledAs(this.#handle(event, its, { access, settings, atEnd }));
        }));
        for (const tell of told) tell();
        return outcomes;
      };
      const subscription = settings.batch === undefined
        ? broker.subscribe(topic, one, { ...options, concurrency })
        : broker.subscribeBatch(topic, all, { ...options, size: settings.batch });
      this.#live.set(place, subscription);
      try {
        await subscription.ready;
      } catch (error) {
        this.#live.delete(place);
        throw error;
      }
    });
  }

  async #unsubscribe(name: string, { holder }: Access): Promise<void> {
    const subscription = this.#live.get(`${holder} ${name}`);
    this.#live.delete(`${holder} ${name}`);
    if (!subscription) return;
    const request = { to: "unsubscribe" as const, name };
    await this.#recorder.ask(holder, request, () => subscription.unsubscribe());
  }

  /** One attempt: what the event's script says. */
  async #handle(
    event: Event<Payload>,
    { subscription, signal, attempt: told }: Told,
    { access, settings, atEnd = (tell) => tell() }: {
      access: Access;
      settings: Settings;
      /** When its outcome is told; absent: at once. */
      atEnd?: (tell: () => void) => void;
    },
  ): Promise<unknown> {
    if (this.#recorder.isGone(access.holder)) return await new Promise(() => {});
    const run = this.#recorder.nextRun();
    const seen = this.#recorder.seen(event);
    const attempt = told ?? this.#recorder.nextAttempt(subscription, seen.n);
    this.#recorder.note({
      is: "began",
      run,
      subscription,
      holder: access.holder,
      event: seen,
      attempt,
      ...(told === undefined ? { isGuess: true } : {}),
    });
    const ends = (outcome: Outcome, waitMs = 0) =>
      atEnd(() => {
        if (this.#recorder.isGone(access.holder)) return;
        // What a subscription that ends cuts short is not counted.
        const isCut = signal.aborted && !(signal.reason instanceof HandlerTimeoutError);
        const known = outcome === "failed" && isCut ? "released" : outcome;
        this.#recorder.note({ is: "ended", run, outcome: known, sure: false, waitMs });
      });
    const fails = () => {
      ends("failed", settings.waitMs);
      return new Error(`attempt ${attempt} failed on ${contentOf(seen.n)}`);
    };
    const script = event.payload?.script?.[attempt - 1] ?? "ok";
    // A time-out is the whole batch's.
    const behaviour = script === "hang" && settings.batch !== undefined ? "throw" : script;
    if (event.payload?.takesMs) {
      await access.sleep(Math.min(event.payload.takesMs, settings.timeoutMs / 2));
    }
    switch (behaviour) {
      case "hang":
        await untilAborted(signal);
        throw fails();
      case "throw":
        throw fails();
      case "retry":
        ends("failed", AFTER_MS);
        return retry({ afterMs: AFTER_MS });
      case "dead":
        ends("dead");
        return deadLetter(`given up on ${contentOf(seen.n)}`);
      case "hopeless":
        ends("dead");
        throw new NonRetryableError(`hopeless: ${contentOf(seen.n)}`);
      case "skip":
        ends("done");
        return skip();
      default:
        ends("done");
    }
  }

  /** Leases, and settles all that it got in the same way. */
  async #lease(act: Act & { do: "lease" }, access: Access): Promise<void> {
    const { name, max, leaseMs } = act;
    const { operator, holder } = access;
    const askedAt = this.#recorder.now;
    const leases = await this.#recorder.ask(
      holder,
      { to: "lease", name, max },
      () => operator.lease(name, { max, leaseMs }),
    ) ?? [];
    const runs = leases.map(({ event, attempt }) => {
      const run = this.#recorder.nextRun();
      const seen = this.#recorder.seen(event);
      const until = askedAt + leaseMs;
      this.#recorder.note({
        is: "began",
        run,
        subscription: name,
        holder,
        event: seen,
        attempt,
        until,
      });
      return run;
    });
    if (leases.length === 0) return;
    await access.sleep(act.afterMs);
    // The daemon decides when a lease is over: nothing is known until long after.
    const isOver = act.then === "nothing" || act.afterMs >= leaseMs;
    if (isOver) await access.sleep(Math.max(0, leaseMs + 100 - act.afterMs));
    const settled = isOver ? undefined : await this.#settle(act, leases, access);
    runs.forEach((run, i) => {
      const outcome = settled?.[i] ?? (isOver ? "failed" : outcomeOf(act.then));
      this.#recorder.note({ is: "ended", run, outcome, sure: settled !== undefined, waitMs: 0 });
    });
  }

  /** The outcomes, as the daemon tells them; undefined if it does not. */
  async #settle(
    { then, name }: Act & { do: "lease" },
    leases: readonly HandLease[],
    { operator }: Access,
  ): Promise<Outcome[] | undefined> {
    const tokens = leases.map(({ lease }) => lease);
    try {
      if (then === "ack" || then === "release") {
        const lost = await operator[then](name, tokens);
        return tokens.map((token) => lost.includes(token) ? "cut" : outcomeOf(then));
      }
      const items = leases.map(({ lease, event }) => ({
        lease,
        error: `no good: ${contentOf(this.#recorder.seen(event).n)}`,
        afterMs: AFTER_MS,
        ...(then === "dead" ? { dead: true } : {}),
      }));
      const outcomes = await operator.nack(name, items);
      const names = { retry: "failed", dead: "dead", lost: "cut", done: "done" } as const;
      return outcomes.map((outcome) => names[outcome]);
    } catch (error) {
      this.#recorder.failed(error, `a lease's ${then}`);
      return undefined;
    }
  }

  /** A process has ended, with its subscriptions. */
  gone(holder: string): void {
    for (const place of this.#live.keys()) {
      if (place.startsWith(`${holder} `)) this.#live.delete(place);
    }
  }
}

function outcomeOf(then: (Act & { do: "lease" })["then"]): Outcome {
  const names = {
    ack: "done",
    nack: "failed",
    dead: "dead",
    release: "released",
    nothing: "failed",
  } as const;
  return names[then];
}

/** What a handler of a batch returns for an event: a failure is an outcome, too. */
async function settledAs(handled: Promise<unknown>): Promise<unknown> {
  try {
    return await handled;
  } catch (error) {
    if (error instanceof NonRetryableError) return deadLetter(error.message);
    return retry({ reason: String(error) });
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
