/** What a subscription has in flight: who has which event, and which retries wait. */

/** Who consumes: shown to people, and how a consumer that lost its connection is known again. */
export interface ConsumerRequest {
  /** Names this run of this consumer, whatever connection it has. */
  id: string;
  /** Its process. */
  pid?: number;
  /** The machine that it runs on. */
  host?: string;
  /** What it runs. */
  command?: string;
}

/** A consumer as it is shown. */
export interface ConsumerFacts extends Partial<ConsumerRequest> {
  /** Unix ms. */
  connectedAt: number;
  /** When it last acknowledged something, Unix ms. */
  lastAckAt?: number;
}

/** An event that a consumer has in hand. */
export interface InFlightInfo {
  /** Its topic. */
  topic: string;
  /** Its seq. */
  seq: number;
  /** Its id. */
  id: string;
  /** Its type. */
  type: string;
  /** From 1. */
  attempt: number;
  /** Which delivery it is, from 1. */
  delivery: number;
  /** How many deliveries before it ended without an answer. */
  unanswered: number;
  /** When it was leased, Unix ms. */
  since: number;
  /** How long the lease was asked for, ms; absent: it does not end. */
  leaseMs?: number;
  /** When the lease ends unless it is extended, Unix ms; absent: never. */
  expiresAt?: number;
  /**
   * Its handler has begun, or is about to. Absent: it waits at its consumer, or the consumer does
   * not say.
   */
  begun?: true;
  /** Who has it, as far as that is known. */
  consumer?: Partial<ConsumerFacts>;
}

/** A retry that waits. */
export interface RetryInfo {
  /** Its topic. */
  topic: string;
  /** Its seq. */
  seq: number;
  /** Its id. */
  id: string;
  /** Its type. */
  type: string;
  /** The attempt that comes next. */
  attempt: number;
  /** Unix ms. */
  dueAt: number;
}
