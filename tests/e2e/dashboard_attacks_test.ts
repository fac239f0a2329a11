/**
 * What a stranger sends to `evs dashboard` does nothing: other users' programs, pages of other
 * origins, names that were made to lead here, requests that two readers read in two ways, and
 * requests without an end. Real processes, real sockets, bytes that no browser would send.
 */
import assert from "node:assert/strict";
import { LIMITS } from "../../commands/dashboard/server.ts";
import { WRONG_TOKENS } from "../../commands/dashboard/wrong_tokens.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { TestDashboard } from "../helpers/dashboard.ts";
import { until } from "../helpers/evs.ts";
import { isClosed } from "../helpers/raw_connection.ts";

/** A page of somebody else. */
const FOREIGN = "http://evil.test";

async function topicsOf(daemon: TestDaemon): Promise<string[]> {
  const { topics } = (await daemon.http("GET", "/v1/topics")).json;
  return topics.map(({ name }: { name: string }) => name);
}

Deno.test("evs dashboard tells nothing to whoever has no session, half of one, or another's", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", { secret: 1 });
  await using dashboard = await TestDashboard.start({ at: daemon });
  await using other = await TestDashboard.start({ at: daemon });
  const own = await dashboard.session();
  const others = await other.session();
  const renamed = others["cookie"]!.replace(String(other.port), String(dashboard.port));
  const sessions: Record<string, Record<string, string>> = {
    "without anything": {},
    "the cookie alone": { cookie: own["cookie"]! },
    "the key alone": { "evs-dashboard-key": own["evs-dashboard-key"]! },
    "the key in the cookie's place": {
      cookie: `evs-dashboard-${dashboard.port}=${own["evs-dashboard-key"]}`,
      "evs-dashboard-key": own["evs-dashboard-key"]!,
    },
    "the link's token as both": {
      cookie: `evs-dashboard-${dashboard.port}=${dashboard.token}`,
      "evs-dashboard-key": dashboard.token,
    },
    "the link's token as a scraper's": { authorization: `Bearer ${dashboard.token}` },
    "another dashboard's session": others,
    "another dashboard's cookie by this one's name": { ...others, cookie: renamed },
    "this cookie and another's key": { ...others, cookie: own["cookie"]! },
    "empty values": { cookie: `evs-dashboard-${dashboard.port}=`, "evs-dashboard-key": "" },
  };
  const paths = [
    "/v1/topics/orders/events?from=1",
    "/v1/status",
    "/metrics",
    "/dashboard/session",
    "/dashboard/logs",
    "/dashboard/doctor",
  ];
  for (const [what, headers] of Object.entries(sessions)) {
    for (const path of paths) {
      const reply = await dashboard.plain("GET", path, { headers });
      assert.equal(reply.status, 401, `${path} with ${what}: ${reply.text}`);
      assert.doesNotMatch(reply.text, /secret|orders|evs_/, what);
    }
    const reply = await dashboard.plain("PUT", "/v1/topics/stolen", {
      headers: { ...headers, origin: dashboard.origin },
      body: "{}",
    });
    assert.equal(reply.status, 401, what);
  }
  assert.deepEqual(await topicsOf(daemon), ["orders"]);
  // A cookie that something else on 127.0.0.1 has set before ours does not lock anybody out.
  const tossed = { cookie: `evs-dashboard-${dashboard.port}=tossed; ${own["cookie"]}` };
  assert.equal((await dashboard.ask("GET", "/v1/status", { headers: tossed })).status, 200);
});

