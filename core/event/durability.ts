/**
 * What an acknowledged append survives. `interval` and `os` survive a kill of the process, but not
 * a power cut.
 */
import { parseDuration } from "../base/units.ts";
import { InvalidArgumentError } from "../base/errors.ts";

/**
 * `always`: fsync before the reply. `interval:<ms>`: fsync within that many ms. `os`: the operating
 * system decides.
 */
export type Durability = "always" | "os" | `interval:${number}`;

/** Parses `always`, `os` or `interval:DURATION` (kept in ms). Throws `InvalidArgumentError`. */
export function parseDurability(value: string): Durability {
  if (value === "always" || value === "os") return value;
  if (value.startsWith("interval:")) {
    const ms = parseDuration(value.slice("interval:".length), "the interval of durability");
    if (ms >= 1) return `interval:${ms}`;
  }
  throw new InvalidArgumentError(
    `durability is always, os or interval:DURATION, not ${JSON.stringify(value.slice(0, 80))}`,
    {
      hint: "interval:200ms syncs within 200 ms; always syncs before each reply",
    },
  );
}

/** The same for programs, which may also send the form that is stored and shown: a number of ms. */
export function readDurability(value: string): Durability {
  if (/^interval:[1-9]\d{0,14}$/.test(value)) return value as Durability;
  return parseDurability(value);
}

/** The interval in ms; undefined for the others. */
export function intervalOf(durability: Durability): number | undefined {
  return durability.startsWith("interval:")
    ? Number(durability.slice("interval:".length))
    : undefined;
}

/** The one under which least can be lost. */
export function strictest(durabilities: readonly Durability[]): Durability {
  const lost = (durability: Durability) =>
    durability === "always" ? 0 : intervalOf(durability) ?? Infinity;
  return durabilities.reduce((best, next) => lost(next) < lost(best) ? next : best);
}
