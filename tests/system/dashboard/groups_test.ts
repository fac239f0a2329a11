/**
 * Causes of dead letters in the dashboard, in a real Chromium: noted, dismissed, reopened and
 * resolved; they open again by themselves.
 */
import assert from "node:assert/strict";
import { seriousBarriers, startChromium } from "../../helpers/chromium.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { TestDashboard } from "../../helpers/dashboard.ts";
import { assertFits, openDashboard, visit } from "../../helpers/dashboard_page.ts";
import { openShop } from "../../helpers/dashboard_shop.ts";

Deno.test("a cause is noted, dismissed, reopened and resolved in the dashboard", async () => {
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  await using watched = await openDashboard(browser, dashboard);
  const { page, problems } = watched;
  const dialog = page.getByRole("dialog");
  const command = async () =>
    (await dialog.getByLabel("The command line").innerText()).replace(/^.*?\bevs /, "evs ");
  const confirm = async (verb: string) => {
    await dialog.getByRole("button", { name: verb, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  };
  const { json } = await daemon.http("GET", "/v1/dead-letter-groups");
  const { id } = json.groups.find(({ count }: { count: number }) => count === 2);
  const state = async () => (await daemon.http("GET", `/v1/dead-letter-groups/${id}`)).json;

  await visit(page, "#/dead-letters");
  await page.getByRole("listitem").filter({ hasText: "connect to * timed out" })
    .getByRole("link", { name: "Details" }).click();
  await page.getByRole("heading", { name: "connect to * timed out" }).waitFor();
  await page.getByRole("link", { name: "billing:order-7" }).waitFor();

  await page.getByRole("button", { name: "Note…" }).click();
  await dialog.getByLabel("Note", { exact: true }).fill("the bank is <b>down</b>");
  assert.equal(await command(), `evs dlq note ${id} 'the bank is <b>down</b>'`);
  await confirm("Note");
  await page.locator("main").getByText("the bank is <b>down</b>").waitFor();
  assert.deepEqual(await seriousBarriers(page), []);

  await page.getByRole("button", { name: "Dismiss…" }).click();
  await dialog.getByLabel("Open again after so many more (empty: never)").fill("100");
  assert.equal(await command(), `evs dlq dismiss ${id} --more 100`);
  await confirm("Dismiss");
  await page.getByText("dismissed for 100 more").waitFor();
  assert.equal((await state()).state, "dismissed");

  await page.getByRole("button", { name: "Reopen…" }).click();
  assert.equal(await command(), `evs dlq reopen ${id}`);
  await confirm("Reopen");
  await page.getByRole("button", { name: "Resolve…" }).click();
  assert.equal(await command(), `evs dlq resolve ${id}`);
  await confirm("Resolve");
  await page.getByText("resolved", { exact: true }).waitFor();
  assert.equal((await state()).state, "resolved");

  await visit(page, "#/dead-letters");
  await page.getByRole("link", { name: "Resolved" }).click();
  await page.getByRole("link", { name: "connect to * timed out" }).waitFor();
  await page.getByRole("link", { name: "1 note" }).click();
  await page.setViewportSize({ width: 400, height: 800 });
  await page.getByRole("heading", { name: "connect to * timed out" }).waitFor();
  await assertFits(page, "a cause");
  assert.deepEqual(problems, []);
});
