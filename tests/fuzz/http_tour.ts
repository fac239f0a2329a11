/**
 * One valid request to every route, in an order in which each finds what it needs: whatever has
 * come before, a route that serves its users answers all of them.
 */
import assert from "node:assert/strict";
import type { Answer, TestDaemon } from "../helpers/daemon.ts";

/** Names that no generated request has. */
const NAME = "tour";
/** One that is acknowledged, one released, one retried, three dead letters. */
const PUBLISHED = 6;
const EVENTS = "/v1/topics/{topic}/events";
const SUBSCRIPTION = "/v1/subscriptions/{name}";
const NDJSON = { "content-type": "application/x-ndjson" };

/** Visits all of them; returns the routes, each of which answered with success. */
export async function visitEveryRoute(daemon: TestDaemon): Promise<Set<string>> {
  const tour = new Tour(daemon);
  await tour.schemas();
  await tour.events();
  await tour.scheduled();
  await tour.subscription();
  await tour.deadLetters();
  await tour.rest();
  return tour.visited;
}

class Tour {
  readonly visited = new Set<string>();
  readonly #daemon: TestDaemon;
  #seq = 0;

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  async schemas(): Promise<void> {
    const type = "/v1/schemas/{type}";
    await this.#visit("PUT", type, { body: { type: "object" } });
    await this.#visit("POST", "/v1/schemas", { body: { schemas: [{ type: NAME, schema: "{}" }] } });
    await this.#visit("GET", "/v1/schemas");
    await this.#visit("GET", type);
    await this.#visit("GET", `${type}/diff`);
    await this.#visit("POST", `${type}/diff`, { body: { type: "object", required: ["a"] } });
    await this.#visit("POST", `${type}/check`, { body: "{}\n" });
    await this.#visit("DELETE", type);
  }

