/**
 * Groups of dead letters through `evs` and HTTP: noted, resolved until they come back, dismissed,
 * selected by `--group`; as they were after kill -9, a restore, an expiry and a redaction.
 */
import assert from "node:assert/strict";
import type { DeadLetterGroupDetail } from "../../mod.ts";
import { completedNames } from "../helpers/completed_names.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { dose } from "../helpers/dose.ts";
import { evs } from "../helpers/evs.ts";
import { filesWith } from "../helpers/leftovers.ts";

/** Runs `evs`, which must succeed; its output. */
async function run(at: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await evs(args, { at, env: { USER: "anna" } });
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function lines(at: TestDaemon, ...args: string[]): Promise<Record<string, unknown>[]> {
  return (await run(at, ...args)).split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

async function groups(at: TestDaemon, ...args: string[]): Promise<Record<string, unknown>[]> {
  return await lines(at, "dlq", "groups", ...args);
}

async function group(at: TestDaemon, id: string): Promise<DeadLetterGroupDetail> {
  return JSON.parse(await run(at, "dlq", "group", id));
}

/** Publishes what the subscription `mailer` gives up on, each with its payload as the reason. */
async function die(at: TestDaemon, ...reasons: string[]): Promise<void> {
  await at.http("PUT", "/v1/subscriptions/mailer", { topic: "mails" });
  if (reasons.length > 0) await at.publish("mails", "mail", ...reasons);
  await settleAll(at, {
    subscription: "mailer",
    judge: ({ payload }) => ({ error: payload as string, dead: true }),
  });
}

Deno.test("evs dlq note, resolve, dismiss and reopen say what is to be done about a group", async () => {
  await using at = await startDaemon();
  await die(at, "no route to 10.0.0.1", "no route to 10.0.0.2", "no such user");
  const [route, user] = await groups(at);
  assert.deepEqual([route!["reason"], route!["count"]], ["no route to *", 2]);
  const id = route!["id"] as string;

  await run(at, "dlq", "note", id, "the bank is down");
  const resolved = JSON.parse(await run(at, "dlq", "resolve", id));
  assert.deepEqual([resolved.state, resolved.act.by], ["resolved", "anna"]);
  assert.deepEqual((await groups(at)).map((one) => one["id"]), [user!["id"]]);
  assert.deepEqual((await groups(at, "--state", "resolved")).map((one) => one["id"]), [id]);

  await die(at, "no route to 10.9.9.9");
  const back = await group(at, id);
  assert.deepEqual([back.state, back.act?.act, back.count, back.total], ["open", "return", 3, 3]);
  assert.deepEqual(back.notes.map(({ by, text }) => [by, text]), [["anna", "the bank is down"]]);
  const acts = await lines(at, "audit");
  assert.deepEqual(acts.slice(0, 2).map(({ act, way, details }) => [act, way, details]), [
    ["group.resolve", "cli", { group: id, by: "anna" }],
    ["group.note", "cli", { group: id, by: "anna" }],
  ]);

  await run(at, "dlq", "dismiss", id, "--more", "2");
  await die(at, "no route to 10.9.9.8");
  assert.deepEqual((await groups(at)).map((one) => one["id"]), [user!["id"]]);
  assert.equal((await group(at, id)).more, 1);
  await die(at, "no route to 10.9.9.7");
  assert.deepEqual((await groups(at)).map((one) => one["id"]), [id, user!["id"]]);
  await run(at, "dlq", "dismiss", id);
  await die(at, "no route to 10.9.9.6");
  assert.equal((await group(at, id)).state, "dismissed");
  assert.equal(JSON.parse(await run(at, "dlq", "reopen", id)).state, "open");

  const unknown = await evs(["dlq", "group", "000000", "--json"], { at });
  assert.equal(unknown.code, 1);
  assert.equal(JSON.parse(unknown.stderr).error.code, "dead-letter-group/not-found");
  const names = await completedNames(["dead-letter-groups"], at);
  assert.deepEqual(names.sort(), [id, user!["id"]].sort());
});

Deno.test("--group selects the dead letters of one group for list, export, retry and remove", async () => {
  await using at = await startDaemon();
  await die(at, "no route to 10.0.0.1", "no route to 10.0.0.2", "no such user");
  const [{ id }, { id: other }] = await groups(at) as [{ id: string }, { id: string }];
  const listed = await lines(at, "dlq", "list", "--group", id);
  assert.deepEqual(listed.map((one) => [one["reason"], one["group"]]), [
    ["no route to 10.0.0.2", id],
    ["no route to 10.0.0.1", id],
  ]);
  assert.equal((await lines(at, "dlq", "export", "--group", id)).length, 2);
  const dry = JSON.parse(await run(at, "dlq", "retry", "--group", id, "--dry-run"));
  assert.deepEqual(dry, { count: 2, dryRun: true, bySubscription: { mailer: 2 } });
  assert.equal(JSON.parse(await run(at, "dlq", "retry", "--group", id)).count, 2);
  await settleAll(at, { subscription: "mailer", judge: () => "done" });
  assert.deepEqual((await groups(at)).map((one) => one["id"]), [other]);
  const [over] = (await groups(at, "--state", "all")).filter((one) => one["id"] === id);
  assert.deepEqual([over!["count"], over!["total"], over!["day"]], [0, 2, 2]);
  assert.deepEqual((await group(at, id)).samples.map(({ present }) => present), [false, false]);
  assert.equal(JSON.parse(await run(at, "dlq", "remove", "--group", other, "--yes")).count, 1);
  for (const verb of ["list", "retry", "export"]) {
    const { code, stderr } = await evs(["dlq", verb, "--group", "000000"], { at });
    assert.equal(code, 1, verb);
    assert.match(stderr, /there is no group 000000 of dead letters\n.*evs dlq groups --state all/);
  }
});

Deno.test("evs check dlq and alerts count the dead letters of open groups, and all with --all", async () => {
  await using at = await startDaemon({ config: "[alert]\ndead_letters = 3\n" });
  await die(at, "no route to 10.0.0.1", "no route to 10.0.0.2", "no such user");
  const check = async (...more: string[]) => {
    const args = ["check", "dlq", "--warn", "2", "--crit", "3", ...more];
    const { code, stdout } = await evs(args, { at });
    return [code, stdout.trimEnd()];
  };
  const status = async () => {
    const { deadLetters, deadLettersOpen, alerts } = (await at.http("GET", "/v1/status")).json;
    return [deadLetters, deadLettersOpen, alerts.map(({ name }: { name: string }) => name)];
  };
  const three = [2, "CRITICAL - 3 dead letters | 'dead_letters'=3;2;3"];
  assert.deepEqual(await check(), three);
  assert.deepEqual(await status(), [3, 3, ["dead_letters"]]);
  const [{ id }] = await groups(at) as [{ id: string }];
  await run(at, "dlq", "dismiss", id);
  const one = [0, "OK - 1 dead letter, 2 more dismissed or resolved | 'dead_letters'=1;2;3"];
  assert.deepEqual(await check(), one);
  assert.deepEqual(await status(), [3, 1, []]);
  assert.deepEqual(await check("--all"), three);
  const [, words] = await check("--subscription", "mailer");
  assert.match(words as string, /^OK - 1 dead letter of mailer, 2 more dismissed or resolved /);
  assert.equal((await check("--subscription", "mailer", "--all"))[0], 2);
  assert.match((await at.http("GET", "/metrics")).text, /^evs_dead_letters_open 1$/m);
  await run(at, "dlq", "reopen", id);
  assert.deepEqual(await check(), three);
  assert.deepEqual(await status(), [3, 3, ["dead_letters"]]);
});

Deno.test("groups of dead letters are as they were after a backup and its restore", async () => {
  await using at = await startDaemon();
  await die(at, "no route to 10.0.0.1", "no such user");
  const [{ id }] = await groups(at) as [{ id: string }];
  await run(at, "dlq", "note", id, "before");
  await run(at, "dlq", "dismiss", id);
  const file = `${at.folder}/backup.tar`;
  await run(at, "backup", file);
  await run(at, "dlq", "note", id, "after");
  await run(at, "dlq", "reopen", id);
  await die(at, "no route to 10.0.0.3");
  await at.stop();
  await run(at, "restore", file, "--force");
  await at.start();
  const { state, notes, count, total } = await group(at, id);
  assert.deepEqual([state, notes.map(({ text }) => text), count, total], [
    "dismissed",
    ["before"],
    1,
    1,
  ]);
});

Deno.test("a group counts no dead letters that a limit of the topic removed", async () => {
  await using at = await startDaemon();
  await run(at, "topic", "create", "mails", "--dead-max", "2");
  await die(at, "down", "down", "down", "down", "down");
  const list = async () => (await at.http("GET", "/v1/dead-letter-groups")).json.groups;
  let [found] = await list();
  while (found.count > 2) [found] = await list();
  assert.deepEqual([found.count, found.total], [2, 5]);
  assert.equal((await lines(at, "dlq", "list")).length, 2);
});

Deno.test("evs redact leaves nothing of an event in a group, its samples and its notes", async () => {
  await using at = await startDaemon();
  await die(at, "no customer 'Wiedenroth'", "no such user");
  const all = await groups(at) as { id: string; reason: string; example: { id: string } }[];
  const { id, example } = all.find(({ reason }) => reason.includes("Wiedenroth"))!;
  await run(at, "dlq", "note", id, "Wiedenroth called");
  assert.notDeepEqual(filesWith(at.dataDir, ["Wiedenroth"]), []);
  await run(at, "redact", "mails", example.id, "--yes");
  assert.deepEqual(filesWith(at.dataDir, ["Wiedenroth"]), []);
  const left = await groups(at, "--state", "all");
  assert.deepEqual(left.map(({ reason }) => reason).sort(), ["no such user", "redacted"]);
});

/** What must hold of the groups, whatever happened: they count what is there. */
async function assertCounts(at: TestDaemon, answered: number): Promise<void> {
  const { groups } = (await at.http("GET", "/v1/dead-letter-groups?state=all")).json;
  const page = await at.http("GET", "/v1/dead-letters?limit=1000");
  const dead = page.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const counts: Record<string, number> = {};
  for (const { group } of dead) counts[group] = (counts[group] ?? 0) + 1;
  let there = 0;
  for (const { id, count, total, day } of groups) {
    assert.equal(count, counts[id] ?? 0);
    assert.ok(total >= count && day >= count, `${total}, ${day} and ${count}`);
    there += count;
  }
  assert.equal(there, dead.length, "each is in a group");
  assert.ok(there >= answered, `${there} of ${answered} that were answered`);
}

Deno.test("groups of dead letters count what is there, and keep what was answered, after kill -9", async () => {
  await using at = await startDaemon();
  await die(at);
  let answered = 0;
  const notes: string[] = [];
  for (let round = 0; round < dose(6, 60); round++) {
    await at.publish(
      "mails",
      "mail",
      ...Array.from({ length: 15 }, (_, i) => `cause ${"abcde"[i % 5]}`),
    );
    const leased = await at.http("POST", "/v1/subscriptions/mailer/lease", {
      max: 15,
      waitMs: 60_000,
    });
    // One after the other, so that the kill comes in the midst of them.
    const ended = (async () => {
      for (const { lease, event } of leased.json.deliveries) {
        const deliveries = [{ lease, error: event.payload, dead: true }];
        const reply = await at.http("POST", "/v1/subscriptions/mailer/nack", { deliveries });
        if (reply.status === 200) answered++;
        const [{ id }] = (await at.http("GET", "/v1/dead-letter-groups")).json.groups;
        const text = `note ${round}.${answered}`;
        const noted = await at.http("POST", `/v1/dead-letter-groups/${id}/notes`, { text });
        if (noted.status === 200) notes.push(text);
      }
    })().catch((error) => {
      assert.ok(error instanceof TypeError, "the connection is gone");
    });
    const enough = answered + 1 + round % 9;
    let isEnded = false;
    const end = ended.finally(() => isEnded = true);
    while (answered < enough && !isEnded) await new Promise((resolve) => setTimeout(resolve, 1));
    await at.kill();
    await end;
    await at.start();
    await assertCounts(at, answered);
  }
  // The newest 20 notes of a group are kept: these, and one for each kill that nobody answered.
  const { groups } = (await at.http("GET", "/v1/dead-letter-groups?state=all")).json;
  const kept = await Promise.all(
    groups.map(async ({ id }: { id: string }) =>
      (await at.http("GET", `/v1/dead-letter-groups/${id}`)).json.notes
    ),
  );
  const texts = kept.flat().map(({ text }) => text);
  assert.ok(notes.slice(-10).every((text) => texts.includes(text)), "no answered note is lost");
});
