/**
 * The table `evs.outbox`, and `evs.move_outbox_1`, which appends what waits in it.
 *
 * Deleting the rows and appending the events are one transaction, so an event is appended once
 * whatever breaks in between. It is one call, so that the locks never wait for a client that was
 * stopped. Only one process at a time moves: it holds the row of a producer, and others pass by.
 *
 * A number is given when the row is written, and a transaction may commit long after one with a
 * higher number: what is there is moved, and nobody waits for a number that is missing.
 */

const TABLE = `
CREATE TABLE evs.outbox (
  topic text COLLATE "C" NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT now(),
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  slot smallint NOT NULL,
  ts bigint NOT NULL,
  schema_version text NOT NULL,
  metadata text NOT NULL,
  payload text NOT NULL,
  crc bigint NOT NULL,
  PRIMARY KEY (topic, number)
);
`;

/** The name of the producer that moves; its row is made again when it was forgotten. */
const PRODUCER = "outbox";
/** Most rows, and about most bytes, that are moved in one transaction. */
const [ROWS, BYTES] = [1000, 4 * 1024 * 1024];

const MOVE = `
CREATE FUNCTION evs.move_outbox_1(
  p_topic text, p_rev bigint, p_now bigint, p_window bigint, OUT rows int, OUT answer text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  sep CONSTANT text := E'\\x1e';
  none CONSTANT text := E'\\x1f';
  mover evs.producers;
  batch record;
BEGIN
  INSERT INTO evs.producers (producer) VALUES ('${PRODUCER}') ON CONFLICT DO NOTHING;
  SELECT * INTO mover FROM evs.producers AS p WHERE p.producer = '${PRODUCER}'
    FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;

  WITH sized AS (
    SELECT number, sum(octet_length(payload) + octet_length(metadata))
      OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM evs.outbox WHERE topic = p_topic ORDER BY number LIMIT ${ROWS}
  ), gone AS (
    DELETE FROM evs.outbox AS o USING sized AS s
    WHERE o.topic = p_topic AND o.number = s.number AND coalesce(s.before, 0) < ${BYTES}
    RETURNING o.*
  ), placed AS (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY number) AS nth FROM gone
  )
  SELECT count(*)::int AS count,
    string_agg(id, sep ORDER BY number) AS ids,
    -- An id that was given twice is stored once.
    string_agg(CASE nth WHEN 1 THEN '1' ELSE '2' END, '' ORDER BY number) AS given,
    string_agg(type, sep ORDER BY number) AS types,
    CASE WHEN count(key) > 0
      THEN string_agg(coalesce(key, none), sep ORDER BY number) END AS keys,
    string_agg(slot::text, sep ORDER BY number) AS slots,
    array_agg(ts ORDER BY number) AS times,
    string_agg(schema_version, sep ORDER BY number) AS versions,
    string_agg(metadata, sep ORDER BY number) AS metadatas,
    string_agg(payload, sep ORDER BY number) AS payloads,
    array_agg(crc ORDER BY number) AS crcs
  INTO batch FROM placed;
  rows := batch.count;
  IF rows = 0 THEN RETURN; END IF;
  answer := evs.append_1(
    '${PRODUCER}', mover.epoch, mover.batch + 1, p_now, p_window, ARRAY[p_topic],
    CASE WHEN p_rev IS NOT NULL THEN ARRAY[p_rev] END, NULL,
    ARRAY[1], ARRAY[rows], ARRAY['any'], ARRAY[0], '{}', '{}', '{}', '{}',
    batch.ids, batch.given, batch.types, batch.keys, batch.slots, batch.times, NULL,
    batch.versions, batch.metadatas, batch.payloads, batch.crcs,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL);
  -- So that the rows are not deleted.
  IF answer = '{"stale":true}' THEN
    RAISE EXCEPTION 'the topic was changed' USING ERRCODE = 'EV003';
  END IF;
END $$;
`;

/** The statements that make the table and the function. */
export const OUTBOX = `${TABLE}${MOVE}`;
