/**
 * The state in PostgreSQL, which several nodes may share. What lives in memory is read when it is
 * opened; all else is read when it is asked for. A commit is one transaction
 * (core/state/postgres/commits.ts); in it, the epochs of the parts that it is about are checked.
 */
import { type Clock, setBackgroundTimer, systemClock } from "../../base/clock.ts";
import { InternalError } from "../../base/errors.ts";

import type { AuditQuery, AuditRecord } from "../../event/audit.ts";
import { openPostgres, type Postgres } from "../../postgres/connection.ts";
import { migrate } from "../../postgres/migrations.ts";
import { type Patience, patiently, repeatable } from "../../postgres/patience.ts";
import type { AlertTurn, AlertTurnRequest, NodeInfo, PartOwners } from "../../protocol/node.ts";
import type { PostgresOptions } from "../../postgres/url.ts";
import type { GroupRecord } from "../group_rules.ts";
import type {
  BoundDeadLetterFilter,
  CommitOptions,
  DeadLetterGroupCount,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  GroupTrendCount,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
} from "../state.ts";
import type { Transact } from "../shared_act.ts";
import { PostgresAct } from "./acts.ts";
import { takeAlertTurn } from "./alert_turns.ts";
import { changesCatalog } from "../catalog_diff.ts";
import { CATALOG } from "./catalog_watch.ts";
import type { WakeUps } from "../../postgres/wake_ups.ts";
import { Commits } from "./commits.ts";
import { STATE_MIGRATIONS } from "./migrations.ts";
import { readNodes, readOwners, serverFacts, setDraining } from "./node_list.ts";
import { StateReads } from "./reads.ts";
import { momentOf, type NodeOptions, SharedPostgres } from "./shared_postgres.ts";
import { readSnapshot } from "./snapshot.ts";

/** How long reads and commits wait for a database that is away, ms. */
const PATIENCE_MS = 10_000;

/** How a {@link PostgresState} is opened. */
export interface PostgresStateOptions {
  /** How long reads and commits wait for a server that is away, ms; 10,000 by default. */
  patience?: number;
  /** What people know this machine as; nodes are named by it. */
  host?: string | undefined;
  /** @internal How long a node may be silent before others take over what it owns, ms. */
  ttlMs?: number;
  /** @internal Those of the store in the same database. Default: its own connection. */
  wakeUps?: WakeUps;
  /** @internal */
  clock?: Clock;
}

/**
 * A {@link State} in a PostgreSQL database, in the schema `evs`. Brokers that have their events in the
 * same database share out its subscriptions.
 *
 * ```ts ignore
 * import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";
 *
 * const url = "postgres://user:pass@localhost/events";
 * const state = await PostgresState.open(url);
 * await using broker = new EventBroker({ state, eventStore: new PostgresEventStore(url) });
 * ```
 */
export class PostgresState implements State {
  readonly #postgres: Postgres;
  readonly #commits: Commits;
  readonly #reads: StateReads;
  /** @internal */
  readonly shared: SharedPostgres;
  #snapshot: StateSnapshot | undefined;

  readonly #closing = new AbortController();
  readonly #waiting: Patience;
  #cancelHurry = () => {};

