/** Opens what a broker consists of, and closes it, each in an order in which nothing is lost. */
import { type Clock, systemClock } from "../base/clock.ts";
import type { DeadLetters } from "../dead_letter/dead_letters.ts";
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { GuardedState } from "../state/guarded_state.ts";
import type { Scheduler } from "../state/scheduler.ts";
import type { SharedState } from "../state/shared.ts";
import type { RedactionRecord, State, StateSnapshot, TopicRecord } from "../state/state.ts";
import type { Journals } from "../store/journals.ts";
import type { JournalStore } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { TopicStores } from "../topic/stores.ts";
import type { BrokerOptions } from "./broker_options.ts";
import type { CommitDispatcher } from "./commit_dispatcher.ts";
import type { Streams } from "./event_stream.ts";
import type { EventWriter } from "./event_writer.ts";
import type { LocalSubscriptions } from "./local_subscriptions.ts";
import type { OutboxRelay } from "./outbox_relay.ts";
import { recheckBy } from "./recheck.ts";
import type { Redactor } from "./redactor.ts";
import type { Retention } from "./retention.ts";
import type { SchemaGate } from "./schema_gate.ts";
import type { SharedCatalog } from "./shared_catalog.ts";
import type { Startup } from "./startup.ts";
import type { TopicEnds } from "./topic_ends.ts";

/** What a broker consists of. */
export interface BrokerParts {
  store: JournalStore;
  stores: TopicStores;
  state: GuardedState;
  journals: Journals;
  writer: EventWriter;
  dispatcher: CommitDispatcher;
  ends: TopicEnds;
  subscriptions: SubscriptionManager;
  locals: LocalSubscriptions;
  streams: Streams;
  retention: Retention;
  scheduled: Scheduler;
  outbox: OutboxRelay;
  deadLetters: DeadLetters;
  /** Where dead letters go. */
  queue: DeadLetterQueue;
  redactor: Redactor;
  /** Set if other nodes use the state, too. */
  shared: SharedCatalog | undefined;
}

/** What other nodes have to do with a broker; undefined: its state and its events are its own. */
export function sharedOf(state: State, store: JournalStore): SharedState | undefined {
  return store.sharesState ? state.shared : undefined;
}

/** The database's time, as far as it is known here, where nodes compare what they have stored. */
export function clockOf({ clock = systemClock, eventStore, state }: BrokerOptions): Clock {
  const store = eventStore as Partial<JournalStore> | undefined;
  return store?.sharesState ? state?.shared?.clock ?? clock : clock;
}

/** What a start needs besides. */
export interface Start {
  /** Holds appends back. */
  startup: Startup;
  gate: SchemaGate;
  topics: TopicCatalog;
  /** What the parts were made from. */
  snapshot: StateSnapshot;
}

/** Opens the stores; resolves when all that is stored is loaded, and compiled. */
export function startParts(
  parts: BrokerParts,
  { startup, gate, topics, snapshot }: Start,
): Promise<void> {
  const { subscriptions, scheduled, outbox, deadLetters, shared } = parts;
  if (shared) parts.journals.recheck = recheckBy({ shared, topics, gate });
  const stores = openStores(parts, snapshot.topics);
  // Who waits for what others have changed waits for nothing then.
  stores.catch(() => shared?.close());
  const redacted = (records: readonly RedactionRecord[]) => parts.redactor.learn(records);
  // Others may have changed what the snapshot says before this node could hear of it.
  const opened = shared
    ? stores.then(() => shared.start(snapshot, { topics, gate, subscriptions, redacted }))
    : stores;
  startup.begin(Promise.all([subscriptions.ready, opened]));
  const ready = Promise.all([subscriptions.ready, gate.schemas.ready(), opened]).then(() => {});
  // Callers that wait get the error; without schemas nobody has to wait.
  ready.then(() => (scheduled.start(), outbox.start(), deadLetters.jobs.start()), () => {});
  parts.journals.onCommit((commit) => {
    parts.dispatcher.tell(commit);
    parts.retention.after(commit);
  });
  return ready;
}

/** Opens the stores, and finishes what an earlier process began. */
function openStores(
  { store, stores, dispatcher, ends, subscriptions, redactor }: BrokerParts,
  topics: readonly TopicRecord[],
): Promise<void> {
  store.onAppended?.((appended) => dispatcher.tellAppended(appended));
  let opened = stores.openAll(topics);
  const raise = () => ends.raise((topic) => subscriptions.of(topic));
  if (ends.lost.length > 0) opened = opened.then(raise);
  if (redactor.unfinished.length > 0) opened = opened.then(() => redactor.finish());
  return opened;
}

/** Lets handlers finish, stores what is under way, and closes the store and the state. */
export async function closeParts(parts: BrokerParts): Promise<void> {
  const { journals, state } = parts;
  state.closing();
  await parts.shared?.close();
  await Promise.all([
    parts.scheduled.close(),
    parts.outbox.close(),
    parts.deadLetters.jobs.close(),
  ]);
  await parts.writer.close();
  await journals.idle();
  parts.streams.close();
  await parts.locals.close();
  await parts.subscriptions.close();
  await parts.retention.stop();
  await journals.idle();
  await parts.queue.close?.();
  const hasFailed = (journals.failed ?? state.failed) !== undefined;
  const changes = hasFailed ? [] : parts.ends.changes();
  try {
    await parts.store.close();
    // After the store: what the state says about it is synced by then.
    await parts.ends.write(changes);
  } finally {
    await state.close();
  }
}
