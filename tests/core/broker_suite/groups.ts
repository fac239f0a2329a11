/** Groups of dead letters: what the application does about each cause. */
import assert from "node:assert/strict";
import {
  type Broker,
  type DeadLetterGroup,
  InvalidArgumentError,
  NotFoundError,
} from "../../../mod.ts";
import type { Test } from "./suite.ts";

/** Publishes events whose handler throws what they say, and waits until they are dead letters. */
async function die(broker: Broker, ...errors: string[]): Promise<void> {
  const subscription = broker.subscribe("mails", ({ payload }) => {
    throw new Error(payload as string);
  }, { name: "mailer", maxRetries: 0 });
  for (const error of errors) await broker.publish("mails", "mail", error);
  await broker.idle();
  await subscription.unsubscribe();
}

type Group = DeadLetterGroup;

function first(groups: readonly Group[]): Group {
  assert.ok(groups[0], "there is a group");
  return groups[0];
}

/** Without what passes into another hour. */
function timeless({ hour: _hour, hours: _hours, ...group }: Group): Partial<Group> {
  return group;
}

export function groups(test: Test): void {
  test("deadLetterGroups.list counts dead letters by cause, also after it is opened again", async (subject) => {
    await die(subject.broker, "no route to 10.0.0.1", "no route to 10.0.0.7", "no such user");
    const before = await subject.broker.deadLetterGroups.list();
    assert.deepEqual(
      before.map(({ count, total, state, hour, day }) => [count, total, state, hour, day]),
      [
        [2, 2, "open", 2, 2],
        [1, 1, "open", 1, 1],
      ],
    );
    const [{ id, reason, subscriptions, example, hours }] = before as [Group];
    assert.match(id, /^[0-9a-z]{6}$/);
    assert.match(reason, /no route to \*$/);
    assert.match(example!.reason, /no route to 10\.0\.0\.7$/);
    assert.deepEqual([subscriptions, hours.length, hours.at(-1)], [["mailer"], 24, 2]);
    const broker = await subject.reopen();
    assert.deepEqual((await broker.deadLetterGroups.list()).map(timeless), before.map(timeless));
    const other = await broker.deadLetterGroups.list({ subscription: "other" });
    assert.deepEqual(other, []);
    const named = await broker.deadLetterGroups.list({ reason: "SUCH user", topic: "mails" });
    assert.deepEqual(named.map(({ count }) => count), [1]);
  });

  test("deadLetterGroups.resolve hides a group until it comes back, and keeps its notes", async ({ broker }) => {
    await die(broker, "down");
    const { id } = first(await broker.deadLetterGroups.list());
    await broker.deadLetterGroups.note(id, "the server moves", { by: "anna" });
    const resolved = await broker.deadLetterGroups.resolve(id, { by: "bert" });
    assert.deepEqual([resolved.state, resolved.act?.act, resolved.act?.by], [
      "resolved",
      "resolve",
      "bert",
    ]);
    assert.deepEqual(await broker.deadLetterGroups.list(), []);
    const [listed] = await broker.deadLetterGroups.list({ state: "resolved" });
    assert.deepEqual([listed?.id, listed?.count, listed?.noted], [id, 1, 1]);
    await die(broker, "down");
    const group = await broker.deadLetterGroups.get(id);
    assert.deepEqual([group.state, group.act?.act, group.count, group.total], [
      "open",
      "return",
      2,
      2,
    ]);
    assert.deepEqual(group.notes.map(({ by, text }) => [by, text]), [["anna", "the server moves"]]);
    assert.deepEqual(group.samples.map(({ present }) => present), [true, true]);
  });

  test("deadLetterGroups.dismiss hides a group for good, or until there are as many more", async ({ broker }) => {
    await die(broker, "down", "up");
    const [down, up] = await broker.deadLetterGroups.list() as [Group, Group];
    await broker.deadLetterGroups.dismiss(down.id);
    const { more } = await broker.deadLetterGroups.dismiss(up.id, { more: 2 });
    assert.equal(more, 2);
    await die(broker, "down", "down", "up");
    assert.deepEqual(await broker.deadLetterGroups.list(), []);
    await die(broker, "up");
    const open = await broker.deadLetterGroups.list();
    assert.deepEqual(open.map(({ id, count }) => [id, count]), [[up.id, 3]]);
    const reopened = await broker.deadLetterGroups.reopen(down.id, { by: "anna" });
    assert.deepEqual([reopened.state, reopened.count], ["open", 3]);
    const counts = (await broker.deadLetterGroups.list()).map(({ count }) => count);
    assert.deepEqual(counts, [3, 3]);
  });

  test("deadLetterGroups counts what is there now and what ever was when dead letters leave", async ({ broker }) => {
    await die(broker, "down");
    const { id, example } = first(await broker.deadLetterGroups.list());
    assert.ok(await broker.getDeadLetterQueue().removeEvent(example!.id));
    assert.deepEqual(await broker.deadLetterGroups.list(), []);
    const [empty] = await broker.deadLetterGroups.list({ state: "all" });
    assert.deepEqual([empty?.id, empty?.count, empty?.total, empty?.example], [
      id,
      0,
      1,
      undefined,
    ]);
    const { samples } = await broker.deadLetterGroups.get(id);
    assert.deepEqual(samples.map(({ id, present }) => [id, present]), [[example!.id, false]]);
    // An application that adds one says that it comes back.
    await broker.deadLetterGroups.resolve(id);
    const event = await broker.publish("mails", "mail", "x");
    await broker.getDeadLetterQueue().addEvent(event, new Error("down"), "mailer");
    assert.deepEqual((await broker.deadLetterGroups.list()).map((group) => group.id), [id]);
  });

  test("deadLetterGroups refuses what it does not know, in words", async ({ broker }) => {
    const { deadLetterGroups: groups } = broker;
    // One after the other: one that is rejected while another is awaited would be caught by nobody.
    const unknown = [
      () => groups.get("000000"),
      () => groups.resolve("000000"),
      () => groups.note("nobody", "x"),
    ];
    for (const act of unknown) {
      await assert.rejects(
        act,
        (error) => error instanceof NotFoundError && error.code === "dead-letter-group/not-found",
      );
    }
    await assert.rejects(groups.list({ group: "000000" }), NotFoundError);
    await die(broker, "down");
    const { id } = first(await groups.list());
    const wrong = { by: "x", since: 7 } as { by: string };
    const bad = [
      () => groups.note(id, " "),
      () => groups.note(id, "x".repeat(1001)),
      () => groups.dismiss(id, { more: 0 }),
      () => groups.resolve(id, wrong),
      () => groups.reopen(id, { by: "" }),
      () => groups.list({ state: "closed" as "open" }),
    ];
    for (const act of bad) await assert.rejects(act, InvalidArgumentError);
    assert.equal((await groups.get(id.toUpperCase())).noted, 0, "nothing was noted");
  });

  test("redact leaves nothing of an event in groups of dead letters and their notes", async ({ broker }) => {
    await die(broker, "no customer 'Smith'", "down");
    const all = await broker.deadLetterGroups.list();
    const smith = all.find(({ reason }) => reason.includes("Smith"))!;
    await broker.deadLetterGroups.note(smith.id, "Smith called");
    await broker.redact("mails", smith.example!.id);
    const left = await broker.deadLetterGroups.list({ state: "all" });
    assert.deepEqual(
      left.map(({ reason }) => reason).sort(),
      [
        all.find(({ id }) => id !== smith.id)!.reason,
        "redacted",
      ].sort(),
    );
    await assert.rejects(broker.deadLetterGroups.get(smith.id), NotFoundError);
    assert.ok(!JSON.stringify(left).includes("Smith"));
  });
}