  async events(): Promise<void> {
    await this.#visit("PUT", "/v1/topics/{topic}", { body: { persistent: true } });
    await this.#visit("PATCH", "/v1/topics/{topic}", { body: { maxEvents: 1000 } });
    await this.#visit("GET", "/v1/topics");
    await this.#visit("GET", "/v1/topics/{topic}");
    const lines = "{}\n".repeat(PUBLISHED);
    const { json } = await this.#visit("POST", EVENTS, {
      query: "?type=tour",
      body: lines,
      headers: NDJSON,
    });
    this.#seq = json.lastSeq;
    await this.#visit("POST", "/v1/events", {
      body: [{ topic: `${NAME}.keyed`, type: NAME, key: NAME, payload: {} }],
    });
    await this.#visit("GET", "/v1/topics/{topic}/newest", {
      query: `?key=${NAME}`,
      topic: `${NAME}.keyed`,
    });
    await this.#visit("GET", EVENTS);
    await this.#visit("GET", `${EVENTS}/{event}`);
    await this.#visit("GET", "/v1/events", { query: `?topic=${NAME}` });
  }

  async scheduled(): Promise<void> {
    const { json } = await this.#visit("POST", EVENTS, {
      query: "?type=tour&delayMs=86400000",
      body: "{}",
    });
    await this.#visit("GET", "/v1/scheduled", { query: `?topic=${NAME}` });
    await this.#visit("POST", "/v1/scheduled/cancel", { body: { ids: [json.scheduled.id] } });
  }

  /** Each event of the topic ends in another way. */
  async subscription(): Promise<void> {
    const settings = {
      maxRetries: 1,
      backoff: { kind: "fixed", base: 1000, max: 1000, jitter: false },
    };
    await this.#visit("PUT", SUBSCRIPTION, { body: { topic: NAME, from: "start", settings } });
    await this.#visit("GET", "/v1/subscriptions");
    await this.#visit("GET", SUBSCRIPTION);
    await this.#visit("POST", `${SUBSCRIPTION}/pause`, { body: {} });
    await this.#visit("POST", `${SUBSCRIPTION}/resume`);
    await this.#visit("POST", `${SUBSCRIPTION}/seek`, { body: { to: "start" } });
    const { json } = await this.#visit("POST", `${SUBSCRIPTION}/lease`, {
      body: { max: PUBLISHED, waitMs: 60_000 },
    });
    const leases: string[] = json.deliveries.map(({ lease }: { lease: string }) => lease);
    assert.equal(leases.length, PUBLISHED, "every event is leased");
    await this.#visit("POST", `${SUBSCRIPTION}/begin`, { body: { leases: leases.slice(0, 1) } });
    await this.#visit("POST", `${SUBSCRIPTION}/extend`, { body: { leases, leaseMs: 600_000 } });
    await this.#visit("POST", `${SUBSCRIPTION}/ack`, { body: { leases: leases.slice(0, 1) } });
    await this.#visit("POST", `${SUBSCRIPTION}/release`, { body: { leases: leases.slice(1, 2) } });
    const deliveries = leases.slice(2).map((lease, i) => ({ lease, error: "no", dead: i > 0 }));
    await this.#visit("POST", `${SUBSCRIPTION}/nack`, { body: { deliveries } });
    await this.#visit("GET", `${SUBSCRIPTION}/retries`);
    await this.#visit("POST", `${SUBSCRIPTION}/retries/now`, { body: {} });
    await this.#visit("POST", `${SUBSCRIPTION}/processed`, {
      body: { topic: NAME, seq: this.#seq - PUBLISHED + 1, waitMs: 60_000 },
    });
  }

  async deadLetters(): Promise<void> {
    const list = await this.#visit("GET", "/v1/dead-letters", {
      query: `?subscription=${NAME}&full=1`,
    });
    // Those of an earlier visit are still there.
    const entries = list.text.split("\n").filter((line) =>
      line !== "" && JSON.parse(line).event.seq > this.#seq - PUBLISHED
    );
    assert.equal(entries.length, 3);
    const ids = entries.map((line) => `${NAME}:${JSON.parse(line).event.id}`);
    const { json } = await this.#visit("GET", "/v1/dead-letter-groups", { query: "?state=all" });
    const group = json.groups[0].id;
    await this.#visit("GET", "/v1/dead-letter-groups/{group}", { group });
    for (const act of ["notes", "dismiss", "resolve", "reopen"]) {
      await this.#visit("POST", `/v1/dead-letter-groups/{group}/${act}`, {
        group,
        body: act === "notes" ? { text: "seen" } : {},
      });
    }
    await this.#visit("GET", "/v1/dead-letters/{id}", { id: ids[0] });
    await this.#visit("POST", "/v1/dead-letters/retry", { body: { ids: ids.slice(0, 1) } });
    await this.#visit("POST", "/v1/dead-letters/remove", { body: { ids: ids.slice(1, 2) } });
    await this.#visit("POST", "/v1/dead-letters/import", { body: entries[1], headers: NDJSON });
    const { json: { job } } = await this.#visit("POST", "/v1/dead-letter-jobs", {
      body: { action: "retry", ids: ids.slice(1), rate: "1/h" },
    });
    await this.#visit("GET", "/v1/dead-letter-jobs");
    await this.#visit("GET", "/v1/dead-letter-jobs/{job}", { job });
    await this.#visit("DELETE", "/v1/dead-letter-jobs/{job}", { job });
  }

  async rest(): Promise<void> {
    await this.#visit("POST", `${EVENTS}/{event}/redact`, { body: { reason: "a password" } });
    await this.#visit("DELETE", SUBSCRIPTION);
    const event = { topic: NAME, type: NAME, key: NAME, payload: {} };
    await this.#visit("POST", "/v1/events", { body: [event] });
    await this.#visit("GET", "/v1/topics/{topic}/newest", { query: `?key=${NAME}` });
    const { json } = await this.#visit("POST", EVENTS, {
      query: "?type=tour&delayMs=600000",
      body: {},
    });
    await this.#visit("GET", "/v1/scheduled");
    await this.#visit("POST", "/v1/scheduled/cancel", { body: { ids: [json.scheduled.id] } });
    await this.#visit("GET", "/v1/asyncapi");
    await this.#visit("DELETE", "/v1/topics/{topic}");
    await this.#visit("GET", "/v1/audit", { query: `?topic=${NAME}` });
    await this.#visit("POST", "/v1/damage/accept");
    await this.#visit("GET", "/v1/status");
    await this.#visit("GET", "/v1/overview");
    await this.#visit("GET", "/v1/history", { query: "?from=@-1h&step=10m" });
    await this.#visit("GET", "/v1/health");
    await this.#visit("GET", "/v1/asyncapi");
    await this.#visit("GET", "/v1/nodes", { code: "node/local" });
    await this.#visit("POST", "/v1/nodes/drain", { body: { node: NAME }, code: "node/local" });
    const turn = { name: "main", holder: NAME, ttlMs: 10_000 };
    await this.#visit("POST", "/v1/alerts/turn", { body: turn, code: "node/local" });
    await this.#visit("GET", "/metrics");
  }

  async #visit(
    method: string,
    path: string,
    { query = "", body, headers, id = "", job = "", group = "", topic = NAME, code }: {
      query?: string;
      body?: unknown;
      headers?: Record<string, string>;
      id?: string;
      job?: string;
      group?: string;
      topic?: string;
      /** The error of a daemon that is no node. */
      code?: string;
    } = {},
  ): Promise<Answer> {
    const parts: Record<string, string> = { id, job, group, topic, event: String(this.#seq) };
    const filled = path.replaceAll(
      /\{(\w+)\}/g,
      (_, part) => encodeURIComponent(parts[part] ?? NAME),
    );
    const answer = await this.#daemon.http(method, filled + query, body, headers);
    assert.ok(
      code === undefined
        ? answer.status >= 200 && answer.status < 300
        : answer.json.error.code === code,
      `${method} ${filled}${query}: ${answer.status} ${answer.text}`,
    );
    this.visited.add(`${method} ${path}`);
    return answer;
  }
}
