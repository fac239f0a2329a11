/**
 * Values for requests: names, query parameters, fields of JSON bodies, lines; valid ones and
 * others.
 */
import fc from "../packages/fast_check.ts";
import { LONGEST_WAIT_MS } from "../../core/event/limits.ts";
import { CORPUS, jsonText } from "../helpers/json_text.ts";
import { hostileText, nearly } from "./fuzz.ts";

const encoder = new TextEncoder();

/** Few names, so that requests meet what others made, and what is stored stays little. */
const POOL: Record<string, string[]> = {
  topic: ["a", "a.b", "a.c", "Orders", "memory", "filed", "never"],
  name: ["s1", "s2", "s3", "~fuzz", "never"],
  type: ["t", "created", "checked", "never"],
  event: ["1", "2", "999", "given-1", "given-2", "01a20ef5-54ef-7000-9f31-000000000001"],
  id: ["s1:given-1", "given-1", "01a20ef5-54ef-7000-9f31-000000000001"],
};

const HOSTILE_NAMES = [
  ...[
    "..",
    ".",
    "%2e%2e",
    "../x",
    "a/b",
    "a\0b",
    "a%00",
    "*",
    "**",
    "a.*",
    "a**",
    "x".repeat(300),
    "é",
    "e\u0301",
  ],
  ...["__proto__", "constructor", "\ud800", "a b", "a\nb", "CON", "-", "~", "%", "%zz", "%c3%28"],
];

export function nameOf(kind: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...POOL[kind] ?? POOL["name"]!) },
    { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_NAMES) },
  );
}

/** One of the first most of the time, at times one of the others. */
function mostly(sound: readonly unknown[], others: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...sound) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

const number = mostly([0, 1, 2, 5, 1000], [-1, 1.5, 1e15, 1e16, 1e308, "1", null]);
const small = fc.constantFrom<unknown>(0, 1, 3, 10);
const offset = fc.constantFrom(
  "start",
  "end",
  "1",
  "2",
  "-3",
  "-0",
  "@2026-11-23",
  "@-1h",
  "@-0",
  "@",
  "999999999999999",
  "x",
);
const where = nearly(fc.constantFrom(
  ...[
    "payload.a > 1",
    "event.type == 't'",
    "payload.list.exists(i, i + 1 > 2)",
    "payload.matches('^(a+)+$')",
  ],
  ...[
    "true",
    "payload",
    "has(payload.a)",
    "payload.list.map(i, payload.list.map(j, i + j)).size() < 0",
  ],
));
const pattern = fc.constantFrom("*", "**", "a.*", "**.b", "a", "a.b", "Orders", "never", "a.**.*");

