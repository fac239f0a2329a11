/**
 * Requests that the document allows are accepted, and those it forbids are refused: tests the
 * server with a client that knows only the document.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { parameterSchema } from "../../../daemon/http/shape.ts";
import { routes } from "../../../daemon/routes/mod.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { dose } from "../../helpers/dose.ts";
import {
  allowed,
  faultsOf,
  forbidden,
  openapi,
  plain,
  type Schema,
} from "../../helpers/openapi.ts";

interface Operation {
  method: string;
  path: string;
  described: Schema;
}

const operations: Operation[] = Object.entries<Schema>(openapi.paths).flatMap(([path, methods]) =>
  Object.entries<Schema>(methods).map(([method, described]) => ({
    method: method.toUpperCase(),
    path,
    described,
  }))
).filter(({ path }) => path !== "/v1/shutdown");

const bodyOf = ({ requestBody }: Schema): Schema =>
  requestBody?.content["application/json"]?.schema;

Deno.test("openapi.json says of each route's parameters and body what the route itself says", () => {
  for (const { method, path, query = {}, body } of routes) {
    const described = openapi.paths[path][method.toLowerCase()];
    const parameters = (described.parameters ?? []).filter((one: Schema) => one.in === "query");
    assert.deepEqual(
      Object.fromEntries(parameters.map((one: Schema) => [one.name, plain(one.schema)])),
      plain(Object.fromEntries(
        Object.entries(query).map(([name, one]) => [name, parameterSchema(one)]),
      )),
      `${method} ${path}`,
    );
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const inPath = (described.parameters ?? []).filter((one: Schema) => one.in === "path");
    assert.deepEqual(inPath.map((one: Schema) => one.name), named);
    assert.equal(described.requestBody?.required, body?.required, `${method} ${path}`);
    if (!body || body.shape === "raw") continue;
    assert.deepEqual(plain(bodyOf(described)), plain(body.shape.schema), `${method} ${path}`);
  }
});

Deno.test("openapi.json keeps the rules that a public linter recommends", () => {
  assert.deepEqual(
    openapi.security,
    [],
    "nobody has to prove who he is: the socket is the owner's",
  );
  assert.ok(openapi.info.license.name);
  const ids = new Set<string>();
  for (const { method, path, described } of operations) {
    const where = `${method} ${path}`;
    assert.match(described.operationId, /^[A-Za-z]+$/, where);
    assert.ok(!ids.has(described.operationId), where);
    ids.add(described.operationId);
    assert.ok(described.summary, where);
    const statuses = Object.keys(described.responses);
    assert.ok(statuses.some((status) => status.startsWith("2")), where);
    assert.ok(statuses.includes("4XX"), where);
    for (const { description, schema } of described.parameters ?? []) {
      assert.ok(description && schema, where);
    }
  }
  for (const { url } of openapi.servers) assert.doesNotMatch(url, /localhost|example\.com|\/$/);
  const used = new Set(JSON.stringify(openapi).match(/#\/components\/schemas\/\w+/g));
  for (const name of Object.keys(openapi.components.schemas)) {
    assert.ok(used.has(`#/components/schemas/${name}`), `${name} is used`);
  }
});

/** Names that are there: most names that anybody makes up are not. */
const THERE: Record<string, string[]> = {
  topic: ["t"],
  name: ["s"],
  type: ["checked"],
  event: ["1"],
};

/** What the document leaves to words: an expression, what goes together, and what would wait. */
function settled(name: string, schema: Schema): fc.Arbitrary<unknown> {
  if (name === "where") return fc.constantFrom("true", "payload.n > 1", 'event.type == "x"');
  if (name === "follow" || name === "lastPerKey") return fc.constantFrom("0", "false");
  if (name === "waitMs") return fc.integer({ min: 0, max: 5 });
  if (name === "forMs") return fc.integer({ min: 1, max: 1000 });
  return allowed(schema);
}

/** Names of subscriptions that no request makes: by chance none begins like this. */
function neverMade(schema: Schema): fc.Arbitrary<unknown> {
  return allowed(schema).map((name) => `nobody-${name}`)
    .filter((name) => name.length <= schema.maxLength);
}

