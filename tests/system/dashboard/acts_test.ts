/**
 * Every act of the dashboard in a real Chromium: its confirmation shows the command line that it
 * stands for, and the daemon has done it afterwards.
 */
import assert from "node:assert/strict";
import type { Page } from "../../packages/playwright.ts";
import { seriousBarriers, startChromium } from "../../helpers/chromium.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { TestDashboard } from "../../helpers/dashboard.ts";
import { openDashboard, visit } from "../../helpers/dashboard_page.ts";
import { BIG, openShop } from "../../helpers/dashboard_shop.ts";
import { until } from "../../helpers/evs.ts";

/** Opens a confirmation, and returns it with the command line that it shows. */
async function confirmation(page: Page, button: string) {
  await page.getByRole("button", { name: button }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return dialog;
}

/** The command line in a dialog, behind how commands for this daemon begin. */
async function commandIn(dialog: Awaited<ReturnType<typeof confirmation>>): Promise<string> {
  const line = await dialog.getByLabel("The command line").innerText();
  return line.replace(/^.*?\bevs /, "evs ");
}

/** Confirms, and waits until the dialog is closed and the page says what was done. */
async function confirm(page: Page, verb: string, says: string | RegExp): Promise<void> {
  await page.getByRole("dialog").getByRole("button", { name: verb, exact: true }).click();
  await page.getByRole("status").getByText(says).first().waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

async function get(daemon: TestDaemon, path: string) {
  return (await daemon.http("GET", path)).json;
}

async function deadLetters(daemon: TestDaemon, query = ""): Promise<number> {
  const { text } = await daemon.http("GET", `/v1/dead-letters?limit=1000${query}`);
  return text.split("\n").filter(Boolean).length;
}

Deno.test("every act of the dashboard does what its command line does", async (t) => {
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  await using watched = await openDashboard(browser, dashboard);
  const { page, problems } = watched;

  await t.step("pause with a reason, and resume", async () => {
    await visit(page, "#/subscriptions/mailer");
    const dialog = await confirmation(page, "Pause…");
    await dialog.getByLabel("Reason").fill("it's moving");
    await dialog.getByLabel("For (empty: until it is resumed)").fill("1 hour");
    await dialog.getByText("a duration is a number with a unit").waitFor();
    assert.ok(await dialog.getByRole("button", { name: "Pause", exact: true }).isDisabled());
    await dialog.getByLabel("For (empty: until it is resumed)").fill("1h");
    assert.equal(
      await commandIn(dialog),
      String.raw`evs subscription pause mailer --reason 'it'\''s moving' --for 1h`,
    );
    assert.deepEqual(await seriousBarriers(page), []);
    await confirm(page, "Pause", "mailer is paused.");
    await page.locator("main").getByText("it's moving").waitFor();
    const paused = await get(daemon, "/v1/subscriptions/mailer");
    assert.deepEqual([paused.paused, paused.pauseReason], [true, "it's moving"]);
    assert.ok(paused.pausedUntil > Date.now());
    const resuming = await confirmation(page, "Resume…");
    assert.equal(await commandIn(resuming), "evs subscription resume mailer");
    await confirm(page, "Resume", "mailer is resumed.");
    assert.equal((await get(daemon, "/v1/subscriptions/mailer")).paused, false);
  });

  await t.step("retries now: one, then all", async () => {
    const waiting = async () =>
      (await get(daemon, "/v1/subscriptions/mailer/retries")).retries
        .filter(({ dueAt }: { dueAt: number }) => dueAt > Date.now() + 60_000).length;
    assert.equal(await waiting(), 3);
    const one = await confirmation(page, "Retry event 3 of orders now");
    assert.match(await commandIn(one), /^evs subscription retries mailer [\w-]+ --now$/);
    await confirm(page, "Retry now", "1 retry is due now.");
    assert.equal(await waiting(), 2);
    const all = await confirmation(page, "Retry all now…");
    assert.equal(await commandIn(all), "evs subscription retries mailer --now");
    await confirm(page, "Retry now", /2 retries are due now|3 retries are due now/);
    assert.equal(await waiting(), 0);
  });

  await t.step("seek, after a preview of what it would do", async () => {
    await visit(page, "#/subscriptions/billing");
    const dialog = await confirmation(page, "Seek…");
    assert.ok(await dialog.getByRole("button", { name: "Move it" }).isDisabled());
    await dialog.getByLabel("To", { exact: true }).fill("nowhere");
    await dialog.getByRole("alert").waitFor();
    await dialog.getByRole("button", { name: "the last 100" }).click();
    await dialog.getByText("delivers 40 events again").waitFor();
    assert.equal(await commandIn(dialog), "evs subscription seek billing --yes -- -100");
    assert.equal((await get(daemon, "/v1/subscriptions/billing")).pending, 0);
    await confirm(page, "Move it", "billing was moved: it delivers 40 events again.");
    assert.equal((await get(daemon, "/v1/subscriptions/billing")).pending, 40);
    await daemon.http("POST", "/v1/subscriptions/billing/seek", { to: "end" });
  });

  await t.step("edit with a check against the schema, then send again", async () => {
    await visit(page, "#/dead-letters/list");
    await page.getByRole("link", { name: 'order o-40: total "400.00"' }).click();
    const dialog = await confirmation(page, "Edit…");
    const field = dialog.getByLabel("Payload of order.placed");
    await dialog.getByText("Nothing is changed yet.").waitFor();
    await field.fill('{"order": "o-40", "total": }');
    await dialog.getByText("not valid JSON: unexpected").waitFor();
    await field.fill('{"order": "o-40", "total": null}');
    await dialog.getByText("Not valid against version 2.0: /total").waitFor();
    assert.ok(await dialog.getByRole("button", { name: "Send again, edited" }).isDisabled());
    await field.fill(`{"order": "o-40", "total": 400, "number": ${BIG}}`);
    await dialog.getByText("Valid against version 2.0.").waitFor();
    assert.match(await commandIn(dialog), /^evs dlq edit billing:[\w-]+ --topic orders$/);
    assert.deepEqual(await seriousBarriers(page), []);
    await confirm(page, "Send again, edited", "Sent again, edited: billing:");
    const { json } = await daemon.http("POST", "/v1/subscriptions/billing/lease", { max: 5 });
    assert.equal(json.deliveries.length, 1);
    const { event, lease } = json.deliveries[0];
    assert.deepEqual([event.payload.total, event.key], [400, "o-40"]);
    await daemon.http("POST", "/v1/subscriptions/billing/ack", { leases: [lease] });
    await until(async () => await deadLetters(daemon) === 11);
  });

  await t.step("retry one", async () => {
    await visit(page, "#/dead-letters/list?reason=o-36");
    await page.getByRole("link", { name: "order o-36" }).click();
    const dialog = await confirmation(page, "Retry…");
    assert.match(await commandIn(dialog), /^evs dlq retry billing:[\w-]+ --topic orders$/);
    await confirm(page, "Retry", "Sent again: billing:");
    await page.getByText("No dead letters match").or(page.getByRole("table")).first().waitFor();
    assert.equal(await deadLetters(daemon), 10);
  });

  await t.step("remove one, and take it back", async () => {
    await visit(page, "#/dead-letters/list?reason=o-32");
    await page.getByRole("link", { name: "order o-32" }).click();
    const dialog = await confirmation(page, "Remove…");
    assert.match(await commandIn(dialog), /^evs dlq remove billing:[\w-]+ --topic orders --yes$/);
    await confirm(page, "Remove", "Removed: billing:");
    assert.equal(await deadLetters(daemon, "&reason=o-32"), 0);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("status").getByText("1 dead letter is back.").waitFor();
    assert.equal(await deadLetters(daemon, "&reason=o-32"), 1);
  });

  await t.step("retry a cause at a rate, see it progress, cancel it", async () => {
    await visit(page, "#/dead-letters");
    const dialog = await confirmation(page, "Retry: order o-*");
    await dialog.getByText("8 dead letters").waitFor();
    await dialog.getByLabel("At most (empty: at once)").fill("2/h");
    assert.match(await commandIn(dialog), /^evs dlq retry --(reason|group) .+ --rate 2\/h$/);
    await confirm(page, "Retry", /retry-\d+ sends 8 dead letters again/);
    const job = page.getByRole("list", { name: "Bulk acts" }).getByRole("listitem").first();
    await job.getByText("1 of 8 sent again").waitFor();
    await job.getByRole("progressbar").waitFor();
    const cancelling = await confirmation(page, "Cancel retry-");
    assert.match(await commandIn(cancelling), /^evs dlq jobs cancel retry-\d+$/);
    await confirm(page, "Cancel it", "is cancelled.");
    await visit(page, "#/dead-letters/jobs");
    await page.getByText("cancelled", { exact: true }).waitFor();
    assert.equal(await deadLetters(daemon), 9);
  });

  await t.step("remove many, and undo it from what was exported before", async () => {
    await visit(page, "#/dead-letters/list?reason=timed+out");
    const dialog = await confirmation(page, "Remove all of these…");
    await dialog.getByText("2 dead letters").waitFor();
    assert.equal(await commandIn(dialog), "evs dlq purge --reason 'timed out' --yes");
    await confirm(page, "Remove", /remove-\d+ removes 2 dead letters/);
    const job = page.getByRole("list", { name: "Bulk acts" }).getByRole("listitem")
      .filter({ hasText: "2 of 2 removed" });
    await job.getByText("done", { exact: true }).waitFor();
    assert.equal(await deadLetters(daemon, "&reason=timed+out"), 0);
    await job.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("status").getByText("2 dead letters are back.").waitFor();
    assert.equal(await deadLetters(daemon, "&reason=timed+out"), 2);
  });

  await t.step("export to a file, and import it", async () => {
    await page.getByRole("table", { name: "Dead letters" }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export" }).click(),
    ]);
    const file = `${daemon.folder}/exported.ndjson`;
    await download.saveAs(file);
    const lines = (await Deno.readTextFile(file)).trimEnd().split("\n");
    assert.equal(lines.length, 2);
    assert.ok(lines.every((line) => line.includes(`"number":${BIG}`)), lines[0]);
    await daemon.http("POST", "/v1/dead-letters/remove", { reason: "timed out" });
    await page.getByLabel("Import…").setInputFiles(file);
    // The page may still show the same words about the step before.
    await until(async () => await deadLetters(daemon, "&reason=timed+out") === 2);
  });

  await t.step("nothing of this was an error in the console or a request to elsewhere", () => {
    // The browser also tells of what the daemon refuses on purpose, and of a dead letter that is
    // looked at when it is gone.
    assert.deepEqual(problems.filter((text) => !/status of (400|404|422)/.test(text)), []);
  });
});
