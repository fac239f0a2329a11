/**
 * The thread that writes events: a {@link SqliteEventStore} that answers calls. See
 * core/store/worker/sqlite_worker_store.ts.
 */
import { InternalError } from "../core/base/errors.ts";
import type { Durability } from "../core/event/durability.ts";
import { SqliteEventStore } from "../core/store/sqlite/sqlite_event_store.ts";
import { WalSyncBehind, WalSyncer } from "../core/store/sqlite/wal_syncer.ts";
import type { StoreAnswer, StoreCall } from "../core/store/worker/sqlite_worker_store.ts";
import { moduleState } from "../core/base/module_state.ts";
import { serveCalls } from "../core/worker/server.ts";
import { collectWhenIdle } from "./memory/collect_when_idle.ts";
import { SpaceReserve } from "./space_reserve.ts";

const own = moduleState(() => ({
  store: undefined as SqliteEventStore | undefined,
  syncers: new Map<Durability, WalSyncer>(),
  opened: undefined as { path: string; durability: Durability } | undefined,
  behind: undefined as WalSyncBehind | undefined,
}));
const rest = moduleState(collectWhenIdle);

serveCalls((message, ready): StoreAnswer | Promise<StoreAnswer> => {
  const call = message as StoreCall;
  if (call.op === "open") {
    const { path, durability, dedupWindow, reserve } = call;
    const worker = own();
    const store = worker.store = new SqliteEventStore(path, {
      durability,
      lock: false,
      dedupWindow,
      room: reserve === undefined ? undefined : new SpaceReserve(reserve, { size: 0 }),
    });
    worker.opened = { path, durability };
    worker.behind = new WalSyncBehind(path);
    return { result: undefined, topics: store.topicRows(), damage: store.damage() };
  }
  const { store, opened, behind, syncers } = own();
  if (!store || !opened || !behind) {
    throw new InternalError(`the event store was asked to ${call.op} before it was opened`);
  }
  for (const syncer of [...syncers.values(), behind]) syncer.check();
  if (call.op === "close") return close(store, behind);
  if (call.op === "append" && (call.durability ?? opened.durability) === "always") {
    const { requests, groups, early } = call;
    const result = store.appendUnsynced(requests, groups);
    // Their state as of now: the next append may already be included when this one has been
    // synced.
    const answer = { result, topics: rows(store, topicsOf(requests)) };
    const synced = () => {
      store.assertNamed();
      return answer;
    };
    if (early) ready();
    if (early || behind.busy) return behind.sync().then(synced);
    behind.syncNow();
    return synced();
  }
  const answer = answerTo(store, call);
  // In the order of execution: otherwise a client would replace newer topic data with older data.
  return behind.busy ? behind.idle().then(() => answer) : answer;
}, { note: () => rest().note() });

function answerTo(
  store: SqliteEventStore,
  call: Exclude<StoreCall, { op: "open" | "close" }>,
): StoreAnswer {
  switch (call.op) {
    case "append": {
      const { requests, durability, groups } = call;
      const result = store.appendSync(requests, { durability, groups });
      store.assertNamed();
      syncerOf(durability)?.written();
      return { result, topics: rows(store, topicsOf(requests)) };
    }
    case "damaged":
      store.report(call.found);
      return { result: undefined, topics: rows(store, [call.found.topic]), damage: store.damage() };
    case "acceptDamage":
      store.acceptDamage();
      return { result: undefined, topics: [], damage: store.damage() };
    case "seekAge":
      return { result: store.seekAgeSync(call.topic, call.age), topics: [] };
    case "keepRoom":
      store.keepRoomSync(call.keeps);
      return { result: undefined, topics: [] };
    case "truncate":
      return {
        result: store.truncateSync(call.topic, call.seq),
        topics: rows(store, [call.topic]),
      };
    case "redact":
      return {
        result: store.redactSync(call.topic, call.request),
        topics: rows(store, [call.topic]),
      };
    case "raise":
      store.raiseSync(call.topic, call.lastSeq);
      return { result: undefined, topics: rows(store, [call.topic]), damage: store.damage() };
    case "removeTopic":
      store.removeTopicSync(call.topic);
      return { result: undefined, topics: rows(store, [call.topic]) };
  }
}

async function close(store: SqliteEventStore, behind: WalSyncBehind): Promise<StoreAnswer> {
  for (const syncer of own().syncers.values()) syncer.close();
  await behind.close();
  store.closeSync();
  return { result: undefined, topics: [] };
}

/**
 * The syncer of the log for an append; undefined unless the durability is an interval. A failed
 * sync ends this thread, and the daemon with it.
 */
function syncerOf(asked: Durability | undefined): WalSyncer | undefined {
  const { opened, syncers } = own();
  const { path, durability } = opened!;
  const key = asked ?? durability;
  let syncer = syncers.get(key);
  if (!syncer && (syncer = WalSyncer.for(path, key, reportError))) syncers.set(key, syncer);
  return syncer;
}

function topicsOf(requests: readonly { topic: string }[]): Set<string> {
  return new Set(requests.map(({ topic }) => topic));
}

function rows(store: SqliteEventStore, names: Iterable<string>): StoreAnswer["topics"] {
  return [...names].map((name) => store.topicRow(name)).filter((row) => row !== undefined);
}
