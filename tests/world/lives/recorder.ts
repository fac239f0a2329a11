/** Writes down what happens in a life, as facts, and tells the judging. */
import { CannotStoreError, EvsError } from "../../../core/base/errors.ts";
import { redactionOf } from "../../../core/event/redaction.ts";
import type { Event } from "../../../core/event/event.ts";
import type { Judging } from "../judges/all.ts";
import type { Fact, Happening, Request, Seen, Told } from "./fact.ts";
import type { Place } from "./place.ts";

/** Refusals after which it is certain that nothing was done. */
const CERTAIN =
  /^(?:argument|event|schema|topic|subscription|dead-letter|retry|scheduled|aggregate|redact\w*)\/|\/not-found$|^store\/(?:disk-full|file-size-limit|unsupported|not-atomic)$/;

/** The code of anything that was thrown. What is none of our errors is a bug of ours. */
export function codeOf(error: unknown): string {
  if (error instanceof EvsError) return error.code;
  return `internal/${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

/** True if nothing was done, certainly. */
function isRefusal(error: unknown): boolean {
  if (error instanceof CannotStoreError && error.code === "store/unavailable") return false;
  return CERTAIN.test(codeOf(error));
}

/** Records one life. */
export class Recorder {
  readonly judging: Judging;
  readonly #place: Place;
  /** Requests without an answer, by the process that asked. */
  readonly #open = new Map<number, string>();
  readonly #gone = new Set<string>();
  #asks = 0;
  #runs = 0;
  /** Called with each fact, for the story. */
  onFact: (fact: Fact) => void = () => {};

  constructor(place: Place, judging: Judging) {
    this.#place = place;
    this.judging = judging;
    place.onGone = (holder) => this.gone(holder);
    place.onReport = (error, context) => this.reported(error, context);
  }

  get model() {
    return this.judging.model;
  }

  get now(): number {
    return this.#place.now();
  }

  note(happening: Happening): void {
    const fact: Fact = { at: this.#place.now(), wall: this.#place.wall(), ...happening };
    this.judging.take(fact);
    this.onFact(fact);
  }

  /** The highest attempt that may be next as far as the model knows, where nobody tells. */
  nextAttempt(subscription: string, n: number): number {
    const consumption = this.model.subscriptions.get(subscription);
    const work = consumption?.find(n);
    return work ? this.model.look(work, this.now).high + 1 : 1;
  }

  /** True if the process has ended: what its code still does in its last moment did not happen. */
  isGone(holder: string): boolean {
    return this.#gone.has(holder);
  }

  nextRun(): number {
    return ++this.#runs;
  }

  /** Asks for something; records the request and its answer. Undefined if there is no good one. */
  async ask<T>(
    holder: string,
    request: Request,
    work: () => T | Promise<T>,
    told: (reply: T) => Told = () => ({}),
  ): Promise<T | undefined> {
    // What its code still does in its last moment did not happen.
    if (this.isGone(holder)) return undefined;
    const ask = ++this.#asks;
    this.#open.set(ask, holder);
    this.note({ is: "asked", ask, request });
    try {
      const reply = await work();
      if (!this.#open.delete(ask)) return undefined;
      this.note({ is: "done", ask, ...told(reply) });
      return reply;
    } catch (error) {
      if (!this.#open.delete(ask)) return undefined;
      this.note({ is: isRefusal(error) ? "refused" : "lost", ask, code: codeOf(error) });
      return undefined;
    }
  }

  /** A process has ended: its requests have no answer. */
  gone(holder: string): void {
    this.#gone.add(holder);
    for (const [ask, of] of this.#open) {
      if (of !== holder) continue;
      this.#open.delete(ask);
      this.note({ is: "lost", ask, code: "its process ended" });
    }
    this.note({ is: "gone", holder });
  }

  /** Something that changes nothing did not work; that is fine, unless it is a bug of ours. */
  failed(error: unknown, what: string): void {
    if (codeOf(error).startsWith("internal")) this.reported(error, what);
  }

  reported(error: unknown, context: string): void {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.note({ is: "reported", code: codeOf(error), context, text });
  }

  /** An event as somebody got it. */
  seen(event: Event): Seen {
    const { topic, seq = 0, id, key, keySeq } = event;
    const redacted = redactionOf(event) !== undefined;
    const n = redacted ? this.model.which({ topic, seq, id }) : event.payload?.n ?? -1;
    return {
      n,
      topic,
      seq,
      id,
      ...(key === undefined ? {} : { key }),
      ...(keySeq === undefined ? {} : { keySeq }),
      ...(redacted ? { redacted } : {}),
    };
  }
}
