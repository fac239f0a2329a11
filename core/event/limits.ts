/**
 * The limits of what is published, asked and stored: broker, routes, client and
 * schemas/openapi.json share them.
 */

/** The longest name of a topic or subscription, and the longest pattern of topics. */
export const LONGEST_TOPIC_NAME = 128;
/** The longest type, key and schema version, in characters. */
export const LONGEST_NAME = 256;
/** The largest event where nobody says otherwise, bytes. */
export const MAX_EVENT_BYTES = 1024 * 1024;
/** The longest id. */
export const LONGEST_ID = 128;

/** The most deliveries of one lease request. */
export const MOST_DELIVERIES = 1000;
/** How long a lease is held where nobody says, ms. */
export const DEFAULT_LEASE_MS = 30_000;
/** The longest that a lease is held, ms. */
export const LONGEST_LEASE_MS = 24 * 3_600_000;
/** The longest that a request waits for an event, ms. */
export const LONGEST_WAIT_MS = 3_600_000;
/** The longest that leases are kept for a connection that has closed, ms. */
export const LONGEST_LINGER_MS = 60_000;
/** The most retries of a subscription. */
export const MOST_RETRIES = 1_000_000;
/** The longest wait before a retry, ms: a year. */
export const LONGEST_DELAY_MS = 365 * 86_400_000;
/** The longest pause that ends by itself, ms: ten years. */
export const LONGEST_PAUSE_MS = 10 * LONGEST_DELAY_MS;
/** The most attempts that a breaker looks at. */
export const LONGEST_BREAKER_WINDOW = 10_000;

/** The most topics and types that one request names. */
export const MOST_NAMES = 1000;
/**
 * The most positions that a follower of a pattern comes back with: one for each topic it has seen.
 */
export const MOST_POSITIONS = 100_000;
/** The most dead letters of one page. */
export const LARGEST_PAGE = 1000;
/** The most of one page with their events and what handlers said: it has to fit in memory. */
export const LARGEST_FULL_PAGE = 50;
