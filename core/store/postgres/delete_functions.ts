/**
 * The functions that delete. A deletion begins with the topic's `first_seq`, which is one short
 * transaction: from then on nobody reads the events. Their rows go afterwards, in small steps.
 */

/** Moves `first_seq`; returns where it was and is. */
const TRUNCATE = `
CREATE FUNCTION evs.truncate_1(
  p_topic text, p_seq bigint, p_forget boolean,
  OUT topic_id int, OUT was bigint, OUT first bigint, OUT last bigint
) LANGUAGE plpgsql AS $$
BEGIN
  IF p_forget THEN DELETE FROM evs.outbox AS o WHERE o.topic = p_topic; END IF;
  PERFORM 1 FROM evs.topics AS t WHERE t.name = p_topic FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  -- Behind the lock: what is appended is there now.
  SELECT h.topic_id, h.first_seq, h.last_seq INTO topic_id, was, last
  FROM evs.heads AS h WHERE h.name = p_topic;
  first := greatest(was, least(p_seq, last + 1));
  UPDATE evs.topics AS t SET first_seq = first, last_seq = last,
    forgotten_seq = CASE WHEN p_forget THEN last ELSE t.forgotten_seq END
  WHERE t.topic_id = truncate_1.topic_id;
  IF p_forget THEN DELETE FROM evs.ids AS i WHERE i.topic_id = truncate_1.topic_id; END IF;
END $$;
`;

/** Deletes some of the rows below `first_seq`; returns how many. */
const SWEEP = `
CREATE FUNCTION evs.sweep_1(
  p_topic int, p_rows int, p_now bigint, p_window bigint, OUT n bigint
) LANGUAGE plpgsql AS $$
DECLARE
  bound bigint; last bigint; forgotten bigint; freed bigint;
  since bigint := coalesce(p_now, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    - p_window;
BEGIN
  -- Lost with a power cut, it is done again.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT first_seq, last_seq, forgotten_seq INTO bound, last, forgotten
  FROM evs.heads WHERE topic_id = p_topic;
  WITH gone AS (
    DELETE FROM evs.events WHERE topic_id = p_topic AND seq IN (
      SELECT seq FROM evs.events WHERE topic_id = p_topic AND seq < bound ORDER BY seq LIMIT p_rows)
    RETURNING seq, id, given, stored_at, octet_length(payload) + octet_length(metadata) AS size
  ), kept AS (
    INSERT INTO evs.ids AS i (topic_id, id, seq, stored_at)
    SELECT DISTINCT ON (id) p_topic, id, seq, stored_at FROM gone
    WHERE given AND stored_at > since AND seq > forgotten ORDER BY id, seq DESC
    ON CONFLICT (topic_id, id) DO UPDATE SET seq = excluded.seq, stored_at = excluded.stored_at
      WHERE excluded.seq > i.seq
  )
  SELECT count(*), coalesce(sum(size), 0) INTO n, freed FROM gone;
  -- The newest says where the topic ends.
  DELETE FROM evs.blocks
  WHERE topic_id = p_topic AND (block + 1) * 4096 < bound AND block < (last - 1) / 4096;
  IF n > 0 THEN
    UPDATE evs.topics SET bytes = bytes - freed WHERE topic_id = p_topic;
  ELSE
    DELETE FROM evs.redacted_keys WHERE topic_id = p_topic AND seq < bound;
    DELETE FROM evs.ids WHERE topic_id = p_topic AND stored_at <= since;
  END IF;
END $$;
`;

