/**
 * `evs.append_1`: one append as one call, so that the lock on a topic's row never waits for a
 * client. It decides what core/store/append.ts decides for the other stores.
 *
 * It has to be several statements. Each sees what was committed when it began; one alone would not
 * see what the holder of the lock stored that it waited for, and would misjudge expectations and
 * repeated ids.
 *
 * What it takes is a list of units: the events of one topic that are judged together. Columns of
 * events are arrays for all units; one that is a single value for all events comes as one element,
 * and as the default for the others. Repeats of an id within a unit are marked by the client (2),
 * so that only what is stored is looked up here.
 *
 * What it returns is JSON: whether it is `durable`, `topics`, a list of [first_seq, last_seq, bytes],
 * and `units`. Of a unit that was stored: `first`, `count`, the ordinals that were stored before as `known` (with seq and
 * key_seq), and the last number of each key before it as `keys`. Of one that was not: `actual`,
 * `subject`, `key`, `condition`, or the ordinals that were stored before.
 *
 * Where several nodes share the state, events were checked by its topics and schemas. If one of
 * them has another rev by now (`t_rev`, `p_schemas`), nothing is stored, and the answer is `stale`.
 * A given id under which an event waits (`evs.scheduled`) is a repeat that has no seq yet. A group
 * of which some wait is not stored: `waiting` names them.
 */

/** What of the session's settings makes an append survive a power cut. */
export const IS_DURABLE = `current_setting('fsync') = 'on'
    AND current_setting('full_page_writes') = 'on'
    AND current_setting('synchronous_commit') <> 'off'`;

/** The number of the last event of a key; 0 if there is none. Redaction may have taken its key. */
const LAST_NUMBER = (of: { topic: string; first: string; key: string }) =>
  `greatest(
  coalesce((SELECT e.key_seq FROM evs.events AS e
    WHERE e.topic_id = ${of.topic} AND e.key = ${of.key} AND e.seq >= ${of.first}
    ORDER BY e.seq DESC LIMIT 1), 0),
  coalesce((SELECT k.key_seq FROM evs.redacted_keys AS k
    WHERE k.topic_id = ${of.topic} AND k.key = ${of.key} AND k.seq >= ${of.first}), 0))`;

/** That, and its seq. */
const LAST_OF_KEY = `
CREATE FUNCTION evs.last_of_key_1(
  p_topic int, p_first bigint, p_key text, OUT seq bigint, OUT number bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT coalesce((SELECT e.seq FROM evs.events AS e
    WHERE e.topic_id = p_topic AND e.key = p_key AND e.seq >= p_first
    ORDER BY e.seq DESC LIMIT 1), 0),
    ${LAST_NUMBER({ topic: "p_topic", first: "p_first", key: "p_key" })}
    INTO seq, number;
END $$;

CREATE FUNCTION evs.actual_1(
  p_topic int, p_first bigint, p_last bigint, p_key text, p_expected text
) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  last record;
BEGIN
  IF p_key IS NULL THEN RETURN p_last; END IF;
  SELECT * INTO last FROM evs.last_of_key_1(p_topic, p_first, p_key);
  RETURN CASE WHEN p_expected LIKE 'key:%' THEN last.number ELSE last.seq END;
END $$;

CREATE FUNCTION evs.meets_1(p_expected text, p_actual bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_expected
    WHEN 'any' THEN true
    WHEN 'none' THEN p_actual = 0
    WHEN 'exists' THEN p_actual > 0
    ELSE p_actual = split_part(p_expected, ':', 2)::bigint
  END
$$;

-- Where and as which number of its key an id is stored; one row, NULL if it is not. It is SQL, and so
-- becomes a part of the statement that calls it.
CREATE FUNCTION evs.known_1(p_topic int, p_id text, p_since bigint)
RETURNS TABLE (seq bigint, number bigint) LANGUAGE sql STABLE AS $$
  SELECT coalesce(k.seq, i.seq), coalesce(k.number, 0)
  FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
    SELECT e.seq, CASE WHEN e.seq >= t.first_seq THEN e.key_seq END AS number
    FROM evs.topics AS t JOIN evs.events AS e USING (topic_id)
    -- "+ 0": a plan that is made while there are no events reads all of them by the primary key, else.
    WHERE t.topic_id = p_topic AND e.id = p_id AND e.given AND e.stored_at > p_since
      AND e.seq + 0 > t.forgotten_seq
    ORDER BY e.seq + 0 DESC LIMIT 1
  ) AS k ON true
  LEFT JOIN evs.ids AS i ON i.topic_id = p_topic AND i.id = p_id AND i.stored_at > p_since
$$;
`;