function requestOf({ path, described }: Operation): fc.Arbitrary<{ url: string; body: unknown }> {
  const parameters: Schema[] = described.parameters ?? [];
  const record = (where: string) =>
    fc.record(
      Object.fromEntries(
        parameters.filter((one) => one.in === where).map((one) => [
          one.name,
          where === "path"
            ? fc.oneof(
              fc.constantFrom(...THERE[one.name] ?? ["x"]),
              // `processed` applies only to a subscription's own topic, and a subscription on a
              // pattern cannot seek to a seq: neither is asked of a subscription that a request
              // here may have created.
              /\/(processed|seek)$/.test(path) ? neverMade(one.schema) : allowed(one.schema),
            )
            : settled(one.name, one.schema),
        ]),
      ),
      {
        requiredKeys: parameters.filter((one) => one.required && one.in === where).map(({ name }) =>
          name
        ),
      },
    ) as fc.Arbitrary<Record<string, unknown>>;
  return fc.record({ path: record("path"), query: record("query"), body: bodyIn(described) }).map(
    ({ path: named, query, body }) => {
      // An import takes `to` only together with `retry`.
      if (path.endsWith("/import") && query["to"] !== undefined) query["retry"] = "1";
      // An event is published after a delay or at a time, and without an expectation then.
      const isLater = ["delayMs", "at"].some((one) => query[one] !== undefined) ||
        (body as Schema | undefined)?.schedule !== undefined;
      if (query["delayMs"] !== undefined) delete query["at"];
      if (described.operationId === "publish") {
        if (isLater) delete query["expected"];
        // A keySeq is expected of a key, and instead of a seq.
        const isOther = isLater || query["expected"] !== undefined || query["key"] === undefined;
        if (isOther) delete query["expectedKeySeq"];
        if (query["text"] !== undefined) asText(query);
      }
      return { url: urlOf(path, { named, query }), body };
    },
  );
}

/** Text goes with a type, and without what goes with one event or with members. */
function asText(query: Record<string, unknown>): void {
  query["type"] ??= "x";
  for (const name of ["keyPointer", "id", "expected", "expectedKeySeq", "delayMs", "at"]) {
    delete query[name];
  }
  if (query["idPrefix"] !== undefined) delete query["batch"];
}

function bodyIn(described: Schema): fc.Arbitrary<unknown> {
  if (!described.requestBody) return fc.constant(undefined);
  const schema = bodyOf(described);
  if (!schema) return fc.constant("");
  // With a type anything is a payload, without one an envelope is one, too.
  if (described.operationId === "publish") return allowed(schema.anyOf[0]);
  const body = allowed(schema).map(inWords);
  return described.requestBody.required ? body : fc.option(body, { nil: undefined });
}

function inWords(body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const given = structuredClone(body) as Schema;
  if (given.waitMs !== undefined) given.waitMs %= 6;
  if (given.seq !== undefined) given.topic = "t"; // what the subscription is on
  if (given.settings?.where !== undefined) given.settings.where = "payload.n > 1";
  const { backoff } = given.settings ?? {};
  if (backoff) backoff.max = Math.max(backoff.base, backoff.max);
  // On a pattern a seq means nothing.
  if (given.topic?.includes("*") && given.from !== undefined) given.from = "start";
  return given;
}

function urlOf(
  path: string,
  { named, query }: { named: Record<string, unknown>; query: Record<string, unknown> },
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(named[name])));
  return search.size === 0 ? filled : `${filled}?${search}`;
}

async function prepare(daemon: TestDaemon): Promise<void> {
  await daemon.http("PUT", "/v1/schemas/checked?version=1.0", { type: "object" });
  await daemon.http("PUT", "/v1/schemas/checked?version=2.0", { type: ["object", "null"] });
  await daemon.http("DELETE", "/v1/topics/t");
  await daemon.http("PUT", "/v1/topics/t");
  await daemon.publish("t", "x", 1, 2, 3);
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t" });
}

