/**
 * The numbers that one store has given to the events of keys. They may differ from those of another
 * store in one place only (docs/adr/0049-version-per-key.md): a key of which retention has left
 * nothing begins at the topic's first seq in a store that has forgotten it, and goes on in one that
 * still knows it. So each store is held to the numbers that it gave itself: the next one, unless
 * nothing is left of the key, then one above all that the key had and not above the topic's first
 * seq; and an event has the number that it was given wherever it is read.
 */
import assert from "node:assert/strict";
import type { AppendOutcome, AppendRequest } from "../../../core/store/store.ts";

/** What is true of a key before a command. */
export interface KeyStanding {
  /** Some of its events are there. */
  isLeft: boolean;
  /** The first seq of its topic. */
  firstSeq: number;
}

/** What an expectation is about. */
export interface Subject {
  topic: string;
  key: string | undefined;
}

/** The numbers of one store. */
export class KeyBook {
  readonly #ofEvent = new Map<string, number>();
  readonly #last = new Map<string, number>();

  /** What the store compares with an expected number. */
  actual(topic: string, key: string, { isLeft, firstSeq }: KeyStanding): number {
    const last = this.#last.get(`${topic} ${key}`) ?? 0;
    return isLeft || last >= firstSeq ? last : 0;
  }

  /** An event's number in words that are the same for all stores. */
  told(topic: string, seq: number, keySeq: number | undefined): string | undefined {
    if (keySeq === undefined) return undefined;
    const given = this.#ofEvent.get(`${topic} ${seq}`);
    return given === keySeq ? "as given" : `${keySeq}, and was given ${given}`;
  }

  /**
   * Notes the numbers of an append, and returns its outcome in words that are the same for all
   * stores. `standing`: what was true of the keys before; those of the request are there from now
   * on.
   */
  note(
    { topic, events }: AppendRequest,
    outcome: AppendOutcome,
    { standing, about }: { standing: Map<string, KeyStanding>; about: Subject },
  ): unknown {
    if (!outcome.ok) return this.#refused(outcome, { standing, about });
    const { keySeqs, ...rest } = outcome;
    const repeats = new Map(outcome.duplicates.map(({ index, seq }) => [index, seq]));
    let next = outcome.firstSeq;
    const numbers = events.map(({ key }, i) => {
      const number = keySeqs?.[i];
      const seq = repeats.get(i) ?? next++;
      // A redacted event has its number, although its key may be gone.
      if (repeats.has(i)) return this.#ofEvent.has(`${topic} ${seq}`) ? "repeated" : number;
      if (key === undefined) return number;
      this.#give({ topic, key, seq }, number, standing);
      return "given";
    });
    return { ...rest, numbers: keySeqs ? numbers : "none" };
  }

  #give(
    { topic, key, seq }: { topic: string; key: string; seq: number },
    number: number | undefined,
    standing: Map<string, KeyStanding>,
  ): void {
    const name = `${topic} ${key}`;
    const { isLeft, firstSeq } = standing.get(name)!;
    const last = this.#last.get(name) ?? 0;
    const told = `${name}: ${seq} has the number ${number} after ${last}, from ${firstSeq} on`;
    if (isLeft || last >= firstSeq) assert.equal(number, last + 1, told);
    else assert.ok(number! > last && number! <= firstSeq, told);
    this.#last.set(name, number!);
    this.#ofEvent.set(`${topic} ${seq}`, number!);
    standing.set(name, { isLeft: true, firstSeq });
  }

  /** An expected number is each store's own: its answer is told by whether it knew its last one. */
  #refused(
    outcome: Extract<AppendOutcome, { ok: false }>,
    { standing, about }: { standing: Map<string, KeyStanding>; about: Subject },
  ): unknown {
    const { expected, actual, subject } = outcome;
    if (typeof expected !== "object") return outcome;
    if (subject !== "key") return { ...outcome, expected: "a number" };
    const key = outcome.key ?? about.key!;
    const known = this.actual(about.topic, key, standing.get(`${about.topic} ${key}`)!);
    return { ...outcome, expected: "a number", actual: actual === known ? "its last" : actual };
  }
}
