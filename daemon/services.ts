/** The broker and its stores as the daemon hosts them: opened in order, closed in reverse. */
import { CannotStoreError, EvsError } from "../core/base/errors.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";
import type { MaybePromise } from "../core/base/maybe_promise.ts";
import { systemClock } from "../core/base/clock.ts";
import { IdSource } from "../core/event/id.ts";
import type { State } from "../core/state/state.ts";
import { isDatabaseAway } from "../core/protocol/database_url.ts";
import type { SpoolStatus } from "../core/protocol/status.ts";
import { damageText } from "../core/store/damage.ts";
import {
  acceptQuarantine,
  type QuarantineEntry,
  readQuarantine,
} from "../core/store/quarantine.ts";
import type { ClusterInfo } from "../core/protocol/node.ts";
import type { Cluster } from "./cluster.ts";
import type { Config } from "./config.ts";
import type { DataDir } from "./data_dir.ts";
import type { DatabaseReach } from "./database_reach.ts";
import { type Counted, deadCountsOf } from "./dead_counts.ts";
import { DiskSpace } from "./disk_space.ts";
import { HistoryFile } from "../core/history/history_file.ts";
import { HeldBackLog } from "./held_back_log.ts";
import type { Log } from "./log.ts";
import { HistoryKeeper, historyLog } from "./history.ts";
import { HistorySource } from "./history_source.ts";
import { Metrics } from "./metrics.ts";
import { collectWhenIdle } from "./memory/collect_when_idle.ts";
import { openLocal } from "./open_local.ts";
import type { Database } from "./open_shared.ts";
import type { SocketGroup } from "./socket_group.ts";
import { SpaceReserve } from "./space_reserve.ts";
import type { Threads } from "./threads.ts";
import { RetentionTimer } from "./retention_timer.ts";
import type { FoundDataDir } from "./whole.ts";
import { SummedLog } from "./summed_log.ts";
import { type UnnamedSource, UnnamedSubscriptions } from "./unnamed.ts";

/** How many damaged places the status lists. */
const DAMAGE_NAMED = 5;

/** The options with which the daemon was started. */
export interface ServicesOptions {
  dataDir: DataDir;
  socket: string;
  /** Who besides the owner may use the socket. */
  socketGroup?: SocketGroup;
  config: Config;
  log: Log;
  /** What was there before anything was opened. */
  found: FoundDataDir;
  /** The threads that have been started. */
  threads: Threads;
  /** Starts the drain; the reason goes to the log. */
  shutdown(reason: string): void;
  /** The same, but the process exits with an error. */
  fail(reason: string): void;
  /** The permission flags in force, for the status. */
  permissions: () => string[];
  /** The space reserved for a full disk; absent: none. */
  reserve?: SpaceReserve | undefined;
  /** Where events and the state are, if not in the data dir. */
  database?: Database | undefined;
}

/** A broker, and what belongs to it. */
export interface OpenedBroker {
  broker: EventBroker;
  state: Pick<State, "audit">;
  whole: WholeData;
  /** What was recovered at the start. */
  recovered?: string | undefined;
  /** Absent: nothing of it is elsewhere. */
  reach?: DatabaseReach;
  /** The nodes that share the database; absent as well. */
  cluster?: Cluster;
}

/** What a broker stores in, as a whole. */
export interface WholeData {
  /** Descriptions of what is no longer there while the daemon runs. */
  takenAway(): string[];
  /** The daemon ends soon: from now on nothing waits for a database that is away. */
  hurry?(): void;
  /** Closes the broker. */
  close(): Promise<void>;
}