Deno.test("every route takes what openapi.json allows, and answers as it says", async () => {
  await using daemon = await startDaemon();
  for (const operation of operations) {
    await prepare(daemon);
    const requests = requestOf(operation).filter(({ url }) => !DOTS.test(url));
    const holds = fc.asyncProperty(
      requests,
      (request) => holdToAllowed(daemon, operation, request),
    );
    await fc.assert(holds, { numRuns: dose(30) });
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
});

Deno.test("every route refuses what openapi.json forbids", async () => {
  await using daemon = await startDaemon();
  for (const operation of operations) {
    await prepare(daemon);
    for (const requests of forbiddenOf(operation)) {
      const holds = fc.asyncProperty(
        requests,
        (request) => holdToForbidden(daemon, operation, request),
      );
      await fc.assert(holds, { numRuns: dose(10) });
    }
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
});

/** A dot segment, which `fetch` would take out of the path. */
const DOTS = /\/(\.|%2E){1,2}([/?]|$)/i;

/**
 * A refusal for what is there, not for the request: an earlier one may have removed a version, or
 * set a level of compatibility that refuses the second.
 */
const IN_VAIN = /"message":"\w+ has no version before /;

interface Sent {
  url: string;
  body: unknown;
}

async function holdToAllowed(
  daemon: TestDaemon,
  { method, described }: Operation,
  { url, body }: Sent,
): Promise<void> {
  const answer = await daemon.http(method, url, body);
  const { status, text } = answer;
  const what = `${method} ${url} ${JSON.stringify(body)}: ${status} ${text}`;
  if (!IN_VAIN.test(text)) assert.notEqual(status, 400, what);
  assert.ok(status < 500 || status === 501 || status === 503, what);
  const { [String(status)]: exact, default: other } = described.responses;
  const response = exact ?? (status < 500 ? described.responses["4XX"] : other);
  assert.equal(faultsOf(response, answer), undefined, what);
}

async function holdToForbidden(
  daemon: TestDaemon,
  { method, described }: Operation,
  { url, body }: Sent,
): Promise<void> {
  const answer = await daemon.http(method, url, body);
  const what = `${method} ${url} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`;
  assert.ok(answer.status >= 400 && answer.status < 500, what);
  assert.match(answer.json.error.code, /^[a-z-]+\/[a-z-]+$/, what);
  assert.equal(faultsOf(described.responses["4XX"], answer), undefined, what);
}

/**
 * Requests with one thing wrong: a parameter that is not there, a value that does not fit, a field.
 */
function forbiddenOf(
  { method, path, described }: Operation,
): fc.Arbitrary<{ url: string; body: unknown }>[] {
  const named = Object.fromEntries(Object.entries(THERE).map(([name, [value]]) => [name, value]));
  named["id"] = "x";
  const parameters: Schema[] = described.parameters ?? [];
  const query = parameters.some((one) => one.required && one.in === "query") ? { topic: "t" } : {};
  const url = urlOf(path, { named, query });
  const known = new Set(parameters.map((one) => one.name));
  const wrong = [
    fc.string({ minLength: 1 }).filter((name) => !known.has(name) && name.isWellFormed()).map((
      name,
    ) => ({
      url: urlOf(path, { named, query: { ...query, [name]: 1 } }),
      body: undefined as unknown,
    })),
  ];
  for (const { name, in: where, schema } of parameters) {
    const values = forbidden(schema.type === "array" ? schema.items : schema, {
      asText: true,
      // An empty part of a path, and a dot segment, would be another path.
      canBeSent: (value) => where === "query" || !["", ".", ".."].includes(String(value)),
    });
    if (!values) continue;
    wrong.push(
      values.map((value) => ({
        url: where === "query"
          ? urlOf(path, { named, query: { ...query, [name]: value } })
          : urlOf(path, { named: { ...named, [name]: value }, query }),
        body: undefined,
      })),
    );
  }
  const schema = bodyOf(described);
  const bodies = schema && described.operationId !== "publish"
    ? forbidden(schema, {
      asText: false,
      canBeSent: (body) => typeof body !== "string" || body.trim() !== "",
    })
    : undefined;
  if (bodies) wrong.push(bodies.map((body) => ({ url, body: textOf(body) })));
  if (method !== "GET" && !described.requestBody) {
    wrong.push(fc.constant({ url, body: { nonsense: 1 } }));
  }
  return wrong;
}

/** A text is sent as JSON, too. */
function textOf(body: unknown): unknown {
  return typeof body === "string" ? JSON.stringify(body) : body;
}
