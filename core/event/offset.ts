/** Offsets: where to start or end reading, as people write it. */
import { parseDuration } from "../base/units.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { TopicHead } from "./topic_head.ts";

/** A parsed offset. */
export type Offset =
  | { kind: "start" }
  | { kind: "end" }
  | { kind: "seq"; seq: number }
  /** The last `count` events. */
  | { kind: "last"; count: number }
  /** A point in time, Unix ms. */
  | { kind: "time"; at: number }
  /** This long ago, ms. */
  | { kind: "ago"; ms: number };

/**
 * Parses `start`, `end`, a seq, `-N`, `@2026-11-23T10:00:00Z`, `@-1h`. Throws
 * `InvalidArgumentError`.
 */
export function parseOffset(text: string): Offset {
  if (text === "start" || text === "end") return { kind: text };
  if (/^\d{1,15}$/.test(text)) return { kind: "seq", seq: Number(text) };
  if (/^-\d{1,15}$/.test(text)) return { kind: "last", count: Number(text.slice(1)) };
  if (text.startsWith("@-")) return { kind: "ago", ms: parseDuration(text.slice(2), "a time ago") };
  if (text.startsWith("@")) {
    const at = parseTime(text.slice(1), "@");
    if (at !== undefined) return { kind: "time", at };
  }
  throw new InvalidArgumentError(`not an offset: ${JSON.stringify(text.slice(0, 80))}`, {
    details: { offset: text.slice(0, 80) },
    hint: "an offset is start, end, a seq, -N (the last N), @2026-11-23T10:00:00Z or @-1h",
  });
}

/**
 * Parses a time as in an offset, without the `@`: Unix ms. Throws `InvalidArgumentError` for
 * anything else, and for a time without a zone.
 */
export function parseMoment(text: string): number {
  const at = parseTime(text);
  if (at !== undefined) return at;
  throw new InvalidArgumentError(`not a time: ${JSON.stringify(text.slice(0, 80))}`, {
    details: { time: text.slice(0, 80) },
    hint: "a time is 2026-11-23T10:00:00Z, or Unix ms",
  });
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * An ISO 8601 date and time with a zone; without one it would mean a different moment to everybody.
 * A bare number is Unix ms. `mark`: what stands before it, for errors.
 */
function parseTime(text: string, mark = ""): number | undefined {
  if (/^\d{12,14}$/.test(text)) return Number(text);
  const [, day, zone] = TIME.exec(text) ?? [];
  if (day === undefined || (zone !== undefined && text.length < day.length + 6)) return undefined;
  // Date.parse turns 31 February into 3 March.
  const midnight = Date.parse(day);
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return undefined;
  if (zone === undefined && isTimeOfDay(text.slice(day.length + 1))) {
    throw new InvalidArgumentError(`the time has no zone: ${JSON.stringify(`${mark}${text}`)}`, {
      details: { [mark === "" ? "time" : "offset"]: `${mark}${text}` },
      hint: `${mark}${
        text.length === day.length ? `${text}T00:00` : text
      }Z is in UTC; or give +01:00`,
    });
  }
  const at = Date.parse(text.replace(" ", "T"));
  return zone === undefined || Number.isNaN(at) ? undefined : at;
}

/** True for a valid time of day, or for none. */
function isTimeOfDay(text: string): boolean {
  return text === "" || !Number.isNaN(Date.parse(`2000-01-01T${text}Z`));
}

/**
 * A timestamp further ahead of the clock than this does not count: somebody sent microseconds. One
 * day, ms.
 */
const AHEAD_MS = 86_400_000;

/** What it takes to resolve an offset; `Seq` is a number, or also the promise of one. */
export interface OffsetView<Seq = MaybePromise<number>> {
  head: Pick<TopicHead, "firstSeq" | "lastSeq">;
  /**
   * The lowest seq with a timestamp at or after `timestamp` and not after `latest`; `lastSeq + 1`
   * if there is none.
   */
  seekTime(timestamp: number, latest: number): Seq;
  /** Unix ms. */
  now: number;
}

/**
 * The first seq to read. `end` is one past the last. A seq that retention deleted moves up to the
 * first that is left.
 */
export function resolveOffset<Seq>(
  offset: Offset,
  { head, seekTime, now }: OffsetView<Seq>,
): number | Seq {
  switch (offset.kind) {
    case "start":
      return head.firstSeq;
    case "end":
      return head.lastSeq + 1;
    case "seq":
      return Math.max(offset.seq, head.firstSeq);
    case "last":
      return Math.max(head.firstSeq, head.lastSeq - offset.count + 1);
    case "time":
      return seekTime(offset.at, now + AHEAD_MS);
    case "ago":
      return seekTime(now - offset.ms, now + AHEAD_MS);
  }
}

/**
 * Where a reader begins: a seq stays what was asked for, so that the reader is told if retention
 * took it.
 */
export function readerStart<Seq>(offset: Offset, view: OffsetView<Seq>): number | Seq {
  return offset.kind === "seq" ? Math.max(1, offset.seq) : resolveOffset(offset, view);
}

/** True for an offset that makes sense on any topic, and so for a pattern. */
export function isTopicless(offset: Offset): boolean {
  return offset.kind !== "seq" && offset.kind !== "last";
}
