/**
 * `evs dashboard`: it listens on loopback, passes on what its page may do, tells the daemon who
 * acted, changes nothing with --read-only, gives a scraper what it may have, and goes on when the
 * daemon comes back.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { TestDashboard } from "../helpers/dashboard.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

Deno.test("evs dashboard exchanges the link's token for a session, and every reply has its headers", async () => {
  await using daemon = await startDaemon();
  await using dashboard = await TestDashboard.start({ at: daemon });
  assert.match(dashboard.link, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}$/);
  const entered = await dashboard.plain("GET", `/?token=${dashboard.token}`);
  assert.equal(entered.status, 303);
  assert.match(entered.headers.get("location")!, /^\/#key=[\w-]{43}$/);
  assert.match(
    entered.headers.get("set-cookie")!,
    new RegExp(`^evs-dashboard-${dashboard.port}=[\\w-]{43}; HttpOnly; SameSite=Strict; Path=/$`),
  );
  const page = await dashboard.plain("GET", "/");
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(page.text, /<script type="module" src="\/app\.js">/);
  const etag = page.headers.get("etag")!;
  const again = await dashboard.plain("GET", "/", { headers: { "if-none-match": etag } });
  assert.deepEqual([again.status, again.text], [304, ""]);
  const replies = {
    entered,
    page,
    again,
    script: await dashboard.plain("GET", "/app.js"),
    passedOn: await dashboard.ask("GET", "/v1/status"),
    own: await dashboard.ask("GET", "/dashboard/session"),
    refused: await dashboard.plain("GET", "/v1/status"),
    missing: await dashboard.ask("GET", "/favicon.ico"),
    wrong: await dashboard.plain("GET", "/?token=wrong"),
  };
  for (const [what, { headers }] of Object.entries(replies)) {
    const policy = headers.get("content-security-policy")!;
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      assert.ok(policy.split("; ").includes(rule), `${what}: ${policy}`);
    }
    assert.doesNotMatch(policy, /unsafe|https?:|\*/, what);
    assert.equal(headers.get("x-content-type-options"), "nosniff", what);
    assert.equal(headers.get("referrer-policy"), "no-referrer", what);
    assert.match(headers.get("cache-control")!, /^no-(store|cache)$/, what);
    assert.equal(headers.get("access-control-allow-origin"), null, what);
  }
  assert.equal(await dashboard.stop(), 0);
});

Deno.test("evs dashboard passes on reads, changes and streams, and says what it is", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", { n: 1 }, { n: 2 });
  await using dashboard = await TestDashboard.start({ at: daemon });
  const read = await dashboard.ask("GET", "/v1/topics/orders/events?from=1");
  assert.equal(read.text, (await daemon.http("GET", "/v1/topics/orders/events?from=1")).text);
  assert.equal(read.headers.get("content-type"), "application/x-ndjson");
  const made = await dashboard.ask("PUT", "/v1/topics/made", { body: { maxEvents: 5 } });
  assert.equal(made.json.maxEvents, 5);
  // The audit log has who did it, and what a page claims to be changes nothing about that.
  await dashboard.ask("DELETE", "/v1/topics/made", {
    headers: { "evs-actor": "way=cli&user=eve" },
  });
  const { acts } = (await daemon.http("GET", "/v1/audit")).json;
  assert.deepEqual(
    acts.map(({ act, way }: Record<string, string>) => [act, way]),
    [["topic.remove", "dashboard"], ["topic.create", "dashboard"]],
  );
  assert.equal(acts[0].by.command, "evs dashboard");
  assert.notEqual(acts[0].by.user, "eve");
  const unknown = await dashboard.ask("GET", "/v1/topics/unknown");
  assert.equal(unknown.status, 404);
  assert.equal(unknown.json.error.code, "topic/not-found");
  const session = await dashboard.ask("GET", "/dashboard/session");
  assert.equal(session.json.readOnly, false);
  assert.equal(session.json.dataDir, daemon.dataDir);
  assert.equal(session.json.command, `EVS_SOCKET=${daemon.socket} evs`);
  const log = await dashboard.ask("GET", "/dashboard/logs?lines=1");
  assert.deepEqual(Object.keys(JSON.parse(log.text)).slice(0, 3), ["time", "level", "message"]);
  const found = await dashboard.ask("GET", "/dashboard/doctor?quick=1");
  const checks = found.text.trim().split("\n").map((line) => JSON.parse(line));
  assert.ok(checks.some(({ where, level }) => where === "events.db" && level === "ok"), found.text);

  const controller = new AbortController();
  const stream = await fetch(`${dashboard.origin}/v1/topics/orders/events?from=2&follow=1`, {
    headers: await dashboard.session(),
    signal: controller.signal,
  });
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const readUntil = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await reader.read()).value!;
  };
  await readUntil(/"n":2/);
  await daemon.publish("orders", "created", { n: 3 });
  await readUntil(/"n":3/);
  const tails = async () =>
    Number(/^evs_tails (\d+)$/m.exec((await daemon.http("GET", "/metrics")).text)![1]);
  await until(async () => await tails() === 1);
  // Whoever closes the page is no follower of the daemon any more.
  controller.abort();
  await until(async () => await tails() === 0);
});

