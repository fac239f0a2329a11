/** Scheduled events on the wire: listed in pages, and cancelled. */

/**
 * Lists and cancels scheduled events, wherever they are.
 * @internal
 */
export interface Scheduling {
  list(page: ScheduledPage): Promise<ScheduledReply>;
  cancel(request: CancelScheduledRequest): Promise<CancelScheduledReply>;
}

/** An event that was accepted and is published later. */
export interface ScheduledInfo {
  /** Its topic. */
  topic: string;
  /** Its id. */
  id: string;
  /** Its type. */
  type: string;
  /** Its key, if it has one. */
  key?: string;
  /** When it is published, Unix ms. */
  dueAt: number;
  /** The delay that was asked for, ms; absent: a time was named. */
  delayMs?: number;
  /** When it was accepted, Unix ms. */
  acceptedAt: number;
  /** It was redacted: it is published without its content, and not delivered. */
  redacted?: true;
}

/** The query of `GET /v1/scheduled`. */
export interface ScheduledPage {
  /** Only those of this topic. */
  topic?: string | undefined;
  /** The page size, 1 to 1,000. Default 1,000. */
  limit?: number | undefined;
  /** The `next` of the previous page. */
  after?: string | undefined;
}

/** One page of scheduled events. */
export interface ScheduledReply {
  /** Soonest first. */
  scheduled: ScheduledInfo[];
  /** How many there are in total. */
  total: number;
  /** The `after` of the next page; absent on the last page. */
  next?: string;
}

/** `POST /v1/scheduled/cancel`. */
export interface CancelScheduledRequest {
  /** The ids of the events. */
  ids: readonly string[];
  /** Only those of this topic; absent: of every topic. */
  topic?: string | undefined;
}

/** The response to {@link CancelScheduledRequest}. */
export interface CancelScheduledReply {
  /** How many events are not published now. */
  count: number;
}
