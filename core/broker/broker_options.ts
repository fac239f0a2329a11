/** The options of a broker. */
import { asCause } from "../base/thrown.ts";
import type { Clock } from "../base/clock.ts";
import { namesOf, refuseUnknown } from "../base/options.ts";
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import type { SchemaRegistry } from "../schema/registry.ts";
import type { State, TopicEndRecord } from "../state/state.ts";
import type { StoreShelf } from "../store/routed_store.ts";
import type { EventStore } from "../store/store.ts";

/** The parts and settings of a broker. It closes its store, state and queue when it is closed. */
export interface BrokerOptions {
  /** Default: in memory. */
  eventStore?: EventStore;
  /** Further stores that topics may choose; absent: all topics are in `eventStore`. */
  stores?: StoreShelf;
  /** Default: in memory. */
  state?: State;
  /** Default: the dead letters in `state`. */
  deadLetterQueue?: DeadLetterQueue;
  /** Checks payloads. Default: the schemas in the state. */
  schemaRegistry?: SchemaRegistry;
  /** Default: the real one. */
  clock?: Clock;
  /** A number from 0 (inclusive) to 1 (exclusive), for jitter. Default: `Math.random`. */
  random?: () => number;
  /** Whether publishing may create a topic. Default true. */
  autoCreateTopics?: boolean;
  /**
   * Size limit for published events: payload, metadata, type, key and id, in bytes. Default 1 MiB.
   */
  maxEventBytes?: number;
  /**
   * How long handlers may go on after the broker or their subscription ends, ms. Default 30,000.
   */
  handlerGraceMs?: number;
  /**
   * Whether publishing and handlers make spans if the application has registered OpenTelemetry.
   * Default true.
   */
  tracing?: boolean;
  /**
   * How long the stores remember given ids, ms. Default 24 h.
   * @internal
   */
  dedupWindow?: number;
  /**
   * Last seqs of topics known from elsewhere: no lower seq is assigned again.
   * @internal
   */
  knownEnds?: Iterable<TopicEndRecord>;
  /** Called for failures that no caller waits for. Default: the console. */
  onError?: (error: unknown, context: string) => void;
}

const BROKER_OPTIONS = namesOf<BrokerOptions>({
  eventStore: true,
  stores: true,
  state: true,
  deadLetterQueue: true,
  schemaRegistry: true,
  clock: true,
  random: true,
  autoCreateTopics: true,
  handlerGraceMs: true,
  maxEventBytes: true,
  tracing: true,
  dedupWindow: true,
  knownEnds: true,
  onError: true,
});

/** The options, or an `InvalidArgumentError` that names the unknown one. */
export function checkBrokerOptions(options: BrokerOptions): BrokerOptions {
  return refuseUnknown(options, { of: "EventBroker", known: BROKER_OPTIONS });
}

/**
 * Wraps `onError` so that it never throws: code that reports a failure could not handle another
 * one.
 */
export function guarded(
  onError: (error: unknown, context: string) => void,
): (error: unknown, context: string) => void {
  return (error, context) => {
    try {
      onError(error, context);
    } catch (failure) {
      toConsole(error, context);
      toConsole(failure, "onError");
    }
  };
}

/** The default for reporting failures that no caller waits for. */
export function toConsole(error: unknown, context: string): void {
  // deno-lint-ignore no-console -- the default if the application gives no callback
  console.error(`env-event-stream: ${context}:`, asCause(error));
}
