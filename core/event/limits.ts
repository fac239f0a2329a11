/**
 * The limits on what is published, requested and stored, shared by the broker, the routes, the
 * client and schemas/openapi.json.
 */

/** The longest name of a topic or subscription, and the longest pattern of topics. */
export const LONGEST_TOPIC_NAME = 128;
/** The longest type, key and schema version, in characters. */
export const LONGEST_NAME = 256;
/** The default size limit of an event, in bytes. */
export const MAX_EVENT_BYTES = 1024 * 1024;
/** The largest JSON body, bytes. An array is buffered whole: all of it is stored, or nothing. */
export const LARGEST_JSON_BODY = 16 * 1024 * 1024;
/** The most events that are published to several topics, all or none. */
export const LARGEST_ATOMIC_PUBLISH = 10_000;
/** By default, what waits in a spool: bytes, and events. */
export const [DEFAULT_SPOOL_BYTES, DEFAULT_SPOOL_EVENTS] = [64 * 1024 * 1024, 100_000];
/** The longest id. */
export const LONGEST_ID = 128;

/** The most deliveries in one lease response. */
export const MOST_DELIVERIES = 1000;
/** How long a lease lasts by default, ms. */
export const DEFAULT_LEASE_MS = 30_000;
/** The longest that a lease can last, ms. */
export const LONGEST_LEASE_MS = 24 * 3_600_000;
/** The longest that a request can wait for an event, ms. */
export const LONGEST_WAIT_MS = 3_600_000;
/** The shortest time between two heartbeats of a request that waits, ms. */
export const SHORTEST_HEARTBEAT_MS = 100;
/** The longest that leases are kept for a connection that was closed, ms. */
export const LONGEST_LINGER_MS = 60_000;
/** The most retries of a subscription. */
export const MOST_RETRIES = 1_000_000;
/** The longest wait before a retry, ms: a year. */
export const LONGEST_DELAY_MS = 365 * 86_400_000;
/** The longest timed pause, ms: ten years. */
export const LONGEST_PAUSE_MS = 10 * LONGEST_DELAY_MS;
/** The longest delay of a scheduled event, ms: ten years. */
export const LONGEST_SCHEDULE_MS = 10 * LONGEST_DELAY_MS;
/** The longest time to live of an event, ms: a hundred years. */
export const LONGEST_TTL_MS = 100 * LONGEST_DELAY_MS;
/** The latest time that an event can be scheduled for, Unix ms: the last one of a `Date`. */
export const LATEST_TIME = 8_640_000_000_000_000;
/** The most scheduled events per page, and the most that are cancelled by one request. */
export const LARGEST_SCHEDULED_PAGE = 1000;
/** The most attempts that a breaker can look back on. */
export const LONGEST_BREAKER_WINDOW = 10_000;

/** The most topics and types in one request. */
export const MOST_NAMES = 1000;
/**
 * The most positions that a follower of a pattern can resume from: one for each topic it has seen.
 */
export const MOST_POSITIONS = 100_000;
/** The most keys whose newest events one request can ask for. */
export const MOST_KEYS = 100_000;
/** The most dead letters per page. */
export const LARGEST_PAGE = 1000;
/** The most retries per page. */
export const LARGEST_RETRY_PAGE = 100;
/**
 * The same for pages that include events and handler output, because a page has to fit in memory.
 */
export const LARGEST_FULL_PAGE = 50;
