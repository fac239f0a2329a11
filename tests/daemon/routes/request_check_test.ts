/** Anything that a route does not accept is refused with an error, and nothing is done. */
import assert from "node:assert/strict";
import { routes } from "../../../daemon/routes/mod.ts";
import { parameterOf } from "../../../daemon/http/shape.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";

const pathOf = (path: string) => path.replace(/\{\w+\}/g, "x");

async function refusal(
  daemon: TestDaemon,
  { method, url, body }: { method: string; url: string; body?: unknown },
): Promise<{ code: string; message: string; hint?: string; details?: Record<string, unknown> }> {
  const answer = await daemon.http(method, url, body);
  assert.equal(answer.status, 400, `${method} ${url}: ${answer.status} ${answer.text}`);
  return answer.json.error;
}

/** Values for parameters that have their own format. */
const VALUES: Record<string, string> = {
  metadata: "{}",
  batch: "8000-000000000000",
  at: "1700000000000",
  heartbeat: "1s",
};
/** The same, where another route has a parameter of that name and of another form. */
const VALUES_OF: Record<string, Record<string, string>> = {
  "/v1/subscriptions/{name}/retries": { after: "1/t/x" },
  "/v1/scheduled": { after: "1/1" },
  "/v1/history": { from: "@-1h", until: "@-1h", step: "1m" },
};

Deno.test("every route refuses a parameter that it does not have, and says which it has", async () => {
  await using daemon = await startDaemon();
  for (const { method, path, query = {} } of routes) {
    const names = Object.keys(query);
    const error = await refusal(daemon, { method, url: `${pathOf(path)}?nonsense=1` });
    assert.equal(error.code, "argument/invalid");
    assert.equal(error.message, 'there is no parameter "nonsense" here');
    assert.equal(error.details!["parameter"], "nonsense");
    const hint = names.length === 0
      ? "it takes no parameters"
      : `the parameters are ${names.join(", ")}`;
    assert.equal(error.hint, hint);
    for (const name of names) {
      const slip = `${name}x`;
      const { hint } = await refusal(daemon, { method, url: `${pathOf(path)}?${slip}=1` });
      assert.match(hint!, new RegExp(`did you mean .*\\b${name}\\b`), `${method} ${path} ${slip}`);
    }
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200, "nobody was told to stop");
});

Deno.test("every route refuses a parameter that is given twice, unless it may be", async () => {
  await using daemon = await startDaemon();
  for (const { method, path, query = {} } of routes) {
    for (const [name, parameter] of Object.entries(query)) {
      const { shape, repeats } = parameterOf(parameter);
      if (repeats) continue;
      const { type, pattern = "" } = shape.schema as { type: string; pattern?: string };
      const value = type === "integer" || type === "boolean" || pattern.includes("[0-9]")
        ? "1"
        : "";
      const { enum: [word] = [value || "a"] } = shape.schema as { enum?: string[] };
      const given = VALUES_OF[path]?.[name] ?? VALUES[name] ?? word;
      const url = `${pathOf(path)}?${name}=${given}&${name}=${given}`;
      const error = await refusal(daemon, { method, url });
      assert.equal(error.message, `${name} is given twice`);
    }
  }
});

Deno.test("every route refuses a field that it does not have, and a body where it takes none", async () => {
  await using daemon = await startDaemon();
  for (const { method, path, body, query } of routes) {
    if (method === "GET" || body?.shape === "raw" || (body?.required === undefined && query)) {
      continue;
    }
    const error = await refusal(daemon, { method, url: pathOf(path), body: { nonsense: 1 } });
    assert.equal(error.message, 'there is no field "nonsense" here');
    assert.equal(error.details!["field"], "nonsense");
    const names = body && typeof body.shape === "object" ? Object.keys(body.shape.members) : [];
    const hint = names.length === 0 ? "it takes no fields" : `the fields are ${names.join(", ")}`;
    assert.equal(error.hint, hint);
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200, "nobody was told to stop");
});

Deno.test("every route that needs a body says so when there is none", async () => {
  await using daemon = await startDaemon();
  for (const { method, path, body } of routes) {
    if (!body?.required || body.shape === "raw") continue;
    const error = await refusal(daemon, { method, url: pathOf(path) });
    assert.equal(error.message, "the body is missing: it is a JSON object");
  }
  const name = "/v1/topics/t";
  assert.equal(
    (await daemon.http("PUT", name)).status,
    201,
    "where none is needed none is asked for",
  );
  assert.equal((await refusal(daemon, { method: "PATCH", url: name })).code, "argument/invalid");
});

