/**
 * The dashboard passes on what is on its list and nothing else; every route of the daemon is either
 * on it or left out for a reason; and a dry run is known by what the daemon would read, too.
 */
import assert from "node:assert/strict";
import { dryRunBody, effectOn, onlyReads } from "../../../commands/dashboard/offered.ts";
import { openapi } from "../../helpers/openapi.ts";
import fc from "../../packages/fast_check.ts";

/** Routes of the daemon that the dashboard does not offer, and why. */
const LEFT_OUT: Record<string, string> = {
  "POST /v1/topics/{topic}/events": "whoever gets in must not forge events",
  "POST /v1/events": "the same",
  "POST /v1/subscriptions/{name}/lease": "for consumers",
  "POST /v1/subscriptions/{name}/begin": "for consumers",
  "POST /v1/subscriptions/{name}/ack": "for consumers",
  "POST /v1/subscriptions/{name}/nack": "for consumers",
  "POST /v1/subscriptions/{name}/release": "for consumers",
  "POST /v1/subscriptions/{name}/extend": "for consumers",
  "POST /v1/subscriptions/{name}/processed": "for publishers and consumers",
  "POST /v1/damage/accept": "needs somebody at the machine",
  "POST /v1/nodes/drain": "needs somebody at the machine",
  "POST /v1/alerts/turn": "is between evs alerts",
  "POST /v1/shutdown": "needs somebody at the machine",
};

Deno.test("effectOn knows every route of the daemon, or it is left out for a reason", () => {
  for (const [path, methods] of Object.entries<Record<string, unknown>>(openapi.paths)) {
    for (const method of Object.keys(methods).filter((name) => name !== "parameters")) {
      const name = `${method.toUpperCase()} ${path}`;
      const effect = effectOn(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "some-name"));
      assert.equal(
        effect === undefined,
        LEFT_OUT[name] !== undefined,
        `${name}: offer it in commands/dashboard/offered.ts, or say here why not`,
      );
      if (method === "get") assert.equal(effect, "read", name);
    }
  }
});

Deno.test("effectOn knows no path with another number of segments, an empty one or dots in it", () => {
  const word = fc.constantFrom("v1", "topics", "events", "", ".", "..", "%2e%2e", "a%2Fb", "dlq");
  fc.assert(fc.property(fc.array(word, { maxLength: 7 }), (words) => {
    const path = `/${words.join("/")}`;
    const effect = effectOn("GET", path);
    if (effect === undefined) return;
    assert.match(path, /^\/v1\/(topics|events)(\/[^/]+)*$/);
  }));
  for (
    const path of [
      "/v1/topics/",
      "/v1//topics",
      "/v1/topics/a/events/b/c",
      "/v1/../metrics",
      "/V1/topics",
    ]
  ) {
    assert.equal(effectOn("GET", path), undefined, path);
  }
  for (const method of ["HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "__proto__", "constructor"]) {
    assert.equal(effectOn(method, "/v1/topics"), undefined, method);
  }
});

Deno.test("onlyReads takes a request for a dry run when its query says so once", () => {
  const cases: [string, boolean][] = [
    ["dryRun=1", true],
    ["", false],
    ["dryRun=0", false],
    ["dryRun=1&dryRun=0", false],
    ["dryRun=0&dryRun=1", false],
    ["dryrun=1", false],
    ["dryRun", false],
  ];
  for (const [query, expected] of cases) {
    assert.equal(onlyReads("change-or-query", new URLSearchParams(query)), expected, query);
    assert.equal(onlyReads("change", new URLSearchParams(query)), false, query);
    assert.equal(onlyReads("read", new URLSearchParams(query)), true, query);
  }
});

Deno.test("dryRunBody writes the body anew, and takes none whose last dryRun is not true", () => {
  const encoder = new TextEncoder();
  const rewritten = (text: string) => dryRunBody(encoder.encode(text));
  assert.equal(rewritten('{"to":"5", "dryRun":true}'), '{"to":"5","dryRun":true}');
  assert.equal(rewritten('{"dryRun":false,"dryRun":true}'), '{"dryRun":true}');
  for (
    const text of [
      '{"dryRun":true,"dryRun":false}',
      '{"dryRun":"true"}',
      '{"dryRun":1}',
      '{"__proto__":{"dryRun":true}}',
      '[{"dryRun":true}]',
      "{}",
      "null",
      "",
      "{",
    ]
  ) {
    assert.equal(rewritten(text), undefined, text);
  }
  assert.equal(dryRunBody(new Uint8Array([0xff])), undefined);
});