/** What the routes work with. */
export class Services {
  readonly broker: EventBroker;
  /** For what is read from it alone: only the broker changes it. */
  readonly state: Pick<State, "audit">;
  readonly config: Config;
  readonly dataDir: string;
  readonly socket: string;
  /** Who besides the owner may use the socket. */
  readonly socketGroup: SocketGroup | undefined;
  readonly log: Log;
  readonly metrics = new Metrics();
  readonly ids = new IdSource();
  readonly startedAt = Date.now();
  readonly permissions: () => string[];
  readonly shutdown: (reason: string) => void;
  readonly #fail: (reason: string) => void;
  readonly #whole: WholeData;
  readonly #reserve: SpaceReserve | undefined;
  readonly #reach: DatabaseReach | undefined;
  /** The nodes that share the daemon's database; undefined: it has none. */
  readonly cluster: Cluster | undefined;
  readonly retention: RetentionTimer;
  /** What was recovered at the start. */
  readonly #recovered: string[];
  /** Copies of damaged files. */
  #quarantine: QuarantineEntry[] = [];
  #toldTakenAway = false;
  readonly unnamed: UnnamedSubscriptions;
  readonly disk: DiskSpace;
  readonly history: HistoryKeeper;
  /**
   * Dead letters that were retried, by subscription; with a rate, each one is a request of its own.
   */
  readonly sentAgain: SummedLog;
  /** Called for every request. */
  readonly rest = collectWhenIdle();
  /** The number of open connections; set by the server. */
  connections: () => number = () => 0;
  draining = false;
  /** What publishers spooled; set by the start. */
  spool:
    | {
      counts(): SpoolStatus[];
      visited(): void;
      between<T>(work: (folder: string) => T): Promise<T[]>;
      stop(): Promise<unknown>;
    }
    | undefined;

  private constructor(options: ServicesOptions & OpenedBroker) {
    const { broker } = options;
    this.broker = broker;
    this.state = options.state;
    this.#whole = options.whole;
    this.#reserve = options.reserve;
    this.#reach = options.reach;
    this.cluster = options.cluster;
    this.config = options.config;
    this.dataDir = options.dataDir.path;
    this.socket = options.socket;
    this.socketGroup = options.socketGroup;
    this.log = options.log;
    this.permissions = options.permissions;
    this.shutdown = options.shutdown;
    this.#fail = options.fail;
    this.sentAgain = new SummedLog({
      clock: systemClock,
      tell: (bySubscription) => {
        const count = Object.values(bySubscription).reduce((sum, one) => sum + one, 0);
        this.log.logger.info("dead letters sent again", { count, bySubscription });
      },
    });
    this.disk = diskSpaceOf(broker, options);
    this.history = this.#historyOf(options);
    broker.deadLetterLimits.onRemoved((removals) => {
      for (const { subscription, topic, expired, capped } of removals) {
        const facts = { subscription, topic, expired, capped };
        this.log.logger.info("dead letters removed by the limits of their topic", facts);
      }
    });
    this.#hostJobs();
    const heldBack = new HeldBackLog(this.log.logger);
    const retained = {
      topics: broker.topics,
      onCommit: (listener: (commit: { topic: string }) => void) => broker.onCommit(listener),
      onProgress: (listener: (topic: string) => void) => broker.retention.host(listener),
      retain: () => this.#retain(heldBack),
    };
    this.retention = new RetentionTimer(retained, {
      clock: systemClock,
      onError: (error) => this.unexpected(error, "retention"),
    });
    this.unnamed = new UnnamedSubscriptions(unnamedSource(broker), {
      clock: systemClock,
      removed: (name) =>
        this.log.logger.info("subscription removed: its client is gone", { subscription: name }),
      onError: (error) => this.unexpected(error, "subscriptions without a name"),
    });
    this.#recovered = options.recovered === undefined ? [] : [options.recovered];
    this.#readQuarantine();
    this.rest.note();
  }

