/** Aggregates, snapshots, projections and upcasters meet an event that was redacted. */
import assert from "node:assert/strict";
import {
  AggregateRoot,
  connect,
  type Event,
  EventBroker,
  EventSourcedRepository,
  FileEventStore,
  MemorySnapshotStore,
  Projection,
  RedactedEventError,
  type RepositoryOptions,
  type SourcingBroker,
  SqliteEventStore,
  Upcasters,
} from "../../../mod.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { inFolder } from "../../helpers/start.ts";

/** The notes of one person, by number. */
class Notebook extends AggregateRoot<{ notes: string[] }> {
  constructor(id: string) {
    super(id, { notes: [] });
  }

  write(note: string): void {
    this.recordEvent("note.written", { note });
  }

  protected applyEvent({ payload }: Event): void {
    this.state.notes.push(payload.note);
  }
}

type Redacting = SourcingBroker & Pick<EventBroker, "redact">;

function repository(broker: Redacting, options: RepositoryOptions = {}) {
  return new EventSourcedRepository((id) => new Notebook(id), {
    broker,
    topic: "notes",
    ...options,
  });
}

/** A notebook with three notes, among those of others. */
async function writeThree(broker: Redacting): Promise<void> {
  const notebooks = repository(broker);
  for (const note of ["one", "two", "three"]) {
    await notebooks.update("anna", (notebook) => notebook.write(note));
    await notebooks.update("ben", (notebook) => notebook.write(note));
  }
}

const anna = { aggregate: "anna", topic: "notes", by: "anna", reason: "private" };

/** What loads and saves do when the second, or the last, of Anna's notes is redacted. */
async function meetRedacted(broker: Redacting): Promise<void> {
  await writeThree(broker);
  await broker.redact("notes", 3, { by: "anna", reason: "private" });
  const strict = repository(broker);
  await assert.rejects(strict.getById("anna"), (error: RedactedEventError) => {
    assert.ok(error instanceof RedactedEventError);
    assert.equal(error.code, "aggregate/redacted");
    assert.match(error.message, /anna: event 3 of notes was redacted by anna: private/);
    const { eventId: _eventId, ...details } = error.details!;
    assert.deepEqual(details, { ...anna, seq: 3 });
    return true;
  });
  assert.deepEqual((await strict.getById("ben"))!.getState().notes, ["one", "two", "three"]);
  const lenient = repository(broker, { redacted: "skip" });
  const skipped = await lenient.getById("anna");
  assert.deepEqual([skipped!.getState().notes, skipped!.version], [["one", "three"], 3]);
  await lenient.update("anna", (notebook) => notebook.write("four"));
  assert.deepEqual((await lenient.getById("anna"))!.version, 4);

  // The last one: what is saved next comes after it all the same.
  await broker.redact("notes", 7);
  await assert.rejects(strict.getById("anna"), RedactedEventError);
  const last = await lenient.getById("anna");
  assert.deepEqual([last!.getState().notes, last!.version], [["one", "three"], 4]);
  const stale = await lenient.getById("anna");
  last!.write("five");
  await lenient.save(last!);
  assert.deepEqual((await lenient.getById("anna"))!.getState().notes, ["one", "three", "five"]);
  stale!.write("late");
  await assert.rejects(lenient.save(stale!), { code: "aggregate/conflict" });
  await broker.redact("notes", 1);
  const rest = await lenient.getById("anna");
  assert.deepEqual([rest!.getState().notes, rest!.version], [["three", "five"], 5]);
}

Deno.test("EventSourcedRepository throws RedactedEventError unless it is told to skip, in memory", async () => {
  await using broker = new EventBroker();
  await meetRedacted(broker);
});

Deno.test("EventSourcedRepository throws RedactedEventError unless it is told to skip, on a SqliteEventStore", () =>
  inFolder(async (folder) => {
    await using broker = new EventBroker({ eventStore: new SqliteEventStore(`${folder}/e.db`) });
    await meetRedacted(broker);
  }));

Deno.test("EventSourcedRepository throws RedactedEventError unless it is told to skip, on a FileEventStore", () =>
  inFolder(async (folder) => {
    await using broker = new EventBroker({ eventStore: new FileEventStore(`${folder}/e`) });
    await meetRedacted(broker);
  }));

Deno.test("EventSourcedRepository throws RedactedEventError unless it is told to skip, behind a daemon", async () => {
  await using daemon = await startDaemon();
  await using broker = await connect({ socket: daemon.socket });
  await meetRedacted(broker);
});

Deno.test("EventSourcedRepository does not use a snapshot with an event that was redacted since", async () => {
  await using broker = new EventBroker();
  const told: unknown[] = [];
  const options = {
    snapshots: { store: new MemorySnapshotStore(), every: 1 },
    onError: (error: unknown) => void told.push(error),
  };
  const notebooks = repository(broker, options);
  await notebooks.update("anna", (notebook) => notebook.write("one"));
  await notebooks.update("anna", (notebook) => notebook.write("two"));
  await broker.redact("notes", 1);
  await assert.rejects(notebooks.getById("anna"), RedactedEventError);
  assert.match(String(told.at(-1)), /may have been redacted since/);
  const lenient = repository(broker, { ...options, redacted: "skip" });
  assert.deepEqual((await lenient.getById("anna"))!.getState().notes, ["two"]);
});

Deno.test("a projection and upcasters leave out an event that was redacted", async () => {
  await using broker = new EventBroker();
  await writeThree(broker);
  await broker.redact("notes", 2);
  const projection = new Projection({
    name: "all",
    topic: "notes",
    initial: { notes: [] as string[] },
    on: { "note.written": (state, { payload }) => void state.notes.push(payload.note) },
  }, { broker });
  await projection.catchUp();
  assert.deepEqual(projection.state.notes, ["one", "two", "two", "three", "three"]);
  const upcast = new Upcasters().add("note.written", { from: "1.0", to: "2.0" }, ({ note }) => ({
    text: note.toUpperCase(),
  }));
  const events = await broker.getEventStore().getEvents("notes");
  assert.equal(upcast.upcast(events[1]!).payload, null);
});
