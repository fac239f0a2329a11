/**
 * Decisions that no world can reach, and why. Somebody who changes such a place, or teaches a life
 * something that gets there, changes the list with it: a text that is not there any more, or that a
 * seed has reached, is an error of `deno task test:world --coverage`.
 */

/** Why a decision is not reached. */
export interface Reason {
  file: string;
  /** Occurs exactly once in the file; all lines that it spans are meant. */
  text: string;
  why: string;
}

/** See above. */
export const REASONS: readonly Reason[] = [];
