/** What a broker is made of. */
import { asCause } from "../base/thrown.ts";
import type { Clock } from "../base/clock.ts";
import { namesOf, refuseUnknown } from "../base/options.ts";
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import type { SchemaRegistry } from "../schema/registry.ts";
import type { State, TopicEndRecord } from "../state/state.ts";
import type { StoreShelf } from "../store/routed_store.ts";
import type { EventStore } from "../store/store.ts";

/** What a broker is made of. All of it is closed with the broker. */
export interface BrokerOptions {
  /** Default: in memory. */
  eventStore?: EventStore;
  /** Stores that topics may choose beside it; absent: all topics live in `eventStore`. */
  stores?: StoreShelf;
  /** Default: in memory. */
  state?: State;
  /** Default: the dead letters in `state`. */
  deadLetterQueue?: DeadLetterQueue;
  /** Checks payloads. Default: the schemas that are kept in the state. */
  schemaRegistry?: SchemaRegistry;
  /** Default: the real one. */
  clock?: Clock;
  /** A number from 0 to below 1, for jitter. Default: `Math.random`. */
  random?: () => number;
  /** May publishing make a topic? Default true. */
  autoCreateTopics?: boolean;
  /**
   * The largest event that is published: payload, metadata, type, key and id, bytes. Default 1 MiB.
   */
  maxEventBytes?: number;
  /** How long handlers may go on when the broker or their subscription ends, ms. Default 30,000. */
  handlerGraceMs?: number;
  /**
   * Where topics ended for all that somebody else knows: no lower number is given again.
   * @internal
   */
  knownEnds?: Iterable<TopicEndRecord>;
  /** Told of failures that nobody waits for. Default: the console. */
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
  knownEnds: true,
  onError: true,
});

/** The options, or an `InvalidArgumentError` that names the one that a broker does not have. */
export function checkBrokerOptions(options: BrokerOptions): BrokerOptions {
  return refuseUnknown(options, { of: "EventBroker", known: BROKER_OPTIONS });
}

/** The same, but it never throws: who reports a failure has nobody to tell that this fails, too. */
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

/** Where failures go that nobody waits for, unless told otherwise. */
export function toConsole(error: unknown, context: string): void {
  // deno-lint-ignore no-console -- the default of a library that was told of nobody else
  console.error(`env-event-stream: ${context}:`, asCause(error));
}