Deno.test("evs dashboard --read-only changes nothing, and lets a dry run through", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", { n: 1 });
  await daemon.http("PUT", "/v1/subscriptions/mailer", { topic: "orders" });
  await using dashboard = await TestDashboard.start({ at: daemon, args: ["--read-only"] });
  assert.equal((await dashboard.ask("GET", "/dashboard/session")).json.readOnly, true);
  const refused: [string, string, unknown?][] = [
    ["PUT", "/v1/topics/made", {}],
    ["PATCH", "/v1/topics/orders", { maxEvents: 1 }],
    ["DELETE", "/v1/topics/orders"],
    ["DELETE", "/v1/topics/orders?dryRun=1"],
    ["DELETE", "/v1/subscriptions/mailer"],
    ["POST", "/v1/subscriptions/mailer/pause", {}],
    ["POST", "/v1/subscriptions/mailer/pause", { dryRun: true }],
    ["POST", "/v1/subscriptions/mailer/seek", { to: "end" }],
    ["POST", "/v1/subscriptions/mailer/seek", '{"to":"end","dryRun":true,"dryRun":false}'],
    ["POST", "/v1/subscriptions/mailer/seek?dryRun=1", { to: "end" }],
    ["POST", "/v1/dead-letters/remove", { all: true }],
    ["POST", "/v1/dead-letters/import", "{}"],
    ["POST", "/v1/topics/orders/events/1/redact", {}],
    ["PUT", "/v1/schemas/created", { type: "object" }],
    ["PUT", "/v1/schemas/created?dryRun=1&dryRun=0", { type: "object" }],
  ];
  for (const [method, path, body] of refused) {
    const reply = await dashboard.ask(method, path, { body });
    assert.equal(reply.json?.error.code, "dashboard/read-only", `${method} ${path}: ${reply.text}`);
    assert.equal(reply.status, 403);
  }
  const seek = await dashboard.ask("POST", "/v1/subscriptions/mailer/seek", {
    body: { to: "end", dryRun: true },
  });
  assert.equal(seek.status, 200, seek.text);
  const schema = await dashboard.ask("PUT", "/v1/schemas/created?dryRun=1", {
    body: { type: "object" },
  });
  assert.equal(schema.json.dryRun, true, schema.text);
  const { json: { subscriptions } } = await daemon.http("GET", "/v1/subscriptions");
  assert.deepEqual(
    subscriptions.map(({ paused, pending }: Record<string, unknown>) => ({ paused, pending })),
    [{ paused: false, pending: 1 }],
  );
  assert.deepEqual((await daemon.http("GET", "/v1/schemas")).json.schemas, []);
  assert.equal((await daemon.replay("orders")).length, 1);
});

