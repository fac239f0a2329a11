/** Times as people read and write them: in local time, shown with the offset. */
import { parseOffset } from "../../core/event/offset.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** `@2026-11-23` with a time of day or without, and no zone. */
const ZONELESS = /^@(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?$/;

/**
 * Converts an offset as typed: a time without a zone is local. A date alone is local midnight, an
 * hour that occurs twice is the earlier one. Throws `InvalidArgumentError` for a time that the
 * clocks skip.
 */
export function localOffset(text: string): string {
  const found = ZONELESS.exec(text);
  if (!found) return text;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) =>
    Number(part ?? 0)
  ) as [number, number, number, number, number, number];
  const ms = Number((found[7] ?? "").padEnd(3, "0").slice(0, 3));
  const date = new Date(year, month - 1, day, hour, minute, second, ms);
  date.setFullYear(year, month - 1, day); // years below 100 would otherwise mean 19xx
  const isThatDay = date.getMonth() === month - 1 && date.getDate() === day;
  // Not a valid date or time: the daemon reports it.
  if (!isThatDay || hour > 23 || minute > 59 || second > 59) return text;
  // If the clocks skip midnight, the day starts after the gap.
  const isDate = found[4] === undefined;
  if (!isDate && (date.getHours() !== hour || date.getMinutes() !== minute)) {
    throw new InvalidArgumentError(
      `${text.slice(1)} is no time here: the clocks were put forward over it`,
      {
        hint: "give the zone too, such as " + `${text}Z`,
        details: { offset: text },
      },
    );
  }
  return `@${date.toISOString()}`;
}

/** The same for what must be an offset. Throws `InvalidArgumentError` for anything else. */
export function typedOffset(text: string): string {
  const offset = localOffset(text);
  try {
    parseOffset(offset);
  } catch (cause) {
    throw new InvalidArgumentError(
      `an offset is start, end, a seq, -N (the last N), @TIME such as @2026-11-23T10:00, or @-1h, not ${
        JSON.stringify(text.slice(0, 80))
      }`,
      { cause },
    );
  }
  return offset;
}

/**
 * Unix ms as local date and time with its offset: `2026-11-23 10:00:00+01:00`. With `ms`, to the
 * millisecond.
 */
export function formatLocalTime(timestamp: number, { ms = false }: { ms?: boolean } = {}): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return String(timestamp);
  const fill = (value: number, digits = 2) => String(value).padStart(digits, "0");
  const day = `${date.getFullYear()}-${fill(date.getMonth() + 1)}-${fill(date.getDate())}`;
  const time = `${fill(date.getHours())}:${fill(date.getMinutes())}:${fill(date.getSeconds())}`;
  const ahead = -date.getTimezoneOffset();
  const minutes = Math.abs(ahead);
  const zone = `${ahead < 0 ? "-" : "+"}${fill(Math.floor(minutes / 60))}:${fill(minutes % 60)}`;
  return `${day} ${time}${ms ? `.${fill(date.getMilliseconds(), 3)}` : ""}${zone}`;
}