/** Replaces the content of an event, unless it is not what the caller read. */
const REDACT = `
CREATE FUNCTION evs.redact_1(
  p_topic text, p_seq bigint, p_old_crc bigint, p_key text, p_metadata text, p_crc bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  t evs.topics; e evs.events; size bigint;
BEGIN
  SELECT * INTO t FROM evs.topics WHERE name = p_topic FOR UPDATE;
  SELECT * INTO e FROM evs.events
  WHERE topic_id = t.topic_id AND seq = p_seq AND seq >= t.first_seq AND crc = p_old_crc;
  IF NOT FOUND THEN RETURN false; END IF;
  IF e.key IS NOT NULL AND e.key IS DISTINCT FROM p_key THEN
    INSERT INTO evs.redacted_keys AS k (topic_id, key, key_seq, seq)
    VALUES (t.topic_id, e.key, coalesce(e.key_seq, e.seq), e.seq)
    ON CONFLICT (topic_id, key) DO UPDATE SET
      key_seq = greatest(k.key_seq, excluded.key_seq), seq = greatest(k.seq, excluded.seq);
  END IF;
  UPDATE evs.events SET payload = 'null', metadata = p_metadata, key = p_key,
    key_seq = CASE WHEN p_key IS NOT NULL THEN e.key_seq END, expires_at = NULL, crc = p_crc
  WHERE topic_id = t.topic_id AND seq = p_seq;
  size := 4 + octet_length(p_metadata) - octet_length(e.payload) - octet_length(e.metadata);
  UPDATE evs.topics SET bytes = bytes + size WHERE topic_id = t.topic_id;
  UPDATE evs.blocks SET bytes = bytes + size
  WHERE topic_id = t.topic_id AND block = (p_seq - 1) / 4096;
  RETURN true;
END $$;
`;

/** The first event whose timestamp is in a range. */
const SEEK = `
CREATE FUNCTION evs.seek_time_1(p_topic int, p_first bigint, p_last bigint, p_from bigint, p_to bigint)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  b bigint; found_seq bigint;
BEGIN
  FOR b IN SELECT block FROM evs.blocks
    WHERE topic_id = p_topic AND block >= (p_first - 1) / 4096 AND max_ts >= p_from ORDER BY block
  LOOP
    SELECT seq INTO found_seq FROM evs.events
    WHERE topic_id = p_topic AND seq >= greatest(b * 4096 + 1, p_first)
      AND seq <= least((b + 1) * 4096, p_last) AND ts >= p_from AND ts <= p_to
    ORDER BY seq LIMIT 1;
    IF found_seq IS NOT NULL THEN RETURN found_seq; END IF;
  END LOOP;
  RETURN p_last + 1;
END $$;

-- The lowest seq so that it and what follows have at most p_most bytes.
CREATE FUNCTION evs.seek_bytes_1(p_topic int, p_first bigint, p_last bigint, p_most bigint)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  b record; e record; room bigint := p_most;
BEGIN
  FOR b IN SELECT block, bytes FROM evs.blocks
    WHERE topic_id = p_topic AND block >= (p_first - 1) / 4096 ORDER BY block DESC
  LOOP
    IF b.bytes <= room THEN room := room - b.bytes; CONTINUE; END IF;
    FOR e IN SELECT seq, octet_length(payload) + octet_length(metadata) AS size FROM evs.events
      WHERE topic_id = p_topic AND seq >= greatest(b.block * 4096 + 1, p_first)
        AND seq <= least((b.block + 1) * 4096, p_last)
      ORDER BY seq DESC
    LOOP
      room := room - e.size;
      IF room < 0 THEN RETURN e.seq + 1; END IF;
    END LOOP;
  END LOOP;
  RETURN p_first;
END $$;

-- stored_at never goes back within a topic, so this halves the range at each step.
CREATE FUNCTION evs.seek_age_1(p_topic int, p_first bigint, p_last bigint, p_since bigint)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  lo bigint := p_first; hi bigint := p_last + 1; at bigint; middle bigint; there bigint;
BEGIN
  WHILE lo < hi LOOP
    middle := (lo + hi) / 2;
    SELECT seq, stored_at INTO there, at FROM evs.events
    WHERE topic_id = p_topic AND seq >= middle AND seq < hi ORDER BY seq LIMIT 1;
    IF there IS NULL OR at > p_since THEN hi := middle; ELSE lo := there + 1; END IF;
  END LOOP;
  RETURN lo;
END $$;
`;

/** The statements that make the functions. */
export const DELETE_FUNCTIONS = `${TRUNCATE}${SWEEP}${REDACT}${SEEK}`;

/** Those that look where a topic ends, for a database that has them already. */
export const DELETE_AGAIN = [TRUNCATE, SWEEP].map((text) =>
  text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
).join("");
