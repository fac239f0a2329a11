/** The query parameters of a publish, checked: an error names the parameter. */
import { EventRefusedError, InvalidArgumentError } from "../../core/base/errors.ts";
import { parseExact } from "../../core/json/exact.ts";
import { parseJson } from "../../core/json/json.ts";
import { type TraceContext, traceContextOf, withTrace } from "../../core/event/trace_context.ts";
import type { Expected } from "../../core/store/store.ts";
import { type EventDecoderOptions, parseExpected } from "../ingest/decode_event.ts";
import type { IncomingRequest } from "../http/request.ts";
import { checkedText, choice, type Parameters, text, whole } from "../http/shape.ts";
import { checkSchedule, type Schedule } from "../../core/event/schedule.ts";
import { LONGEST_SCHEDULE_MS, LONGEST_TTL_MS } from "../../core/event/limits.ts";
import {
  batchTag,
  eventId,
  expected,
  keyName,
  pointInTime,
  typeName,
  versionName,
} from "./shapes.ts";
import { isJsonObject } from "../../core/json/json_object.ts";

/** The parameters of a publish. */
export interface PublishParameters extends EventDecoderOptions {
  line: number;
  onError: "stop" | "skip";
  expected: Expected | undefined;
  /** When to publish, if not now. */
  schedule: Schedule | undefined;
  /** The body is lines of text, each of which is an event. */
  text?: boolean;
  /** The tag of a request that is stored as a whole or not at all: core/event/batch_tag.ts. */
  batch?: string;
}

/** The query parameters, which apply to all events of a publish. */
export const publishQuery: Parameters = {
  type: typeName,
  key: keyName,
  keyPointer: text,
  schemaVersion: versionName,
  metadata: checkedText({
    contentMediaType: "application/json",
    contentSchema: { type: "object" },
  }, metadataOf),
  id: eventId,
  idPrefix: eventId,
  line: whole([1, Number.MAX_SAFE_INTEGER]),
  onError: choice(["stop", "skip"]),
  expected,
  expectedKeySeq: whole([0, Number.MAX_SAFE_INTEGER]),
  batch: batchTag,
  text: choice(["lines"]),
  delayMs: whole([0, LONGEST_SCHEDULE_MS]),
  at: pointInTime,
  ttlMs: whole([1, LONGEST_TTL_MS]),
};

/** The trace that the headers of a request say, if they say one. */
export function traceOf(request: IncomingRequest): TraceContext | undefined {
  const traceparent = request.header("traceparent");
  if (traceparent === undefined) return undefined;
  return traceContextOf({ traceparent, tracestate: request.header("tracestate") });
}

/** What queries say: requests for the same target share theirs (daemon/http/request_target.ts). */
const known = new WeakMap<URLSearchParams, PublishParameters>();

/** Reads a query that has been checked. */
export function publishParameters(
  query: URLSearchParams,
  trace?: TraceContext | undefined,
): PublishParameters {
  let parameters = known.get(query);
  if (parameters === undefined) known.set(query, parameters = readParameters(query));
  if (trace === undefined) return parameters;
  return { ...parameters, metadata: withTrace(parameters.metadata, trace), trace };
}

function readParameters(query: URLSearchParams): PublishParameters {
  const given = (name: string) => {
    const value = query.get(name);
    return value === null ? {} : { [name]: value };
  };
  return {
    ...given("type"),
    ...given("key"),
    ...given("schemaVersion"),
    ...given("id"),
    ...given("idPrefix"),
    ...given("keyPointer"),
    ...given("batch"),
    text: query.get("text") === "lines",
    metadata: metadataOf(query.get("metadata") ?? "{}"),
    line: Number(query.get("line") ?? "1"),
    onError: query.get("onError") === "skip" ? "skip" : "stop",
    expected: expectedIn(query),
    schedule: scheduleOf(query),
    ...(query.has("ttlMs") ? { ttlMs: Number(query.get("ttlMs")) } : {}),
  };
}

function expectedIn(query: URLSearchParams): Expected | undefined {
  const [seq, keySeq] = [query.get("expected"), query.get("expectedKeySeq")];
  if (keySeq === null) return seq === null ? undefined : parseExpected(seq);
  if (seq === null) return { keySeq: Number(keySeq) };
  throw new InvalidArgumentError("expected and expectedKeySeq exclude each other", {
    details: { parameter: "expectedKeySeq" },
  });
}

function scheduleOf(query: URLSearchParams): Schedule | undefined {
  const [delayMs, at] = [query.get("delayMs"), query.get("at")];
  if (delayMs === null && at === null) return undefined;
  if (delayMs !== null && at !== null) {
    throw new InvalidArgumentError("delayMs and at exclude each other", {
      details: { parameter: "at" },
    });
  }
  return checkSchedule(delayMs === null ? { at } : { delayMs: Number(delayMs) });
}

/** A JSON object as compact text, with its numbers as written. */
function metadataOf(text: string): string {
  try {
    parseJson(text);
  } catch (cause) {
    throw new InvalidArgumentError(
      `metadata is ${cause instanceof EventRefusedError ? cause.message : "not JSON"}`,
      { cause },
    );
  }
  const parsed = parseExact(text);
  if (isJsonObject(parsed)) return JSON.stringify(parsed);
  throw new InvalidArgumentError("metadata is not a JSON object");
}
