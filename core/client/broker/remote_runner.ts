/**
 * Runs a handler of this process on a subscription of the daemon. The consumer's loop
 * (consumer/consumer.ts) leases and settles, even across lost connections; the handler and its
 * outcomes work as in core/delivery/runner.ts.
 */
import { mainModule } from "../consumer_facts.ts";
import { isA } from "../../base/thrown.ts";
import { HandlerCall, runBecause } from "../../event/causation.ts";
import type { Clock } from "../../base/clock.ts";
import type { Rate } from "../../base/rate.ts";
import type { Handler, HandlerContext } from "../../delivery/handler.ts";
import { failureOfError, failureOfResult, withDelay } from "../../delivery/outcome.ts";
import { HandlerTimeoutError, RemoteError } from "../../base/errors.ts";
import { eventOfLine } from "../../event/event_lines.ts";
import type { Runner } from "../../delivery/subscription.ts";
import type { Client } from "../client.ts";
import { Consumer } from "../consumer/consumer.ts";
import { openPort } from "../open_consumer_port.ts";
import { type Delivery, isGone } from "../consumer/port.ts";
import type { ConsumerSettlement } from "../consumer/settlement.ts";
import type { RunningBatch } from "../consumer/work.ts";
import type { SubscriptionInfo } from "../../protocol/protocol.ts";
import { decodeError } from "../decode_error.ts";

/** How a runner runs. */
export interface RemoteRunnerOptions {
  client: Client;
  handler: Handler;
  retryDelay: ((attempt: number) => number) | undefined;
  concurrency: number;
  rate: Rate | undefined;
  prefetch: number | undefined;
  /** How long handlers may go on after `stop`, ms. */
  graceMs: number;
  clock: Clock;
  onError(error: unknown, context: string): void;
  /** Messages for people: the daemon is away, the daemon is back. */
  say(text: string): void;
}

/** How often to check whether others have finished what this process waits for, ms. */
const LOOK_MS = 200;

/** The subscription was removed: nothing is left to do. */
function isRemoved(error: unknown): boolean {
  return isA(error, RemoteError) && error.code === "subscription/not-found";
}

/** Runs a local handler on a subscription of the daemon. */
export class RemoteRunner implements Runner {
  readonly name: string;
  readonly #options: RemoteRunnerOptions;
  readonly #maxRetries: number;
  readonly #consumer: Consumer;
  #running: Promise<unknown> | undefined;
  #ended = false;
  /** The error that ended it, if it was not stopped. */
  #failure: { error: unknown } | undefined;
  #paused = false;

  constructor(info: SubscriptionInfo, options: RemoteRunnerOptions) {
    const { client, clock, say, concurrency, rate, prefetch, graceMs } = options;
    this.name = info.name;
    this.#options = options;
    this.#maxRetries = info.settings.maxRetries;
    const tell = (text: string) => say(`${info.name}: ${text}`);
    this.#consumer = new Consumer({
      port: openPort({
        socket: client.address,
        subscription: info.name,
        command: mainModule(),
        clock,
        say: tell,
      }),
      start: ([delivery]) => this.#start(delivery!),
      say: tell,
      concurrency,
      rate,
      prefetch,
      graceMs,
      throughPause: true,
      marks: "ahead",
      clock,
    });
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** True once it has stopped or can get no more events. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Attempts started. */
  get started(): number {
    return this.#consumer.started;
  }

  start(): void {
    this.#running ??= this.#consumer.run()
      .catch((error) => {
        if (!isRemoved(error)) this.#failure = { error };
        this.#options.onError(error, `the subscription ${this.name}`);
      })
      .finally(() => this.#ended = true);
  }

  pause(): void {
    this.#paused = true;
    this.#consumer.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#consumer.resume();
  }

  async stop(): Promise<void> {
    if (this.#running) this.#consumer.stop("SIGTERM");
    await this.#running;
    this.#ended = true;
  }

  /**
   * Resolves with true when nothing is left to do on the subscription, and with false if it is
   * paused or has ended first. Rejects if an error ended it, since the rest will not be done here.
   */
  async idle(): Promise<boolean> {
    const { client, clock } = this.#options;
    while (!this.#ended && !this.#paused) {
      // Get this before asking the daemon, so that a change in between is not missed.
      const change = this.#consumer.nextChange();
      if (this.#consumer.inHand === 0 && await this.#isDrained(client)) {
        if (this.#consumer.inHand === 0) return true;
      }
      let cancel = () => {};
      const later = new Promise<void>((resolve) => cancel = clock.setTimer(resolve, LOOK_MS));
      await Promise.race([change, later, this.#running]);
      cancel();
    }
    if (this.#failure) throw decodeError(this.#failure.error);
    return false;
  }

  /**
   * True if nothing is left on the subscription. If the daemon is away that is unknown, so the
   * caller asks again.
   */
  async #isDrained(client: Client): Promise<boolean> {
    try {
      const info = await client.subscription(this.name);
      // Paused in the daemon: as with `pause` here, do not wait for waiting events.
      return info.paused ? info.leased === 0 : info.pending + info.leased + info.scheduled === 0;
    } catch (error) {
      if (isGone(error)) return false;
      throw decodeError(error);
    }
  }

  #start(delivery: Delivery): RunningBatch {
    const { clock, handler, retryDelay, onError, graceMs } = this.#options;
    const abort = new AbortController();
    const killed = Promise.withResolvers<never>();
    killed.promise.catch(() => {}); // nobody may be racing against it any more
    const event = eventOfLine(delivery.line);
    const context: HandlerContext = {
      subscription: this.name,
      attempt: delivery.attempt,
      delivery: delivery.delivery,
      maxRetries: this.#maxRetries,
      signal: abort.signal,
    };
    const since = clock.monotonic();
    const call = new HandlerCall(this, [event], { alone: this.#options.concurrency === 1 });
    const run = async (): Promise<ConsumerSettlement[]> => {
      const called = (async () => {
        try {
          return failureOfResult(await runBecause(call, (one) => handler(one, context)));
        } catch (error) {
          return failureOfError(error);
        } finally {
          call.running = false;
        }
      })();
      const failed = await Promise.race([called, killed.promise]);
      if (!failed) return [{ kind: "ack" }];
      const delayed = withDelay(failed, {
        attempt: delivery.attempt,
        retryDelay,
        onError: (cause) => onError(cause, `retryDelay of ${this.name}`),
      });
      const durationMs = Math.max(0, Math.round(clock.monotonic() - since));
      return [{ kind: "nack", failure: { ...delayed, durationMs } }];
    };
    return {
      verdicts: run().catch((error) => {
        if (!(error instanceof HandlerTimeoutError)) throw error;
        onError(error, `closing ${this.name}`);
        // The consumer is stopping: it releases this event without counting an attempt.
        return [{ kind: "nack", failure: { error: error.message, durationMs: graceMs } }];
      }),
      kill(signal) {
        abort.abort();
        if (signal !== "SIGKILL") return;
        killed.reject(
          new HandlerTimeoutError(
            `a handler of ${context.subscription} did not end within ${graceMs} ms of its end; its event will be redelivered`,
            { details: { subscription: context.subscription, id: event.id, graceMs } },
          ),
        );
      },
    };
  }
}
