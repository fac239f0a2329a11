/** Opens the databases of a data dir, and the broker on them. */
import { EventBroker } from "../core/broker/event_broker.ts";
import { WorkerState } from "../core/state/worker_state.ts";
import { openStores } from "./open_stores.ts";
import { recoverTopics } from "./recover.ts";
import type { OpenedBroker, ServicesOptions } from "./services.ts";
import { SCRIPTS } from "./threads.ts";
import { keepWhole, startFailed } from "./whole.ts";

/** What may happen while it is open. */
export interface OpenHooks {
  /** The state was changed. */
  changed(): void;
  /** A failure that nobody waits for. */
  onError(error: unknown, context: string): void;
}

/** Opens them. */
export async function openLocal(options: ServicesOptions, hooks: OpenHooks): Promise<OpenedBroker> {
  const { dataDir, config, log, threads, found } = options;
  const [stores, state] = await Promise.all([
    openStores(options),
    WorkerState.open(dataDir.state, {
      script: SCRIPTS.state,
      worker: await threads.take(SCRIPTS.state),
      again: () => threads.program(SCRIPTS.state),
      onCommit: hooks.changed,
    }),
  ]).catch((error) => {
    noteFailedStart(options);
    throw error;
  });
  const broker = new EventBroker({
    eventStore: stores.opened[0]!,
    stores,
    state,
    autoCreateTopics: config.autoCreateTopics,
    maxEventBytes: config.maxEventBytes,
    dedupWindow: config.dedupWindow,
    knownEnds: Array.from(found.marks?.ends ?? [], ([topic, lastSeq]) => ({ topic, lastSeq })),
    onError: hooks.onError,
  });
  // Schemas are compiled before the first event needs them.
  await broker.ready;
  const recovered = await recoverTopics(broker);
  if (recovered !== undefined) log.logger.error("recovery: {what}", { what: recovered });
  const whole = await keepWhole(found, {
    dataDir,
    broker,
    state,
    onError: (error) => hooks.onError(error, "what the data dir holds could not be written down"),
  });
  return { broker, state, whole, recovered };
}

/** What made it fail is told by its caller: a failed write here only leaves the record as it was. */
function noteFailedStart({ dataDir, found, log }: ServicesOptions): void {
  try {
    startFailed(dataDir, found);
  } catch (error) {
    log.logger.error("failed while starting: {context}", { context: "the watermarks", error });
  }
}
