/**
 * A broker whose events and state are in PostgreSQL. Only a daemon with such a store loads this, and
 * what it imports.
 *
 * The database is reached, and what is wrong with it is told, before anything is written anywhere.
 */
import "../core/broker/shared_modules.ts";
import { systemClock } from "../core/base/clock.ts";
import { defined } from "../core/base/defined.ts";
import { DataDirError, InvalidArgumentError } from "../core/base/errors.ts";
import { lstat } from "../core/base/if_there.ts";
import { EventBroker } from "../core/broker/event_broker.ts";
import type { DatabaseAccess } from "../core/client/launch.ts";
import { readDatabaseMark, writeDatabaseMark } from "../core/data_dir/database_mark.ts";
import { readCertificates } from "../core/postgres/certificates.ts";
import { passwordFor, readPublicUrl } from "../core/postgres/password.ts";
import { PASSWORD_VARIABLE } from "../core/protocol/database_url.ts";
import {
  addressOf,
  type DatabaseTarget,
  placeOf,
  type PostgresOptions,
} from "../core/postgres/url.ts";
import { PostgresState } from "../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../core/store/postgres/postgres_event_store.ts";
import { Cluster } from "./cluster.ts";
import type { Config } from "./config.ts";
import { DatabaseReach } from "./database_reach.ts";
import { deadCountsOf } from "./dead_counts.ts";
import { type DataDir, prepareFiles } from "./data_dir.ts";
import { writeNodeSeries } from "./node_series.ts";
import type { OpenHooks } from "./open_local.ts";
import type { OpenedBroker, ServicesOptions, WholeData } from "./services.ts";

/** What leads to the database, besides the config. */
export interface DatabaseGiven {
  /** The password file, if there is one. */
  passfile: string | undefined;
  /** The machine, as the name of the node is to begin. */
  host: string | undefined;
}

/** A database that was reached and can be used. */
export class Database {
  readonly #target: DatabaseTarget;
  readonly #url: string;
  readonly #options: PostgresOptions;
  readonly #store: PostgresEventStore;
  readonly #given: DatabaseGiven;
  readonly #ca: string | undefined;

  private constructor(
    { database, databaseCa }: Config,
    of: {
      target: DatabaseTarget;
      options: PostgresOptions;
      store: PostgresEventStore;
      given: DatabaseGiven;
    },
  ) {
    this.#url = database;
    this.#ca = databaseCa || undefined;
    this.#target = of.target;
    this.#options = of.options;
    this.#store = of.store;
    this.#given = of.given;
  }

  /**
   * Connects, and makes or migrates the tables. Rejects with `InvalidArgumentError` or
   * `CannotStoreError` for everything that keeps the database from being used.
   */
  static async reach(config: Config, given: DatabaseGiven): Promise<Database> {
    refuseDurability(config);
    const url = config.database;
    const place = readPublicUrl(url);
    const password = passwordFor(place, {
      variable: Deno.env.get(PASSWORD_VARIABLE),
      configured: config.databasePassword,
      passfile: given.passfile,
    });
    const ca = readCertificates(config.databaseCa);
    const options = { url, password, ca };
    const target = { ...place, password, ca };
    const { dedupWindow } = config;
    const store = await PostgresEventStore.open({ ...options, dedupWindow });
    return new Database(config, { target, options, store, given });
  }

  /** Checks the data dir, which has only the log, the spool and the history. */
  prepare(dataDir: DataDir): FoundDataDirOfDatabase {
    for (const path of [dataDir.state, dataDir.events, dataDir.eventFolder]) {
      if (!lstat(path)) continue;
      throw new DataDirError(
        "datadir/other-store",
        `the data dir ${dataDir.path} has events or a state of its own, which would be out of sight`,
        { hint: "choose another data dir with EVS_DATA_DIR, or leave out --store postgres://…" },
      );
    }
    const before = readDatabaseMark(dataDir.path);
    if (before !== undefined && before !== this.#url) {
      throw new DataDirError(
        "datadir/other-store",
        `the data dir ${dataDir.path} belongs to the database ${before}`,
        { hint: "choose another data dir with EVS_DATA_DIR, or use that database" },
      );
    }
    prepareFiles(dataDir);
    writeDatabaseMark(dataDir.path, this.#url);
    return { marks: undefined, missing: [] };
  }

  /** Opens the state, and the broker. */
  async open(options: ServicesOptions, hooks: OpenHooks): Promise<OpenedBroker> {
    const { config, dataDir } = options;
    const { host } = this.#given;
    const { wakeUps } = this.#store;
    const state = await PostgresState.open(this.#options, { host, wakeUps });
    const broker = new EventBroker({
      eventStore: this.#store,
      state,
      autoCreateTopics: config.autoCreateTopics,
      maxEventBytes: config.maxEventBytes,
      dedupWindow: config.dedupWindow,
      onError: hooks.onError,
    });
    await broker.ready;
    broker.onCommit(hooks.changed);
    const whole: WholeData = {
      takenAway: () => lstat(dataDir.path) ? [] : [`the data dir ${dataDir.path} was taken away`],
      hurry: () => {
        this.#store.hurry();
        state.hurry();
      },
      close: () => broker.close(),
    };
    const cluster = this.#clusterOf(state, () => reach);
    const reach: DatabaseReach = new DatabaseReach({
      clock: systemClock,
      place: placeOf(this.#target),
      ask: () => this.#store.look(),
      count: async () => ({ ...await deadCountsOf(broker), nodes: await state.shared.counts() }),
      cluster: () => cluster.info(),
    });
    return { broker, state, whole, reach, cluster };
  }

  #clusterOf(state: PostgresState, reach: () => DatabaseReach): Cluster {
    const store = this.#store;
    return new Cluster({
      node: () => state.node ?? "",
      nodes: () => state.nodes(),
      drain: (node, draining) => state.drainNode(node, draining),
      alertTurn: (request) => state.alertTurn(request),
      counts: () => state.shared.counts(),
      owners: (subscription) => state.owners(subscription),
      next: async ({ topic, from, subscription }) => {
        const subscriptions = [subscription];
        const [progress] = await state.shared.progress({ topic, from, subscriptions });
        return progress?.next ?? from;
      },
      facts: async () => ({
        database: placeOf(this.#target),
        durable: store.durable,
        ...await state.serverFacts(),
      }),
      writeMetrics: (out, subscriptions) =>
        writeNodeSeries(out, {
          ...subscriptions,
          node: state.node ?? "",
          facts: state.shared.facts(),
          connections: store.connections,
          reach: reach(),
        }),
    });
  }

  /** What the process must be allowed to reach it. */
  get access(): DatabaseAccess {
    const { passfile } = this.#given;
    return { ...addressOf(this.#target), ...defined({ passfile, ca: this.#ca }) };
  }
}

/** Nothing was there that a start could have lost. */
interface FoundDataDirOfDatabase {
  marks: undefined;
  missing: [];
}

/** The server's settings say when an event is durable. */
function refuseDurability({ durability }: Config): void {
  if (durability === "always") return;
  throw new InvalidArgumentError(
    `the durability ${durability} is not for PostgreSQL, whose own settings decide it`,
    {
      hint: "leave durability out; synchronous_commit of the server or of the user is the setting",
    },
  );
}