Deno.test("a parameter or a field that is meant to spare something spares it, however it is written", async () => {
  await using daemon = await startDaemon();
  const schema = "/v1/schemas/T";
  for (const dryRun of ["dryRun=true", "dryRun=1", "dryRun="]) {
    const { status, json } = await daemon.http("PUT", `${schema}?${dryRun}`, { type: "object" });
    assert.deepEqual([status, json.dryRun], [200, true], dryRun);
  }
  for (const query of ["dryRun=yes", "dryrun=true", "dry_run=1", "DryRun=1", "dryRun=TRUE"]) {
    await refusal(daemon, { method: "PUT", url: `${schema}?${query}`, body: { type: "object" } });
  }
  assert.equal((await daemon.http("GET", schema)).status, 404, "nothing was registered");
  assert.equal((await daemon.http("PUT", `${schema}?dryRun=false`, {})).status, 201);
  await daemon.http("PUT", `${schema}?version=2.0`, { type: "object" });
  for (const query of ["versoin=1.0", "Version=1.0", "version=1.0&version=2.0", "dryRun=1"]) {
    await refusal(daemon, { method: "DELETE", url: `${schema}?${query}` });
  }
  assert.equal((await daemon.http("GET", `${schema}?version=2.0`)).status, 200, "it is there");
  await daemon.http("POST", "/v1/topics/t/events?type=x", "1");
  const slip = await refusal(daemon, { method: "DELETE", url: "/v1/topics/t?dryRun=1" });
  assert.equal(slip.hint, "it takes no parameters");
  await refusal(daemon, { method: "DELETE", url: "/v1/topics/t", body: { dryRun: true } });
  assert.equal((await daemon.http("GET", "/v1/topics/t")).json.events, 1, "it is there");
  const subscription = "/v1/subscriptions/s";
  await daemon.http("PUT", subscription, { topic: "t" });
  for (const body of [{ to: "end", dryrun: true }, { to: "end", dryRun: "true" }]) {
    await refusal(daemon, { method: "POST", url: `${subscription}/seek`, body });
  }
  const info = await daemon.http("GET", subscription);
  assert.equal(info.json.cursors[0].next, 1, "nothing was passed over");
  for (
    const body of [{ all: true, dryrun: true }, { all: true, to: "s" }, { all: true, tpye: "x" }]
  ) {
    await refusal(daemon, { method: "POST", url: "/v1/dead-letters/remove", body });
  }
});

Deno.test("a nested field is named by where it stands", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const cases: [string, string, unknown, string, string][] = [
    [
      "PUT",
      "/v1/subscriptions/u",
      { topic: "t", settings: { maxRetreis: 1 } },
      "settings.maxRetreis",
      "did you mean maxRetries?",
    ],
    [
      "PUT",
      "/v1/subscriptions/u",
      { topic: "t", settings: { backoff: { kind: "exp", base: 1, max: 2, jiter: true } } },
      "settings.backoff.jiter",
      "did you mean jitter?",
    ],
    [
      "POST",
      "/v1/subscriptions/s/nack",
      { deliveries: [{ lease: "l", error: "e" }, { lease: "l", eror: "e" }] },
      "deliveries[1].eror",
      "did you mean error?",
    ],
    [
      "POST",
      "/v1/schemas",
      { schemas: [{ type: "x", schema: "{}", compatability: "full" }] },
      "schemas[0].compatability",
      "did you mean compatibility?",
    ],
  ];
  for (const [method, url, body, field, hint] of cases) {
    const error = await refusal(daemon, { method, url, body });
    assert.deepEqual([error.details!["field"], error.hint], [field, hint]);
  }
  const misfit = await refusal(daemon, {
    method: "POST",
    url: "/v1/subscriptions/s/nack",
    body: { deliveries: [{ lease: "l", error: "e", exitCode: 256 }] },
  });
  assert.equal(misfit.message, "deliveries[0].exitCode is a whole number from 0 to 255, not 256");
  const nobody = await daemon.http("GET", "/v1/subscriptions/u");
  assert.equal(nobody.status, 404, "nothing was made");
});

Deno.test("a body that is not UTF-8 is refused instead of read as something else", async () => {
  await using daemon = await startDaemon();
  const body = new Uint8Array([...new TextEncoder().encode('{"reason":"'), 0xff, 0x22, 0x7d]);
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const error = await refusal(daemon, { method: "POST", url: "/v1/subscriptions/s/pause", body });
  assert.equal(error.message, "the body is not UTF-8");
  assert.equal((await daemon.http("GET", "/v1/subscriptions/s")).json.paused, false);
});
