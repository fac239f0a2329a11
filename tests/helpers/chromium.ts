/**
 * Debian's Chromium, driven by playwright-core, with a private profile that is removed at the end.
 * It resolves no name but those that a test gives it, so nothing leaves the machine.
 */
import { type AxeResults, source } from "../packages/axe.ts";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "../packages/playwright.ts";

/** Where Debian's packages have it. */
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"];

/** How long a page may take for one step: the machine may be busy. */
const STEP_MS = 60_000;

/** A page, and what it did that no page of ours may do. */
export interface WatchedPage extends AsyncDisposable {
  page: Page;
  /** Errors in the console, exceptions and requests to another origin; empty if all is well. */
  problems: string[];
}

/** A running browser. */
export class TestBrowser implements AsyncDisposable {
  readonly browser: Browser;

  constructor(browser: Browser) {
    this.browser = browser;
  }

  /** A page with cookies and storage of its own, as in a new private window. */
  async newPage(options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const context = await this.browser.newContext(options);
    context.setDefaultTimeout(STEP_MS);
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
    page.on("console", (message) => {
      const type = message.type();
      if (type === "error" || type === "warning") problems.push(`${type}: ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = request.url();
      if (isElsewhere(url, page.url())) problems.push(`request to elsewhere: ${url}`);
    });
    return { page, problems, [Symbol.asyncDispose]: () => context.close() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.browser.close();
  }
}

/** Starts it. Each of `names` leads to 127.0.0.1, as an attacker's name does after DNS rebinding. */
export async function startChromium(names: readonly string[] = []): Promise<TestBrowser> {
  const resolved = names.map((name) => `MAP ${name} 127.0.0.1, `).join("");
  return new TestBrowser(
    await chromium.launch({
      executablePath: await installed(),
      args: [`--host-resolver-rules=${resolved}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`],
      timeout: STEP_MS,
    }),
  );
}

/** What axe-core finds in a page that is serious or worse, one line each. Default: by all rules. */
export async function seriousBarriers(page: Page, rules?: readonly string[]): Promise<string[]> {
  // By the debugger, for which the page's own content security policy does not count.
  await page.evaluate(source);
  const { violations } = await page.evaluate(
    `axe.run(${JSON.stringify(rules === undefined ? {} : { runOnly: rules })})`,
  ) as AxeResults;
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} (${target})`));
}

async function installed(): Promise<string> {
  for (const path of PROGRAMS) {
    try {
      if ((await Deno.stat(path)).isFile) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is no Chromium: apt-get install chromium (looked for ${PROGRAMS})`);
}

/** A page may load what it made itself (`data:`, `blob:`) and what its own origin serves. */
function isElsewhere(url: string, pageUrl: string): boolean {
  const { protocol, origin } = new URL(url);
  if (protocol === "data:" || protocol === "blob:" || pageUrl === "about:blank") return false;
  return origin !== new URL(pageUrl).origin;
}