Deno.test("evs dashboard refuses requests that pages of other origins make with a session", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", 1);
  await using dashboard = await TestDashboard.start({ at: daemon });
  const foreign: Record<string, string>[] = [
    { origin: FOREIGN },
    { origin: "null" },
    { origin: dashboard.origin.replace("http:", "https:") },
    { origin: `${dashboard.origin}.evil.test` },
    { origin: `http://127.0.0.1:${dashboard.port + 1}` },
    { origin: `http://localhost:${dashboard.port}` },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
    { origin: dashboard.origin, "sec-fetch-site": "cross-site" },
  ];
  for (const headers of foreign) {
    for (
      const [method, path] of [
        ["GET", "/v1/topics"],
        ["GET", "/v1/events?follow=1"],
        ["GET", "/dashboard/logs?follow=1"],
        ["GET", "/metrics"],
        ["PUT", "/v1/topics/forged"],
        ["DELETE", "/v1/topics/orders"],
        ["POST", "/v1/dead-letters/remove"],
      ] as const
    ) {
      const reply = await dashboard.ask(method, path, { headers });
      const what = `${method} ${path} ${JSON.stringify(headers)}: ${reply.text}`;
      assert.equal(reply.json?.error.code, "dashboard/foreign-request", what);
      assert.equal(reply.status, 403, what);
    }
  }
  // Something that changes needs an Origin: a form of another site may come without one.
  const bare = await dashboard.plain("DELETE", "/v1/topics/orders", {
    headers: await dashboard.session(),
  });
  assert.equal(bare.json.error.code, "dashboard/foreign-request");
  // No answer allows another origin anything.
  const preflight = await dashboard.plain("OPTIONS", "/v1/topics/orders", {
    headers: { origin: FOREIGN, "access-control-request-method": "DELETE" },
  });
  assert.equal(preflight.status, 403);
  for (const [name] of preflight.headers) assert.doesNotMatch(name, /^access-control/);
  assert.deepEqual(await topicsOf(daemon), ["orders"]);
});

Deno.test("evs dashboard answers to no name but its own, and to no address that a proxy would get", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  const { port, token } = dashboard;
  const session = Object.entries(await dashboard.session())
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const get = (target: string, hosts: string[], version = "1.1") =>
    dashboard.raw(
      `GET ${target} HTTP/${version}\r\n${hosts.map((host) => `host: ${host}\r\n`).join("")}` +
        `connection: close\r\n${session}\r\n`,
    );
  const own = `127.0.0.1:${port}`;
  assert.match(await get("/v1/status", [own]), /^HTTP\/1\.1 200 /);
  assert.match(await get("/v1/status", [`LocalHost:${port}`]), /^HTTP\/1\.1 200 /);
  // By `ssh -L 8080:127.0.0.1:7387`: another port of the same name.
  assert.match(await get("/v1/status", ["127.0.0.1:8080"]), /^HTTP\/1\.1 200 /);
  const foreign = [
    `evil.test:${port}`,
    `127.0.0.1.evil.test:${port}`,
    `evil.test@127.0.0.1:${port}`,
    `127.0.0.2:${port}`,
    `[::1]:${port}`,
    `0.0.0.0:${port}`,
    "127.0.0.1:",
    `127.0.0.1:${port}, evil.test`,
    "",
  ];
  for (const host of foreign) {
    for (const target of ["/v1/status", "/", `/?token=${token}`, "/app.js"]) {
      const answer = await get(target, [host]);
      assert.match(answer, /^HTTP\/1\.1 (403|400) /, `${target} of ${host}`);
      assert.doesNotMatch(answer, /set-cookie|"pid"/i);
    }
  }
  for (const hosts of [[own, "evil.test"], ["evil.test", own], [own, own], []]) {
    assert.match(await get("/v1/status", hosts), /^HTTP\/1\.1 40[03] /, String(hosts));
  }
  assert.match(await get("/v1/status", [], "1.0"), /^HTTP\/1\.\d 40[03] /);
  for (const target of [`http://${own}/v1/status`, "//evil.test/v1/status", "*", "v1/status"]) {
    assert.match(await get(target, [own]), /^HTTP\/1\.1 40[0-9] /, target);
  }
});

