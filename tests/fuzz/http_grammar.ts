/**
 * Requests to the daemon: valid, almost valid, and far from valid. Generated from the daemon's
 * routes and the parameters in schemas/openapi.json, so that a new route is fuzzed from its first
 * day.
 */
import fc from "../packages/fast_check.ts";
import { routes } from "../../daemon/routes/mod.ts";
import { hostileCharacter, hostileText, nearly } from "./fuzz.ts";
import { bodyOf, nameOf, QUERY } from "./http_values.ts";

/** One request, as bytes. */
export interface FuzzRequest {
  /** The route that it is meant for, for messages. */
  route: string;
  method: string;
  bytes: Uint8Array;
  /** False: it is not whole, or not HTTP; the sender closes behind it. */
  whole: boolean;
  /** The answer has no end: a follower's. */
  endless: boolean;
}

const encoder = new TextEncoder();
const openapi = JSON.parse(
  await Deno.readTextFile(new URL("../../schemas/openapi.json", import.meta.url)),
);

/** A line of the head; mostly one that means something here. */
const header = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ...[
        "content-type: application/x-ndjson",
        "content-type: application/json",
        "content-type: x",
        "content-type:",
        "content-type: application/cloudevents+json",
        "content-type: application/cloudevents-batch+json",
        "content-type: application/cloudevents+ndjson",
        "ce-specversion: 1.0\r\nce-id: c-1\r\nce-source: /fuzz\r\nce-type: t",
        "ce-specversion: 1.0",
      ],
      ...[
        "accept: text/event-stream",
        "accept: */*",
        "accept: application/cloudevents+ndjson",
        "accept: application/cloudevents-batch+json",
        "last-event-id: a:1",
        "last-event-id: a:1,a.b:2",
        "last-event-id: \x80",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1",
        "traceparent: 00-\x80",
      ],
      ...[
        "evs-protocol: 1",
        "evs-protocol: 2",
        "evs-protocol: x",
        "connection: close",
        "connection: keep-alive",
      ],
      ...[
        "connection: upgrade\r\nupgrade: websocket",
        "expect: 100-continue",
        "expect: x",
        "range: bytes=0-1",
      ],
      ...[
        "origin: http://evil.example",
        "cookie: a=b",
        "accept-encoding: gzip",
        "if-none-match: *",
        "te: trailers",
      ],
      ...[
        "x-forwarded-for: 1.2.3.4",
        "authorization: Bearer x",
        "host: two",
        "content-encoding: gzip",
      ],
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.stringMatching(/^[a-zA-Z0-9-]{1,20}$/),
      fc.oneof(hostileText, fc.constant("x".repeat(20_000))),
    ).map(([name, value]) => `x${name}: ${value.replaceAll(/[\r\n\0]/g, " ").toWellFormed()}`),
  },
);

/** How the body is framed, and what is wrong with that. */
type Framing =
  | "length"
  | "chunked"
  | "none"
  | "long"
  | "short"
  | "both"
  | "negative"
  | "chunk"
  | "cut";
const framing = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Framing>("length") },
  { weight: 5, arbitrary: fc.constant<Framing>("chunked") },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Framing>(
      "none",
      "long",
      "short",
      "both",
      "negative",
      "chunk",
      "cut",
    ),
  },
);

const method = fc.constantFrom(
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "QUERY",
);

function pathOf(path: string): fc.Arbitrary<string> {
  const parts = path.split("/").map((part) =>
    part.startsWith("{")
      ? nameOf(part.slice(1, -1)).map((name) => encodeURIComponent(name.toWellFormed()))
      : fc.constant(part)
  );
  const whole = fc.tuple(...parts).map((all) => all.join("/"));
  const rawer = nearly(whole).map((text) => text.replaceAll(/[\s\0]/g, "%20").toWellFormed());
  return fc.oneof({ weight: 15, arbitrary: whole }, { weight: 1, arbitrary: rawer });
}

function queryOf(names: readonly string[]): fc.Arbitrary<string> {
  const value = (name: string) => (QUERY[name] ?? hostileText).map((text) => [name, text] as const);
  const own = names.filter((name) => name in QUERY).map(value);
  const any = Object.keys(QUERY).map(value);
  const pair = own.length === 0
    ? fc.oneof(...any)
    : fc.oneof({ weight: 12, arbitrary: fc.oneof(...own) }, {
      weight: 1,
      arbitrary: fc.oneof(...any),
    });
  return fc.array(pair, { maxLength: own.length === 0 ? 1 : 4 }).map((pairs) =>
    pairs.length === 0
      ? ""
      : `?${
        pairs.map(([name, text]) => `${name}=${encodeURIComponent(text.toWellFormed())}`).join("&")
      }`
  );
}

