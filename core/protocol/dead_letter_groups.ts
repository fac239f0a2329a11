/** Groups of dead letters, as they are on the wire and in the library. */
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type {
  DeadLetterGroupAct,
  DeadLetterGroupList,
  DeadLetterGroupNote,
  DeadLetterGroupState,
  DeadLetterSample,
  LastGroupAct,
} from "../event/dead_letter_group.ts";

export type {
  DeadLetterGroupAct,
  DeadLetterGroupList,
  DeadLetterGroupNote,
  DeadLetterGroupState,
  DeadLetterSample,
  LastGroupAct,
};

/**
 * What dead letters with one cause have in common: `GET /v1/dead-letter-groups` has
 * `{groups: DeadLetterGroup[]}`, largest first.
 */
export interface DeadLetterGroup {
  /** Six letters and digits, made from the reason: the same cause has the same id everywhere. */
  id: string;
  /** What the reasons have in common, with `*` where they differ. Usable as a `reason` filter. */
  reason: string;
  /** What is to be done about it. */
  state: DeadLetterGroupState;
  /** How many are there now; with a filter, those that match. */
  count: number;
  /** How many there ever were. One that is retried and fails again is another one. */
  total: number;
  /** When its first dead letter came, Unix ms. */
  firstAt: number;
  /** When its last dead letter came, Unix ms. */
  lastAt: number;
  /** How many came in the last hour, to ten minutes. */
  hour: number;
  /** How many came in the last 24 hours. */
  day: number;
  /** The same by hour, the last hour last. */
  hours: number[];
  /** Whose dead letters are there now. */
  subscriptions: string[];
  /** The most recent one that is there; absent if none is. */
  example?: { id: string; topic: string; seq: number; subscription: string; reason: string };
  /** How many notes there are. */
  noted: number;
  /** What was last done about its state; absent if nothing was. */
  act?: LastGroupAct;
  /** Of a dismissed one: it opens after so many more. Absent: it stays dismissed. */
  more?: number;
}

/** `GET /v1/dead-letter-groups/{group}`: one group with what was written about it. */
export interface DeadLetterGroupDetail extends DeadLetterGroup {
  /** Oldest first, at most 20. */
  notes: DeadLetterGroupNote[];
  /** The last dead letters that it had, newest first, at most 10; `present`: it is there now. */
  samples: (DeadLetterSample & { present: boolean })[];
}

/** Which groups to list. */
export interface DeadLetterGroupQuery extends Omit<DeadLetterFilter, "ids"> {
  /**
   * `open` (the default): open ones whose dead letters are there now. `dismissed` and `resolved`:
   * those, with dead letters or without. `all`: every group that is remembered.
   */
  state?: DeadLetterGroupList;
}

/** Who did something about a group. */
export interface DeadLetterGroupBy {
  /** A name, as somebody claims it. */
  by?: string;
}

/** How to dismiss a group. */
export interface DismissOptions extends DeadLetterGroupBy {
  /** Open it again after so many more dead letters; by default it stays dismissed. */
  more?: number;
}

/**
 * The groups of a broker's dead letters: see `Broker.deadLetterGroups`. Every method but `list`
 * rejects with `NotFoundError` if there is no group with that id.
 */
export interface DeadLetterGroups {
  /** The groups, largest first. */
  list(query?: DeadLetterGroupQuery): Promise<DeadLetterGroup[]>;
  /** One of them, with its notes and samples. */
  get(id: string): Promise<DeadLetterGroupDetail>;
  /** Adds a note; the newest 20 are kept. */
  note(id: string, text: string, options?: DeadLetterGroupBy): Promise<DeadLetterGroupDetail>;
  /** Says that it does not matter: it is not counted as open any more. */
  dismiss(id: string, options?: DismissOptions): Promise<DeadLetterGroupDetail>;
  /** Says that the cause is gone: it opens by itself when the next event dies of it. */
  resolve(id: string, options?: DeadLetterGroupBy): Promise<DeadLetterGroupDetail>;
  /** Says that it is to be looked at again. */
  reopen(id: string, options?: DeadLetterGroupBy): Promise<DeadLetterGroupDetail>;
}

/** What an act takes: `POST /v1/dead-letter-groups/{group}/dismiss`, `resolve`, `reopen`, `notes`. */
export interface DeadLetterGroupActRequest extends DismissOptions {
  /** A note only: up to 1,000 characters. */
  text?: string;
}
