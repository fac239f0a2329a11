/**
 * The browser of the dashboard's tests notes what a page must not do, sees barriers, resolves no
 * name but those it was given, and leaves no profile and no process behind.
 */
import assert from "node:assert/strict";
import { seriousBarriers, startChromium } from "../../helpers/chromium.ts";
import { testFolder } from "../../helpers/folder.ts";

/** A page that does everything wrong. */
const WRONG = `<!doctype html><html><title>wrong</title>
<main><img src="http://elsewhere.test/pixel.png"><button></button></main>
<script>console.error("spoken"); setTimeout(() => { throw new Error("thrown"); });</script>`;

/** One that does nothing wrong, under the strictest policy. */
const RIGHT = `<!doctype html><html lang="en"><title>right</title><main><h1>right</h1></main>`;
const POLICY = "default-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Serves both on loopback. */
function serve(): { url: string } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/favicon.ico") return new Response(null, { status: 204 });
    return pathname === "/wrong"
      ? new Response(WRONG, { headers: { "content-type": "text/html" } })
      : new Response(RIGHT, {
        headers: { "content-type": "text/html", "content-security-policy": POLICY },
      });
  });
  return {
    url: `127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("TestBrowser notes errors, exceptions, requests to elsewhere and barriers", async () => {
  await using server = serve();
  await using browser = await startChromium();
  await using wrong = await browser.newPage();
  const thrown = wrong.page.waitForEvent("pageerror");
  await wrong.page.goto(`http://${server.url}/wrong`);
  await thrown;
  const found = wrong.problems.join("\n");
  assert.match(found, /request to elsewhere: http:\/\/elsewhere\.test\/pixel\.png/);
  assert.match(found, /error: spoken/);
  assert.match(found, /exception: thrown/);
  assert.match((await seriousBarriers(wrong.page)).join("\n"), /button-name|image-alt/);

  await using right = await browser.newPage({ colorScheme: "dark" });
  await right.page.goto(`http://${server.url}/`);
  assert.equal(await right.page.textContent("h1"), "right");
  assert.deepEqual(await seriousBarriers(right.page), []);
  assert.deepEqual(right.problems, []);
});

Deno.test("TestBrowser resolves no name but those it was given", async () => {
  await using server = serve();
  await using browser = await startChromium(["rebound.test"]);
  await using watched = await browser.newPage();
  const { page } = watched;
  const port = server.url.split(":")[1];
  await page.goto(`http://rebound.test:${port}/`);
  assert.equal(await page.textContent("h1"), "right");
  await assert.rejects(page.goto(`http://other.test:${port}/`), /ERR_NAME_NOT_RESOLVED/);
});

Deno.test("TestBrowser leaves no profile behind", async () => {
  const folder = await testFolder("test");
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", folder);
  try {
    {
      await using browser = await startChromium();
      await using _page = await browser.newPage();
      assert.notDeepEqual([...Deno.readDirSync(folder)], [], "its profile is where TMPDIR says");
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), []);
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    await Deno.remove(folder, { recursive: true });
  }
});
