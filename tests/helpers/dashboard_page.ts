/** A page of the dashboard in a browser, for tests and for the pictures of the documentation. */
import assert from "node:assert/strict";
import type { Page } from "../packages/playwright.ts";
import type { TestBrowser, WatchedPage } from "./chromium.ts";
import type { TestDashboard } from "./dashboard.ts";

/** How it looks. */
export interface PageLook {
  theme?: "light" | "dark";
  width?: number;
}

/** Opens the dashboard by its link, and waits until it is there. */
export async function openDashboard(
  browser: TestBrowser,
  { link }: TestDashboard,
  { theme = "light", width = 1200 }: PageLook = {},
): Promise<WatchedPage> {
  const watched = await browser.newPage({
    colorScheme: theme,
    viewport: { width, height: 800 },
    acceptDownloads: true,
  });
  await watched.page.goto(link);
  await watched.page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  return watched;
}

/** Goes to a page of the dashboard, as a link does. */
export async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate(`void (location.hash = ${JSON.stringify(hash)})`);
}

/** Every page, and a text that is there once it has everything. */
export const PLACES: readonly { name: string; hash: string; shows: string }[] = [
  { name: "overview", hash: "#/", shows: "connect to * timed out" },
  { name: "topics", hash: "#/topics", shows: "pages" },
  { name: "topic", hash: "#/topics/orders", shows: '{"order":"o-40"' },
  { name: "event", hash: "#/topics/orders/4", shows: "Valid against version 2.0." },
  { name: "subscriptions", hash: "#/subscriptions", shows: "archive" },
  { name: "subscription", hash: "#/subscriptions/mailer", shows: "mailbox is full" },
  { name: "dead-letter-causes", hash: "#/dead-letters", shows: "connect to * timed out" },
  { name: "dead-letter-list", hash: "#/dead-letters/list", shows: "connect to 10.0.0.70:443" },
  { name: "dead-letter", hash: "#/dead-letters/one/billing:order-40", shows: "exit 65" },
  { name: "dead-letter-jobs", hash: "#/dead-letters/jobs", shows: "No bulk act was carried out" },
  { name: "schemas", hash: "#/schemas", shows: "order.placed" },
  { name: "schema", hash: "#/schemas/order.placed", shows: "/properties/note" },
  { name: "health", hash: "#/health", shows: "Verify every event" },
  { name: "logs", hash: "#/logs", shows: "ready" },
  { name: "audit", hash: "#/audit", shows: "subscription.pause" },
];

/** Goes there and waits until it shows what it is about. */
export async function visitPlace(
  page: Page,
  { hash, shows }: typeof PLACES[number],
): Promise<void> {
  await visit(page, hash);
  await page.locator("main").getByText(shows).first().waitFor();
}

/** Nothing is wider than the window. */
export async function assertFits(page: Page, what: string): Promise<void> {
  const { scrollWidth: wide, clientWidth: window } = await page.evaluate(
    "(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)",
  ) as { scrollWidth: number; clientWidth: number };
  assert.ok(wide <= window, `${what} is ${wide} px wide in a window of ${window}`);
}
