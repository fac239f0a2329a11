/** The routes of dead letters. */
import { LARGEST_FULL_PAGE, LARGEST_PAGE } from "../../core/event/limits.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { DeadLetterAction } from "../../core/protocol/protocol.ts";
import { deadLetterInfo } from "../../core/dead_letter/dead_letters.ts";
import type { DeadLetterFilter, DeadLetterRecord } from "../../core/state/state.ts";
import { concat } from "../../core/base/bytes.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendBytes, sendJson } from "../http/router.ts";
import { flag, flagIn, list, object, refined, text, valueIn, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { deadLetterFilter, subscriptionName } from "./shapes.ts";

const DEFAULT_PAGE = 100;
const page = whole([1, LARGEST_PAGE]);
/** The start of the page, as the previous page's header gave it. */
const pageStart = whole([0, Number.MAX_SAFE_INTEGER]);

/** Which dead letters an act is on. */
export const deadLetterSelection = {
  ids: list(text, { what: "ids" }),
  ...deadLetterFilter,
  all: flag,
  dryRun: flag,
} as const;
const SELECTS = ["ids", ...Object.keys(deadLetterFilter)];
const selects = { anyOf: SELECTS.map((name) => ({ required: [name] })) };
/** Either all dead letters, or a selection. */
export const ALL_OR_SOME = {
  if: { properties: { all: { const: true } }, required: ["all"] },
  then: { not: selects },
  else: selects,
};
const removeAction = refined(object(deadLetterSelection), checkSelection, ALL_OR_SOME);
const retryAction = refined(
  object({ ...deadLetterSelection, to: subscriptionName }),
  checkSelection,
  ALL_OR_SOME,
);

/** Throws `InvalidArgumentError` unless it is either. */
export function checkSelection(action: DeadLetterAction): void {
  const isSome = SELECTS.some((name) => Object.hasOwn(action, name));
  if (isSome !== (action.all ?? false)) return;
  throw new InvalidArgumentError(
    isSome ? "all goes without ids and filters" : "name dead letters by ids or filters, or say all",
    { hint: "evs dlq list shows them" },
  );
}

/** List, show, retry, remove. */
export const deadLetterRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/dead-letters",
    query: { ...deadLetterFilter, limit: page, after: pageStart, full: flag, oldest: flag },
    async handle({ services, query }, reply) {
      const filter = filterIn(query);
      const full = flagIn(query, "full");
      // If more is requested than fits, the reply has what fits, and the header says where the next
      // page starts.
      const largest = full ? LARGEST_FULL_PAGE : LARGEST_PAGE;
      const limit = Math.min(
        valueIn(query, { name: "limit", shape: page }) ?? DEFAULT_PAGE,
        largest,
      );
      const after = query.get("after");
      const oldest = flagIn(query, "oldest");
      const paging = { limit, oldest, ...(after === null ? {} : { after }) };
      const { deadLetters } = services.broker;
      const { records, next } = await deadLetters.records(filter, paging);
      if (next !== undefined) reply.header("evs-next", next);
      const bytes = concat(full ? records.flatMap(wholeLine) : records.map(shortLine));
      sendBytes(reply, { status: 200, type: "application/x-ndjson", bytes });
    },
  },
  {
    method: "GET",
    path: "/v1/dead-letters/{id}",
    query: { topic: deadLetterFilter.topic },
    async handle({ services, params, query }, reply) {
      const topic = query.get("topic") ?? undefined;
      const records = await services.broker.deadLetters.show(params["id"]!, topic);
      sendBytes(reply, { status: 200, type: "application/json", bytes: details(records) });
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/dead-letters/retry",
    body: retryAction,
    required: true,
    async accept(request, { body, reply }) {
      const { broker, disk } = request.services;
      const retrying = await broker.deadLetters.retrying(body, actOf(request));
      const result = await disk.makeRoom(() => retrying.run());
      if (!result.dryRun) {
        request.services.sentAgain.add(result.bySubscription);
      }
      sendJson(reply, 200, result);
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/dead-letters/remove",
    body: removeAction,
    required: true,
    async accept(request, { body, reply }) {
      const { broker, disk } = request.services;
      const removing = await broker.deadLetters.removing(body, actOf(request));
      const result = await disk.makeRoom(() => removing.run());
      if (!result.dryRun) {
        request.services.log.logger.warning("dead letters removed", {
          count: result.count,
          bySubscription: result.bySubscription,
        });
      }
      sendJson(reply, 200, result);
    },
  }),
];

const encoder = new TextEncoder();

/** The filter that a query gives. */
export function filterIn(query: URLSearchParams): DeadLetterFilter {
  const given = Object.entries(deadLetterFilter).map(([name, shape]) => [
    name,
    valueIn<unknown>(query, { name, shape }),
  ]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function shortLine(record: DeadLetterRecord): Uint8Array {
  return encoder.encode(`${JSON.stringify(deadLetterInfo(record))}\n`);
}

const LF = encoder.encode("\n");

function wholeLine(record: DeadLetterRecord): Uint8Array[] {
  return [...wholeEntry(record), LF];
}

/** Every entry with its attempts and its event. */
function details(records: readonly DeadLetterRecord[]): Uint8Array {
  return concat([
    encoder.encode('{"deadLetters":['),
    ...records.flatMap((record, i) =>
      i === 0 ? wholeEntry(record) : [encoder.encode(","), ...wholeEntry(record)]
    ),
    encoder.encode("]}\n"),
  ]);
}

/** An entry as JSON; its event's payload stays as it was published. */
function wholeEntry({ line, ...about }: DeadLetterRecord): Uint8Array[] {
  const head = JSON.stringify(about).slice(0, -1);
  const event = line.at(-1) === 0x0a ? line.subarray(0, -1) : line;
  return [encoder.encode(`${head},"event":`), event, encoder.encode("}")];
}
