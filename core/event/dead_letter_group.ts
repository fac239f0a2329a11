/** Groups of dead letters with the same cause: what is known of each. */

/**
 * `open`: it is to be looked at. `dismissed`: a person decided that it does not matter. `resolved`:
 * a person says that its cause is gone.
 */
export type DeadLetterGroupState = "open" | "dismissed" | "resolved";

/** What a person does about a group. */
export type DeadLetterGroupAct = "dismiss" | "resolve" | "reopen";

/** The last act on the state of a group. */
export interface LastGroupAct {
  /** `return`: it opened by itself, because it came back. */
  act: DeadLetterGroupAct | "return";
  /** Unix ms. */
  at: number;
  /** Who says that they did it. */
  by?: string;
}

/** What a person wrote about a group. */
export interface DeadLetterGroupNote {
  /** Unix ms. */
  at: number;
  /** Who says that they wrote it. */
  by?: string;
  /** What they wrote. */
  text: string;
}

/** A dead letter that a group had. */
export interface DeadLetterSample {
  /** The subscription that gave up on it. */
  subscription: string;
  /** The topic of its event. */
  topic: string;
  /** The seq of its event. */
  seq: number;
  /** The id of its event. */
  id: string;
  /** When it was dead-lettered, Unix ms. */
  at: number;
}

/** Which groups are listed: those in one state, or all that are remembered. */
export type DeadLetterGroupList = DeadLetterGroupState | "all";

/** Every {@link DeadLetterGroupList}. */
export const GROUP_LISTS = [
  "open",
  "dismissed",
  "resolved",
  "all",
] as const satisfies readonly DeadLetterGroupList[];

/** The length of the periods that dead letters of a group are counted by, ms. */
export const GROUP_SLOT_MS = 600_000;
/** How many of these periods make an hour. */
export const SLOTS_PER_HOUR = 6;
/** How many of them are kept: a day. */
export const GROUP_SLOTS = 24 * SLOTS_PER_HOUR;
/** Most groups that are kept. */
export const MOST_GROUPS = 1000;
/** Most notes of a group. */
export const MOST_GROUP_NOTES = 20;
/** The longest note, in characters. */
export const LONGEST_GROUP_NOTE = 1000;
/** The longest name of who wrote a note. */
export const LONGEST_GROUP_BY = 256;
/** Most samples of a group. */
export const MOST_GROUP_SAMPLES = 10;
/** Most dead letters that a dismissed group can wait for. */
export const MOST_GROUP_MORE = 1_000_000_000;