Deno.test("evs dashboard says that the daemon is away, and goes on by itself when it is back", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "created", { n: 1 });
  await using dashboard = await TestDashboard.start({ at: daemon });
  const stream = await fetch(`${dashboard.origin}/v1/events?topic=orders&from=1&follow=1`, {
    headers: await dashboard.session(),
  });
  const broken = assert.rejects(stream.text());
  assert.equal((await dashboard.ask("GET", "/v1/status")).status, 200);
  await daemon.kill();
  // What has begun breaks off: it must not look as if it had come to its end.
  await broken;
  for (const [method, path] of [["GET", "/v1/status"], ["PUT", "/v1/topics/made"]] as const) {
    const away = await dashboard.ask(method, path, { body: method === "GET" ? undefined : {} });
    assert.deepEqual(
      [away.status, away.json.error.code, away.json.error.hint],
      [502, "dashboard/daemon-away", "evs daemon start"],
      away.text,
    );
  }
  assert.equal((await dashboard.ask("GET", "/dashboard/session")).json.dataDir, daemon.dataDir);
  assert.equal((await dashboard.ask("GET", "/dashboard/logs?lines=1")).status, 200);
  await daemon.start();
  assert.equal((await dashboard.ask("GET", "/v1/status")).json.pid, daemon.pid);
  assert.equal((await dashboard.ask("PUT", "/v1/topics/made", { body: {} })).status, 201);
});

Deno.test("evs dashboard gives a scraper /metrics for the token of its file, which outlives it", async () => {
  await using daemon = await startDaemon();
  const file = `${daemon.folder}/scraper-token`;
  const args = ["--token-file", file];
  await using first = await TestDashboard.start({ at: daemon, args });
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  const headers = { authorization: `Bearer ${(await Deno.readTextFile(file)).trim()}` };
  const scraped = await first.plain("GET", "/metrics", { headers });
  assert.equal(scraped.status, 200);
  assert.match(scraped.text, /^evs_health 0$/m);
  assert.equal((await first.plain("GET", "/v1/health", { headers })).json.health, "ok");
  for (const path of ["/v1/status", "/v1/topics", "/dashboard/session", "/dashboard/logs"]) {
    assert.equal((await first.plain("GET", path, { headers })).status, 401, path);
  }
  const written = await first.plain("PUT", "/v1/topics/made", {
    headers: { ...headers, origin: first.origin },
    body: "{}",
  });
  assert.equal(written.status, 401);
  assert.equal(await first.stop(), 0);
  await using second = await TestDashboard.start({ at: daemon, args });
  assert.notEqual(second.token, first.token);
  assert.equal((await second.plain("GET", "/metrics", { headers })).status, 200);
});