/**
 * The places of the events of a unit that are stored, `i` among all events and `o` among them, in
 * order. Elements of arrays are looked up by them, which takes a constant time in PL/pgSQL: rows
 * made of the arrays would be copied for each step of a statement.
 */
const PLACES = `
          SELECT i, i - lo + 1 AS o
          FROM generate_series(lo, CASE WHEN chosen IS NULL THEN hi END) AS i
          UNION ALL SELECT i, o::int FROM unnest(chosen) WITH ORDINALITY AS c (i, o)
        `;

/** Adds to a block that has events already. The newest one says where the topic ends (evs.heads). */
const ADDED_TO_BLOCK = `ON CONFLICT (topic_id, block) DO UPDATE
          SET max_ts = greatest(b.max_ts, excluded.max_ts), bytes = b.bytes + excluded.bytes,
            last_seq = excluded.last_seq, added = excluded.added, stored_at = excluded.stored_at`;

/** What `planAppend` makes: the parameters of `evs.append_1` behind its first five. */
export const APPEND_PARAMETERS = `  t_name text[], t_rev bigint[], p_schemas bigint,
  u_topic int[], u_count int[], u_expected text[], u_group int[],
  c_group int[], c_topic int[], c_key text[], c_expected text[],
  p_ids text, p_given text, p_types text, p_keys text, p_slots text, times bigint[],
  expires bigint[], p_versions text, p_metadata text, p_payloads text, crcs bigint[],
  d_type text, d_key text, d_slot int, d_ts bigint, d_expires bigint, d_version text,
  d_metadata text`;

/** A batch of a producer begins, unless it was done: then its answer is given once more. */
export const BEGIN_BATCH =
  `  SELECT * INTO producer FROM evs.producers AS p WHERE p.producer = p_producer FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'unknown producer' USING ERRCODE = 'EV001'; END IF;
  IF producer.epoch <> p_epoch THEN RAISE EXCEPTION 'old epoch' USING ERRCODE = 'EV002'; END IF;
  IF producer.batch >= p_batch THEN
    IF producer.batch = p_batch THEN RETURN producer.answer; END IF;
    RAISE EXCEPTION 'old batch' USING ERRCODE = 'EV002';
  END IF;
`;
/** A batch ends, and its answer is kept. */
export const END_BATCH =
  `  UPDATE evs.producers AS p SET batch = p_batch, answer = reply, seen = now()
  WHERE p.producer = p_producer;
  RETURN reply;
`;

