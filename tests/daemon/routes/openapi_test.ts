/**
 * schemas/openapi.json describes exactly what the daemon serves: all routes and no others, and
 * their responses.
 */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { routes } from "../../../daemon/routes/mod.ts";
import { type Answer, startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { ndjsonLines } from "../../helpers/openapi.ts";

const openapi = JSON.parse(
  await Deno.readTextFile(new URL("../../../schemas/openapi.json", import.meta.url)),
);
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema({ $id: "api", ...openapi });

function operation(method: string, path: string) {
  return openapi.paths[path]?.[method.toLowerCase()];
}

/** Holds an answer against what is written of it. */
function assertDescribed(method: string, path: string, answer: Answer): void {
  const described = operation(method, path)?.responses;
  assert.ok(described, `${method} ${path} is described`);
  const status = String(answer.status);
  const response = described[status] ?? (answer.status >= 400 ? described["default"] : undefined);
  assert.ok(response, `${method} ${path}: ${status} is described`);
  const type = answer.headers.get("content-type")!.split(";")[0]!;
  const content = response.content[type];
  assert.ok(content, `${method} ${path}: ${type} is described`);
  if (type === "text/plain") return;
  const pointer = `#/paths/${
    path.replaceAll("~", "~0").replaceAll("/", "~1")
  }/${method.toLowerCase()}/responses/${described[status] ? status : "default"}/content/${
    type.replaceAll("/", "~1")
  }/schema`;
  const validate = ajv.compile({ $ref: `api${encodeURI(pointer)}` });
  const values = type === "application/x-ndjson"
    ? ndjsonLines(answer.text).map((line) => JSON.parse(line))
    : [answer.json];
  for (const value of values) {
    assert.ok(
      validate(value),
      `${method} ${path}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`,
    );
  }
}

Deno.test("openapi.json names exactly the routes that are served", () => {
  const served = routes.map(({ method, path }) => `${method} ${path}`).sort();
  const described = Object.entries(openapi.paths).flatMap(([path, operations]) =>
    Object.keys(operations as object).map((method) => `${method.toUpperCase()} ${path}`)
  ).sort();
  assert.deepEqual(described, served);
});

interface CallOptions {
  params?: Record<string, string>;
  query?: string;
  body?: unknown;
  type?: string;
  status: number;
}

/** Asks a route, and holds its answer against what is written of it. */
type Call = (method: string, path: string, options: CallOptions) => Promise<Answer>;

/** Fills a daemon's path in and asks it; `covered` has every route that was asked. */
function caller(daemon: TestDaemon): { call: Call; covered: Set<string> } {
  const covered = new Set<string>();
  const call: Call = async (method, path, { params = {}, query = "", body, type, status }) => {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? ""));
    const url = filled + query;
    const headers: Record<string, string> = type ? { "content-type": type } : {};
    const answer = await daemon.http(method, url, body, headers);
    assert.equal(answer.status, status, `${method} ${url}: ${answer.text}`);
    assertDescribed(method, path, answer);
    covered.add(`${method} ${path}`);
    return answer;
  };
  return { call, covered };
}

const topic = { topic: "users" };
const events = "/v1/topics/{topic}/events";
const name = { name: "mailer" };
const subscription = "/v1/subscriptions/{name}";
const ndjson = "application/x-ndjson";

async function callSchemas(call: Call): Promise<void> {
  await call("PUT", "/v1/schemas/{type}", {
    params: { type: "checked" },
    body: { type: "object" },
    status: 201,
  });
  await call("PUT", "/v1/schemas/{type}", {
    params: { type: "checked" },
    body: { type: "object" },
    status: 200,
  });
  await call("POST", "/v1/schemas", {
    body: {
      schemas: [
        { type: "kept", version: "1.0", schema: '{"type":"object"}' },
        { type: "kept", schema: "{}", compatibility: "backward" },
      ],
    },
    status: 200,
  });
  const one = { type: "kept" };
  await call("GET", "/v1/schemas/{type}/diff", { params: one, status: 200 });
  await call("POST", "/v1/schemas/{type}/diff", {
    params: one,
    body: { type: "object", required: ["a"] },
    status: 200,
  });
  await call("PUT", "/v1/schemas/{type}", { params: one, body: {}, status: 200 });
  await call("PUT", "/v1/schemas/{type}", { params: one, body: { type: "number" }, status: 409 });
  await call("GET", "/v1/schemas", { status: 200 });
  await call("GET", "/v1/schemas/{type}", { params: { type: "checked" }, status: 200 });
  await call("GET", "/v1/schemas/{type}", { params: { type: "nobody" }, status: 404 });
  await call("POST", "/v1/schemas/{type}/check", {
    params: { type: "checked" },
    body: "{}\n1\nx\n",
    status: 200,
  });
}