  #hostJobs(): void {
    this.broker.deadLetters.jobs.host({
      makeRoom: (work) => this.disk.makeRoom(work),
      ended: ({ job: name, action, state, done, gone, failed, bySubscription }) => {
        const facts = { name, action, state, done, gone, failed, bySubscription };
        this.log.logger[action === "remove" ? "warning" : "info"]("job ended", facts);
      },
    });
  }

  /** Opens the databases and the broker on them. */
  static async open(options: ServicesOptions): Promise<Services> {
    const { log, database } = options;
    let early = 0;
    let changed = () => {};
    let tell = (error: unknown, context: string) => {
      early++;
      log.logger.error("failed while starting: {context}", { context, error });
    };
    const hooks = {
      changed: () => changed(),
      onError: (error: unknown, context: string) => tell(error, context),
    };
    const opened = await (database?.open(options, hooks) ?? openLocal(options, hooks));
    const services = new Services({ ...options, ...opened });
    services.metrics.errors += early;
    changed = () => services.history.note();
    tell = (error, context) => services.unexpected(error, context);
    return services;
  }

  #historyOf({ dataDir, config, log: { logger } }: ServicesOptions): HistoryKeeper {
    const { broker, metrics } = this;
    const clock = systemClock;
    const connections = () => this.connections();
    const history = new HistoryKeeper({
      file: config.history ? historyFileOf(dataDir, logger) : undefined,
      source: new HistorySource({
        ...{ broker, metrics, dataDir: dataDir.path, clock, connections },
        nodes: this.cluster && (() => this.cluster!.counts()),
      }),
      clock,
      isFull: () => this.disk.full,
      log: historyLog(logger),
    });
    broker.onCommit(() => history.note());
    return history;
  }

  async #retain(heldBack: HeldBackLog): Promise<void> {
    const { broker } = this;
    const removed = await this.disk.makeRoom(() => broker.retain());
    if (removed.length > 0) this.history.note();
    heldBack.note(broker.retention.allHeldBack());
  }

  #readQuarantine(): void {
    this.#quarantine = readQuarantine(`${this.dataDir}/quarantine`);
    for (const { file, copy, what, accepted } of this.#quarantine) {
      if (!accepted) this.log.logger.error("damage: {file}: {what}", { file, copy, what });
    }
  }

  /**
   * The operator acknowledges all known damage: it no longer counts as a problem. Returns how much
   * there was.
   */
  async acceptDamage(): Promise<number> {
    const isNew = ({ accepted }: { accepted: boolean }) => !accepted;
    const damage = this.broker.store.damage?.() ?? [];
    const count = damage.filter(isNew).length + this.#quarantine.filter(isNew).length +
      this.#recovered.splice(0).length;
    await this.broker.store.acceptDamage?.();
    acceptQuarantine(`${this.dataDir}/quarantine`);
    this.#readQuarantine();
    return count;
  }

  /**
   * Recreates the reserve before the first request is served. `held` is the size it had before a
   * start on a full disk released it; 0: it was not released. In a new data dir there is no hurry.
   */
  keepReserve({ held, isNew }: { held: number; isNew: boolean }): void {
    if (held === 0) {
      if (!isNew) this.#reserve?.make();
      return;
    }
    this.#reserve?.takeBack(held);
    this.disk.note(
      new CannotStoreError("it was when the daemon began", { code: "store/disk-full" }),
    );
  }

  get maxEventBytes(): number {
    return this.config.maxEventBytes;
  }

  /**
   * An unexpected error: logged with its stack and counted. A full disk is not unexpected, nor is a
   * database that is away for a while.
   */
  unexpected(error: unknown, context: string): void {
    if (this.disk.note(error)) return;
    // Or it went away before it told what became of a change.
    if (error instanceof EvsError && (isDatabaseAway(error) || isDatabaseAway(error.cause))) {
      this.log.logger.warning("{what}: {context}", { what: error.message, context });
      return;
    }
    this.metrics.errors++;
    this.log.logger.error("unexpected error: {context}", { context, error });
  }

  /**
   * An error that makes the daemon useless: logged like an unexpected one, and the process exits
   * with an error.
   */
  fatal(error: unknown, reason: string): void {
    this.unexpected(error, reason);
    this.#fail(reason);
  }

  /**
   * Counts the dead letters and what other nodes have to do, and brings up to date what other
   * processes may have changed: before anything is told of the daemon as a whole.
   */
  look(): MaybePromise<Counted> {
    return this.#reach?.look() ?? deadCountsOf(this.broker);
  }

  /** Brings topics up to date with what others stored; rejects soon while a database is away. */
  refresh(topics?: readonly string[]): MaybePromise<void> {
    return this.#reach?.require() ?? this.broker.store.refresh?.(topics);
  }

  /** What the last look at the database has shown; undefined: there is none. */
  clusterInfo(): ClusterInfo | undefined {
    return this.#reach?.cluster;
  }

  /** Why the daemon is not healthy, for people. */
  problems(): string[] {
    const problems = [this.disk.problem(), this.#reach?.problem].filter((one) => one !== undefined);
    const { failed } = this.broker;
    if (failed !== undefined) {
      problems.push(
        `a store failed, so nothing is acknowledged any more: ${
          failed instanceof Error ? failed.message : String(failed)
        }`,
      );
    }
    const takenAway = this.#whole.takenAway();
    if (takenAway.length > 0 && !this.#toldTakenAway) {
      this.#toldTakenAway = true;
      this.log.logger.error("damage: {what}", { what: takenAway.join("; ") });
    }
    problems.push(...takenAway);
    for (const { topic, seq, id } of this.broker.redactor.unfinished) {
      const event = `${topic} ${seq || id}`; // one that is scheduled has no seq
      problems.push(
        `the redaction of ${event} is not finished, old bytes may be left: evs redact ${event}`,
      );
    }
    const damage = [
      ...this.#recovered,
      ...this.#quarantine.filter(({ accepted }) => !accepted).map(({ file, what }) =>
        `${file}: ${what}`
      ),
      ...(this.broker.store.damage?.() ?? []).filter(({ accepted }) => !accepted).map(damageText),
    ];
    // Only the first ones by name: a status is read by people.
    problems.push(...damage.slice(0, DAMAGE_NAMED));
    if (damage.length > DAMAGE_NAMED) {
      problems.push(`and ${damage.length - DAMAGE_NAMED} more: evs doctor`);
    }
    return problems;
  }

  /** The daemon ends soon. */
  beginDrain(): void {
    this.draining = true;
    this.#whole.hurry?.();
  }

  /** Finishes what is in progress, then closes the databases. */
  async close(): Promise<void> {
    this.rest.stop();
    this.disk.stop();
    this.sentAgain.flush();
    await this.history.stop();
    await this.spool?.stop();
    await this.retention.stop();
    await this.unnamed.stop();
    // So that the last writes find space.
    const held = this.#reserve?.lendIfFull() ?? 0;
    await this.#whole.close();
    this.#reserve?.takeBack(held);
  }
}

