/**
 * Who may ask the dashboard for something: the host and the origin of a request, the two halves of a
 * session, and a scraper's token. tests/e2e/dashboard_attacks_test.ts sends the same to a real one.
 */
import assert from "node:assert/strict";
import {
  type AskedHead,
  checkAddressed,
  checkOrigin,
  hasSession,
  KEY_HEADER,
  scraperToken,
} from "../../../commands/dashboard/guard.ts";
import { bearerIn, cookiesIn, isSecret, makeSecrets } from "../../../commands/dashboard/secrets.ts";
import { WRONG_TOKENS, WrongTokens } from "../../../commands/dashboard/wrong_tokens.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const OWN = "127.0.0.1:7387";
const NAMES = new Set(["127.0.0.1", "localhost"]);

function asked(
  method: string,
  target: string,
  headers: Record<string, string> = {},
): AskedHead {
  return { method, target, header: (name) => headers[name] };
}

Deno.test("checkAddressed takes its own names with any port, and no other", () => {
  const ask = (host: string, target = "/v1/status") =>
    checkAddressed(asked("GET", target, { host }), NAMES);
  for (const host of [OWN, "127.0.0.1", "LOCALHOST:1", "localhost:65535"]) ask(host);
  for (
    const host of [
      "",
      "evil.test",
      "evil.test:7387",
      "127.0.0.1.evil.test",
      "evil.127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:123456",
      "127.0.0.1:7387, evil.test",
      "a@127.0.0.1",
      "127.0.0.2",
      "[::1]:7387",
    ]
  ) {
    assert.throws(() => ask(host), { code: "dashboard/foreign-host" }, host);
  }
  for (const target of ["//evil.test/", "http://127.0.0.1/", "*", "v1", "/a b", "/\x7f", "/ü"]) {
    assert.throws(() => ask(OWN, target), { code: "dashboard/not-found" }, target);
  }
});

Deno.test("checkOrigin lets nothing in that another page asks for, and no change without an origin", () => {
  const own = { host: OWN, origin: `http://${OWN}` };
  checkOrigin(asked("GET", "/", { host: OWN }));
  checkOrigin(asked("GET", "/", { host: OWN, "sec-fetch-site": "same-origin" }));
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    checkOrigin(asked(method, "/", own));
    checkOrigin(asked(method, "/", { ...own, "sec-fetch-site": "same-origin" }));
    assert.throws(() => checkOrigin(asked(method, "/", { host: OWN })), {
      code: "dashboard/foreign-request",
    });
  }
  const foreign: Record<string, string>[] = [
    { origin: "http://evil.test" },
    { origin: "null" },
    { origin: `https://${OWN}` },
    { origin: `http://${OWN}.evil.test` },
    { origin: `http://${OWN}0` },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
    { ...own, "sec-fetch-site": "cross-site" },
  ];
  for (const headers of foreign) {
    for (const method of ["GET", "HEAD", "POST"]) {
      const given = { host: OWN, ...headers };
      const what = `${method} ${JSON.stringify(given)}`;
      const code = "dashboard/foreign-request";
      assert.throws(() => checkOrigin(asked(method, "/", given)), { code }, what);
    }
  }
});

Deno.test("hasSession wants both halves of this session, each in its place", () => {
  const secrets = makeSecrets();
  const { cookie, key, token } = secrets;
  const has = (cookies: string | undefined, header: string | undefined) =>
    hasSession(
      asked("GET", "/", {
        ...(cookies === undefined ? {} : { cookie: cookies }),
        ...(header === undefined ? {} : { [KEY_HEADER]: header }),
      }),
      { secrets, cookieName: "evs" },
    );
  assert.equal(has(`evs=${cookie}`, key), true);
  assert.equal(has(`evs=tossed; other=x; evs=${cookie}`, key), true);
  for (
    const [cookies, header] of [
      [undefined, undefined],
      [`evs=${cookie}`, undefined],
      [undefined, key],
      [`evs=${cookie}`, ""],
      ["evs=", key],
      [`evs=${key}`, cookie],
      [`evs=${token}`, token],
      [`evs=${cookie}`, cookie],
      [`evs=${key}`, key],
      [`evsx=${cookie}`, key],
      [`evs=${cookie.slice(0, -1)}`, key],
      [`evs=${cookie}`, key.slice(0, -1)],
      [`evs=${cookie}`, `${key}=`],
      [`evs=${cookie}`, key.toUpperCase()],
    ]
  ) {
    assert.equal(has(cookies, header), false, `${cookies} and ${header}`);
  }
});

Deno.test("scraperToken is looked at where a scraper may ask, and nowhere else", () => {
  const bearer = { authorization: "Bearer abc" };
  assert.equal(scraperToken(asked("GET", "/metrics", bearer)), "abc");
  assert.equal(scraperToken(asked("GET", "/v1/health?x=1", bearer)), "abc");
  for (
    const [method, target] of [
      ["GET", "/v1/status"],
      ["GET", "/metrics/"],
      ["GET", "/v1/topics"],
      ["GET", "/v1/health/x"],
      ["POST", "/metrics"],
      ["HEAD", "/metrics"],
      ["DELETE", "/v1/health"],
    ] as const
  ) {
    assert.equal(scraperToken(asked(method, target, bearer)), undefined, `${method} ${target}`);
  }
});

Deno.test("secrets are compared whole, and read from their headers as they are written there", () => {
  assert.equal(isSecret("abc", "abc"), true);
  for (const given of ["", "ab", "abcd", "ABC", "abd"]) assert.equal(isSecret(given, "abc"), false);
  assert.deepEqual(cookiesIn("a=1; evs=2;evs=3; evs2=4; xevs=5", "evs"), ["2", "3"]);
  assert.deepEqual(cookiesIn(undefined, "evs"), []);
  assert.equal(bearerIn("Bearer a.b-c_~+/="), "a.b-c_~+/=");
  for (const header of [undefined, "", "Bearer", "Basic abc", "Bearer a b", "xBearer abc"]) {
    assert.equal(bearerIn(header), undefined, header);
  }
  const { token, cookie, key } = makeSecrets();
  assert.equal(new Set([token, cookie, key, makeSecrets().token]).size, 4);
  for (const secret of [token, cookie, key]) assert.match(secret, /^[\w-]{43}$/, "256 bits");
});

Deno.test("WrongTokens answers ten in a minute one by one, tells once, and begins anew", async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const wrong = new WrongTokens({ clock, say: (text) => told.push(text) });
  for (let n = 0; n < WRONG_TOKENS; n++) assert.equal(wrong.count(), undefined, `${n}`);
  assert.deepEqual([wrong.count(), told.length], [60, 1]);
  await clock.pass(59_000);
  assert.deepEqual([wrong.count(), told.length], [1, 1]);
  await clock.pass(1000);
  assert.equal(wrong.count(), undefined);
});
