/** Topic names, patterns and options. */

/** What a topic asks of the payloads that come in. */
export type SchemaMode = "off" | "validate" | "require";

/** A topic's options, every one settled. */
export interface TopicOptions {
  /** False: nothing is stored, and only the subscriptions that are there now are reached. */
  persistent: boolean;
  /** Milliseconds; 0 means no limit. */
  retentionPeriod: number;
  /** 0 means no limit. */
  maxEvents: number;
  /** Bytes of payloads and metadata; 0 means no limit. */
  maxBytes: number;
  schema: SchemaMode;
}
