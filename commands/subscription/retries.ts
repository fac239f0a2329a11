/** `evs subscription retries`: lists the scheduled retries, and makes them due. */
import type { Client } from "../../core/client/client.ts";
import type { RetriesReply } from "../../core/protocol/in_flight.ts";
import { NotFoundError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { dueWords } from "./in_flight.ts";

type RetriesFlags = { now?: boolean };
type Row = RetriesReply["retries"][number];

/** A terminal shows this many, and says how many more there are. */
const TERMINAL_LIMIT = 200;

export const route = verb<RetriesFlags, string[]>({
  brief: "List the retries that wait, or make them due",
  description:
    "Lists the events that a subscription will be given again: which, as which attempt, when, and why the last attempt failed. With --now those that are named, or all, are due at once; their attempts count on, and events with the same key keep their order.",
  examples: [
    ["subscription retries mailer", "what waits, and until when"],
    ["subscription retries mailer --now", "the mail server is back: do not wait for the backoff"],
    ["subscription retries mailer --now o-17", "only this event"],
  ],
  usage: ["NAME [ID…]", "NAME --now [ID…]"],
  arguments: [
    ["NAME", "The subscription"],
    ["ID…", "Only the retries of these events; default all"],
  ],
  parameters: {
    flags: {
      now: { kind: "boolean", brief: "Make them due at once", optional: true },
    },
    positional: {
      kind: "array",
      parameter: { parse: plainText, brief: "The subscription, then ids", placeholder: "NAME" },
      minimum: 1,
    },
  },
  async run(this: EvsContext, { now }: RetriesFlags, name: string, ...ids: string[]) {
    const client = await this.client();
    if (now) await makeDue(this, client, { name, ids });
    else if (ids.length > 0) await printRows(this, await named(client, { name, ids }));
    else await list(this, client, name);
  },
});

/** All of them, page by page; a terminal gets the first. */
async function list(context: EvsContext, client: Client, name: string): Promise<void> {
  const rows: Row[] = [];
  let total = 0;
  for await (const page of pages(client, name)) {
    total = page.total;
    if (context.forPeople) rows.push(...page.retries);
    else await printRows(context, page.retries);
    if (rows.length >= TERMINAL_LIMIT) break;
  }
  if (total === 0) return context.note(`no retries wait for ${name}`);
  if (!context.forPeople) return;
  await printRows(context, rows);
  if (total > rows.length) context.note(`the first ${rows.length} of ${total}; all with --json`);
}

/** Retries of the given events; each of them must have one. */
async function named(
  client: Client,
  { name, ids }: { name: string; ids: string[] },
): Promise<Row[]> {
  const wanted = new Set(ids);
  const found: Row[] = [];
  for await (const page of pages(client, name)) {
    found.push(...page.retries.filter(({ id }) => wanted.has(id)));
  }
  for (const { id } of found) wanted.delete(id);
  if (wanted.size === 0) return found;
  throw new NotFoundError("retry", `no retry of ${[...wanted].join(", ")} waits for ${name}`, {
    hint: `evs subscription retries ${name} lists those that wait`,
  });
}

async function* pages(client: Client, name: string): AsyncGenerator<RetriesReply> {
  let page = await client.retries(name);
  yield page;
  while (page.next !== undefined) yield page = await client.retries(name, { after: page.next });
}

async function printRows(context: EvsContext, rows: readonly Row[]): Promise<void> {
  if (!context.forPeople) {
    return await context.printLines(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
  const at = context.clock.now();
  await context.printRows(rows, (row) => ({
    due: dueWords(row, at),
    topic: row.topic,
    seq: row.seq,
    attempt: row.attempt,
    id: row.id,
    reason: row.reason ?? "",
  }), { below: "reason", drop: ["topic"] });
}

async function makeDue(
  context: EvsContext,
  client: Client,
  { name, ids }: { name: string; ids: string[] },
): Promise<void> {
  const reply = await client.retryNow(name, ids.length === 0 ? {} : { ids });
  if (!context.forPeople) return context.printJson(reply);
  if (reply.count === 0) return context.note(`no retries wait for ${name}`);
  context.say(`${reply.count} ${reply.count === 1 ? "retry is" : "retries are"} due now`);
  const { paused } = await client.subscription(name);
  if (paused) context.say(`${name} is paused; go on with: evs subscription resume ${name}`);
}
