/** Aggregates behind a daemon: the repository accepts the broker that `connect` returns. */
import assert from "node:assert/strict";
import {
  connect,
  EventSourcedRepository,
  MemorySnapshotStore,
  UnknownEventTypeError,
  VersionConflictError,
} from "../../../mod.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { Account } from "./account.ts";

Deno.test("EventSourcedRepository keeps aggregates behind a daemon as it does in a process", async () => {
  await using daemon = await startDaemon();
  const { socket } = daemon;
  await using broker = await connect({ socket });
  await using other = await connect({ socket });
  const snapshots = { store: new MemorySnapshotStore(), every: 5 };
  const open = (of = broker) =>
    new EventSourcedRepository<Account>((id) => new Account(id), { broker: of, snapshots });
  const accounts = open();
  assert.equal(await accounts.getById("a"), undefined);
  const odd = 'it\'s "odd" \\ ü';
  await accounts.update(odd, (account) => {
    account.open("first");
    account.deposit(5);
  });
  await accounts.update("other", (account) => account.deposit(100));
  const loaded = await open(other).getById(odd);
  assert.deepEqual([loaded?.version, loaded?.getState()], [2, { owner: "first", balance: 5 }]);

  const [one, two] = [(await accounts.getById(odd))!, loaded!];
  one.deposit(1);
  two.withdraw(5);
  await accounts.save(one);
  await assert.rejects(open(other).save(two), (error) => {
    assert.ok(error instanceof VersionConflictError);
    assert.deepEqual([error.details?.["expectedVersion"], error.details?.["actualVersion"]], [
      2,
      3,
    ]);
    return true;
  });

  await Promise.all(
    [broker, other, broker, other].map((of) =>
      open(of).update(odd, (account) => account.deposit(1), { retries: 20 })
    ),
  );
  const account = await open(other).getById(odd);
  assert.deepEqual([account?.version, account?.getState().balance], [7, 10]);
  assert.ok((await snapshots.store.load("aggregates", odd))!.version >= 5);

  await broker.publish("aggregates", "frozen", {}, { key: odd });
  await assert.rejects(accounts.getById(odd), UnknownEventTypeError);
});