function unnamedSource({ subscriptions, shared }: EventBroker): UnnamedSource {
  return {
    ...(shared ? { inUse: () => shared.inUse() } : {}),
    list: () =>
      subscriptions.all().map(({ record: { name }, queue: { leased } }) => ({ name, leased })),
    remove: (name) => subscriptions.remove(name),
  };
}

function historyFileOf({ history }: DataDir, logger: Log["logger"]): HistoryFile {
  return new HistoryFile(history, {
    onDamage: (what) =>
      logger.warning("the history is damaged, the rest of it is kept: {what}", { what }),
  });
}

function diskSpaceOf(
  broker: EventBroker,
  { dataDir, log, reserve }: ServicesOptions,
): DiskSpace {
  const probe = reserve ?? new SpaceReserve(dataDir.reserve, { size: 0 });
  return new DiskSpace({
    reserve,
    keepRoom: async (keeps) => await broker.store.keepRoom?.(keeps),
    hasRoom: () => probe.hasRoom(),
    clock: systemClock,
    onStored: (listener) => broker.onCommit(listener),
    log: {
      began: (error) =>
        log.logger.error("the disk is full: what needs room is refused until there is some", {
          error,
        }),
      ended: (facts) => log.logger.info("the disk has room again", facts),
    },
  });
}
