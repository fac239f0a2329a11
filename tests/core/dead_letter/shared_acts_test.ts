/**
 * Acts on dead letters where several nodes share the state: what they decide from the rows that they
 * find in their transaction, whoever owns the parts. What keeps others away meanwhile is shown with
 * a database (tests/system/postgres/acts_rows_test.ts).
 */
import assert from "node:assert/strict";
import { DeadLetterImporter } from "../../../core/dead_letter/importer.ts";
import { moveDeadLetters, removeDeadLetters } from "../../../core/dead_letter/move.ts";
import type { SubscriptionDriver } from "../../../core/delivery/driver.ts";
import { redeliveryOf } from "../../../core/delivery/redeliver.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import { partOf } from "../../../core/event/part.ts";
import type {
  DeadLetterRecord,
  StateChange,
  SubscriptionRecord,
} from "../../../core/state/state.ts";
import { EventBroker } from "../../../mod.ts";
import { systemClock } from "../../../core/base/clock.ts";
import { toWireLine } from "../../../core/event/event.ts";
import { ActingState } from "../../helpers/acting_state.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const PARTS = 4;
const LAST = 100;

/** A broker that has nothing of what is in the state: another node owns all of it. */
async function withState(
  body: (node: { state: ActingState; broker: EventBroker }) => Promise<void>,
): Promise<void> {
  const state = new ActingState({ lastSeqOf: () => LAST });
  const broker = new EventBroker();
  for (const name of ["s", "other"]) await broker.subscriptions.put(name, { topic: "t" });
  const records = broker.subscriptions.all().map(({ record }) => ({ ...record, parts: PARTS }));
  await state.commit(records.map((record: SubscriptionRecord): StateChange => {
    return { op: "subscription.put", record };
  }));
  await body({ state, broker });
  await broker.close();
}

function deadLetter(seq: number, more: Partial<DeadLetterRecord> = {}): DeadLetterRecord {
  const about = { subscription: "s", topic: "t", id: `e${seq}`, seq, type: "x", key: `k${seq}` };
  const event = {
    ...{
      id: about.id,
      type: "x",
      key: about.key,
      timestamp: 0,
      metadata: "{}",
      payload: bytes("1"),
    },
    ...{ topic: "t", seq, schemaVersion: "" },
  };
  const attempts = [{ attempt: 1, startedAt: 0, durationMs: 1, outcome: "dead", error: "no" }];
  return {
    ...about,
    reason: "no",
    diedAt: 1,
    attempts: attempts as DeadLetterRecord["attempts"],
    line: toWireLine(event as Parameters<typeof toWireLine>[0]),
    ...more,
  };
}

async function put(state: ActingState, ...records: DeadLetterRecord[]): Promise<void> {
  await state.commit(records.map((record) => ({ op: "dead.put", record })));
}

const contextOf = ({ state, broker }: { state: ActingState; broker: EventBroker }) => {
  return { state, subscriptions: broker.subscriptions };
};
const marksIn = (state: ActingState) => state.load().done.map(({ seq, part = 0 }) => [seq, part]);
const partOfSeq = (seq: number) => partOf({ seq, key: `k${seq}` }, PARTS);

Deno.test("moveDeadLetters makes each dead letter a retry of its part, and marks what was still to be delivered", () =>
  withState(async (node) => {
    const { state } = node;
    const next = 3;
    await state.commit([{ op: "cursor.put", record: { subscription: "s", topic: "t", next } }]);
    await state.commit([{ op: "done.put", subscription: "s", topic: "t", seqs: [4] }]);
    const letters = [2, 3, 4, LAST, LAST + 1].map((seq) => deadLetter(seq));
    await put(state, ...letters);
    const entries = letters.map(redeliveryOf);
    const moved = await moveDeadLetters(entries, { ...contextOf(node), to: undefined });
    assert.deepEqual(moved, entries);
    assert.deepEqual(state.acts[0]!.on, [{ subscription: "s", of: entries }]);
    assert.equal(state.countDeadLetters({}), 0, "moved and not copied");
    assert.deepEqual(
      state.load().retries.map((
        { id, failures, nextAttempt, part = 0 },
      ) => [id, failures, nextAttempt, part]),
      [2, 3, 4, LAST, LAST + 1].map((seq) => [`e${seq}`, 0, 2, partOfSeq(seq)]),
      "in their order",
    );
    const marked = marksIn(state).filter(([seq]) => seq !== 4);
    assert.deepEqual(marked, [[3, partOfSeq(3)], [LAST, partOfSeq(LAST)]]);
  }));

Deno.test("moveDeadLetters removes what a retry waits for already, and of two of one event the second", () =>
  withState(async (node) => {
    const { state } = node;
    const [first, second] = [deadLetter(1), deadLetter(2)];
    await put(state, first, second, { ...second, subscription: "other" });
    const retry = { ...first, dueAt: 7, waitMs: 0, nextAttempt: 9, failures: 3 };
    await state.commit([{ op: "retry.put", record: { ...retry, attempts: [], line: first.line } }]);
    const entries = [first, second, { ...second, subscription: "other" }].map(redeliveryOf);
    await moveDeadLetters(entries, { ...contextOf(node), to: "s" });
    assert.equal(state.countDeadLetters({}), 0);
    const { retries } = state.load();
    assert.deepEqual(retries.map(({ id, dueAt }) => [id, dueAt === 7]), [["e1", true], [
      "e2",
      false,
    ]]);
  }));

