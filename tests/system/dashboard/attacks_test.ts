/**
 * What a page of another origin does to `evs dashboard` in a real browser, while its owner is let
 * in: requests with their cookie, frames, forms, scripts, a name that was made to lead here, and a
 * server of another user on another port of 127.0.0.1. Nothing is read and nothing is changed.
 */
import assert from "node:assert/strict";
import { startChromium, type WatchedPage } from "../../helpers/chromium.ts";
import type { Page } from "../../packages/playwright.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { TestDashboard } from "../../helpers/dashboard.ts";

/** Somebody else's server: what it serves, and what it was sent. */
interface Attacker extends AsyncDisposable {
  port: number;
  cookies: string[];
}

const PAGE = `<!doctype html><html lang="en"><title>attacker</title><body></body></html>`;

function attacker(): Attacker {
  const cookies: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    cookies.push(request.headers.get("cookie") ?? "");
    return new Response(PAGE, { headers: { "content-type": "text/html" } });
  });
  return { port: server.addr.port, cookies, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Opens the link as its owner does, and waits until the page shows something. */
async function enter({ page }: WatchedPage, dashboard: TestDashboard): Promise<void> {
  await page.goto(dashboard.link);
  await page.waitForSelector("main h1");
}

async function assertUntouched(daemon: TestDaemon): Promise<void> {
  const { topics } = (await daemon.http("GET", "/v1/topics")).json;
  assert.deepEqual(topics.map(({ name }: { name: string }) => name), ["orders"]);
  const { subscriptions } = (await daemon.http("GET", "/v1/subscriptions")).json;
  assert.deepEqual(subscriptions.map(({ paused }: { paused: boolean }) => paused), [false]);
}

async function daemonWithSecret(): Promise<TestDaemon> {
  const daemon = await startDaemon();
  await daemon.publish("orders", "created", { secret: "hidden" });
  await daemon.http("PUT", "/v1/subscriptions/mailer", { topic: "orders" });
  return daemon;
}

Deno.test("evs dashboard lets its owner in, and keeps neither token nor key where others see them", async () => {
  await using daemon = await daemonWithSecret();
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium();
  await using watched = await browser.newPage();
  const { page } = watched;
  await enter(watched, dashboard);
  assert.doesNotMatch(page.url(), /token|key/);
  const [cookie] = await page.context().cookies();
  assert.deepEqual(
    [cookie?.name, cookie?.httpOnly, cookie?.sameSite],
    [`evs-dashboard-${dashboard.port}`, true, "Strict"],
  );
  assert.equal(await page.evaluate("document.cookie"), "");
  assert.equal(await page.evaluate("document.referrer"), "");
  const refused = /elsewhere|Content Security Policy|Trusted|exception/;
  assert.deepEqual(watched.problems.filter((problem) => refused.test(problem)), []);
});

Deno.test("a page of another origin reads nothing and changes nothing in evs dashboard", async () => {
  await using daemon = await daemonWithSecret();
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using other = attacker();
  await using browser = await startChromium(["evil.test"]);
  await using watched = await browser.newPage();
  await enter(watched, dashboard);
  const page = await watched.page.context().newPage();
  // A name of the attacker's, and 127.0.0.1 itself, which is the same site with another port.
  for (const host of ["evil.test", "127.0.0.1"]) {
    await page.goto(`http://${host}:${other.port}/`);
    const outcomes = await attacked(page, dashboard.origin);
    assert.deepEqual(outcomes, {
      read: "refused",
      stream: "refused",
      opaque: "refused",
      change: "refused",
      form: "sent",
      script: "refused",
      image: "refused",
      framed: "refused",
      opened: "refused",
    }, host);
  }
  await assertUntouched(daemon);
  // Browsers send cookies to every port of a host; without the key they open nothing.
  const stolen = other.cookies.filter((cookie) => cookie.includes("evs-dashboard-")).at(-1)!;
  assert.ok(stolen, "the other port was sent the cookie");
  const reply = await dashboard.plain("GET", "/v1/topics", { headers: { cookie: stolen } });
  assert.equal(reply.status, 401);
});

Deno.test("a name that was made to lead to evs dashboard gets nothing from it", async () => {
  await using daemon = await daemonWithSecret();
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using browser = await startChromium(["rebound.test"]);
  await using watched = await browser.newPage();
  await enter(watched, dashboard);
  const page = await watched.page.context().newPage();
  for (const path of ["/", "/v1/topics", `/?token=${dashboard.token}`]) {
    const reply = await page.goto(`http://rebound.test:${dashboard.port}${path}`);
    assert.equal(reply!.status(), 403, path);
    assert.match(await page.content(), /dashboard\/foreign-host/);
  }
  assert.deepEqual(await page.context().cookies(`http://rebound.test:${dashboard.port}/`), []);
});

/** Tries everything in the attacker's page; how each went. */
async function attacked(page: Page, target: string): Promise<Record<string, string>> {
  return {
    ...await page.evaluate(attackByRequest, target),
    ...await page.evaluate(attackByElement, target),
  };
}

/** Runs in the attacker's page. */
async function attackByRequest(target: string): Promise<Record<string, string>> {
  const tried = async (path: string, init: RequestInit) => {
    try {
      await fetch(`${target}${path}`, { credentials: "include", ...init });
      return "sent";
    } catch {
      return "refused";
    }
  };
  return {
    read: await tried("/v1/topics", {}),
    stream: await tried("/v1/events?follow=1", {}),
    opaque: await tried("/v1/subscriptions/mailer/pause", {
      method: "POST",
      mode: "no-cors",
      body: "{}",
    }),
    change: await tried("/v1/topics/orders", { method: "DELETE" }),
  };
}

/** Runs in the attacker's page. */
async function attackByElement(target: string): Promise<Record<string, string>> {
  // deno-lint-ignore no-explicit-any -- a page's globals are not Deno's
  const { document, open } = globalThis as any;
  const loaded = (name: string, attributes: Record<string, string>, act?: () => void) =>
    // deno-lint-ignore no-explicit-any -- an element of the page
    new Promise<any>((resolve, reject) => {
      const made = document.createElement(name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (act !== undefined) document.body.append(made);
      made.onload = () => resolve(made);
      made.onerror = () => reject(new Error("refused"));
      if (act === undefined) document.body.append(made);
      act?.();
    });
  const tried = async (act: () => Promise<unknown>) => {
    try {
      await act();
      return "sent";
    } catch {
      return "refused";
    }
  };
  const submit = () => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = `${target}/v1/subscriptions/mailer/pause`;
    form.target = "sink";
    document.body.append(form);
    form.submit();
  };
  return {
    form: await tried(() => loaded("iframe", { name: "sink" }, submit)),
    script: await tried(() => loaded("script", { src: `${target}/app.js` })),
    image: await tried(() => loaded("img", { src: `${target}/icon.svg` })),
    framed: await tried(async () => {
      const frame = await loaded("iframe", { src: `${target}/` });
      if (frame.contentDocument === null) throw new Error("refused");
    }),
    opened: await tried(async () => {
      const opened = open(`${target}/`);
      // It is still ours until it has loaded; then it is closed for us, or throws.
      while (!opened.closed && opened.location.href === "about:blank") {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      if (opened.closed) throw new Error("refused");
    }),
  };
}
