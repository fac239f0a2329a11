/**
 * The formats of the state in PostgreSQL, one step each. A released step never changes, and a step
 * only adds, because nodes of two versions use the database beside each other. Times are Unix ms in
 * double precision, because a clock has fractions of them. JSON is text and never jsonb, which
 * would change it. Event lines are bytea: the state keeps any bytes, and text has no NUL.
 *
 * `part` divides a subscription between nodes; there is one part, 0, until a subscription has more.
 */
import { CATALOG_FUNCTIONS } from "./catalog_changes.ts";
import { CURSOR_TURNS } from "./cursor_batch.ts";
import { SCHEDULE_FUNCTIONS } from "./schedule_functions.ts";

/** What `core/postgres/migrations.ts` runs. */
export const STATE_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE evs.topic_options (
    name text PRIMARY KEY,
    persistent boolean NOT NULL,
    retention_period double precision NOT NULL,
    max_events bigint NOT NULL,
    max_bytes bigint NOT NULL,
    schema_mode text NOT NULL,
    created_at double precision NOT NULL,
    store text NOT NULL,
    durability text NOT NULL,
    keeps text NOT NULL,
    drops text NOT NULL,
    dead_retention double precision NOT NULL,
    dead_max bigint NOT NULL
  );
  CREATE TABLE evs.subscriptions (
    name text PRIMARY KEY,
    topic text NOT NULL,                       -- or a pattern
    begins text NOT NULL,                      -- the offset it was made with
    max_retries bigint NOT NULL,
    backoff text NOT NULL,                     -- JSON
    event_types text NOT NULL,                 -- JSON; [] means all
    filter text,                               -- CEL
    paused boolean NOT NULL,
    pause_reason text,
    created_at double precision NOT NULL,
    breaker text,                              -- JSON
    paused_by text,
    paused_until double precision,
    max_deliveries bigint NOT NULL
  );
  CREATE TABLE evs.cursors (
    subscription text NOT NULL,
    topic text NOT NULL,
    part bigint NOT NULL,
    next bigint NOT NULL,                      -- the first seq that is neither settled nor kept as a retry
    PRIMARY KEY (subscription, topic, part)
  ) WITH (fillfactor = 50);
  CREATE TABLE evs.done (                      -- settled out of order: at or above the cursor
    subscription text NOT NULL,
    topic text NOT NULL,
    part bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (subscription, topic, part, seq)
  );
  CREATE TABLE evs.missed (                    -- what retention took before it was delivered
    subscription text NOT NULL,
    topic text NOT NULL,
    part bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (subscription, topic, part)
  );
  CREATE TABLE evs.expired (
    subscription text NOT NULL,
    topic text NOT NULL,
    part bigint NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (subscription, topic, part)
  );
  CREATE TABLE evs.expiry_clock (
    single bigint PRIMARY KEY CHECK (single = 1),
    skew double precision NOT NULL,            -- the difference from the wall clock
    newest double precision NOT NULL           -- the latest time that it is known to have shown
  );
  CREATE SEQUENCE evs.retries_number;
  CREATE TABLE evs.retries (
    subscription text NOT NULL,
    topic text NOT NULL,
    id text NOT NULL,
    part bigint NOT NULL,
    seq bigint NOT NULL,
    key text,
    type text NOT NULL,
    due_at double precision NOT NULL,
    wait_ms double precision NOT NULL,
    next_attempt bigint NOT NULL,
    failures bigint NOT NULL,
    attempts text NOT NULL,                    -- JSON
    line bytea NOT NULL,
    edited_from text,
    number bigint NOT NULL,                    -- the order in which they were put
    PRIMARY KEY (subscription, topic, id)
  );
  CREATE INDEX retries_event ON evs.retries (topic, seq);
  CREATE TABLE evs.unanswered (                -- deliveries that ended without an answer
    subscription text NOT NULL,
    topic text NOT NULL,
    id text NOT NULL,
    part bigint NOT NULL,
    seq bigint NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (subscription, topic, id)
  );
  CREATE TABLE evs.begun (                     -- what a consumer's handlers had when it last began some
    subscription text NOT NULL,
    consumer text NOT NULL,
    events text NOT NULL,                      -- JSON
    PRIMARY KEY (subscription, consumer)
  );
  CREATE TABLE evs.dead_letters (
    subscription text NOT NULL,
    topic text NOT NULL,
    id text NOT NULL,
    number bigint NOT NULL UNIQUE,             -- ascends in the order of the commits
    seq bigint NOT NULL,
    key text,
    type text NOT NULL,
    reason text NOT NULL,
    reason_folded text NOT NULL,               -- as it is searched
    died_at double precision NOT NULL,
    attempts text NOT NULL,                    -- JSON
    last_attempt bigint NOT NULL,              -- the number of the last one of these
    line bytea NOT NULL,
    edited_from text,
    edited_as text,
    cause text,                                -- the group that it was assigned to
    PRIMARY KEY (subscription, topic, id)
  );
  CREATE INDEX dead_letters_id ON evs.dead_letters (id);
  CREATE INDEX dead_letters_topic ON evs.dead_letters (topic, subscription);
  CREATE INDEX dead_letters_cause ON evs.dead_letters (cause, subscription);
  CREATE TABLE evs.removed_dead_letters (
    subscription text NOT NULL,
    topic text NOT NULL,
    expired bigint NOT NULL,
    capped bigint NOT NULL,
    last_at double precision NOT NULL,
    PRIMARY KEY (subscription, topic)
  );
  CREATE TABLE evs.dead_letter_ages (
    single bigint PRIMARY KEY CHECK (single = 1),
    ages text NOT NULL                         -- JSON
  );
  CREATE TABLE evs.dead_letter_groups (
    id text PRIMARY KEY,
    reason text NOT NULL,                      -- what the reasons have in common
    wide text NOT NULL,                        -- the id of what many of them have in common
    whole boolean NOT NULL,                    -- it takes all with that
    merged text,                               -- the group that it became a part of
    first_at double precision NOT NULL,
    last_at double precision NOT NULL,
    total bigint NOT NULL,
    state text NOT NULL,
    more bigint,                               -- it opens after so many more
    act text,                                  -- JSON: the last one
    notes text NOT NULL,                       -- JSON
    samples text NOT NULL                      -- JSON
  );
  CREATE TABLE evs.dead_letter_trend (
    cause text NOT NULL,
    slot bigint NOT NULL,                      -- the number of the period since 1970
    count bigint NOT NULL,
    PRIMARY KEY (cause, slot)
  );
  CREATE TABLE evs.jobs (
    number bigint PRIMARY KEY,
    record text NOT NULL                       -- JSON
  );
  CREATE TABLE evs.job_parts (
    job bigint NOT NULL,
    part bigint NOT NULL,
    entries text NOT NULL,                     -- JSON: [subscription, topic, id] of each
    PRIMARY KEY (job, part)
  );
  CREATE TABLE evs.audit (
    number bigint PRIMARY KEY,
    at double precision NOT NULL,
    act text NOT NULL,
    topic text,
    subscription text,
    record text NOT NULL                       -- JSON
  );
  CREATE INDEX audit_at ON evs.audit (at);
  CREATE TABLE evs.scheduled (
    number bigint PRIMARY KEY,
    topic text NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    key text,
    due_at double precision NOT NULL,
    wait_ms double precision,                  -- NULL: somebody named the time
    accepted_at double precision NOT NULL,
    after_seq bigint NOT NULL,                 -- the topic's last seq at acceptance
    stamped boolean NOT NULL,                  -- the publisher gave the timestamp
    line bytea NOT NULL,
    redacted boolean NOT NULL
  );
  CREATE INDEX scheduled_topic ON evs.scheduled (topic, id);
  CREATE SEQUENCE evs.schemas_number;
  CREATE TABLE evs.schemas (
    type text NOT NULL,
    version text NOT NULL,
    schema text NOT NULL,                      -- JSON, as it was registered
    registered_at double precision NOT NULL,
    number bigint NOT NULL,                    -- the order in which they were put
    PRIMARY KEY (type, version)
  );
  CREATE TABLE evs.schema_levels (
    type text PRIMARY KEY,
    level text NOT NULL
  );
  CREATE TABLE evs.topic_ends (                -- where topics ended when the state was last closed
    topic text PRIMARY KEY,
    last_seq bigint NOT NULL
  );
  CREATE TABLE evs.imports (
    batch text NOT NULL,
    part text NOT NULL,
    at double precision NOT NULL,
    reply text NOT NULL,                       -- JSON
    PRIMARY KEY (batch, part)
  );
  CREATE TABLE evs.redactions (
    topic text NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    at double precision NOT NULL,
    by text,
    reason text,
    done boolean NOT NULL,                     -- false: something may be left; the next start finishes it
    PRIMARY KEY (topic, seq, id)
  );
  CREATE TABLE evs.generation (
    single bigint PRIMARY KEY CHECK (single = 1),
    value bigint NOT NULL
  );
  -- The last number that was given. Whoever gives the next one holds the row until its commit, so
  -- that numbers become visible in their order. "rev" ascends with each change of what it counts.
  CREATE TABLE evs.counters (
    name text PRIMARY KEY,
    value bigint NOT NULL,
    rev bigint NOT NULL
  );
  INSERT INTO evs.counters VALUES ('dead_letters', 0, 0), ('audit', 0, 0);
  CREATE TABLE evs.state_commits (             -- which commit of each open state was the last
    writer text PRIMARY KEY,
    number bigint NOT NULL,
    attempt bigint NOT NULL,                   -- ascends when somebody asks for the number
    at timestamptz NOT NULL
  ) WITH (fillfactor = 50);
  -- Fails if the number was asked for after the request was sent: whoever asked was told that it was
  -- not kept, and sent another one.
  CREATE FUNCTION evs.note_commit(this_writer text, this_number bigint, this_attempt bigint)
  RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE evs.state_commits SET number = this_number, at = now()
      WHERE writer = this_writer AND attempt = this_attempt;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the commit was sent again meanwhile' USING ERRCODE = 'EVF02';
    END IF;
  END $$;
  `,
  // Which node owns which part of a subscription. A claim is over when its node was not seen for
  // longer than nodes allow; "epoch" ascends with each owner and fences off the earlier ones.
  `
  CREATE TABLE evs.nodes (
    node text PRIMARY KEY,
    seen timestamptz NOT NULL                  -- by the database's clock only
  ) WITH (fillfactor = 50);
  CREATE TABLE evs.claims (
    subscription text NOT NULL,
    part bigint NOT NULL,
    node text,                                 -- NULL: it was given back
    epoch bigint NOT NULL,
    rev bigint NOT NULL,                       -- ascends with each change that its owner must reload
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (subscription, part)
  ) WITH (fillfactor = 50);
  CREATE INDEX claims_node ON evs.claims (node);
  -- Holds claims until the end of the transaction: a node that takes one over waits for it, and
  -- reads what it has kept. Fails if one of them has another epoch by now.
  CREATE FUNCTION evs.hold_claims(subscriptions text[], parts bigint[], epochs bigint[])
  RETURNS void LANGUAGE plpgsql AS $$
  DECLARE held bigint;
  BEGIN
    PERFORM 1 FROM evs.claims JOIN unnest(subscriptions, parts, epochs)
      AS asked(subscription, part, epoch) ON claims.subscription = asked.subscription
        AND claims.part = asked.part AND claims.epoch = asked.epoch
      ORDER BY claims.subscription, claims.part FOR SHARE OF claims;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held < cardinality(subscriptions) THEN
      RAISE EXCEPTION 'another node owns a part of a subscription' USING ERRCODE = 'EVF01';
    END IF;
  END $$;
  `,
  // Parts: several nodes deliver a subscription together.
  `
  ALTER TABLE evs.topic_options
    ADD COLUMN rev bigint NOT NULL DEFAULT 0;  -- another one with each change, at random
  ALTER TABLE evs.subscriptions
    ADD COLUMN parts bigint NOT NULL DEFAULT 1,
    ADD COLUMN rev bigint NOT NULL DEFAULT 0;  -- as in topic_options
  ALTER TABLE evs.claims
    ADD COLUMN info text;                      -- JSON: what its owner has to do, in one row of each
  ALTER TABLE evs.nodes
    ADD COLUMN version text NOT NULL DEFAULT '',
    ADD COLUMN draining boolean NOT NULL DEFAULT false,
    ADD COLUMN at timestamptz NOT NULL DEFAULT now(); -- when it started
  CREATE TABLE evs.members (                   -- which nodes have, or had, to do with a subscription
    subscription text NOT NULL,
    node text NOT NULL,
    wants boolean NOT NULL,                    -- it has consumers that wait
    PRIMARY KEY (subscription, node)
  ) WITH (fillfactor = 50);
  CREATE INDEX members_node ON evs.members (node);
  -- "catalog" ascends with each change of topics, subscriptions, schemas and redactions, "schemas"
  -- with each change of schemas.
  INSERT INTO evs.counters VALUES ('catalog', 0, 0), ('schemas', 0, 0);
  -- Has whoever changes claims wait until this transaction is over, so that he reads what it has
  -- kept; fails if a claim has another epoch by now, or another "rev". What is locked is one row a
  -- node and subscription, not one a part; a node without that row has left.
  CREATE FUNCTION evs.hold_claims_2(
    this_node text, subscriptions text[], parts bigint[], epochs bigint[], revs bigint[]
  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE held bigint;
  BEGIN
    PERFORM 1 FROM evs.members WHERE node = this_node AND subscription = ANY(subscriptions)
      ORDER BY subscription FOR SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held < (SELECT count(DISTINCT name) FROM unnest(subscriptions) AS name) THEN
      RAISE EXCEPTION 'this node has left a subscription' USING ERRCODE = 'EVF01';
    END IF;
    -- In a statement of its own: it sees what was committed while the first one waited.
    IF EXISTS (
      SELECT 1 FROM unnest(subscriptions, parts, epochs, revs) AS asked(subscription, part, epoch, rev)
        LEFT JOIN evs.claims USING (subscription, part)
      WHERE claims.epoch IS DISTINCT FROM asked.epoch OR claims.rev <> asked.rev
    ) THEN
      RAISE EXCEPTION 'another node owns or has changed a part' USING ERRCODE = 'EVF01';
    END IF;
  END $$;
  -- Waits for the commits under way of all nodes that have to do with a subscription, and holds up
  -- their next ones: before claims are changed.
  CREATE FUNCTION evs.hold_members(of_subscription text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM 1 FROM evs.members WHERE subscription = of_subscription ORDER BY node FOR UPDATE;
  END $$;
  -- True of a claim whose node is gone, or that was given back; TTL NULL: only of the latter. By the
  -- time of the claim, too, because a node may claim before it is seen.
  CREATE FUNCTION evs.is_over(of_node text, claimed timestamptz, ttl interval)
  RETURNS boolean LANGUAGE sql AS $$
    SELECT of_node IS NULL OR coalesce(
      greatest(claimed, (SELECT seen FROM evs.nodes WHERE node = of_node))
        < clock_timestamp() - ttl, false);
  $$;
  -- Claims those of the parts that nobody owns, unless the subscription is not the one that was made
  -- at that time. One call, so that no lock waits for a client that was stopped.
  CREATE FUNCTION evs.claim_parts(
    this_node text, of_subscription text, asked bigint[], ttl interval,
    made double precision DEFAULT NULL
  ) RETURNS TABLE (part bigint, epoch bigint, rev bigint) LANGUAGE plpgsql AS $$
  #variable_conflict use_column
  BEGIN
    PERFORM evs.hold_members(of_subscription);
    RETURN QUERY INSERT INTO evs.claims AS one (subscription, part, node, epoch, rev, claimed_at)
      SELECT of_subscription, number, this_node, 1, 0, clock_timestamp()
      FROM unnest(asked) AS number
      WHERE made IS NULL OR EXISTS (SELECT 1 FROM evs.subscriptions AS there
        WHERE there.name = of_subscription AND there.created_at = made)
      ORDER BY number
      ON CONFLICT (subscription, part) DO UPDATE SET node = excluded.node, epoch = one.epoch + 1,
        claimed_at = clock_timestamp(), info = NULL
      WHERE evs.is_over(one.node, one.claimed_at, ttl)
      RETURNING one.part, one.epoch, one.rev;
  END $$;
  -- Says that a node is there, and what it has to do in each subscription; waits for no disk.
  CREATE FUNCTION evs.beat(
    this_node text, its_version text, subscriptions text[], infos text[]
  ) RETURNS TABLE (draining boolean, now double precision) LANGUAGE plpgsql AS $$
  #variable_conflict use_column
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE evs.claims AS one SET info = asked.info
      FROM (SELECT given.*, (SELECT min(part) FROM evs.claims AS own
          WHERE own.subscription = given.subscription AND own.node = this_node) AS part
        FROM unnest(subscriptions, infos) AS given(subscription, info)) AS asked
      WHERE one.node = this_node AND one.subscription = asked.subscription
        AND one.part = asked.part AND one.info IS DISTINCT FROM asked.info;
    RETURN QUERY INSERT INTO evs.nodes AS one (node, seen, version)
      VALUES (this_node, clock_timestamp(), its_version)
      ON CONFLICT (node) DO UPDATE SET seen = excluded.seen
      RETURNING one.draining, extract(epoch FROM clock_timestamp())::double precision * 1000;
  END $$;
  `,
  // Several nodes change the catalog: what a change was decided from is compared.
  CATALOG_FUNCTIONS,
  // Any node accepts events that are published later, and publishes what is due.
  SCHEDULE_FUNCTIONS,
  // Which node runs which job: see core/state/postgres/job_claims.ts. "epoch" ascends with each.
  `
  ALTER TABLE evs.jobs
    ADD COLUMN node text,                      -- NULL: anybody may take it
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN claimed_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN waiting text;                   -- why it does not get on
  `,
  CURSOR_TURNS,
  // Which evs alert tells what is of all nodes: see core/state/postgres/alert_turns.ts.
  `
  CREATE TABLE evs.alerts (
    name text PRIMARY KEY,
    holder text NOT NULL,                      -- says so again and again
    seen timestamptz NOT NULL,                 -- when it did last
    memory text                                -- what holds, and what was not told yet
  )
  `,
];
