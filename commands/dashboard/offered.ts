/**
 * What may be asked of the daemon through the dashboard: a list, and nothing else. It has no
 * publishing and nothing that only consumers need, so whoever gets into a browser can neither forge
 * events nor take them away from a consumer, and cannot stop the daemon.
 */

/** What a request does to the daemon. */
export type Effect =
  /** It only reads. */
  | "read"
  /** It only reads, though it has a body. */
  | "ask"
  /** It changes something. */
  | "change"
  /** It changes something, unless its body says `"dryRun": true`. */
  | "change-or-try"
  /** It changes something, unless its query says `dryRun=1`. */
  | "change-or-query";

/** Path patterns by method; `*` stands for one segment. */
const OFFERED: Readonly<Record<string, Readonly<Record<string, Effect>>>> = {
  GET: {
    "/metrics": "read",
    "/v1/asyncapi": "read",
    "/v1/audit": "read",
    "/v1/dead-letter-groups": "read",
    "/v1/dead-letter-groups/*": "read",
    "/v1/dead-letter-jobs": "read",
    "/v1/dead-letter-jobs/*": "read",
    "/v1/dead-letters": "read",
    "/v1/dead-letters/*": "read",
    "/v1/events": "read",
    "/v1/health": "read",
    "/v1/history": "read",
    "/v1/nodes": "read",
    "/v1/overview": "read",
    "/v1/scheduled": "read",
    "/v1/schemas": "read",
    "/v1/schemas/*": "read",
    "/v1/schemas/*/diff": "read",
    "/v1/status": "read",
    "/v1/subscriptions": "read",
    "/v1/subscriptions/*": "read",
    "/v1/subscriptions/*/retries": "read",
    "/v1/topics": "read",
    "/v1/topics/*": "read",
    "/v1/topics/*/events": "read",
    "/v1/topics/*/events/*": "read",
    "/v1/topics/*/newest": "read",
  },
  POST: {
    "/v1/dead-letter-groups/*/dismiss": "change",
    "/v1/dead-letter-groups/*/notes": "change",
    "/v1/dead-letter-groups/*/reopen": "change",
    "/v1/dead-letter-groups/*/resolve": "change",
    "/v1/dead-letter-jobs": "change",
    "/v1/dead-letters/import": "change",
    "/v1/dead-letters/remove": "change-or-try",
    "/v1/dead-letters/retry": "change-or-try",
    "/v1/scheduled/cancel": "change",
    "/v1/schemas": "change-or-try",
    "/v1/schemas/*/check": "ask",
    "/v1/schemas/*/diff": "ask",
    "/v1/subscriptions/*/pause": "change",
    "/v1/subscriptions/*/resume": "change",
    "/v1/subscriptions/*/retries/now": "change",
    "/v1/subscriptions/*/seek": "change-or-try",
    "/v1/topics/*/events/*/redact": "change",
  },
  PUT: {
    "/v1/schemas/*": "change-or-query",
    "/v1/subscriptions/*": "change",
    "/v1/topics/*": "change",
  },
  PATCH: {
    "/v1/topics/*": "change",
  },
  DELETE: {
    "/v1/dead-letter-jobs/*": "change",
    "/v1/schemas/*": "change",
    "/v1/subscriptions/*": "change",
    "/v1/topics/*": "change",
  },
};

/** By method, then by the number of segments. */
const patterns = new Map(
  Object.entries(OFFERED).map(([method, paths]) => [
    method,
    Object.entries(paths).map(([path, effect]) => ({ words: path.split("/"), effect })),
  ]),
);

/**
 * What this request does; undefined if it is not offered. The path is compared as it was sent, as
 * the daemon does: `%2F` is a character of a name and not a slash, and dots are not resolved.
 */
export function effectOn(method: string, path: string): Effect | undefined {
  const words = path.split("/");
  return patterns.get(method)?.find((offered) =>
    offered.words.length === words.length &&
    offered.words.every((word, n) => word === "*" ? words[n] !== "" : word === words[n])
  )?.effect;
}

/** True if a request with this effect changes nothing, whatever its body says. */
export function onlyReads(effect: Effect, query: URLSearchParams): boolean {
  if (effect === "change-or-query") {
    const values = query.getAll("dryRun");
    return values.length === 1 && values[0] === "1";
  }
  return effect === "read" || effect === "ask";
}

/**
 * The body of a dry run, written anew so that nobody can read it in two ways; undefined if it is
 * none.
 */
export function dryRunBody(body: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    // Neither JSON nor UTF-8, so no dry run.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
  const isDry = typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.hasOwn(value, "dryRun") && (value as { dryRun: unknown }).dryRun === true;
  return isDry ? JSON.stringify(value) : undefined;
}