const APPEND = `
CREATE FUNCTION evs.append_1(
  p_producer text, p_epoch bigint, p_batch bigint, p_now bigint, p_window bigint,
${APPEND_PARAMETERS}
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  sep CONSTANT text := E'\\x1e';
  none CONSTANT text := E'\\x1f';
  producer evs.producers;
  ids text[] := string_to_array(p_ids, sep);
  given text[] := string_to_array(p_given, NULL);
  types text[] := string_to_array(p_types, sep);
  keys text[] := string_to_array(p_keys, sep, none);
  slots smallint[] := string_to_array(p_slots, sep)::smallint[];
  versions text[] := string_to_array(p_versions, sep);
  metadatas text[] := string_to_array(p_metadata, sep);
  payloads text[] := string_to_array(p_payloads, sep);
  t_id int[]; t_first bigint[]; t_last bigint[]; t_bytes bigint[]; t_added bigint[]; t_at bigint[];
  now_ms bigint := coalesce(p_now, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint);
  lo int; hi int := 0; n int; t int;
  known json; known_count int; skipped int[];
  waiting text[];
  seen_group int := 0; conflict text; failed text; bases json;
  chosen int[]; numbers bigint[];
  stored_count int; added bigint; latest bigint; stamp bigint; actual bigint;
  k record;
  replies text[] := '{}'; heads text[] := '{}'; reply text;
BEGIN
${BEGIN_BATCH}
  IF cardinality(t_name) = 1 THEN
    PERFORM 1 FROM evs.topics WHERE name = t_name[1] FOR UPDATE;
  END IF;
  IF cardinality(t_name) <> 1 OR NOT FOUND THEN
    INSERT INTO evs.topics (name)
      SELECT u.name FROM unnest(t_name) AS u (name)
      WHERE NOT EXISTS (SELECT 1 FROM evs.topics AS o WHERE o.name = u.name)
      ORDER BY u.name
      ON CONFLICT DO NOTHING;
    PERFORM 1 FROM evs.topics WHERE name = ANY (t_name) ORDER BY topic_id FOR UPDATE;
  END IF;
  -- Behind the lock: a topic that is removed meanwhile is removed with these events, or before them.
  -- A statement of its own: without a state in this database, there are no such tables.
  IF t_rev IS NOT NULL THEN
    IF EXISTS (
      SELECT 1 FROM generate_subscripts(t_name, 1) AS i
      WHERE t_rev[i] IS NOT NULL AND t_rev[i] IS DISTINCT FROM
        (SELECT o.rev FROM evs.topic_options AS o WHERE o.name = t_name[i])
    ) OR p_schemas <> (SELECT c.rev FROM evs.counters AS c WHERE c.name = 'schemas') THEN
      RETURN '{"stale":true}';
    END IF;
    IF given IS NOT NULL THEN
      SELECT array_agg(s.topic || sep || s.id) INTO waiting FROM evs.scheduled AS s
      WHERE s.topic = ANY (t_name) AND s.id = ANY (ids);
    END IF;
  END IF;
  -- Behind the lock, too: where a topic ends is in another row than the one that was waited for.
  IF cardinality(t_name) = 1 THEN
    SELECT ARRAY[topic_id], ARRAY[first_seq], ARRAY[last_seq], ARRAY[bytes], ARRAY[added],
      ARRAY[stored_at]
      INTO t_id, t_first, t_last, t_bytes, t_added, t_at
    FROM evs.heads WHERE name = t_name[1];
  ELSE
    SELECT array_agg(topic_id ORDER BY i), array_agg(first_seq ORDER BY i),
      array_agg(last_seq ORDER BY i), array_agg(bytes ORDER BY i), array_agg(added ORDER BY i),
      array_agg(stored_at ORDER BY i)
      INTO t_id, t_first, t_last, t_bytes, t_added, t_at
    FROM evs.heads JOIN unnest(t_name) WITH ORDINALITY AS u (name, i) USING (name);
  END IF;
  FOR u IN 1 .. cardinality(u_topic) LOOP
    t := u_topic[u]; n := u_count[u]; lo := hi + 1; hi := hi + n;
    known := NULL; known_count := 0; skipped := NULL; failed := NULL; bases := NULL;
    chosen := NULL; numbers := NULL; stored_count := n;

    IF u_group[u] <> seen_group THEN
      seen_group := u_group[u];
      conflict := NULL;
      IF seen_group > 0 AND waiting IS NOT NULL THEN
        conflict := evs.group_waiting_1(
          seen_group, lo, u, t_name, u_topic, u_count, u_group, ids, given, waiting);
      END IF;
      IF conflict IS NULL AND seen_group > 0 AND seen_group = ANY (c_group) THEN
        conflict := evs.group_conflict_1(
          seen_group, lo, u, t_id, t_first, t_last, u_topic, u_count, u_group,
          c_group, c_topic, c_key, c_expected, ids, given, now_ms - p_window);
      END IF;
    END IF;
    IF conflict IS NOT NULL THEN replies := replies || conflict; CONTINUE; END IF;

    IF given IS NOT NULL AND n > 0 THEN
      SELECT json_agg(json_build_array(e.o, s.seq, s.number) ORDER BY e.o), count(*),
        array_agg(e.o) FILTER (WHERE e.g = '1')
        INTO known, known_count, skipped
      FROM (SELECT i - lo + 1 AS o, ids[i] AS id, given[i] AS g FROM generate_series(lo, hi) AS i)
        AS e, LATERAL (
          SELECT coalesce(k.seq, CASE WHEN t_name[t] || sep || e.id = ANY (waiting) THEN 0 END)
            AS seq, k.number
          FROM evs.known_1(t_id[t], e.id, now_ms - p_window) AS k) AS s
      WHERE (e.g = '1' OR e.g = '2' AND u_expected[u] <> 'any') AND s.seq IS NOT NULL;
    END IF;

    IF u_expected[u] <> 'any' AND n > 0 AND known_count < n THEN
      IF known_count > 0 THEN
        failed := json_build_object('actual', t_last[t], 'subject', 'ids', 'known', known);
      ELSE
        SELECT count(*) INTO known_count FROM (
          SELECT DISTINCT coalesce(keys[i], d_key) FROM generate_series(lo, hi) AS i) AS d;
        IF known_count > 1 AND u_expected[u] NOT IN ('none', 'exists') THEN
          failed := json_build_object('actual', t_last[t], 'subject', 'keys');
        ELSE
          FOR k IN SELECT coalesce(keys[i], d_key) AS key FROM generate_series(lo, hi) AS i
            GROUP BY 1 ORDER BY min(i)
          LOOP
            actual := evs.actual_1(t_id[t], t_first[t], t_last[t], k.key, u_expected[u]);
            IF NOT evs.meets_1(u_expected[u], actual) THEN
              failed := json_build_object('actual', actual, 'subject',
                CASE WHEN k.key IS NULL THEN 'topic' ELSE 'key' END,
                'key', CASE WHEN known_count > 1 THEN k.key END);
              EXIT;
            END IF;
          END LOOP;
        END IF;
      END IF;
    END IF;
    IF failed IS NOT NULL THEN replies := replies || failed; CONTINUE; END IF;

    -- The places of those that are stored; NULL: all.
    IF given IS NOT NULL AND n > 0 THEN
      SELECT coalesce(array_agg(i ORDER BY i), '{}') INTO chosen FROM generate_series(lo, hi) AS i
      WHERE given[i] <> '2'
        AND NOT EXISTS (SELECT 1 FROM unnest(skipped) AS s (o) WHERE s.o = i - lo + 1);
      stored_count := cardinality(chosen);
      IF stored_count = n THEN chosen := NULL; END IF;
    END IF;
    IF n > 0 AND (keys IS NOT NULL OR d_key IS NOT NULL) THEN
      WITH e AS MATERIALIZED (
        SELECT o, key, row_number() OVER (PARTITION BY key ORDER BY o) AS nth
        FROM (SELECT o, coalesce(keys[i], d_key) AS key FROM (${PLACES}) AS p) AS k
        WHERE key IS NOT NULL
      ), b AS MATERIALIZED (
        SELECT d.key, coalesce(nullif(${
  LAST_NUMBER({ topic: "t_id[t]", first: "t_first[t]", key: "d.key" })
}, 0), t_first[t] - 1) AS number
        FROM (SELECT DISTINCT coalesce(keys[i], d_key) AS key FROM generate_series(lo, hi) AS i) AS d
        WHERE d.key IS NOT NULL
      )
      SELECT (SELECT json_agg(json_build_array(key, number)) FROM b), array_agg(number ORDER BY o)
        INTO bases, numbers
      FROM (SELECT p.o, b.number + e.nth AS number FROM (${PLACES}) AS p
        LEFT JOIN e USING (o) LEFT JOIN b USING (key)) AS n;
    END IF;

    IF n > 0 THEN
      stamp := greatest(now_ms, t_at[t]);
      INSERT INTO evs.events (topic_id, seq, slot, given, id, type, key, key_seq, ts, expires_at,
        stored_at, schema_version, metadata, payload, crc)
      SELECT t_id[t], seq, CASE WHEN key IS NULL THEN (seq >> 8) & 255
        ELSE coalesce(slots[i], d_slot) END, coalesce(given[i], '0') <> '0', ids[i],
        coalesce(types[i], d_type), key, numbers[o], coalesce(times[i], d_ts),
        coalesce(expires[i], d_expires), stamp, coalesce(versions[i], d_version),
        coalesce(metadatas[i], d_metadata), payloads[i],
        crcs[i] # seq # (coalesce(numbers[o], 0) << 20)
      FROM (SELECT i, o, t_last[t] + o AS seq, coalesce(keys[i], d_key) AS key
        FROM (${PLACES}) AS p) AS e;
      IF chosen IS NULL AND cardinality(u_topic) = 1
        AND t_last[t] / 4096 = (t_last[t] + n - 1) / 4096 THEN
        -- The usual case: all of the append, in one block. Separators are a byte each.
        added := octet_length(p_payloads) - n + 1 + CASE WHEN metadatas IS NULL
          THEN n * octet_length(d_metadata) ELSE octet_length(p_metadata) - n + 1 END;
        latest := d_ts;
        IF times IS NOT NULL THEN SELECT max(x) INTO latest FROM unnest(times) AS x; END IF;
        INSERT INTO evs.blocks AS b (topic_id, block, max_ts, bytes, last_seq, added, stored_at)
        VALUES (t_id[t], t_last[t] / 4096, latest, added, t_last[t] + n, t_added[t] + added, stamp)
        ${ADDED_TO_BLOCK};
      ELSE
        WITH sized AS (
          SELECT (t_last[t] + o - 1) / 4096 AS block, max(coalesce(times[i], d_ts)) AS max_ts,
            sum(octet_length(payloads[i]) + octet_length(coalesce(metadatas[i], d_metadata))) AS size,
            t_last[t] + max(o) AS last
          FROM (${PLACES}) AS p GROUP BY 1
        ), blocks AS (
          INSERT INTO evs.blocks AS b (topic_id, block, max_ts, bytes, last_seq, added, stored_at)
          SELECT t_id[t], block, max_ts, size, last, t_added[t] + sum(size) OVER (), stamp FROM sized
          ${ADDED_TO_BLOCK}
        )
        SELECT coalesce(sum(size), 0) INTO added FROM sized;
      END IF;
      reply := '{"first":' || t_last[t] + 1 || ',"count":' || stored_count;
      IF known IS NOT NULL THEN reply := reply || ',"known":' || known::text; END IF;
      IF bases IS NOT NULL THEN reply := reply || ',"keys":' || bases::text; END IF;
      replies := replies || (reply || '}');
      IF stored_count > 0 THEN
        t_last[t] := t_last[t] + stored_count;
        t_bytes[t] := t_bytes[t] + added;
        t_added[t] := t_added[t] + added;
        t_at[t] := stamp;
      END IF;
    ELSE
      replies := replies || '{"first":0,"count":0}'::text;
    END IF;
  END LOOP;

  FOR t IN 1 .. cardinality(t_name) LOOP
    heads := heads || ('[' || t_first[t] || ',' || t_last[t] || ',' || t_bytes[t] || ']');
  END LOOP;
  reply := '{"durable":' || (${IS_DURABLE})::text || ',"topics":[' || array_to_string(heads, ',')
    || '],"units":[' || array_to_string(replies, ',') || ']}';
${END_BATCH}END $$;
`;