/** Values of query parameters, by name. */
export const QUERY: Record<string, fc.Arbitrary<string>> = {
  topic: fc.oneof(nameOf("topic"), pattern),
  type: nameOf("type"),
  from: offset,
  to: offset,
  where,
  except: nameOf("topic"),
  limit: fc.constantFrom("0", "1", "2", "100", "-1", "x", "9999999999999999"),
  follow: fc.constantFrom("1", "0", "", "x"),
  after: fc.constantFrom("a:1", "a.b:0", "x", ":", "a:9999999999999999", "a:1,a.b:2"),
  key: fc.constantFrom("k", "k2", "", "x".repeat(200)),
  keyPointer: fc.constantFrom("/a", "/a/b", "", "/", "a", "/~2", "/__proto__"),
  schemaVersion: fc.constantFrom("1.0", "2.0", "x", ""),
  metadata: fc.constantFrom('{"a":1}', "{}", "[]", "{", '{"__proto__":1}', "1"),
  id: fc.constantFrom("given-1", "given-2", "", "a b", "é"),
  idPrefix: fc.constantFrom("given", "x".repeat(127), ""),
  line: fc.constantFrom("1", "0", "-1", "9007199254740991", "x"),
  onError: fc.constantFrom("stop", "skip", "x"),
  expected: fc.constantFrom("0", "1", "none", "exists", "any", "-1", "x"),
  expectedKeySeq: fc.constantFrom("0", "1", "9007199254740991", "-1", "x"),
  full: fc.constantFrom("0", "1", "2"),
  oldest: fc.constantFrom("0", "1", "x"),
  since: fc.constantFrom("0", "1", "-1", "1e3"),
  subscription: nameOf("name"),
  reason: fc.constantFrom("no", "", "x"),
  retry: fc.constantFrom("0", "1", "2"),
  version: fc.constantFrom("1.0", "2.0", "x", ""),
  dryRun: fc.constantFrom("0", "1"),
  compatibility: fc.constantFrom("none", "backward", "forward", "full", "x"),
  batch: fc.constantFrom("8000-000000000000", "9abc-0123456789ab", "7000-000000000000", "x"),
  delayMs: fc.constantFrom("0", "1", "3600000", "-1", "1e3", "315360000001"),
  ttlMs: fc.constantFrom("1", "3600000", "3153600000000", "0", "-1", "1e3", "3153600000001"),
  at: fc.constantFrom("2020-01-01T00:00:00Z", "2100-01-01T00:00:00+01:00", "4102444800000", "soon"),
  lastPerKey: fc.constantFrom("0", "1", "2"),
  reverse: fc.constantFrom("0", "1", "2"),
  heartbeat: fc.constantFrom("100ms", "1s", "0s", "1h", "x"),
  missed: fc.constantFrom("0", "1", "2"),
  before: fc.constantFrom("0", "1", "-1", "1e3"),
};

const settings = fc.record({
  maxRetries: number,
  backoff: fc.oneof(
    fc.record({
      kind: fc.constantFrom("fixed", "exp", "linear", "x"),
      base: small,
      max: number,
      jitter: fc.constantFrom<unknown>(true, false, 1),
    }, { requiredKeys: [] }),
    number,
  ),
  eventTypes: fc.constantFrom<unknown>(["t"], [], [1], "t"),
  where,
  breaker: fc.constantFrom<unknown>(null, {}, { failures: 1, pauseMs: 1 }, { x: 1 }),
}, { requiredKeys: [] });
/**
 * A placeholder for a lease token from a reply: the sender puts one there, padded with spaces to
 * this length.
 */
export const LEASE = "LEASE".padEnd(24, "_");
const lease = mostly([LEASE, LEASE, "1"], ["", 1]);
const schema = fc.constantFrom(
  ...[
    "{}",
    '{"type":"object"}',
    '{"type":"object","required":["a"]}',
    "true",
    "false",
    "1",
    "[]",
    "{",
    '{"type":"x"}',
  ],
  ...[
    '{"pattern":"^(a+)+$"}',
    '{"$ref":"#"}',
    '{"$ref":"file:///etc/passwd"}',
    '{"allOf":[{"$ref":"#/allOf/0"}]}',
  ],
  ...[
    '{"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}',
    '{"uniqueItems":true}',
    '{"__proto__":{"type":"x"}}',
  ],
);