/** This daemon has no node beside it: tests/system/postgres/node_list_test.ts has. */
async function callNodes(call: Call): Promise<void> {
  await call("GET", "/v1/nodes", { status: 501 });
  await call("POST", "/v1/nodes/drain", { body: { draining: false }, status: 501 });
  const turn = { name: "main", holder: "here", ttlMs: 10_000 };
  await call("POST", "/v1/alerts/turn", { body: turn, status: 501 });
}

async function callScheduled(call: Call): Promise<void> {
  const at = { params: topic, body: 1 };
  await call("POST", events, { ...at, query: "?type=later&id=l1&delayMs=3600000", status: 200 });
  await call("POST", events, { ...at, query: "?type=later&id=l1&delayMs=3600000", status: 200 });
  await call("POST", events, { ...at, query: "?type=later&at=1000000000000", status: 200 });
  await call("GET", "/v1/scheduled", { query: "?topic=users", status: 200 });
  const body = { ids: ["l1"] };
  await call("POST", "/v1/scheduled/cancel", { body, status: 200 });
  await call("POST", "/v1/scheduled/cancel", { body, status: 404 });
}

async function callTopics(call: Call): Promise<void> {
  await call("PUT", "/v1/topics/{topic}", {
    params: topic,
    body: { maxEvents: 1000 },
    status: 201,
  });
  await call("PUT", "/v1/topics/{topic}", {
    params: topic,
    body: { maxEvents: 1000 },
    status: 200,
  });
  await call("PUT", "/v1/topics/{topic}", { params: topic, body: { maxEvents: 5 }, status: 409 });
  await call("PATCH", "/v1/topics/{topic}", {
    params: topic,
    body: { retentionPeriod: 0 },
    status: 200,
  });
  await call("GET", "/v1/topics", { status: 200 });
  await call("GET", "/v1/topics/{topic}", { params: topic, status: 200 });
}

async function callPublish(call: Call): Promise<Answer> {
  const published = await call("POST", events, {
    params: topic,
    query: "?type=a&key=k",
    body: { n: 1 },
    status: 200,
  });
  await call("POST", events, {
    params: topic,
    body: [{ type: "a", payload: 1, metadata: { x: 1 } }],
    status: 200,
  });
  await call("POST", events, { params: topic, query: "?type=checked", body: "[1]", status: 422 });
  await call("POST", events, {
    params: topic,
    query: "?type=checked",
    body: "{}\n1\n",
    type: ndjson,
    status: 422,
  });
  await call("POST", events, {
    params: topic,
    query: "?type=checked&onError=skip",
    body: "{}\n1\n",
    type: ndjson,
    status: 200,
  });
  await call("POST", events, {
    params: topic,
    query: "?type=a&expected=1",
    body: "1",
    status: 409,
  });
  const kept = { topic: "nothing" };
  await call("PUT", "/v1/topics/{topic}", {
    params: kept,
    body: { persistent: false },
    status: 201,
  });
  await call("POST", events, {
    params: kept,
    query: "?type=a&expected=1",
    body: "1",
    status: 501,
  });
  return published;
}

/** Last of all: the events are not delivered any more. */
async function callRedact(call: Call): Promise<void> {
  const redact = "/v1/topics/{topic}/events/{event}/redact";
  const body = { reason: "a password", by: "anna" };
  await call("POST", redact, { params: { ...topic, event: "99" }, body, status: 404 });
  await call("POST", redact, { params: { ...topic, event: "2" }, body: { by: "" }, status: 400 });
  await call("POST", redact, { params: { ...topic, event: "2" }, body, status: 200 });
}

