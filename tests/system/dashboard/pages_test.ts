/**
 * Every page of the dashboard in a real Chromium: light and dark, wide and at 400 px, without a
 * barrier that axe-core finds serious, without an error in the console and without a request to
 * elsewhere. What comes from publishers is text.
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
import { BIG, HOSTILE, openShop } from "../../helpers/dashboard_shop.ts";

Deno.test("every page of the dashboard is sound, in both themes and at 400 px", async (t) => {
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  // A theme changes colours, and nothing else.
  const looks = [["light", undefined], ["dark", ["color-contrast"]]] as const;
  for (const [theme, rules] of looks) {
    await t.step(`axe-core finds nothing serious, ${theme}`, async () => {
      await using watched = await openDashboard(browser, dashboard, { theme });
      for (const place of PLACES) {
        await visitPlace(watched.page, place);
        assert.deepEqual(await seriousBarriers(watched.page, rules), [], place.name);
      }
      assert.deepEqual(watched.problems, []);
    });
  }

  await t.step("nothing is wider than a window of 400 px", async () => {
    await using watched = await openDashboard(browser, dashboard, { width: 400 });
    for (const place of PLACES) {
      await visitPlace(watched.page, place);
      await assertFits(watched.page, place.name);
    }
    assert.deepEqual(watched.problems, []);
  });

  await t.step("payloads and errors are text, and numbers are what was written", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    await visit(page, "#/topics/pages/1");
    const payload = page.getByRole("group", { name: "Payload" });
    await payload.getByText(HOSTILE.replaceAll('"', '\\"')).waitFor();
    assert.match(await payload.innerText(), /a\\u202eb/);
    await visit(page, "#/dead-letters/list");
    await page.getByRole("link", { name: 'order o-40: total "400.00"' }).click();
    await page.getByRole("group", { name: "stderr" }).getByText(HOSTILE).waitFor();
    const shown = await page.getByRole("group", { name: "Payload" }).innerText();
    assert.match(shown, new RegExp(`"number": ${BIG}\n`));
    assert.match(await page.getByRole("group", { name: "Metadata" }).innerText(), new RegExp(BIG));
    assert.equal(await page.evaluate("globalThis.hacked"), undefined);
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.deepEqual(watched.problems, []);
  });

  await t.step("a reload and the way back keep the page", async () => {
    await using watched = await openDashboard(browser, dashboard);
    const { page } = watched;
    await page.getByRole("link", { name: "Subscriptions", exact: true }).first().click();
    await page.getByLabel("Name or topic").fill("mail");
    await page.getByRole("link", { name: "mailer" }).click();
    await page.getByRole("heading", { level: 1, name: "mailer" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "mailer" }).waitFor();
    assert.match(await page.title(), /^mailer/);
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Subscriptions" }).waitFor();
    assert.equal(await page.getByLabel("Name or topic").inputValue(), "mail");
    assert.deepEqual(watched.problems, []);
  });

  await t.step("the chosen theme stays", async () => {
    await using watched = await openDashboard(browser, dashboard, { theme: "light" });
    const { page } = watched;
    const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await ground();
    await page.getByLabel("Theme").selectOption("dark");
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await ground(), dark);
    assert.deepEqual(watched.problems, []);
  });
});
