/**
 * A synchronous standby takes the place of its server, again and again, while writers append: what
 * was acknowledged is there, once, under the number that was told. A commit whose wait for the
 * standby is cancelled is no acknowledgement.
 */
import assert from "node:assert/strict";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import {
  type PostgresServer,
  startPostgres,
  startStandby,
  waitForStandby,
} from "../../helpers/postgres.ts";
import { startPostgresProxy } from "../../helpers/postgres_proxy.ts";

const PROMOTIONS = dose(3);
const WRITERS = 4;
/** Acknowledged before and after each promotion. */
const BETWEEN = 50;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Writers that append until they are told to stop. */
class Writers {
  /** By id: the seq that was told. */
  readonly acked = new Map<string, number>();
  readonly #store: PostgresEventStore;
  readonly #running: Promise<void>[];
  #stops = false;

  constructor(store: PostgresEventStore) {
    this.#store = store;
    this.#running = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));
  }

  async #write(writer: number): Promise<void> {
    for (let n = 0; !this.#stops; n++) {
      // Ids as if the store had been given none: what is stored twice is there twice.
      const events = [0, 1, 2].map((i) => ({ ...newEvent(), id: `${writer}-${n}-${i}` }));
      const { firstSeq } = stored((await this.#store.append([{ topic: "t", events }]))[0]);
      events.forEach(({ id }, i) => this.acked.set(id, firstSeq + i));
    }
  }

  /** Resolves once so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const before = this.acked.size;
    await Promise.race([until(() => this.acked.size >= before + count), ...this.#running]);
    assert.ok(this.acked.size >= before + count, "a writer ended by itself");
  }

  async stop(): Promise<void> {
    this.#stops = true;
    await Promise.all(this.#running);
  }
}

/** Has the server send its standby nothing more, until a commit waits or is acknowledged without. */
async function cutOff(primary: PostgresServer, writers: Writers): Promise<void> {
  const sender = Number(await primary.sql("SELECT pid FROM pg_stat_replication"));
  Deno.kill(sender, "SIGSTOP");
  const before = writers.acked.size;
  const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  await until(async () =>
    writers.acked.size > before + WRITERS * 10 || (await primary.sql(waiting)).trim() !== ""
  );
}

/** All that was acknowledged is there as it was told, and nothing is there twice. */
async function assertWhole(server: PostgresServer, acked: ReadonlyMap<string, number>) {
  const rows = (await server.sql("SELECT seq, id FROM evs.events ORDER BY seq", "test_1"))
    .trim().split("\n").map((line) => line.split("|") as [string, string]);
  assert.deepEqual(rows.map(([seq]) => Number(seq)), rows.map((_, at) => at + 1));
  const seqs = new Map(rows.map(([seq, id]) => [id, Number(seq)]));
  assert.equal(seqs.size, rows.length, "an event is there twice");
  for (const [id, seq] of acked) assert.equal(seqs.get(id), seq, id);
}

Deno.test("a synchronous standby that is promoted has all that was acknowledged, once", async () => {
  await using first = await startPostgres();
  let primary: PostgresServer = first;
  const url = await first.database();
  await using proxy = startPostgresProxy(url, {});
  const store = await PostgresEventStore.open({ url: proxy.url, patience: 120_000 });
  const writers = new Writers(store);
  await using servers = new AsyncDisposableStack();
  for (let n = 0; n < PROMOTIONS; n++) {
    const standby = servers.use(await startStandby(primary));
    await waitForStandby(primary, true);
    await writers.more(BETWEEN);
    await cutOff(primary, writers);
    await primary.kill();
    await standby.promote();
    await waitForStandby(standby, false);
    proxy.moveTo(standby.url);
    primary = standby;
    await writers.more(BETWEEN);
  }
  await writers.stop();
  await store.close();
  await assertWhole(primary, writers.acked);
});

Deno.test("a commit whose wait for the standby is cancelled is acknowledged when that has it", async () => {
  await using primary = await startPostgres();
  const url = await primary.database();
  await using store = Object.assign(await PostgresEventStore.open({ url, patience: 120_000 }), {
    [Symbol.asyncDispose]: () => store.close(),
  });
  await using standby = await startStandby(primary);
  await waitForStandby(primary, true);
  await store.append([{ topic: "t", events: [newEvent()] }]);
  await standby.stop();
  let isAcked = false;
  const appending = store.append([{ topic: "t", events: [newEvent()] }])
    .then(([outcome]) => (isAcked = true, stored(outcome).lastSeq));
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'evs append' AND wait_event = 'SyncRep'`;
  const cancelled = async () => (await primary.sql(cancel)).trim() !== "";
  // The commit itself, and then what asks whether it was kept.
  for (let n = 0; n < 3; n++) await until(async () => isAcked || await cancelled());
  // PostgreSQL has it, and said that the commit succeeded; a machine that is lost would take it along.
  const count = "SELECT count(*) FROM evs.events";
  assert.equal((await primary.sql(count, "test_1")).trim(), "2");
  assert.equal(isAcked, false, "it is acknowledged, and no standby has it");
  await standby.start();
  assert.equal(await appending, 2);
  await until(async () => (await standby.sql(count, "test_1")).trim() === "2");
});
