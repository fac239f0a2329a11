/**
 * Scheduled events where several nodes share a state and its events: `evs.schedule_1` accepts some,
 * `evs.publish_scheduled_1` publishes some that are due.
 *
 * To accept one and to publish under its id are judged one after the other: both hold the row of the
 * topic. When one is due, its row goes and its event comes in one transaction, so it is published
 * once, whichever node does it and whatever breaks in between; a node that was stopped in the middle
 * finds no row. Each is one call, so that no lock waits for a client that was stopped.
 *
 * Both call functions of the store of events (core/store/postgres), whose tables are beside these.
 */
import { APPEND_PARAMETERS, BEGIN_BATCH, END_BATCH } from "../../store/postgres/append_function.ts";

/** The SQLSTATE of a topic that was changed or removed meanwhile. */
export const CHANGED = "EV003";
/** The SQLSTATE of rows that somebody else has changed, published or cancelled, or is about to. */
export const TAKEN = "EV004";

/** The producer that publishes; its row is made again when it was forgotten. */
const PUBLISHER = "scheduled";

const APPENDED_NAMES = APPEND_PARAMETERS.split(",").map((one) => one.trim().split(" ")[0]!);
/** How many values `planAppend` makes. */
export const APPENDED_COUNT = APPENDED_NAMES.length;

/**
 * Returns JSON: `stale` if a topic or the schemas were changed (nothing was stored), or `rows`, one
 * for each event in their order. `due`: it waits. `waits`: one waits under its id, until then. `seq`:
 * it was published before. `past`: it is due, and is not stored here.
 */
const SCHEDULE = `
CREATE FUNCTION evs.schedule_1(
  p_producer text, p_epoch bigint, p_batch bigint, p_window bigint,
  t_name text[], t_rev bigint[], p_schemas bigint,
  r_topic text[], r_id text[], r_given boolean[], r_type text[], r_key text[],
  r_at double precision[], r_wait double precision[], r_stamped boolean[], r_line bytea[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  -- Not of the types of these tables: they may be made after this.
  producer record; topic record;
  now_ms double precision; due double precision; waits double precision;
  last_number bigint; stored bigint;
  answers text[] := '{}'; reply text;
BEGIN
${BEGIN_BATCH}
  -- Whoever removes a topic holds its record first, and its numbers afterwards. A topic that never
  -- had an event has no numbers yet.
  PERFORM 1 FROM evs.topic_options WHERE name = ANY (t_name) ORDER BY name FOR KEY SHARE;
  INSERT INTO evs.topics (name)
    SELECT u.name FROM unnest(t_name) AS u (name)
    WHERE NOT EXISTS (SELECT 1 FROM evs.topics AS o WHERE o.name = u.name)
    ORDER BY u.name
    ON CONFLICT DO NOTHING;
  PERFORM 1 FROM evs.topics WHERE name = ANY (t_name) ORDER BY topic_id FOR UPDATE;
  IF EXISTS (
    SELECT 1 FROM unnest(t_name, t_rev) AS u (name, rev)
    LEFT JOIN evs.topic_options AS o ON o.name = u.name
    WHERE o.rev IS DISTINCT FROM u.rev
  ) OR p_schemas <> (SELECT c.rev FROM evs.counters AS c WHERE c.name = 'schemas') THEN
    RETURN '{"stale":true}';
  END IF;

  -- Numbers ascend in the order of commits. A state that was restored has rows and no counter.
  INSERT INTO evs.counters AS c (name, value, rev)
    SELECT 'scheduled', coalesce(max(number), 0) + cardinality(r_id), 0 FROM evs.scheduled
    ON CONFLICT (name) DO UPDATE SET
      value = greatest(c.value, excluded.value - cardinality(r_id)) + cardinality(r_id)
    RETURNING value INTO last_number;
  now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
  FOR r IN 1 .. cardinality(r_id) LOOP
    SELECT s.due_at INTO waits FROM evs.scheduled AS s
      WHERE s.topic = r_topic[r] AND s.id = r_id[r];
    IF FOUND THEN
      answers := answers || json_build_object('waits', waits)::text;
      CONTINUE;
    END IF;
    due := coalesce(r_at[r], now_ms + r_wait[r]);
    IF due <= now_ms THEN
      answers := answers || '{"past":true}'::text;
      CONTINUE;
    END IF;
    SELECT * INTO topic FROM evs.heads WHERE name = r_topic[r];
    IF r_given[r] THEN
      SELECT k.seq INTO stored
      FROM evs.known_1(topic.topic_id, r_id[r], now_ms::bigint - p_window) AS k;
      IF stored IS NOT NULL THEN
        answers := answers || json_build_object('seq', stored)::text;
        CONTINUE;
      END IF;
    END IF;
    INSERT INTO evs.scheduled (number, topic, id, type, key, due_at, wait_ms, accepted_at,
      after_seq, stamped, line, redacted)
    VALUES (last_number - cardinality(r_id) + r, r_topic[r], r_id[r], r_type[r], r_key[r], due,
      r_wait[r], now_ms, topic.last_seq, r_stamped[r], r_line[r], false);
    answers := answers || json_build_object('due', due)::text;
  END LOOP;
  reply := '{"rows":[' || array_to_string(answers, ',') || ']}';
${END_BATCH}END $$;
`;

/**
 * Returns what `evs.append_1` does; NULL if another node is at it. Each row is told by its number and
 * the sum of its line: one that was redacted since it was read is another one.
 */
const PUBLISH = `
CREATE FUNCTION evs.publish_scheduled_1(
  p_window bigint, numbers bigint[], sums text[],
${APPEND_PARAMETERS}
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  publisher record; taken bigint; answer text;
BEGIN
  INSERT INTO evs.producers (producer) VALUES ('${PUBLISHER}') ON CONFLICT DO NOTHING;
  SELECT * INTO publisher FROM evs.producers AS p WHERE p.producer = '${PUBLISHER}'
    FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN NULL; END IF;
  -- Before the rows: who removes the topic takes them in this order.
  PERFORM 1 FROM evs.topics WHERE name = ANY (t_name) FOR UPDATE;
  -- Whoever cancels or redacts one holds it, and nobody waits for him with the topic in his hands.
  DELETE FROM evs.scheduled WHERE number IN (
    SELECT s.number FROM evs.scheduled AS s JOIN unnest(numbers, sums) AS asked (number, sum)
      ON s.number = asked.number AND md5(s.line) = asked.sum
    FOR UPDATE OF s SKIP LOCKED);
  GET DIAGNOSTICS taken = ROW_COUNT;
  IF taken < cardinality(numbers) THEN
    RAISE EXCEPTION 'others have taken some' USING ERRCODE = '${TAKEN}';
  END IF;
  answer := evs.append_1('${PUBLISHER}', publisher.epoch, publisher.batch + 1, NULL, p_window,
    ${APPENDED_NAMES.join(", ")});
  -- So that the rows are not deleted.
  IF answer = '{"stale":true}' THEN
    RAISE EXCEPTION 'the topic was changed' USING ERRCODE = '${CHANGED}';
  END IF;
  RETURN answer;
END $$;
`;

/** The statements that make the functions, and the index that finds what is due. */
export const SCHEDULE_FUNCTIONS = `
  CREATE INDEX scheduled_due ON evs.scheduled (due_at, number);
  ${SCHEDULE}${PUBLISH}`;
