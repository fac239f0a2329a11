/**
 * The thread that writes events to files: a {@link FileEventStore} that answers calls. See
 * core/store/worker/file_worker_store.ts.
 */
import { InternalError } from "../core/base/errors.ts";
import type { Found } from "../core/store/damage.ts";
import { FileEventStore } from "../core/store/file/file_event_store.ts";
import { ToldViews } from "../core/store/file/view.ts";
import type { FileStoreAnswer, FileStoreCall } from "../core/store/worker/file_worker_store.ts";
import { moduleState } from "../core/base/module_state.ts";
import { serveCalls } from "../core/worker/server.ts";
import { prepareEventFolder } from "./data_dir.ts";
import { collectWhenIdle } from "./memory/collect_when_idle.ts";

const own = moduleState(() => ({
  store: undefined as FileEventStore | undefined,
  told: new ToldViews(),
  /** Repaired since the last reply. */
  repaired: [] as string[],
  /** Found missing since the last reply. */
  lost: [] as Found[],
}));
const rest = moduleState(collectWhenIdle);

serveCalls((message, ready): FileStoreAnswer | Promise<FileStoreAnswer> => {
  const call = message as FileStoreCall;
  if (call.op === "open") {
    const { dir, durability, dedupWindow } = call;
    prepareEventFolder(dir);
    const worker = own();
    const store = worker.store = new FileEventStore(dir, {
      durability,
      onNote: (note) => worker.repaired.push(note),
      onDamage: (found) => worker.lost.push(found),
      onFailure: reportError, // ends this thread, and the daemon with it
      dedupWindow,
    });
    const { notes, foreign } = store.found;
    worker.repaired = [];
    worker.lost = [];
    return {
      result: { notes, foreign },
      lost: [...store.damage()],
      views: store.views(),
      changes: [],
    };
  }
  const { store } = own();
  if (!store) {
    throw new InternalError(`the event store was asked to ${call.op} before it was opened`);
  }
  return answer(store, call, ready);
}, { note: () => rest().note() });

async function answer(
  store: FileEventStore,
  call: Exclude<FileStoreCall, { op: "open" }>,
  ready: () => void,
): Promise<FileStoreAnswer> {
  switch (call.op) {
    case "append": {
      const { requests, durability, groups, early } = call;
      const options = { durability, groups, ...(early ? { onWritten: ready } : {}) };
      const { outcomes, changes } = await store.appendTelling(requests, options);
      const worker = own();
      const { lost, repaired: notes } = worker;
      worker.repaired = [];
      return {
        result: outcomes,
        changes: changes.map((change) => own().told.tell(change)),
        ...(notes.length === 0 ? {} : { notes }),
        ...(lost.length === 0 ? {} : { lost: lost.splice(0) }),
      };
    }
    case "seekAge":
      return { result: await store.seekAge(call.topic, call.age), changes: [] };
    case "truncate": {
      const result = await store.truncate(call.topic, call.seq);
      return { result, changes: changesOf(store, call.topic) };
    }
    case "redact": {
      const { replaced, isThere } = await store.redactTelling(call.topic, call.request);
      const changes = changesOf(store, call.topic, replaced);
      return { result: isThere, changes };
    }
    case "raise":
      await store.raise(call.topic, call.lastSeq);
      return {
        result: undefined,
        changes: changesOf(store, call.topic),
        lost: own().lost.splice(0),
      };
    case "removeTopic":
      await store.removeTopic(call.topic);
      return { result: undefined, changes: changesOf(store, call.topic) };
    case "close":
      await store.close();
      return { result: undefined, changes: [] };
  }
}

function changesOf(
  store: FileEventStore,
  topic: string,
  replaced?: number,
): FileStoreAnswer["changes"] {
  const view = store.view(topic);
  return view ? [own().told.tell({ view, blocks: [], replaced })] : [];
}
