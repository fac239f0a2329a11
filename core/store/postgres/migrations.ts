/** The tables of events in the schema `evs`, and the functions that write them. */
import {
  APPEND_AGAIN,
  APPEND_BESIDE_WAITING,
  APPEND_FUNCTIONS,
  LOOKUPS_AGAIN,
} from "./append_function.ts";
import { DELETE_AGAIN, DELETE_FUNCTIONS } from "./delete_functions.ts";
import { OUTBOX } from "./outbox_function.ts";

/**
 * Texts, never `jsonb`: a payload stays byte for byte what its publisher sent. Rows below a topic's
 * `first_seq` are deleted already, whether they are still there or not.
 */
const TABLES = `
CREATE TABLE evs.topics (
  topic_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  first_seq bigint NOT NULL DEFAULT 1,
  last_seq bigint NOT NULL DEFAULT 0,
  -- Bytes of payloads and metadata whose rows are still there, less what evs.blocks has.
  bytes bigint NOT NULL DEFAULT 0,
  -- When its last event was stored, Unix ms: never goes back.
  stored_at bigint NOT NULL DEFAULT 0,
  -- Given ids of events up to here are forgotten: the topic was removed.
  forgotten_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE evs.events (
  topic_id int NOT NULL,
  seq bigint NOT NULL,
  slot smallint NOT NULL,
  given boolean NOT NULL,
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  key_seq bigint,
  ts bigint NOT NULL,
  expires_at bigint,
  stored_at bigint NOT NULL,
  schema_version text NOT NULL,
  metadata text NOT NULL,
  payload text NOT NULL,
  crc bigint NOT NULL,
  PRIMARY KEY (topic_id, seq)
);
CREATE INDEX events_id ON evs.events (topic_id, id);
CREATE INDEX events_key ON evs.events (topic_id, key, seq) WHERE key IS NOT NULL;

-- Of each 4096 events of a topic: their latest timestamp, and their bytes.
CREATE TABLE evs.blocks (
  topic_id int NOT NULL,
  block bigint NOT NULL,
  max_ts bigint NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (topic_id, block)
) WITH (fillfactor = 50);

-- Given ids of events that were deleted within the dedup window.
CREATE TABLE evs.ids (
  topic_id int NOT NULL,
  id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  stored_at bigint NOT NULL,
  PRIMARY KEY (topic_id, id)
);

-- The last number of keys that redaction took from their events, and the last of these events.
CREATE TABLE evs.redacted_keys (
  topic_id int NOT NULL,
  key text COLLATE "C" NOT NULL,
  key_seq bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (topic_id, key)
);

-- Who appends, and what the last append was answered.
CREATE TABLE evs.producers (
  producer text PRIMARY KEY,
  epoch bigint NOT NULL DEFAULT 0,
  batch bigint NOT NULL DEFAULT 0,
  answer text NOT NULL DEFAULT '',
  seen timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
`;

/**
 * Where topics end, in the row of their newest block. A row that each append of a topic changes would
 * leave a dead one behind each time, and everybody who looks it up would pass over all of them while
 * an old transaction keeps them from being cleared away. A block has 4096 events, so it has at most as
 * many; its index leads to the newest block at once.
 *
 * What `evs.topics` says of it holds where it is higher: of topics that were made without blocks.
 */
const HEADS = `
ALTER TABLE evs.blocks
  ADD COLUMN last_seq bigint NOT NULL DEFAULT 0,
  -- Bytes of all events that were ever appended, but those that evs.topics counts.
  ADD COLUMN added bigint NOT NULL DEFAULT 0,
  ADD COLUMN stored_at bigint NOT NULL DEFAULT 0;
CREATE VIEW evs.heads AS
  SELECT topic_id, name, first_seq, greatest(t.last_seq, b.last_seq) AS last_seq,
    bytes + coalesce(added, 0) AS bytes, coalesce(added, 0) AS added,
    greatest(t.stored_at, b.stored_at) AS stored_at, forgotten_seq
  FROM evs.topics AS t LEFT JOIN LATERAL (
    SELECT last_seq, added, stored_at FROM evs.blocks AS o
    WHERE o.topic_id = t.topic_id ORDER BY block DESC LIMIT 1
  ) AS b ON true;
${APPEND_AGAIN}${DELETE_AGAIN}`;

/**
 * What `core/postgres/migrations.ts` runs, one step a format. What a released one makes is in
 * databases: a function that is to say something else takes a further step.
 */
export const STORE_MIGRATIONS = {
  part: "store",
  steps: [
    `${TABLES}${APPEND_FUNCTIONS}${DELETE_FUNCTIONS}`,
    OUTBOX,
    APPEND_BESIDE_WAITING,
    HEADS,
    // It says whether it is durable.
    APPEND_AGAIN,
    LOOKUPS_AGAIN,
  ],
};
