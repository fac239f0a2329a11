/**
 * Looking around in the dashboard, in a real Chromium: filters, following live, schemas, the
 * doctor, the log; with the keyboard alone; read-only; and while the daemon is away.
 */
import assert from "node:assert/strict";
import { seriousBarriers, startChromium } from "../../helpers/chromium.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { TestDashboard } from "../../helpers/dashboard.ts";
import {
  assertFits,
  openDashboard,
  PLACES,
  visit,
  visitPlace,
} from "../../helpers/dashboard_page.ts";
import { openShop } from "../../helpers/dashboard_shop.ts";

Deno.test("the dashboard shows what a person looks for", async (t) => {
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();

  await t.step(
    "events are filtered by an expression, and what is wrong with it is told",
    async () => {
      await using watched = await openDashboard(browser, dashboard);
      const { page } = watched;
      await visit(page, "#/topics/orders");
      const events = page.getByRole("table", { name: "Events" });
      await events.getByRole("link", { name: "40", exact: true }).waitFor();
      const where = page.getByLabel("Where (CEL)");
      await where.fill("payload.order == 'o-7'");
      await where.press("Enter");
      await events.getByRole("link", { name: "40", exact: true }).waitFor({ state: "detached" });
      await events.getByRole("link", { name: "7", exact: true }).waitFor();
      const command = await page.getByLabel("The command line").innerText();
      assert.match(
        command,
        /replay orders --where 'payload.order == '\\''o-7'\\''' --reverse --limit 100/,
      );
      assert.deepEqual(watched.problems, []);
      await where.fill("payload.(");
      await where.press("Enter");
      await page.getByRole("alert").getByText("filter/invalid").waitFor();
      await page.getByLabel("From (empty: newest first)").fill("38");
      await where.fill("");
      await where.press("Enter");
      await events.getByRole("link", { name: "38", exact: true }).waitFor();
      assert.equal(await events.getByRole("link").count(), 3);
    },
  );

  await t.step("types and keys are counted, and lead to their events", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    await visit(page, "#/topics/orders");
    await page.getByText("Types and keys").click();
    await page.getByText("Counted in all events.").waitFor();
    await page.getByRole("link", { name: "o-11", exact: true }).click();
    const events = page.getByRole("table", { name: "Events" });
    await events.getByRole("link", { name: "40", exact: true }).waitFor({ state: "detached" });
    await events.getByRole("link", { name: "11", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "orders 11" }).waitFor();
    await page.getByRole("link", { name: "Next" }).click();
    await page.getByRole("heading", { level: 1, name: "orders 12" }).waitFor();
    assert.deepEqual(watched.problems, []);
  });

  await t.step(
    "new events come in while somebody follows, through a restart of the daemon",
    async () => {
      await using watched = await openDashboard(browser, dashboard);
      const { page } = watched;
      await visit(page, "#/topics/news");
      await daemon.publish("news", "said", { n: 0 });
      await page.getByRole("button", { name: "Follow live" }).click();
      await page.getByText("Waiting for new events…").waitFor();
      const table = page.getByRole("table", { name: "New events" });
      // Until it follows, what is published is not new to it.
      let published = 0;
      while (await table.count() === 0) {
        await daemon.publish("news", "said", { n: ++published });
      }
      await table.getByText(`{"n":${published}}`).waitFor();
      await daemon.stop();
      await page.getByText("The daemon does not answer.").waitFor();
      await daemon.start();
      await daemon.publish("news", "said", { n: "after the restart" });
      await table.getByText('{"n":"after the restart"}').waitFor();
      await page.getByText("The daemon does not answer.").waitFor({ state: "detached" });
    },
  );

  await t.step(
    "two versions of a schema are compared, and the topics that use it named",
    async () => {
      await using watched = await openDashboard(browser, dashboard);
      const { page } = watched;
      await visit(page, "#/schemas/order.placed");
      await page.getByText("/properties/note").first().waitFor();
      await page.getByText("Forward: compatible").waitFor();
      await page.getByRole("link", { name: "orders", exact: true }).waitFor();
      await page.getByLabel("Version", { exact: true }).selectOption("1.0");
      await page.getByRole("heading", { name: "Version 1.0" }).waitFor();
      await page.getByRole("heading", { name: "From 1.0 to 2.0" }).waitFor({ state: "detached" });
      assert.deepEqual(watched.problems, []);
    },
  );

  await t.step("the doctor looks when it is asked, and the log follows", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    await visit(page, "#/health");
    await page.getByRole("button", { name: "Verify every event" }).click();
    await page.getByText(/All is well|Nothing is damaged/).waitFor();
    assert.ok(await page.getByText("ok", { exact: true }).count() > 3);
    assert.deepEqual(await seriousBarriers(page), []);
    await visit(page, "#/logs");
    await page.getByText("schema registered").first().waitFor();
    await daemon.http("PUT", "/v1/schemas/later?version=1.0", { type: "object" });
    await page.getByText('"type":"later"').waitFor();
    await page.getByLabel("At least").selectOption("error");
    await page.getByText("No entries.").waitFor();
    assert.deepEqual(watched.problems, []);
  });

  await t.step("the charts are drawn from the history, and live", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    const chart = page.getByRole("img", { name: /^Dead letters: now 12/ });
    await chart.waitFor();
    await chart.locator("canvas").waitFor();
    await page.getByRole("button", { name: "Live" }).click();
    await page.getByRole("img", { name: /^Dead letters: now 12/ }).waitFor();
    await page.getByRole("img", { name: /^Published: now / }).waitFor();
    assert.deepEqual(watched.problems, []);
  });

  await t.step("the keyboard reaches the content, a row, a dialog, and comes back", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    const focused = () =>
      page.evaluate("document.activeElement.textContent || document.activeElement.tagName");
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "main");
    await visit(page, "#/subscriptions");
    const table = page.getByRole("table", { name: "Subscriptions" });
    await table.getByRole("link", { name: "archive" }).focus();
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), "billing");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "billing" }).waitFor();
    await page.getByRole("button", { name: "Seek…" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      // The browser's own controls come in between.
      const place = await page.evaluate(
        "document.activeElement === document.body || !!document.activeElement.closest('dialog')",
      );
      assert.ok(place, `the focus is at ${await focused()}`);
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.locator("button:focus").getByText("Seek…").waitFor();
    assert.deepEqual(watched.problems, []);
  });

  await t.step(
    "while the daemon is away the page says so, keeps its numbers, and goes on",
    async () => {
      await using watched = await openDashboard(browser, dashboard, { width: 400 });
      const { page } = watched;
      await visitPlace(page, PLACES.find(({ name }) => name === "subscriptions")!);
      await daemon.stop();
      await page.getByRole("alert").getByText("The daemon does not answer.").waitFor();
      assert.equal(await page.locator("main.stale").count(), 1);
      await page.getByRole("link", { name: "archive" }).waitFor();
      await assertFits(page, "the banner");
      await daemon.start();
      await page.getByText("The daemon does not answer.").waitFor({ state: "detached" });
      assert.equal(await page.locator("main.stale").count(), 0);
    },
  );
});

Deno.test("a read-only dashboard shows everything and offers no act", async () => {
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon, args: ["--read-only"] });
  await using browser = await startChromium();
  await using watched = await openDashboard(browser, dashboard);
  const { page } = watched;
  await page.getByText("read-only", { exact: true }).waitFor();
  for (const place of PLACES) {
    await visitPlace(page, place);
    assert.deepEqual(await page.getByRole("button", { name: "…" }).allInnerTexts(), [], place.name);
  }
  await visit(page, "#/dead-letters/list");
  await page.getByRole("link", { name: "order o-40" }).click();
  await page.getByRole("heading", { name: "Attempts" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "…" }).count(), 0);
  await page.getByText("Valid against version 2.0.").waitFor();
  assert.deepEqual(watched.problems, []);
});

Deno.test("a browser without a session is told which link to open", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  await using watched = await browser.newPage();
  await watched.page.goto(dashboard.origin);
  await watched.page.getByText("Open the link that evs dashboard printed.").waitFor();
  assert.equal(await watched.page.getByRole("link", { name: "orders" }).count(), 0);
});
