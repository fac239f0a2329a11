/**
 * Many topics and many dead letters: the dashboard asks for a page at a time, and only the rows in
 * view are in the document.
 */
import assert from "node:assert/strict";
import { startChromium } from "../../helpers/chromium.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { TestDashboard } from "../../helpers/dashboard.ts";
import { openDashboard, visit } from "../../helpers/dashboard_page.ts";
import { dose } from "../../helpers/dose.ts";

const TOPICS = dose(1_000, 10_000);
const DEAD_LETTERS = dose(10_000, 100_000);
/** Of any list at once: what fits a screen, and a few more. */
const MOST_ROWS = 60;

async function makeTopics(daemon: TestDaemon): Promise<void> {
  for (let first = 0; first < TOPICS; first += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, TOPICS - first) }, async (_, i) => {
        const name = `topic-${String(first + i).padStart(5, "0")}`;
        const { status, text } = await daemon.http("PUT", `/v1/topics/${name}`, {});
        assert.equal(status, 201, text);
      }),
    );
  }
}

async function makeDeadLetters(daemon: TestDaemon): Promise<void> {
  await daemon.http("PUT", "/v1/subscriptions/mailer", { topic: "orders" });
  for (let first = 1; first <= DEAD_LETTERS; first += 5_000) {
    const count = Math.min(5_000, DEAD_LETTERS - first + 1);
    const lines = Array.from({ length: count }, (_, i) => deadLetterLine(first + i)).join("");
    const { status, text } = await daemon.http("POST", "/v1/dead-letters/import", lines, {
      "content-type": "application/x-ndjson",
    });
    assert.equal(status, 200, text);
  }
}

function deadLetterLine(seq: number): string {
  const base = { topic: "orders", seq, id: `o-${seq}`, type: "order.placed" };
  return `${
    JSON.stringify({
      ...base,
      subscription: "mailer",
      reason: `exit code 1: mailbox ${seq} is full`,
      diedAt: 1_764_000_000_000 + seq,
      attempts: [{ attempt: 1, startedAt: 1, durationMs: 1, outcome: "dead", error: "full" }],
      event: { ...base, timestamp: 1, schemaVersion: "1.0", metadata: {}, payload: seq },
    })
  }\n`;
}

Deno.test("many topics and dead letters are shown a page and a screen at a time", async (t) => {
  await using daemon = await startDaemon();
  await makeTopics(daemon);
  await makeDeadLetters(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  await using watched = await openDashboard(browser, dashboard);
  const { page, problems } = watched;
  const rows = page.locator(".vtable-body .vrow");
  const scrollTo = (y: number) =>
    page.evaluate(`document.querySelector(".vtable-body").scrollTop = ${y}`);

  await t.step(`${TOPICS} topics`, async () => {
    await visit(page, "#/topics");
    await page.getByRole("link", { name: "topic-00000" }).waitFor();
    assert.ok(await rows.count() <= MOST_ROWS, `${await rows.count()} rows`);
    await scrollTo(1e9);
    const last = `topic-${String(TOPICS - 1).padStart(5, "0")}`;
    await page.getByRole("link", { name: last }).waitFor();
    assert.ok(await rows.count() <= MOST_ROWS, `${await rows.count()} rows`);
    await page.getByLabel("Name", { exact: true }).fill(last);
    await page.getByText(`1 of`).waitFor();
    assert.equal(await rows.count(), 1);
  });

  await t.step(`${DEAD_LETTERS} dead letters`, async () => {
    // The first page is looked at again every few seconds.
    const pages = new Set<string | null>();
    page.on("request", (request) => {
      const { pathname, searchParams } = new URL(request.url());
      if (pathname === "/v1/dead-letters") pages.add(searchParams.get("after"));
    });
    await visit(page, "#/dead-letters/list");
    await page.getByText(`mailbox ${DEAD_LETTERS} is full`).waitFor();
    assert.equal(pages.size, 1);
    assert.ok(await rows.count() <= MOST_ROWS, `${await rows.count()} rows`);
    // The second page begins behind the first 200.
    await scrollTo(1e9);
    await page.getByText("The newest 400").waitFor();
    await scrollTo(210 * 34);
    await page.getByText(`mailbox ${DEAD_LETTERS - 210} is full`).waitFor();
    assert.ok(pages.size <= 4, `${pages.size} pages`);
    assert.ok(await rows.count() <= MOST_ROWS, `${await rows.count()} rows`);
    await page.getByLabel("Reason (* matches any text)").fill("mailbox 77 is*");
    await page.getByText("mailbox 77 is full").waitFor();
  });
  assert.deepEqual(problems, []);
});
