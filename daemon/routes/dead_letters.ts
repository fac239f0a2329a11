/** The routes of dead letters. */
import { LARGEST_FULL_PAGE, LARGEST_PAGE } from "../../core/event/limits.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { DeadLetterAction } from "../../core/protocol/protocol.ts";
import { deadLetterInfo } from "../../core/dead_letter/dead_letters.ts";
import type { DeadLetterFilter, DeadLetterRecord } from "../../core/state/state.ts";
import { concat } from "../../core/base/bytes.ts";
import { Fields } from "../http/fields.ts";
import { readJson, type Route, type RouteRequest, sendBytes, sendJson } from "../http/router.ts";

const DEFAULT_PAGE = 100;
const FILTERS = ["subscription", "topic", "type", "key", "reason"] as const;
/** Bounds of the time of death, Unix ms. */
const TIMES = ["since", "before"] as const;

/** List, group, show, retry, remove. */
export const deadLetterRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/dead-letters",
    handle({ services, query }, reply) {
      const filter = queryFilter(query, ["limit", "after", "full", "oldest"]);
      const full = wholeOf(query, "full", [0, 1]) === 1;
      const largest = full ? LARGEST_FULL_PAGE : LARGEST_PAGE;
      const limit = wholeOf(query, "limit", [1, largest]) ?? Math.min(DEFAULT_PAGE, largest);
      const after = query.get("after");
      const oldest = wholeOf(query, "oldest", [0, 1]) === 1;
      const page = { limit, oldest, ...(after === null ? {} : { after }) };
      const { deadLetters } = services.broker;
      const { records, next } = deadLetters.records(filter, page);
      if (next !== undefined) reply.setHeader("evs-next", next);
      const bytes = concat(full ? records.flatMap(wholeLine) : records.map(shortLine));
      sendBytes(reply, { status: 200, type: "application/x-ndjson", bytes });
    },
  },
  {
    method: "GET",
    path: "/v1/dead-letter-groups",
    async handle({ services, query }, reply) {
      sendJson(reply, 200, {
        groups: await services.broker.deadLetters.groups(queryFilter(query)),
      });
    },
  },
  {
    method: "GET",
    path: "/v1/dead-letters/{id}",
    handle({ services, params }, reply) {
      const records = services.broker.deadLetters.show(params["id"]!);
      sendBytes(reply, { status: 200, type: "application/json", bytes: details(records) });
    },
  },
  {
    method: "POST",
    path: "/v1/dead-letters/retry",
    async handle(request, reply) {
      const action = await actionOf(request, { to: true });
      const result = await request.services.broker.deadLetters.retry(action);
      if (!result.dryRun) {
        request.services.log.logger.info("dead letters sent again", {
          count: result.count,
          bySubscription: result.bySubscription,
        });
      }
      sendJson(reply, 200, result);
    },
  },
  {
    method: "POST",
    path: "/v1/dead-letters/remove",
    async handle(request, reply) {
      const action = await actionOf(request, { to: false });
      const result = await request.services.broker.deadLetters.remove(action);
      if (!result.dryRun) {
        request.services.log.logger.warning("dead letters removed", {
          count: result.count,
          bySubscription: result.bySubscription,
        });
      }
      sendJson(reply, 200, result);
    },
  },
];

const encoder = new TextEncoder();

function queryFilter(
  query: URLSearchParams,
  others: readonly string[] = [],
): DeadLetterFilter {
  const known = [...FILTERS, ...TIMES, ...others];
  for (const name of query.keys()) {
    if (known.includes(name)) continue;
    throw new InvalidArgumentError(`dead letters have no parameter ${JSON.stringify(name)}`, {
      details: { parameter: name },
      hint: `they take ${known.join(", ")}`,
    });
  }
  const filter: DeadLetterFilter = {};
  for (const name of TIMES) {
    const value = wholeOf(query, name, [0, Number.MAX_SAFE_INTEGER]);
    if (value !== undefined) filter[name] = value;
  }
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value !== null) filter[name] = value;
  }
  return filter;
}

function wholeOf(
  query: URLSearchParams,
  name: string,
  [low, high]: readonly [number, number],
): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new InvalidArgumentError(
    `${name} is a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`,
    {
      details: { parameter: name },
    },
  );
}

async function actionOf(request: RouteRequest, { to }: { to: boolean }): Promise<DeadLetterAction> {
  const known = ["ids", ...FILTERS, ...TIMES, "all", "dryRun", ...(to ? ["to"] : [])];
  const fields = new Fields(await readJson(request), known);
  const action: DeadLetterAction = {};
  for (const name of [...FILTERS, ...(to ? ["to" as const] : [])] as const) {
    const value = fields.string(name);
    if (value !== undefined) action[name] = value;
  }
  for (const name of TIMES) {
    const value = fields.whole(name, [0, Number.MAX_SAFE_INTEGER]);
    if (value !== undefined) action[name] = value;
  }
  const ids = fields.strings("ids");
  if (ids) action.ids = ids;
  const selects = Object.keys(action).some((name) => name !== "to");
  if (fields.boolean("dryRun")) action.dryRun = true;
  if (fields.boolean("all")) action.all = true;
  if (selects === (action.all ?? false)) {
    throw new InvalidArgumentError(
      selects
        ? "all goes without ids and filters"
        : "name dead letters by ids or filters, or say all",
      { hint: "evs dlq list shows them" },
    );
  }
  return action;
}

function shortLine(record: DeadLetterRecord): Uint8Array {
  return encoder.encode(`${JSON.stringify(deadLetterInfo(record))}\n`);
}

const LF = encoder.encode("\n");

function wholeLine(record: DeadLetterRecord): Uint8Array[] {
  return [...whole(record), LF];
}

/** Every entry with its attempts and its event. */
function details(records: readonly DeadLetterRecord[]): Uint8Array {
  return concat([
    encoder.encode('{"deadLetters":['),
    ...records.flatMap((record, i) =>
      i === 0 ? whole(record) : [encoder.encode(","), ...whole(record)]
    ),
    encoder.encode("]}\n"),
  ]);
}

/** An entry as JSON; the payload of its event stays as it was published. */
function whole({ line, ...about }: DeadLetterRecord): Uint8Array[] {
  const head = JSON.stringify(about).slice(0, -1);
  const event = line.at(-1) === 0x0a ? line.subarray(0, -1) : line;
  return [encoder.encode(`${head},"event":`), event, encoder.encode("}")];
}