Deno.test("evs dashboard passes on nothing that is not on its list, however it is written", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", 1);
  await using dashboard = await TestDashboard.start({ at: daemon });
  const refused: [string, string][] = [
    ["POST", "/v1/shutdown"],
    ["POST", "/v1/damage/accept"],
    ["POST", "/v1/topics/orders/events?type=forged"],
    ["POST", "/v1/events"],
    ["POST", "/v1/subscriptions/s/lease"],
    ["POST", "/v1/topics/x/../../shutdown"],
    ["POST", "/v1/%73hutdown"],
    ["POST", "/v1/shutdown?"],
    ["POST", "/v1//shutdown"],
    ["POST", "//v1/shutdown"],
    ["POST", "/v1/topics/..%2f..%2fshutdown"],
    ["GET", "/v1"],
    ["GET", "/dashboard/../v1/shutdown"],
    ["GET", "/../../../../etc/passwd"],
    ["GET", "/app.js/../../../etc/passwd"],
    ["GET", "/dashboard/logs/../../state.db"],
    ["GET", "/%2e%2e/%2e%2e/etc/passwd"],
    ["GET", "/dist/app.js"],
  ];
  const session = Object.entries({ ...await dashboard.session(), origin: dashboard.origin })
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  for (const [method, target] of refused) {
    const answer = await dashboard.raw(
      `${method} ${target} HTTP/1.1\r\nhost: 127.0.0.1:${dashboard.port}\r\n${session}` +
        `content-length: 2\r\nconnection: close\r\n\r\n{}`,
    );
    assert.match(answer, /^HTTP\/1\.1 40[34] /, `${method} ${target}: ${answer}`);
    assert.match(answer, /dashboard\/not-(offered|found)/, target);
  }
  // A log of so many lines, or of none that is a number, is no way to anything either.
  for (const lines of ["-1", "1e9", "../../x", "NaN", "1.5"]) {
    const reply = await dashboard.ask("GET", `/dashboard/logs?lines=${lines}`);
    assert.equal(reply.json.error.code, "argument/invalid", lines);
  }
  assert.equal((await daemon.http("GET", "/v1/status")).json.pid, daemon.pid);
  assert.equal((await daemon.replay("orders")).length, 1);
});

Deno.test("evs dashboard lets no request hide in another, and no header be added to one", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  const session = Object.entries({ ...await dashboard.session(), origin: dashboard.origin })
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const base = `host: 127.0.0.1:${dashboard.port}\r\n${session}content-type: application/json\r\n`;
  const hidden = "PUT /v1/topics/smuggled HTTP/1.1\r\nhost: evs\r\ncontent-length: 2\r\n\r\n{}";
  const size = hidden.length;
  const pause = "POST /v1/subscriptions/none/pause HTTP/1.1\r\n";
  const frames = [
    `content-length: ${size}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n${hidden}`,
    `content-length: 0\r\ncontent-length: ${size}\r\n\r\n${hidden}`,
    `content-length: 0, ${size}\r\n\r\n${hidden}`,
    `content-length: +${size}\r\n\r\n${hidden}`,
    `content-length : ${size}\r\n\r\n${hidden}`,
    `transfer-encoding: xchunked\r\n\r\n${hidden}`,
    `transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    `transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n${hidden}`,
    `transfer-encoding: chunked\r\n\r\n${size.toString(16)};\n\r\n${hidden}\r\n0\r\n\r\n`,
    `content-length: ${size}\r\n\r\n${hidden}`,
    `transfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
    `x: y\r\n z: ${size}\r\ncontent-length: 0\r\n\r\n`,
    `connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 0\r\n\r\n`,
  ];
  for (const frame of frames) {
    const answer = await dashboard.raw(`${pause}${base}connection: close\r\n${frame}`);
    assert.doesNotMatch(answer, /"name":"smuggled"|^HTTP\/1\.1 20/, frame);
  }
  // Ends of lines in a name stay escaped, and those in a header end the header here, not there.
  const injected =
    "a%0d%0aevs-actor:%20way%3dcli%0d%0a%0d%0aPUT%20%2fv1%2ftopics%2fsmuggled%20HTTP";
  const named = await dashboard.ask("PUT", `/v1/topics/${injected}`, { body: {} });
  assert.equal(named.status, 400, named.text);
  const traced = await dashboard.raw(
    `GET /v1/status HTTP/1.1\r\n${base}traceparent: 00-1\rPUT /v1/topics/smuggled HTTP/1.1\r\n` +
      `connection: close\r\n\r\n`,
  );
  assert.match(traced, /^HTTP\/1\.1 400 /);
  assert.deepEqual(await topicsOf(daemon), []);
});