/** The conditions of a group: what does not hold, as the answer of each of its units. */
const GROUP_CONFLICT = `
CREATE FUNCTION evs.group_conflict_1(
  p_group int, p_from int, p_unit int, t_id int[], t_first bigint[], t_last bigint[],
  u_topic int[], u_count int[], u_group int[],
  c_group int[], c_topic int[], c_key text[], c_expected text[],
  ids text[], given text[], p_since bigint
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  total int := 0; known_count int := 0; known json[] := '{}'; part json; part_count int;
  lo int; hi int := p_from - 1; c int; number int := 0; actual bigint;
BEGIN
  FOR u IN p_unit .. cardinality(u_topic) LOOP
    EXIT WHEN u_group[u] <> p_group;
    lo := hi + 1; hi := hi + u_count[u]; total := total + u_count[u];
    CONTINUE WHEN given IS NULL;
    SELECT json_agg(e.o + lo - p_from ORDER BY e.o), count(*) INTO part, part_count
    FROM unnest(ids[lo:hi], given[lo:hi]) WITH ORDINALITY AS e (id, g, o),
      LATERAL evs.known_1(t_id[u_topic[u]], e.id, p_since) AS s
    WHERE e.g <> '0' AND s.seq IS NOT NULL;
    IF part_count > 0 THEN known := known || part; known_count := known_count + part_count; END IF;
  END LOOP;
  IF known_count = total THEN RETURN NULL; END IF;
  FOR c IN 1 .. cardinality(c_group) LOOP
    CONTINUE WHEN c_group[c] <> p_group;
    IF known_count > 0 THEN
      RETURN json_build_object('condition', 0, 'actual', t_last[c_topic[c]], 'subject', 'ids',
        'members', array_to_json(known))::text;
    END IF;
    actual := evs.actual_1(t_id[c_topic[c]], t_first[c_topic[c]], t_last[c_topic[c]], c_key[c],
      c_expected[c]);
    IF NOT evs.meets_1(c_expected[c], actual) THEN
      RETURN json_build_object('condition', number, 'actual', actual, 'subject',
        CASE WHEN c_key[c] IS NULL THEN 'topic' ELSE 'key' END, 'key', c_key[c])::text;
    END IF;
    number := number + 1;
  END LOOP;
  RETURN NULL;
END $$;
`;