/** Values of the fields of JSON bodies, by name. */
const FIELDS: Record<string, fc.Arbitrary<unknown>> = {
  topic: fc.oneof(nameOf("topic"), pattern),
  from: offset,
  to: offset,
  settings,
  update: mostly([true, false], [1]),
  resume: fc.constantFrom<unknown>(true, false),
  reason: mostly(["tea", "\u202e"], [1]),
  dryRun: mostly([true, false], ["1"]),
  action: mostly(["retry", "remove"], ["edit"]),
  rate: mostly(["1000/s", "1/h"], ["0/s", "1/d"]),
  leases: fc.array(lease, { maxLength: 3 }),
  deliveries: fc.array(
    fc.record({
      lease,
      error: mostly(["no", ""], [1]),
      dead: fc.boolean(),
      exitCode: number,
      stderr: hostileText,
      afterMs: number,
    }, { requiredKeys: [] }),
    { maxLength: 3 },
  ),
  leaseMs: number,
  max: number,
  waitMs: mostly([0, 1, 5], [-1, LONGEST_WAIT_MS + 1, "x"]),
  bind: fc.boolean(),
  untilEmpty: fc.boolean(),
  throughPause: fc.boolean(),
  seq: number,
  ids: fc.array(nameOf("id"), { maxLength: 3 }),
  all: fc.boolean(),
  since: number,
  subscription: nameOf("name"),
  schemas: fc.array(
    fc.record({
      type: nameOf("type"),
      version: fc.constantFrom("1.0", "2.0", "3"),
      schema,
      compatibility: QUERY["compatibility"]!,
    }, { requiredKeys: [] }),
    { maxLength: 3 },
  ),
  persistent: mostly([true, true, false], [0]),
  retentionPeriod: number,
  maxEvents: mostly([0, 1, 50], [-1]),
  maxBytes: number,
  keep: mostly(["limits", "unconsumed"], ["consumed"]),
  drop: mostly(["limits", "consumed"], ["unconsumed"]),
  deadRetention: number,
  deadMax: mostly([0, 1, 50], [-1]),
  schema: mostly(["off", "validate", "validate", "require"], ["x"]),
  store: mostly(["default", "sqlite", "file", "memory"], ["x"]),
  durability: mostly(["default", "os", "always", "interval:5ms"], ["interval:0", 1]),
};

/** The fields of a route's JSON body; every route gets one of another now and then. */
const BODIES: Record<string, string[]> = {
  "PUT /v1/topics/{topic}": [
    "persistent",
    "retentionPeriod",
    "maxEvents",
    "maxBytes",
    "keep",
    "drop",
    "deadRetention",
    "deadMax",
    "schema",
    "store",
    "durability",
  ],
  "PATCH /v1/topics/{topic}": [
    "retentionPeriod",
    "maxEvents",
    "maxBytes",
    "keep",
    "drop",
    "deadRetention",
    "deadMax",
    "schema",
    "durability",
  ],
  "PUT /v1/subscriptions/{name}": ["topic", "from", "settings", "update", "resume"],
  "POST /v1/subscriptions/{name}/pause": ["reason"],
  "POST /v1/subscriptions/{name}/seek": ["to", "dryRun"],
  "POST /v1/subscriptions/{name}/lease": [
    "max",
    "leaseMs",
    "waitMs",
    "bind",
    "untilEmpty",
    "throughPause",
  ],
  "POST /v1/subscriptions/{name}/ack": ["leases"],
  "POST /v1/subscriptions/{name}/release": ["leases"],
  "POST /v1/subscriptions/{name}/extend": ["leases", "leaseMs"],
  "POST /v1/subscriptions/{name}/nack": ["deliveries"],
  "POST /v1/subscriptions/{name}/processed": ["topic", "seq", "waitMs"],
  "POST /v1/dead-letters/retry": ["ids", "subscription", "topic", "since", "all", "dryRun", "to"],
  "POST /v1/dead-letters/remove": ["ids", "subscription", "topic", "since", "all", "dryRun"],
  "POST /v1/dead-letter-jobs": ["action", "ids", "subscription", "since", "all", "to", "rate"],
  "POST /v1/schemas": ["schemas", "dryRun"],
  "POST /v1/scheduled/cancel": ["ids", "topic"],
};

/**
 * Bodies that are taken as they are. Fields by chance hardly ever make a subscription, and without
 * one most of its routes only ever say that it is not there.
 */
const SOUND: Record<string, string[]> = {
  "PUT /v1/subscriptions/{name}": [
    '{"topic":"a"}',
    '{"topic":"a.*","from":"start"}',
    '{"topic":"Orders","settings":{"maxRetries":0}}',
  ],
  "POST /v1/subscriptions/{name}/lease": ["{}", '{"max":3,"bind":true}'],
  "POST /v1/subscriptions/{name}/processed": ['{"topic":"a","seq":1}'],
};

function fields(names: readonly string[]): fc.Arbitrary<string> {
  const model = Object.fromEntries(names.map((name) => [name, FIELDS[name]!]));
  return fc.record(model, { requiredKeys: [] }).map((body) => JSON.stringify(body));
}

