/**
 * A judge watches a life for one promise. It is told every fact before the model takes it, so that
 * it sees what was known until then, and at the end what is there. It says what it finds in a
 * sentence; a judge that is not sure says nothing.
 */
import type { Ending, Fact } from "../lives/fact.ts";
import type { Model } from "../lives/model.ts";

/** Says that the promise is broken, and by what. */
export type Report = (what: string) => void;

/** One promise that can be seen from outside. */
export interface Judge {
  /** Short, unique: named in kept failures. */
  name: string;
  /** The heading of docs/contract.md, or the sentence of it, that it stands for. */
  promise: string;
  /** What always holds, in a sentence. */
  holds: string;
  /** A fact, before the model takes it. `at` is in every fact. */
  sees?(fact: Fact, model: Model, report: Report): void;
  /** All faults have stopped, and everything had time to settle. */
  ends?(ending: Ending, model: Model, report: Report): void;
}

/** What a judge found. */
export interface Finding {
  judge: string;
  promise: string;
  what: string;
  at: number;
}