/** The ids of a group under which events wait, as the answer of each of its units. */
const GROUP_WAITING = `
CREATE FUNCTION evs.group_waiting_1(
  p_group int, p_from int, p_unit int, t_name text[], u_topic int[], u_count int[], u_group int[],
  ids text[], given text[], waiting text[]
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  those text[] := '{}'; hi int := p_from - 1; lo int;
BEGIN
  FOR u IN p_unit .. cardinality(u_topic) LOOP
    EXIT WHEN u_group[u] <> p_group;
    lo := hi + 1; hi := hi + u_count[u];
    FOR i IN lo .. hi LOOP
      IF given[i] <> '0' AND t_name[u_topic[u]] || E'\\x1e' || ids[i] = ANY (waiting) THEN
        those := those || ids[i];
      END IF;
    END LOOP;
  END LOOP;
  IF those = '{}' THEN RETURN NULL; END IF;
  RETURN json_build_object('waiting', those)::text;
END $$;
`;

/** The statements that make the functions. */
export const APPEND_FUNCTIONS = `${LAST_OF_KEY}${GROUP_CONFLICT}${APPEND}`;

/** The append alone, for a database that has it already. */
export const APPEND_AGAIN = APPEND.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");

/**
 * The same append where events may wait to be published. In a step of its own: databases are there
 * that were made without it.
 */
export const APPEND_BESIDE_WAITING = `${GROUP_WAITING}${APPEND_AGAIN}`;

/**
 * What an append calls, for a database that has it as it was; the append of that time goes, because
 * it would give numbers by the topic's row, which does not say any more where the topic ends.
 */
export const LOOKUPS_AGAIN = `
DROP FUNCTION IF EXISTS evs.append_1(
  text, bigint, bigint, bigint, bigint, text[], int[], int[], text[], int[], int[], int[], text[],
  text[], text, text, text, text, text, text, text, text, text, text, text, text, text, int, bigint,
  bigint, text, text);
DROP FUNCTION evs.known_1(int, text, bigint);
${LAST_OF_KEY.replaceAll("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")}`;
