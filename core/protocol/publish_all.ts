/** `POST /v1/events`: events for several topics, stored all or none. */

/** The reply. If any event is refused or an expectation fails, there is an error instead. */
export interface PublishAllReply {
  /** Events stored, not counting duplicates. */
  count: number;
  duplicates: number;
  /** False if one of the topics has `interval` or `os` durability. */
  durable: boolean;
  /** In the order of the request. */
  events: PublishedPlace[];
}

/** Where an event is stored. */
export interface PublishedPlace {
  topic: string;
  seq: number;
  id: string;
  schemaVersion: string;
  /** When it expires, Unix ms; absent: never, or not told for a duplicate. */
  expiresAt?: number;
  /** Its number within its key; absent without a key. */
  keySeq?: number;
  /** It had been stored before. */
  duplicate?: true;
}
