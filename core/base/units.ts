/** Durations and sizes as people write them: `500ms`, `1h30m`, `64MiB`. */
import { InvalidArgumentError } from "./errors.ts";

const UNITS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Parses `500ms`, `30s`, `5m`, `2h`, `7d`, `1h30m` or `0` into milliseconds. Throws
 * `InvalidArgumentError`.
 */
export function parseDuration(text: string, what = "a duration"): number {
  if (text === "0") return 0;
  let total = 0;
  let rest = text;
  while (rest !== "") {
    const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/.exec(rest);
    if (!found) throw invalid(text, what);
    total += Number(found[1]) * UNITS[found[2]!]!;
    rest = rest.slice(found[0].length);
  }
  if (text === "" || !Number.isSafeInteger(Math.round(total))) throw invalid(text, what);
  return Math.round(total);
}

function invalid(text: string, what: string): InvalidArgumentError {
  const bare = /^\d+$/.test(text);
  return new InvalidArgumentError(
    `${what} is a number with a unit, such as 500ms, 30s, 5m, 2h or 7d, not ${quote(text)}`,
    {
      ...(bare ? { hint: `did you mean ${text}s or ${text}ms?` } : {}),
    },
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

/** The shortest exact form, which {@link parseDuration} reads back: `1h30m`, `100ms`, `0`. */
export function formatDuration(ms: number): string {
  let left = Math.round(ms);
  if (left === 0) return "0";
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const size = UNITS[unit]!;
    const count = Math.floor(left / size);
    if (count === 0) continue;
    text += `${count}${unit}`;
    left -= count * size;
  }
  return text;
}

const SIZES: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Parses `1000`, `64MiB` or `1MB` into bytes. Throws `InvalidArgumentError`. */
export function parseBytes(text: string, what = "a size"): number {
  const found = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b|)$/i.exec(text);
  const size = found ? SIZES[found[2]!.toLowerCase()] : undefined;
  const bytes = size === undefined ? NaN : Math.round(Number(found![1]) * size);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError(
    `${what} is a number of bytes, such as 1000, 64MiB or 1GB, not ${quote(text)}`,
  );
}

/** A size for people: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  // A value that would be shown as 1024 moves to the next unit.
  while (Math.round(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
