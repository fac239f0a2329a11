/**
 * Specifications of aggregates: given these events, when this command runs, then these events
 * follow. Needs neither a store nor a broker.
 */
import { isA, thrownText } from "../base/thrown.ts";
import assert from "node:assert/strict";
import type { Event } from "../event/event.ts";
import type { Upcasters } from "../schema/upcasters.ts";
import { access, type AggregateRoot } from "./aggregate.ts";

/** An event in a specification. Members that are left out are not compared. */
export type SpecEvent = Pick<Event, "type"> & Partial<Event>;

/** What creates the aggregate: its class, or a function of the id. */
export type AggregateSource<T> = (new (id: string) => T) | ((id: string) => T);

/** What an error is compared with: a class, a pattern for the message, or a predicate. */
export type SpecError =
  // deno-lint-ignore no-explicit-any -- error classes have constructors of any kind
  (new (...args: any[]) => Error) | RegExp | ((error: unknown) => boolean);

/** How the aggregate is created and its past events are read. */
export interface SpecOptions {
  /** Default `spec`. */
  id?: string;
  /** Upcasts the past events. */
  upcast?: Upcasters;
}

/** Nothing for a synchronous command, a promise for an asynchronous one. */
export type Settled<R> = R extends PromiseLike<unknown> ? Promise<void> : void;

/** A specification with its past events. */
export interface SpecGiven<T> {
  /** Runs a command. If it returns a promise, every check returns one too. */
  when<R>(command: (aggregate: T) => R): SpecWhen<R>;
}

/** A specification whose command has run. Each check throws an `AssertionError` if it fails. */
export interface SpecWhen<R> {
  /**
   * Exactly these events were recorded. Members missing from an expected event are not compared.
   */
  then(expected: readonly SpecEvent[]): Settled<R>;
  /** The command threw this error, and nothing was recorded. */
  throws(expected?: SpecError): Settled<R>;
  /** The command did not throw, and left this state. */
  // deno-lint-ignore no-explicit-any -- an aggregate's state is known to its class only
  state(expected: any): Settled<R>;
}

/**
 * Begins a specification.
 *
 * ```ts
 * import { AggregateRoot, type Event } from "@env/env-event-stream";
 * import { spec } from "@env/env-event-stream/testing";
 *
 * class Door extends AggregateRoot<{ open: boolean }> {
 *   constructor(id: string) {
 *     super(id, { open: false });
 *   }
 *   close() {
 *     if (!this.state.open) throw new Error("it is closed");
 *     this.recordEvent("closed", {});
 *   }
 *   protected applyEvent(event: Event) {
 *     this.state.open = event.type === "opened";
 *   }
 * }
 *
 * spec(Door).given([{ type: "opened" }]).when((door) => door.close()).then([{ type: "closed" }]);
 * spec(Door).given([]).when((door) => door.close()).throws(/it is closed/);
 * ```
 */
export function spec<T extends AggregateRoot<object>>(
  source: AggregateSource<T>,
  options: SpecOptions = {},
): { given(events: readonly SpecEvent[]): SpecGiven<T> } {
  return {
    given(events) {
      const aggregate = make(source, options.id ?? "spec");
      events.map((event, i) => whole(event, aggregate.id, i + 1)).forEach((event) =>
        access.replay(aggregate, options.upcast?.upcast(event) ?? event)
      );
      return { when: (command) => outcome(aggregate, command) };
    },
  };
}

function make<T>(source: AggregateSource<T>, id: string): T {
  return isClass(source) ? new source(id) : source(id);
}

/** Classes cannot be called without `new`; the source text shows that it is one. */
function isClass<T>(source: AggregateSource<T>): source is new (id: string) => T {
  return /^class\b/.test(Function.prototype.toString.call(source));
}

function whole(event: SpecEvent, key: string, seq: number): Event {
  return {
    id: `given-${seq}`,
    topic: "spec",
    timestamp: 0,
    schemaVersion: "1.0",
    payload: {},
    metadata: {},
    key,
    seq,
    ...event,
  };
}

function outcome<T extends AggregateRoot<object>, R>(
  aggregate: T,
  command: (aggregate: T) => R,
): SpecWhen<R> {
  let result: unknown;
  let thrown: { error: unknown } | undefined;
  try {
    result = command(aggregate);
  } catch (error) {
    thrown = { error };
  }
  const judge = (claim: (thrown: { error: unknown } | undefined) => void): Settled<R> => {
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") {
      return claim(thrown) as Settled<R>;
    }
    return (async () => {
      try {
        await result;
      } catch (error) {
        return claim({ error });
      }
      claim(undefined);
    })() as Settled<R>;
  };
  return {
    then(expected) {
      // Somebody awaited `when(…)` itself: JavaScript treats anything with a `then` as a promise.
      if (typeof expected === "function") {
        throw new assert.AssertionError({ message: "pass the expected events: .then([...])" });
      }
      return judge((failure) => {
        if (failure) throw failure.error;
        assert.deepEqual(recorded(aggregate, expected), expected);
      });
    },
    throws: (expected) =>
      judge((failure) => {
        if (!failure) throw new assert.AssertionError({ message: "the command threw nothing" });
        assert.ok(
          matches(failure.error, expected),
          `the command threw something else: ${thrownText(failure.error)}`,
        );
        assert.deepEqual(recorded(aggregate, []), [], "what was recorded before the error");
      }),
    state: (expected) =>
      judge((failure) => {
        if (failure) throw failure.error;
        assert.deepEqual(aggregate.getState(), expected);
      }),
  };
}

/**
 * The recorded events, reduced to the members of the expected ones; type and payload if nothing is
 * expected.
 */
function recorded(
  aggregate: AggregateRoot<object>,
  expected: readonly SpecEvent[],
): Partial<Event>[] {
  return access.recorded(aggregate).map((event, i) => {
    const members = Object.keys(expected[i] ?? { type: 0, payload: 0 }) as (keyof Event)[];
    return Object.fromEntries(members.map((member) => [member, event[member]]));
  });
}

function matches(error: unknown, expected: SpecError | undefined): boolean {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) {
    return expected.test(thrownText(error));
  }
  if (expected.prototype instanceof Error || expected === Error) {
    return isA(error, expected as new () => Error);
  }
  return (expected as (error: unknown) => boolean)(error);
}