async function callRead(call: Call, published: Answer): Promise<void> {
  await call("GET", events, { params: topic, query: "?from=1&limit=2", status: 200 });
  await call("GET", "/v1/topics/{topic}/events/{event}", {
    params: { ...topic, event: published.json.events[0].id },
    status: 200,
  });
  await call("GET", "/v1/topics/{topic}/events/{event}", {
    params: { ...topic, event: "99" },
    status: 404,
  });
  const newest = "/v1/topics/{topic}/newest";
  await call("GET", newest, { params: topic, query: "?key=k", status: 200 });
  await call("GET", newest, { params: topic, query: "?key=nobody", status: 404 });
  await call("GET", "/v1/events", { query: "?topic=users&topic=o.*", status: 200 });
  const several = [{ ...topic, type: "t", payload: 1, id: "given" }];
  for (const _twice of several.concat(several)) {
    await call("POST", "/v1/events", { body: several, status: 200 });
  }
  const other = { topic: "other", type: "t", payload: 1, expected: { topic: "exists" } };
  await call("POST", "/v1/events", { body: [...several, other], status: 409 });
  await call("POST", "/v1/events", { body: {}, status: 422 });
}

async function callSubscriptions(call: Call): Promise<void> {
  const settings = { maxRetries: 0, backoff: { kind: "fixed", base: 0, max: 0, jitter: false } };
  await call("PUT", subscription, {
    params: name,
    body: { topic: "users", settings },
    status: 201,
  });
  await call("PUT", subscription, { params: name, body: { topic: "users" }, status: 200 });
  await call("GET", "/v1/subscriptions", { status: 200 });
  await call("GET", subscription, { params: name, status: 200 });
  await call("POST", `${subscription}/pause`, {
    params: name,
    body: { reason: "tea" },
    status: 200,
  });
  await call("POST", `${subscription}/resume`, { params: name, status: 200 });
}

async function callLeases(call: Call): Promise<void> {
  const leased = await call("POST", `${subscription}/lease`, {
    params: name,
    body: { max: 4 },
    status: 200,
  });
  const [first, second, third, fourth] = leased.json.deliveries.map((delivery: { lease: string }) =>
    delivery.lease
  );
  await call("POST", `${subscription}/processed`, {
    params: name,
    body: { topic: "users", seq: 1 },
    status: 200,
  });
  await call("POST", `${subscription}/begin`, {
    params: name,
    body: { leases: [first, "never"] },
    status: 200,
  });
  await call("POST", `${subscription}/extend`, {
    params: name,
    body: { leases: [first, "never"] },
    status: 200,
  });
  await call("POST", `${subscription}/ack`, {
    params: name,
    body: { leases: [first] },
    status: 200,
  });
  const failed = [second, third].map((lease) => ({
    lease,
    error: "no",
    exitCode: 1,
    stderr: "why",
    durationMs: 3,
  }));
  await call("POST", `${subscription}/nack`, {
    params: name,
    body: { deliveries: failed },
    status: 200,
  });
  await call("GET", `${subscription}/retries`, { params: name, query: "?limit=1", status: 200 });
  await callNodes(call);
  await callScheduled(call);
  await call("POST", `${subscription}/retries/now`, {
    params: name,
    body: { ids: ["nobody"] },
    status: 404,
  });
  await call("POST", `${subscription}/retries/now`, {
    params: name,
    body: { ids: [] },
    status: 200,
  });
  await call("POST", `${subscription}/release`, {
    params: name,
    body: { leases: [fourth] },
    status: 200,
  });
}

async function callDeadLetters(call: Call): Promise<void> {
  const dead = await call("GET", "/v1/dead-letters", {
    query: "?subscription=mailer&limit=1",
    status: 200,
  });
  assert.ok(dead.headers.get("evs-next"));
  const grouped = await call("GET", "/v1/dead-letter-groups", {
    query: "?subscription=mailer&state=all",
    status: 200,
  });
  const group = { params: { group: JSON.parse(grouped.text).groups[0].id } };
  const one = "/v1/dead-letter-groups/{group}";
  await call("GET", one, { ...group, status: 200 });
  const note = { text: "seen", by: "anna" };
  await call("POST", `${one}/notes`, { ...group, body: note, status: 200 });
  await call("POST", `${one}/dismiss`, { ...group, body: { more: 7, by: "anna" }, status: 200 });
  await call("POST", `${one}/resolve`, { ...group, body: {}, status: 200 });
  await call("POST", `${one}/reopen`, { ...group, body: {}, status: 200 });
  await call("GET", one, { params: { group: "none" }, status: 404 });
  await call("GET", "/v1/dead-letters/{id}", {
    params: { id: JSON.parse(dead.text).id },
    status: 200,
  });
  await call("GET", "/v1/dead-letters/{id}", { params: { id: "nobody" }, status: 404 });
  await call("POST", "/v1/dead-letters/retry", {
    body: { ids: [JSON.parse(dead.text).id] },
    status: 200,
  });
  const whole = await call("GET", "/v1/dead-letters", { query: "?full=1", status: 200 });
  await call("POST", "/v1/dead-letters/import", {
    query: "?retry=1",
    body: `${whole.text.trim()}\n{}\n`,
    type: "application/x-ndjson",
    status: 200,
  });
  await call("POST", "/v1/dead-letters/remove", { body: { all: true, dryRun: true }, status: 200 });
}