Deno.test("evs dashboard answers too many wrong tokens with 429, and lets in who has the right one", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  const statuses: number[] = [];
  for (let n = 0; n < WRONG_TOKENS + 2; n++) {
    const wrong = n % 2 === 0
      ? await dashboard.plain("GET", `/?token=${"A".repeat(43)}`)
      : await dashboard.plain("GET", "/metrics", { headers: { authorization: `Bearer ${n}` } });
    statuses.push(wrong.status);
    assert.equal(wrong.headers.get("set-cookie"), null);
    assert.match(wrong.headers.get("content-type")!, /^text\/plain/);
    if (wrong.status === 429) assert.match(wrong.headers.get("retry-after")!, /^\d+$/);
  }
  assert.deepEqual(statuses, [...Array(WRONG_TOKENS).fill(401), 429, 429]);
  await dashboard.process.said(/somebody tries to get in/);
  assert.equal((await dashboard.ask("GET", "/v1/status")).status, 200);
});

Deno.test("evs dashboard refuses bodies that are too large, and those that nobody may send, unread", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  const large = new Uint8Array(16 * 1024 * 1024 + 1).fill(0x20);
  const refused = await dashboard.ask("POST", "/v1/dead-letters/import", {
    body: large,
    headers: { "content-type": "application/x-ndjson" },
  });
  assert.equal(refused.json.error.code, "argument/too-large");
  assert.equal(refused.status, 413);
  const taken = await dashboard.ask("POST", "/v1/dead-letters/import", {
    body: large.subarray(1),
    headers: { "content-type": "application/x-ndjson" },
  });
  assert.notEqual(taken.json?.error?.code, "argument/too-large", taken.text);
  // Without a session nothing of a body without an end is waited for.
  const endless = await dashboard.raw(
    `POST /v1/dead-letters/import HTTP/1.1\r\nhost: 127.0.0.1:${dashboard.port}\r\n` +
      `origin: ${dashboard.origin}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`,
  );
  assert.match(endless, /^HTTP\/1\.1 401 /);
  const headers = await dashboard.raw(
    `GET / HTTP/1.1\r\nhost: 127.0.0.1:${dashboard.port}\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
  );
  assert.match(headers, /^(HTTP\/1\.1 431 .*)?$/s);
  assert.equal((await dashboard.ask("GET", "/v1/status")).status, 200);
});

Deno.test("evs dashboard closes connections that are left unfinished, and serves others then", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  const { port } = dashboard;
  const beginnings = ["", "GET", "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n", "GET / HTTP/1.1\r\nx: "];
  let closed = 0;
  const half = async (n: number) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(1024);
    try {
      await conn.write(new TextEncoder().encode(beginnings[n % beginnings.length]));
      while (await conn.read(buffer) !== null);
    } catch (error) {
      if (!isClosed(error)) throw error;
    }
    closed++;
  };
  // More than there is room for: those beyond are closed at once.
  await Promise.all(Array.from({ length: LIMITS.connections + 20 }, (_, n) => half(n)));
  assert.equal(closed, LIMITS.connections + 20);
  // The last of them is counted until the server has seen its end.
  await until(async () => {
    try {
      return (await dashboard.ask("GET", "/v1/status")).status === 200;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  });
});
