/**
 * Backoff: how long a failed event waits before its next attempt. Full jitter as in "Exponential
 * Backoff And Jitter" (Marc Brooker, AWS Architecture Blog, 2015): a random wait between zero and
 * the computed one.
 */
import { formatDuration, parseDuration } from "../base/units.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { LONGEST_DELAY_MS } from "./limits.ts";

/**
 * `fixed` waits `base`; `linear` waits `base * n`; `exp` waits `base * 2^(n-1)`; each up to `max`,
 * in ms.
 */
export interface BackoffSpec {
  /** How the wait grows. */
  kind: "fixed" | "linear" | "exp";
  /** Milliseconds. */
  base: number;
  /** Milliseconds. */
  max: number;
  /** Full jitter: a random wait between 0 and the computed one. */
  jitter: boolean;
}

/** `exp:1s..5m,jitter`. */
export const defaultBackoff: Readonly<BackoffSpec> = {
  kind: "exp",
  base: 1000,
  max: 300_000,
  jitter: true,
};

/** Parses `fixed:100ms`, `linear:1s..1m`, `exp:1s..5m,jitter`. Throws `InvalidArgumentError`. */
export function parseBackoff(text: string): BackoffSpec {
  const found = /^(fixed|linear|exp):([^.,]+(?:\.\d[^.,]*)?)(?:\.\.([^,]+))?(,jitter)?$/.exec(text);
  if (!found) {
    throw new InvalidArgumentError(
      `a backoff is KIND:BASE[..MAX][,jitter], not ${JSON.stringify(text.slice(0, 80))}`,
      {
        hint: "for example exp:1s..5m,jitter or linear:1s..1m or fixed:100ms",
      },
    );
  }
  const kind = found[1] as BackoffSpec["kind"];
  const base = parseDuration(found[2]!, "the base of a backoff");
  const max = found[3] === undefined
    ? (kind === "fixed" ? base : Math.max(base, defaultBackoff.max))
    : parseDuration(found[3], "the cap of a backoff");
  const spec = checkBackoff({ kind, base, max, jitter: found[4] !== undefined });
  // A fixed wait needs no cap. Dropping it leaves only one way to write the same backoff.
  return kind === "fixed" ? { ...spec, max: base } : spec;
}

/** Validates a backoff that arrived as JSON. */
export function checkBackoff(spec: BackoffSpec): BackoffSpec {
  const { kind, base, max, jitter } = spec ?? {};
  const whole = (ms: unknown) =>
    Number.isSafeInteger(ms) && (ms as number) >= 0 && (ms as number) <= LONGEST_DELAY_MS;
  if (
    !["fixed", "linear", "exp"].includes(kind) || !whole(base) || !whole(max) || max < base ||
    typeof jitter !== "boolean"
  ) {
    throw new InvalidArgumentError(
      "a backoff has a kind (fixed, linear or exp), a base and a max in ms (base at most max, max at most a year), and jitter",
      { details: { field: "backoff" } },
    );
  }
  return spec;
}

/** The text that {@link parseBackoff} reads back. */
export function formatBackoff({ kind, base, max, jitter }: BackoffSpec): string {
  const cap = kind === "fixed" ? "" : `..${formatDuration(max)}`;
  return `${kind}:${formatDuration(base)}${cap}${jitter ? ",jitter" : ""}`;
}

/**
 * How long to wait after this many failures (from 1), in ms. `random` returns a number in [0, 1).
 */
export function backoffDelay(
  spec: BackoffSpec,
  failures: number,
  random: () => number = Math.random,
): number {
  const n = Math.max(1, failures);
  // 2 ** 1023 is the largest finite power of two; the cap applies long before that.
  const factor = spec.kind === "fixed"
    ? 1
    : spec.kind === "linear"
    ? n
    : 2 ** Math.min(n - 1, 1000);
  const wait = Math.min(spec.max, spec.base * factor);
  return Math.round(spec.jitter ? wait * random() : wait);
}