async function callJobs(call: Call): Promise<void> {
  const jobs = "/v1/dead-letter-jobs";
  const line = (id: string) =>
    `{"subscription":"mailer","topic":"users","event":{"id":"${id}","type":"n","payload":1}}\n`;
  await call("POST", "/v1/dead-letters/import", {
    body: line("n1") + line("n2"),
    type: "application/x-ndjson",
    status: 200,
  });
  const none = { action: "remove", subscription: "mailer", type: "no such type" };
  await call("POST", jobs, { body: none, status: 200 });
  const body = { action: "retry", subscription: "mailer", type: "n", rate: "1/h" };
  const { text } = await call("POST", jobs, { body, status: 201 });
  const params = { job: JSON.parse(text).job };
  await call("GET", jobs, { status: 200 });
  await call("GET", `${jobs}/{job}`, { params, query: "?waitMs=1", status: 200 });
  await call("GET", `${jobs}/{job}`, { params: { job: "retry-99" }, status: 404 });
  await call("DELETE", `${jobs}/{job}`, { params, status: 200 });
  await call("DELETE", `${jobs}/{job}`, { params, status: 409 });
}

async function callTheRest(call: Call): Promise<void> {
  await call("POST", `${subscription}/seek`, {
    params: name,
    body: { to: "start", dryRun: true },
    status: 200,
  });
  await call("DELETE", subscription, { params: name, status: 200 });
  await call("GET", "/v1/status", { status: 200 });
  await call("GET", "/v1/health", { status: 200 });
  await call("GET", "/v1/asyncapi", { status: 200 });
  await call("GET", "/v1/audit", { query: "?limit=1000", status: 200 });
  await call("GET", "/v1/audit", { query: "?act=nothing", status: 400 });
  await call("GET", "/v1/overview", { query: "?sort=lag&filter=A", status: 200 });
  await call("GET", "/v1/overview", { query: "?sort=size", status: 400 });
  await call("GET", "/v1/history", { query: "?from=@-2m", status: 200 });
  const query = `?topic=${topic.topic}&from=@-2m`;
  await call("GET", "/v1/history", { query, status: 200 });
  await call("GET", "/v1/history", { query: "?subscription=none", status: 404 });
  await call("GET", "/v1/history", { query: "?step=1s", status: 400 });
  await call("GET", "/metrics", { status: 200 });
  await call("DELETE", "/v1/schemas/{type}", { params: { type: "checked" }, status: 200 });
  await call("DELETE", "/v1/topics/{topic}", { params: topic, status: 200 });
  // Its numbers go on, so who begins at the first one has missed some.
  await call("PUT", "/v1/topics/{topic}", { params: topic, status: 201 });
  await call("POST", events, { params: topic, query: "?type=t", body: 1, status: 200 });
  const late = { params: topic, query: "?from=0&missed=1", status: 200 };
  const { text } = await call("GET", events, late);
  assert.ok(text.startsWith('\x1e{"missed":'), text);
  await call("POST", "/v1/damage/accept", { status: 200 });
  await call("POST", "/v1/shutdown", { status: 202 });
}

Deno.test("openapi.json describes what every route answers", async () => {
  await using daemon = await startDaemon();
  const { call, covered } = caller(daemon);
  await callSchemas(call);
  await callTopics(call);
  await callRead(call, await callPublish(call));
  await callSubscriptions(call);
  await callLeases(call);
  await callDeadLetters(call);
  await callJobs(call);
  await callRedact(call);
  await callTheRest(call);
  assert.equal((await daemon.exited()).code, 0);
  assert.deepEqual(
    [...covered].sort(),
    routes.map(({ method, path }) => `${method} ${path}`).sort(),
  );
});