  private constructor(
    postgres: Postgres,
    { commits, snapshot, node, ...patience }: Patience & {
      commits: Commits;
      snapshot: StateSnapshot;
      node: NodeOptions;
    },
  ) {
    this.#postgres = postgres;
    this.#commits = commits;
    this.#snapshot = snapshot;
    const waiting = this.#waiting = { ...patience, signal: this.#closing.signal };
    this.#reads = new StateReads((text, values) =>
      patiently(() => postgres.query("read", text, values), waiting)
    );
    this.shared = new SharedPostgres(postgres, {
      ...waiting,
      node,
      named: (node) => void (commits.node = node),
    });
  }

  /**
   * Connects, makes or migrates the tables, and reads what lives in memory. Rejects with
   * `CannotStoreError` if the server is away, refuses the user, or has a schema `evs` that is not
   * ours.
   */
  static async open(
    database: string | PostgresOptions,
    { clock = systemClock, patience = PATIENCE_MS, ...node }: PostgresStateOptions = {},
  ): Promise<PostgresState> {
    const postgres = await openPostgres(database, { clock });
    try {
      await migrate(postgres, { part: "state", steps: STATE_MIGRATIONS });
      // Of states that ended without closing.
      const old = "DELETE FROM evs.state_commits WHERE at < now() - interval '30 days'";
      await postgres.query("state", old);
      const commits = new Commits({ postgres, writer: crypto.randomUUID(), clock, patience });
      await commits.begin();
      const snapshot = await momentOf(postgres, readSnapshot);
      const state = new PostgresState(postgres, { commits, snapshot, clock, patience, node });
      await state.shared.open();
      return state;
    } catch (error) {
      await postgres.close();
      throw error;
    }
  }

  /**
   * As of the opening, or of the last {@link refresh}. Once: by then, somebody else may have changed
   * it.
   * @internal
   */
  load(): StateSnapshot {
    const snapshot = this.#snapshot;
    if (!snapshot) throw new InternalError("the state was loaded; refresh() reads it again");
    this.#snapshot = undefined;
    return snapshot;
  }

  /**
   * Reads again what {@link load} returns.
   * @internal
   */
  async refresh(): Promise<void> {
    this.#snapshot = await momentOf(this.#postgres, readSnapshot);
  }

  /** @internal */
  async commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void> {
    await this.#commits.commit(changes, options);
    this.#tell(changes);
  }

  /** Has the other nodes read the catalog again, if one of these changes it. */
  #tell(changes: readonly StateChange[]): void {
    if (changes.some(changesCatalog)) this.shared.wake(CATALOG, "changed");
  }

  /** @internal */
  readonly transact: Transact = async ({ on, first = [], decide }) => {
    let changes: readonly StateChange[] = [];
    const result = await this.#commits.act(first, async (query) => {
      const decided = await decide(await PostgresAct.begin(query, on));
      changes = decided.changes;
      return decided;
    });
    this.#tell([...first, ...changes]);
    for (const { subscription } of on) this.shared.wake("claims", subscription);
    return result;
  };

  /** @internal */
  retry(subscription: string, topic: string, id: string): Promise<RetryRecord | undefined> {
    return this.#reads.retry(subscription, topic, id);
  }

  /** @internal */
  scheduledLine(number: number): Promise<Uint8Array | undefined> {
    return this.#reads.scheduledLine(number);
  }

  /** @internal */
  deadLetters(filter: BoundDeadLetterFilter, page: DeadLetterPageRequest): Promise<DeadLetterPage> {
    return this.#reads.deadLetters(filter, page);
  }

  /** @internal */
  countDeadLetters(filter: BoundDeadLetterFilter): Promise<number> {
    return this.#reads.countDeadLetters(filter);
  }

  /** @internal */
  deadLetterKeys(request: DeadLetterKeysRequest): Promise<DeadLetterKey[]> {
    return this.#reads.deadLetterKeys(request);
  }

  /** @internal */
  jobPart(job: number, part: number): Promise<DeadLetterName[] | undefined> {
    return this.#reads.jobPart(job, part);
  }

  /** @internal */
  audit(query: AuditQuery): Promise<AuditRecord[]> {
    return this.#reads.audit(query);
  }

  deadLetterCounts(): Promise<Map<string, number>> {
    return this.#reads.deadLetterCounts();
  }

  /** @internal */
  deadLetterGroups(): Promise<GroupRecord[]> {
    return this.#reads.deadLetterGroups();
  }

  /** @internal */
  deadLetterGroupCounts(): Promise<DeadLetterGroupCount[]> {
    return this.#reads.deadLetterGroupCounts();
  }

  /** @internal */
  closedDeadLetterCounts(): Promise<Map<string, number>> {
    return this.#reads.closedDeadLetterCounts();
  }

  /** @internal */
  deadLetterTrend(end: number): Promise<GroupTrendCount[]> {
    return this.#reads.deadLetterTrend(end);
  }

  /**
   * All nodes that are known.
   * @internal
   */
  nodes(): Promise<NodeInfo[]> {
    return readNodes((text, values) => this.#postgres.query("read", text, values));
  }

  /**
   * The name of this process among the nodes; undefined as long as no broker uses this state.
   * @internal
   */
  get node(): string | undefined {
    return this.#commits.node;
  }

  /**
   * Has a node give back what it owns, or take work again; false if there is no such node.
   * @internal
   */
  async drainNode(node: string, draining: boolean): Promise<boolean> {
    const isThere = await setDraining(
      (text, values) => repeatable(() => this.#postgres.query("state", text, values)),
      { node, draining },
    );
    this.shared.wake("node", node);
    return isThere;
  }

  /**
   * Who owns which parts of a subscription.
   * @internal
   */
  owners(subscription: string): Promise<PartOwners[]> {
    return readOwners((text, values) => this.#postgres.query("read", text, values), subscription);
  }

  /**
   * Whether an `evs alert` is to tell what is of all nodes.
   * @internal
   */
  alertTurn(request: AlertTurnRequest): Promise<AlertTurn> {
    return repeatable(() =>
      takeAlertTurn((text, values) => this.#postgres.query("state", text, values), request)
    );
  }

  /**
   * The server's version and standbys.
   * @internal
   */
  serverFacts(): ReturnType<typeof serverFacts> {
    return serverFacts((text, values) => this.#postgres.query("read", text, values));
  }

  /**
   * From now on nothing waits for a server that is away: the process ends soon.
   * @internal
   */
  hurry(): void {
    this.#closing.abort();
    this.#commits.hurry();
    this.#postgres.hurry();
  }

  /** @internal */
  closing(): void {
    const { clock, patience } = this.#waiting;
    this.#cancelHurry();
    this.#cancelHurry = setBackgroundTimer(clock, () => this.hurry(), patience);
  }

  /** @internal */
  async close(): Promise<void> {
    await this.shared.close();
    this.#cancelHurry();
    this.hurry();
    await this.#commits.close();
    await this.#postgres.close();
  }
}
