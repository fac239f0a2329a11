/** Numbers, times and durations as the dashboard shows them. Pure. */
import { escapeLines, escapeText } from "../../commands/terminal/escape.ts";
import { formatBytes } from "../../core/base/units.ts";

export { escapeLines, escapeText, formatBytes };

/** `12 345 678`: groups of three, kept together. Exact for whole numbers of any size. */
export function countText(value: number | bigint | string): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** `12.3/s`; three digits are enough. */
export function perSecondText(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond < 0.01) return "<0.01/s";
  return `${
    perSecond < 100 ? Number(perSecond.toPrecision(3)) : countText(Math.round(perSecond))
  }/s`;
}

const UNITS: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];

/** The two largest units: `3d 4h`, `5m 12s`, `7s`, `0s`. */
export function spanText(ms: number): string {
  const at = UNITS.findIndex(([size]) => ms >= size);
  if (at < 0) return "0s";
  const [size, unit] = UNITS[at]!;
  const whole = Math.floor(ms / size);
  const next = UNITS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms - whole * size) / next[0]);
  return rest === 0 ? `${whole}${unit}` : `${whole}${unit} ${rest}${next![1]}`;
}

/** `5m 12s ago`; a time in the future is `now`, because clocks differ. */
export function agoText(at: number, now: number): string {
  return now - at < 1_000 ? "now" : `${spanText(now - at)} ago`;
}

/** `in 5m 12s`, `due`. */
export function dueText(at: number, now: number): string {
  return at - now < 1_000 ? "due" : `in ${spanText(at - now)}`;
}

/** Local time with its offset: `2026-11-29 21:45:07.123+01:00`. */
export function timeText(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const offset = -date.getTimezoneOffset();
  const local = new Date(at + offset * 60_000).toISOString().replace("T", " ").replace("Z", "");
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${local}${offset < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
}

/** `21:45:07`. */
export function clockText(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** `1 event`, `2 events`. `many`: the word for more than one, where it is not that with an s. */
export function countNoun(count: number, noun: string, many = `${noun}s`): string {
  return `${countText(count)} ${count === 1 ? noun : many}`;
}
