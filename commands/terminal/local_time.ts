/**
 * Times as people see and write them: by the clock on their wall, with the offset where it is
 * shown.
 */
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** `@2026-11-23` with a time of day or without, and no zone. */
const ZONELESS = /^@(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?$/;

/**
 * An offset as it was typed; a time in it without a zone is local, as it is shown. A date alone is
 * local midnight, an hour that comes twice is the earlier one. Throws `InvalidArgumentError` for
 * one that the clocks pass over.
 */
export function localOffset(text: string): string {
  const found = ZONELESS.exec(text);
  if (!found) return text;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) =>
    Number(part ?? 0)
  ) as [number, number, number, number, number, number];
  const ms = Number((found[7] ?? "").padEnd(3, "0").slice(0, 3));
  const date = new Date(year, month - 1, day, hour, minute, second, ms);
  date.setFullYear(year, month - 1, day); // years below 100 are not of the last century
  const isThatDay = date.getMonth() === month - 1 && date.getDate() === day;
  // No such date or time at all: the daemon says so.
  if (!isThatDay || hour > 23 || minute > 59 || second > 59) return text;
  // Where the clocks pass over midnight, the day begins behind it.
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
