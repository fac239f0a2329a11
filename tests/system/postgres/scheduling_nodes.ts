/** Nodes for the tests of scheduled events: brokers on one PostgreSQL, with clocks of their own. */
import { EventBroker, type EventBroker as Broker } from "../../../mod.ts";
import { type Clock, systemClock } from "../../../core/base/clock.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { emptyDatabase, giveBack } from "./states.ts";

/** A clock whose wall clock a test sets; absent: it does not begin to. */
export class SettableClock implements Clock {
  offset = 0;

  now(): number {
    return systemClock.now() + this.offset;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  setTimer(callback: () => void, ms: number): () => void {
    return systemClock.setTimer(callback, ms);
  }
}

/** A node of one process. */
export interface SchedulingNode {
  broker: Broker;
  store: PostgresEventStore;
  errors: unknown[];
  close(): Promise<void>;
}

/** Opens a node; `url` may lead over a proxy. */
export async function openNode(
  url: string,
  { clock = systemClock, dedupWindow, autoCreateTopics = true }: {
    clock?: Clock;
    dedupWindow?: number;
    autoCreateTopics?: boolean;
  } = {},
): Promise<SchedulingNode> {
  const window = dedupWindow === undefined ? {} : { dedupWindow };
  const store = await PostgresEventStore.open({ url, ...window });
  const state = await PostgresState.open(url, { clock });
  const errors: unknown[] = [];
  const broker = new EventBroker({
    eventStore: store,
    state,
    clock,
    autoCreateTopics,
    ...window,
    onError: (error) => void errors.push(error),
  });
  await broker.ready;
  return { broker, store, errors, close: () => broker.close() };
}

/** Runs a test with nodes on an empty database, which are closed afterwards. */
export async function withNodes(
  body: (
    place: {
      url: string;
      open: (...how: Parameters<typeof openNode>) => Promise<SchedulingNode>;
      sql(text: string): Promise<Record<string, unknown>[]>;
    },
  ) => Promise<void>,
): Promise<void> {
  const url = await emptyDatabase();
  const opened: SchedulingNode[] = [];
  const postgres = await openPostgres(url);
  try {
    await body({
      url,
      async open(...how) {
        const node = await openNode(...how);
        opened.push(node);
        return node;
      },
      sql: (text) => postgres.query("state", text),
    });
  } finally {
    await Promise.all(opened.map((node) => node.close()));
    await postgres.close();
    await giveBack(url);
  }
}
