/**
 * Takes the pictures in docs/images/dashboard: every page of `evs dashboard`, light and dark, of a
 * private daemon. `deno task docs:dashboard`; needs Debian's chromium.
 */
import { startChromium } from "../../tests/helpers/chromium.ts";
import { startDaemon } from "../../tests/helpers/daemon.ts";
import { TestDashboard } from "../../tests/helpers/dashboard.ts";
import { openDashboard, PLACES, visitPlace } from "../../tests/helpers/dashboard_page.ts";
import { openShop } from "../../tests/helpers/dashboard_shop.ts";
import type { Page } from "../../tests/packages/playwright.ts";

/** WebP, which Playwright itself does not write: a third of a PNG. */
async function picture(page: Page): Promise<Uint8Array> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 65 });
  await session.detach();
  return Uint8Array.fromBase64(data);
}

if (import.meta.main) {
  const folder = new URL("dashboard/", import.meta.url);
  await Deno.mkdir(folder, { recursive: true });
  await using daemon = await startDaemon();
  await openShop(daemon);
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  for (const theme of ["light", "dark"] as const) {
    await using watched = await openDashboard(browser, dashboard, { theme, width: 1100 });
    for (const place of PLACES) {
      await visitPlace(watched.page, place);
      await Deno.writeFile(
        new URL(`${place.name}-${theme}.webp`, folder),
        await picture(watched.page),
      );
    }
  }
}
