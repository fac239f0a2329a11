/**
 * What is seen of a life from outside, as plain data: what was asked and answered, what consumers
 * and readers got, and what happened to the machine. The model and the judges know nothing else.
 */
import type { Settings, TopicLimits } from "./act.ts";

/** An event as it was sent. `n` is its number in the life, and stands in its payload. */
export interface Sent {
  n: number;
  topic: string;
  /** Given by the publisher. */
  id?: string;
  key?: string;
}

/** An event as somebody got it. */
export interface Seen {
  n: number;
  topic: string;
  seq: number;
  id: string;
  key?: string;
  keySeq?: number;
  /** Its content was taken away. */
  redacted?: boolean;
}

/** What a publisher expects, with the number that it means. */
export type Expectation = { seq: number } | { keySeq: number } | "none" | "exists";

/** What can be asked of a broker. */
export type Request =
  | {
    to: "publish";
    /** Requests of one publisher are stored in the order in which they were asked. */
    publisher: string;
    events: readonly Sent[];
    /** All are stored or none is. */
    together: boolean;
    expected?: Expectation;
    delayMs?: number;
    ttlMs?: number;
  }
  | { to: "create topic" | "change topic"; topic: string; limits: TopicLimits }
  | { to: "remove topic"; topic: string }
  | { to: "subscribe"; name: string; topic: string; holder: string; settings: Settings }
  | { to: "lease"; name: string; max: number }
  | { to: "unsubscribe"; name: string }
  | { to: "remove subscription"; name: string }
  | { to: "pause"; name: string; forMs?: number }
  | { to: "resume"; name: string }
  | { to: "seek"; name: string }
  | { to: "retry now"; name: string }
  | { to: "retry dead"; entries: readonly { subscription: string; n: number }[] }
  | { to: "remove dead"; entries: readonly { subscription: string; n: number }[] }
  | { to: "redact"; topic: string; n: number; seq: number }
  | { to: "cancel"; n: number }
  | { to: "read"; reader: string; topic: string };

/** What a publisher is told of one event. */
export interface Receipt {
  n: number;
  /** 0: it is scheduled. */
  seq: number;
  keySeq?: number;
}

/** What an answer says besides. */
export interface Told {
  /** Of what was published. */
  receipts?: readonly Receipt[];
  /** How many dead letters it was; others had sent or removed them by then. */
  count?: number;
}

/** How an attempt ended, as its consumer knows it. */
export type Outcome = "done" | "failed" | "dead" | "released" | "cut";

/** A dead letter, as it is listed. */
export interface Dead {
  subscription: string;
  topic: string;
  n: number;
  seq: number;
  reason: string;
  /** Attempts, and deliveries that ended without an answer. */
  attempts: number;
  unanswered: number;
}

/** Something that happened. `at`: ms by a clock that never steps; `wall`: Unix ms by one that does. */
export type Fact = { at: number; wall: number } & Happening;

/** The same without its time. */
export type Happening =
  | { is: "asked"; ask: number; request: Request }
  /** The answer came: it is done, for good. */
  | { is: "done"; ask: number } & Told
  /** The answer came: nothing was done. */
  | { is: "refused"; ask: number; code: string }
  /** No answer will come: it was done or not. */
  | { is: "lost"; ask: number; code: string }
  | {
    is: "began";
    run: number;
    subscription: string;
    /** The process, or the connection, that has it. */
    holder: string;
    event: Seen;
    attempt: number;
    /** Nobody told the number of the attempt: it is the highest that it may have. */
    isGuess?: boolean;
    /** When others may have it, by `at`; absent: when its holder ends. */
    until?: number;
  }
  /** `sure`: its consumer was told that this is kept. */
  | { is: "ended"; run: number; outcome: Outcome; sure: boolean; waitMs?: number }
  /** A read from the start to the end. `askedAt`: when it began, by `at`. */
  | { is: "read"; reader: string; topic: string; askedAt: number; events: readonly Seen[] }
  | { is: "shown"; reader: string; event: Seen }
  /** A reader was told that events were deleted before it got them. */
  | { is: "missed"; reader: string; topic: string; from: number; to: number }
  /** The daemon has ended. */
  | { is: "down"; how: "stopped" | "killed" | "power cut" | "failed"; said?: string }
  | { is: "up" }
  /** A consumer's process has ended, or its subscription: its handlers with it. */
  | { is: "gone"; holder: string }
  | { is: "clock stepped"; byMs: number }
  /**
   * Somebody disturbed connections, a process or the disk: what is on its way may be lost. `by`: 1
   * where it lasts, -1 where that is over.
   */
  | { is: "disturbed"; what: string; by?: 1 | -1 }
  /** Bytes of a topic were changed or taken away; of all topics, if it cannot be said. */
  | { is: "damaged"; topic?: string; what: string }
  /** Something failed for which no caller waits. */
  | { is: "reported"; code: string; context: string; text: string };

/** What is there when all faults have stopped and everything had time to settle. */
export interface Ending {
  at: number;
  wall: number;
  topics: readonly { name: string; firstSeq: number; lastSeq: number; events: readonly Seen[] }[];
  subscriptions: readonly {
    name: string;
    paused: boolean;
    pending: number;
    leased: number;
    scheduled: number;
    dead: number;
    missed: readonly { topic: string; from: number; to: number; count: number }[];
    expired: readonly { topic: string; count: number }[];
    cursors: readonly { topic: string; next: number }[];
  }[];
  dead: readonly Dead[];
  scheduled: readonly number[];
  /** What is told of damage. */
  damage: readonly string[];
  /** The same after the daemon was stopped in order, and started again. */
  again?: Pick<Ending, "topics" | "dead" | "scheduled">;
  /**
   * Redacted events of which the content is still in a file. `seqs`: as which numbers, in a file of
   * lines; one that is damaged may tell none.
   */
  contents: readonly { n: number; file: string; seqs?: readonly number[] }[];
}
