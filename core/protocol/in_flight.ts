/** What a subscription has in flight: who holds which event, and which retries are waiting. */

/** Identifies a consumer, to people and so that it is recognized after it lost its connection. */
export interface ConsumerRequest {
  /** Identifies this run of the consumer, across connections. */
  id: string;
  /** Its process id. */
  pid?: number;
  /** The host that it runs on. */
  host?: string;
  /** The command that it runs. */
  command?: string;
}

/** A consumer as shown to people. */
export interface ConsumerFacts extends Partial<ConsumerRequest> {
  /** Unix ms. */
  connectedAt: number;
  /** The time of its last acknowledgement, Unix ms. */
  lastAckAt?: number;
}

/** An event leased to a consumer. */
export interface InFlightInfo {
  /** Its topic. */
  topic: string;
  /** Its seq. */
  seq: number;
  /** Its id. */
  id: string;
  /** Its type. */
  type: string;
  /** Counts from 1. */
  attempt: number;
  /** The number of this delivery, from 1. */
  delivery: number;
  /** How many earlier deliveries ended without an answer. */
  unanswered: number;
  /** When it was leased, Unix ms. */
  since: number;
  /** The lease time that was requested, ms; absent: the lease does not expire. */
  leaseMs?: number;
  /** When the lease expires unless it is extended, Unix ms; absent: never. */
  expiresAt?: number;
  /**
   * Its handler has started, or is about to. Absent: the event waits in the consumer's prefetch, or
   * the consumer does not report it.
   */
  begun?: true;
  /** Who holds it, as far as known. */
  consumer?: Partial<ConsumerFacts>;
}

/** A scheduled retry. */
export interface RetryInfo {
  /** Its topic. */
  topic: string;
  /** Its seq. */
  seq: number;
  /** Its id. */
  id: string;
  /** Its type. */
  type: string;
  /** The number of the next attempt. */
  attempt: number;
  /** Unix ms. */
  dueAt: number;
  /** The first line of the last error. */
  reason?: string;
}

/** The query of `GET /v1/subscriptions/{name}/retries`. */
export interface RetriesPage {
  /** The page size, 1 to 100. Default 100. */
  limit?: number | undefined;
  /** The `next` of the previous page. */
  after?: string | undefined;
}

/** One page of scheduled retries. */
export interface RetriesReply {
  /** Soonest first. */
  retries: RetryInfo[];
  /** The total number of scheduled retries. */
  total: number;
  /** The `after` of the next page; absent on the last page. */
  next?: string;
}

/** `POST /v1/subscriptions/{name}/retries/now`. */
export interface RetriesNowRequest {
  /** The ids of the events to retry now; absent: all. */
  ids?: readonly string[] | undefined;
}

/** The response to {@link RetriesNowRequest}. */
export interface RetriesNowReply {
  /** How many retries were made due. */
  count: number;
}