const payload = fc.oneof(jsonText, fc.constantFrom(...CORPUS.filter((text) => text.length < 500)));
const envelope = fc.tuple(
  fc.constantFrom("", '"type":"t",', '"type":"checked",', '"type":1,'),
  fc.constantFrom(
    "",
    '"id":"given-1",',
    '"key":"k",',
    '"metadata":{"a":1},',
    '"timestamp":-1,',
    '"x":1,',
    '"type":"t",',
  ),
  payload,
).map(([type, more, value]) => `{${type}${more}"payload":${value}}`);
const cloudEvent = fc.tuple(
  fc.constantFrom("1.0", "1.0", "1.0", "0.3", ""),
  fc.constantFrom("c-1", "c-2", "", "é"),
  fc.constantFrom(
    "",
    '"subject":"k",',
    '"time":"2026-11-23T00:00:00Z",',
    '"time":"soon",',
    '"data_base64":"AA==",',
    '"data_base64":"?",',
    '"dataschema":"x:y","comext":1,',
    '"Upper":1,',
  ),
  payload,
).map(([version, id, more, value]) =>
  `{"specversion":"${version}","id":"${id}","source":"/fuzz","type":"t",${more}"data":${value}}`
);
const addressed = fc.tuple(
  nameOf("topic"),
  fc.constantFrom("", '"expected":"none",', '"expected":{"topic":0},', '"key":"k","expected":1,'),
  envelope,
).map(([topic, more, event]) => `{"topic":${JSON.stringify(topic)},${more}${event.slice(1)}`);
const deadLetter = fc.tuple(nameOf("name"), envelope).map(([subscription, event]) =>
  `{"id":"${subscription}:given-1","subscription":${
    JSON.stringify(subscription)
  },"topic":"a","attempts":[],"event":${event}}`
);
const lines = (line: fc.Arbitrary<string>) =>
  fc.array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: nearly(line) }), {
    maxLength: 6,
  })
    .map((all) => all.join("\n"));

export function bodyOf(route: string): fc.Arbitrary<Uint8Array> {
  const own = BODIES[route];
  const usual = own
    ? fields(own)
    : route === "POST /v1/events"
    ? fc.array(addressed, { maxLength: 4 }).map((all) => `[${all.join()}]`)
    : route.endsWith("/events")
    ? fc.oneof(
      cloudEvent,
      lines(cloudEvent),
      fc.array(cloudEvent).map((all) => `[${all.join()}]`),
      payload,
      envelope,
      lines(payload),
      lines(envelope),
      fc.array(envelope).map((all) => `[${all.join()}]`),
    )
    : route.endsWith("/import")
    ? lines(deadLetter)
    : route.endsWith("/check")
    ? lines(payload)
    : /schemas/.test(route)
    ? schema
    : fc.constant("");
  const sound = SOUND[route];
  const text = fc.oneof(
    { weight: sound ? 5 : 0, arbitrary: fc.constantFrom(...sound ?? [""]) },
    { weight: 8, arbitrary: usual },
    { weight: 3, arbitrary: nearly(usual) },
    { weight: 1, arbitrary: fields(Object.keys(FIELDS)) },
    { weight: 1, arbitrary: hostileText },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "",
        "null",
        "[]",
        "{}",
        '"x"',
        "[".repeat(5000),
        '{"a":'.repeat(2000),
      ),
    },
  ).map((text) => encoder.encode(withoutLongWait(text)));
  return fc.oneof({ weight: 15, arbitrary: text }, {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 60 }),
  });
}

/**
 * An edit may make a number longer: what asks the daemon to wait for minutes is answered in
 * minutes, as it should be.
 */
function withoutLongWait(text: string): string {
  return text.replaceAll(
    /("waitMs"\s*:\s*)([-+\d.eE]+)/g,
    (all, name, ms) => Number(ms) > 1000 && Number(ms) <= LONGEST_WAIT_MS ? `${name}5` : all,
  );
}