/** Requests of one route. */
function requestOf(route: { method: string; path: string }): fc.Arbitrary<FuzzRequest> {
  const named = `${route.method} ${route.path}`;
  const { parameters = [] } = openapi.paths[route.path]?.[route.method.toLowerCase()] ?? {};
  const names = (parameters as { name?: string; in?: string; $ref?: string }[])
    .map((one) => one.name ?? one.$ref!.split("/").at(-1)!);
  return fc.record({
    method: fc.oneof({ weight: 15, arbitrary: fc.constant(route.method) }, {
      weight: 1,
      arbitrary: method,
    }),
    path: pathOf(route.path),
    query: queryOf(names),
    headers: fc.array(header, { maxLength: 3 }),
    body: bodyOf(named),
    framing,
    at: fc.nat(),
  }).map(({ method, path, query, headers, body, framing, at }) => {
    const hasBody = !["GET", "HEAD"].includes(method) || at % 7 === 0;
    const [lines, sent] = framed(
      hasBody ? framing : framing === "cut" ? "cut" : "none",
      hasBody ? body : new Uint8Array(0),
      at,
    );
    const head = [`${method} ${path}${query} HTTP/1.1`, "host: evs", ...headers, ...lines, "", ""]
      .join("\r\n");
    const bytes = Uint8Array.from([...encoder.encode(head), ...sent]);
    const broken = hasBody && ["long", "short", "both", "negative", "chunk"].includes(framing);
    const cut = framing === "cut";
    return {
      route: named,
      method,
      bytes: cut ? bytes.slice(0, at % bytes.length) : bytes,
      whole: !broken && !cut && !(hasBody && framing === "none" && sent.length > 0) &&
        !/\b(?:upgrade|expect): /.test(head),
      endless: /[?&]follow=(?:1|)(?:&|$)/.test(query),
    };
  });
}

function framed(framing: Framing, body: Uint8Array, at: number): [string[], Uint8Array] {
  switch (framing) {
    case "none":
    case "cut":
      return [[], body];
    case "length":
      return [[`content-length: ${body.length}`], body];
    case "long":
      return [[`content-length: ${body.length + 1 + at % 1000}`], body];
    case "short":
      return [[`content-length: ${at % (body.length + 1)}`], body];
    case "negative":
      return [
        [`content-length: ${["-1", "x", "1e3", "99999999999999999999", "1, 2"][at % 5]}`],
        body,
      ];
    case "both":
      return [[`content-length: ${body.length}`, "transfer-encoding: chunked"], chunks(body, 7)];
    case "chunk":
      return [
        ["transfer-encoding: chunked"],
        encoder.encode(["zz\r\n", "5\r\nabc\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n"][at % 4]),
      ];
    case "chunked":
      return [["transfer-encoding: chunked"], chunks(body, 1 + at % 50)];
  }
}

function chunks(body: Uint8Array, size: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(encoder.encode(`${part.length.toString(16)}\r\n`), part, encoder.encode("\r\n"));
  }
  parts.push(encoder.encode("0\r\n\r\n"));
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What is no request at all. */
const noise: fc.Arbitrary<FuzzRequest> = fc.oneof(
  fc.constantFrom(
    ...[
      "\r\n",
      "GET\r\n\r\n",
      "GET /v1/status\r\n\r\n",
      "GET /v1/status HTTP/1.0\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
    ],
    ...[
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET http://x/v1/status HTTP/1.1\r\nhost: x\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ...[
      "CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
      "GET // HTTP/1.1\r\nhost: x\r\n\r\n",
      "GET /v1/status HTTP/1.1\r\n\r\n",
      "\x16\x03\x01\x02",
    ],
    ...[
      "GET /v1/status HTTP/1.1\nhost: x\n\n",
      "GET /v1/status HTTP/1.1\r\nhost : x\r\n\r\n",
      "GET ?x HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
  ),
  fc.array(hostileCharacter, { maxLength: 40 }).map((all) => all.join("").toWellFormed()),
).map((text) => ({
  route: "noise",
  method: "",
  bytes: encoder.encode(text),
  whole: false,
  endless: false,
}));

/** Every route but the one that ends the daemon. */
export const served = routes.filter(({ path }) => path !== "/v1/shutdown");

/** Any request. */
export const request: fc.Arbitrary<FuzzRequest> = fc.oneof(
  { weight: 30, arbitrary: fc.oneof(...served.map(requestOf)) },
  {
    weight: 1,
    arbitrary: requestOf({ method: "GET", path: "/v1/shutdown" }).filter(({ method }) =>
      method !== "POST"
    ),
  },
  { weight: 1, arbitrary: noise },
);