Deno.test("evs dashboard refuses a token file that others can use, or that has no token", async () => {
  const folder = await testFolder("test");
  try {
    const at = { socket: `${folder}/none.sock`, dataDir: `${folder}/data` };
    const run = (path: string) =>
      evs(["dashboard", "--json", "--listen", "127.0.0.1:0", "--token-file", path], { at });
    const token = "a".repeat(43);
    for (
      const [name, content, mode] of [
        ["for-all", token, 0o604],
        ["written-by-group", token, 0o660],
        ["short", "secret", 0o600],
        ["empty", "", 0o600],
        ["two-lines", `${token}\n${token}`, 0o600],
      ] as const
    ) {
      const path = `${folder}/${name}`;
      await Deno.writeTextFile(path, content);
      await Deno.chmod(path, mode);
      const { code, stderr } = await run(path);
      assert.equal(JSON.parse(stderr).error.code, "dashboard/token-file", name);
      assert.equal(code, 2);
      assert.equal(await Deno.readTextFile(path), content, "it is left as it is");
      if (content !== "") assert.ok(!stderr.includes(content), "and not shown");
    }
    for (const path of [folder, `${folder}/none/token`]) {
      assert.equal(JSON.parse((await run(path)).stderr).error.code, "dashboard/token-file", path);
    }
    const shared = `${folder}/shared`;
    await Deno.writeTextFile(shared, token);
    await Deno.chmod(shared, 0o640);
    await using dashboard = await TestDashboard.start({ at, args: ["--token-file", shared] });
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await dashboard.plain("GET", "/metrics", { headers })).status, 502);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("evs dashboard listens on loopback only, and says what to type where it cannot listen", async () => {
  const folder = await testFolder("test");
  try {
    const at = { socket: `${folder}/none.sock`, dataDir: `${folder}/data` };
    for (const address of ["0.0.0.0:0", "[::]:0", "192.168.0.1:0"]) {
      const { code, stderr } = await evs(["dashboard", "--json", "--listen", address], { at });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /loopback only/);
    }
    await using first = await TestDashboard.start({ at });
    const { code, stderr } = await evs(
      ["dashboard", "--json", "--listen", `127.0.0.1:${first.port}`],
      { at },
    );
    assert.equal(code, 3);
    const { error } = JSON.parse(stderr);
    assert.equal(error.code, "dashboard/port-taken");
    assert.equal(error.hint, "evs dashboard --listen 127.0.0.1:0");
    if (!hasIPv6()) return;
    await using sixth = await TestDashboard.start({ at, listen: "[::1]:0" });
    assert.match(sixth.link, /^http:\/\/\[::1\]:\d+\/\?token=/);
    assert.equal((await sixth.ask("GET", "/dashboard/session")).status, 200);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function hasIPv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    // Not every machine has it: the other addresses are tested all the same.
    return false;
  }
}

Deno.test("evs dashboard --open shows no secret to other users: the browser gets a private file", async () => {
  const folder = await testFolder("test");
  try {
    const opener = `${folder}/xdg-open`;
    const report = `${folder}/report`;
    await Deno.writeTextFile(
      opener,
      `#!/bin/sh\n{ stat -c '%a %a' "$1" "$(dirname "$1")"; tr '\\0' '\\n' </proc/$$/cmdline;\n` +
        `tr '\\0' '\\n' </proc/$$/environ; tr '\\0' '\\n' </proc/$PPID/cmdline; } >'${report}.new'\n` +
        `cp "$1" '${folder}/page' && mv '${report}.new' '${report}'\n`,
    );
    await Deno.chmod(opener, 0o755);
    const at = { socket: `${folder}/none.sock`, dataDir: `${folder}/data` };
    await using dashboard = await TestDashboard.start({
      at,
      args: ["--open"],
      env: { PATH: `${folder}:${Deno.env.get("PATH")}`, TMPDIR: folder },
    });
    await until(() => exists(report));
    const seen = await Deno.readTextFile(report);
    const modes = seen.split("\n").slice(0, 2).map((line) => line.split(" ")[0]);
    assert.deepEqual(modes, ["600", "700"]);
    const page = await Deno.readTextFile(`${folder}/page`);
    assert.ok(page.includes(`url=${dashboard.link}"`), page);
    const { cookie, "evs-dashboard-key": key } = await dashboard.session();
    for (const secret of [dashboard.token, cookie!.split("=")[1]!, key!]) {
      assert.ok(!seen.includes(secret), seen);
    }
    // Somebody is in, so the file has done its work.
    const left = () => [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("evs-d"));
    await until(() => left().length === 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("evs dashboard --open says how to go on where no browser can be opened", async () => {
  const folder = await testFolder("test");
  try {
    const at = { socket: `${folder}/none.sock`, dataDir: `${folder}/data` };
    const running = new RunningEvs(["dashboard", "--open", "--listen", "127.0.0.1:0"], {
      at,
      env: { PATH: folder },
    });
    await running.said(/xdg-open is not installed; open the link yourself/);
    running.child.kill("SIGTERM");
    assert.equal((await running.end()).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