Deno.test("moveDeadLetters does nothing for what somebody else took, or replaced by a newer one, before its turn", () =>
  withState(async (node) => {
    const { state } = node;
    const letters = [1, 2, 3].map((seq) => deadLetter(seq));
    await put(state, ...letters);
    const upTo = state.deadLetterKeys({ limit: 1, newest: true })[0]!.number;
    state.before = () =>
      state.commit([
        { op: "dead.remove", subscription: "s", topic: "t", id: "e1" },
        { op: "dead.put", record: letters[1]! },
      ]);
    const also = (done: readonly { id: string }[]): StateChange[] => {
      assert.deepEqual(done.map(({ id }) => id), ["e3"]);
      return [{ op: "generation.next" }];
    };
    const context = { ...contextOf(node), upTo, also };
    const moved = await moveDeadLetters(letters.map(redeliveryOf), { ...context, to: undefined });
    assert.deepEqual(moved.map(({ id }) => id), ["e3"]);
    assert.deepEqual(state.load().retries.map(({ id }) => id), ["e3"]);
    assert.equal(state.load().generation, 1, "with it");
    assert.deepEqual(await removeDeadLetters([redeliveryOf(letters[0]!)], contextOf(node)), []);
    assert.equal((await removeDeadLetters([redeliveryOf(letters[1]!)], contextOf(node))).length, 1);
  }));

Deno.test("moveDeadLetters passes over what somebody edited before its turn, if it is asked to", () =>
  withState(async (node) => {
    const { state } = node;
    const original = deadLetter(1);
    const copy = deadLetter(1, { id: "copy", editedFrom: "s:e1" });
    const edits = (): Promise<void> =>
      state.commit([
        { op: "dead.link", subscription: "s", topic: "t", id: "e1", editedAs: "s:copy" },
        { op: "dead.put", record: copy },
      ]);
    await put(state, original);
    state.before = edits;
    const context = { ...contextOf(node), to: undefined };
    const entries = [redeliveryOf(original)];
    assert.deepEqual(await moveDeadLetters(entries, { ...context, passCopies: true }), []);
    assert.equal(state.countDeadLetters({}), 2);
    assert.equal((await moveDeadLetters(entries, context)).length, 1, "it was named");
    await moveDeadLetters([redeliveryOf(copy)], context);
    assert.deepEqual(marksIn(state), [[1, partOfSeq(1)]], "by the original, not by its copy");
  }));

Deno.test("retryNow makes retries due that another node has, and none if one of those named is not there", () =>
  withState(async ({ state, broker }) => {
    const [driver] = broker.subscriptions.all().filter(({ record }) => record.name === "s");
    const records = [1, 2].map((seq) => {
      return { ...deadLetter(seq), dueAt: 9e15, waitMs: 1000, nextAttempt: 2, failures: 1 };
    });
    await state.commit(records.map((record) => ({ op: "retry.put", record })));
    const { record } = driver!;
    const there = { record, ledger: { transact: state.transact }, now: () => driver!.now() };
    const now = (ids?: string[], how = {}) =>
      retryNow(there as unknown as SubscriptionDriver, ids ? { ids } : {}, how);
    await assert.rejects(now(["e1", "gone"]), { code: "retry/not-found" });
    assert.deepEqual(state.load().retries.map(({ waitMs }) => waitMs), [1000, 1000]);
    const act = { way: "cli", at: 1 } as const;
    assert.deepEqual(await now(["e2"], { act }), { count: 1 });
    assert.deepEqual(state.load().retries.map(({ waitMs }) => waitMs), [1000, 0]);
    assert.equal(state.audit({ limit: 1 })[0]?.act, "retries.now");
    assert.deepEqual(await now(), { count: 2 });
  }));

Deno.test("DeadLetterImporter edits once, also if another node was asked for the same before", () =>
  withState(async (node) => {
    const { state } = node;
    const original = deadLetter(5);
    await put(state, original);
    const { line: _line, type, key, id, ...about } = original;
    const event = {
      ...{
        id,
        type,
        key: key!,
        timestamp: 0,
        metadata: "{}",
        payload: bytes("2"),
        schemaVersion: "",
      },
    };
    const entry = { ...about, event } as unknown as Parameters<DeadLetterImporter["retry"]>[0][0];
    const importer = () =>
      new DeadLetterImporter({ ...contextOf(node), clock: systemClock, imports: [] });
    const how = { to: undefined, batch: "b" };
    const reply = await importer().retry([entry], how);
    assert.equal(reply.mended, 1);
    assert.deepEqual(await importer().retry([entry], how), reply, "of another node");
    const { retries } = state.load();
    assert.deepEqual(
      retries.map(({ editedFrom, part = 0 }) => [editedFrom, part]),
      [["s:e5", partOfSeq(5)]],
    );
    assert.deepEqual(marksIn(state), [], "a copy stands for nothing of the topic");
    assert.equal(state.countDeadLetters({}), 1, "the original stays until the copy succeeds");
    const added = await importer().add([entry], { batch: "c" });
    assert.deepEqual([added.added, added.present], [0, 1]);
    assert.deepEqual(await importer().add([entry], { batch: "c" }), added);
  }));
