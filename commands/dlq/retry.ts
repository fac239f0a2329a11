/** `evs dlq retry`: redelivers dead letters to their subscription. */
import type { Client } from "../../core/client/client.ts";
import type {
  DeadLetterAction,
  DeadLetterActionReply,
  DeadLetterInfo,
} from "../../core/protocol/protocol.ts";
import type { Clock } from "../../core/base/clock.ts";
import { parseRate, type Rate, rateText } from "../../core/base/rate.ts";
import { inKeyOrder } from "../../core/dead_letter/order.ts";
import { ConnectionLostError, EvsError, RemoteError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { Progress } from "../terminal/progress.ts";
import { addReplies, assertFound, countReply } from "./outcome.ts";
import { deadLetterPages } from "./pages.ts";
import { type PartialRetry, partialRetryError } from "./partial_retry.ts";
import {
  assertSelected,
  type FilterFlags,
  filterFlags,
  idArguments,
  selection,
  toFlag,
} from "./selection.ts";

type RetryFlags = FilterFlags & { all: boolean; dryRun: boolean; to?: string; rate?: Rate };

export const route = verb<RetryFlags, string[]>({
  brief: "Redeliver dead letters",
  description:
    "Redelivers dead letters to the subscription that failed, with fresh retries; their history is kept. Events that succeed leave the queue, events that fail return to it.",
  examples: [
    ["dlq retry o-17", "this event, for every subscription that gave up on it"],
    ["dlq retry mailer:o-17 --topic orders", "if several topics have an event with the id o-17"],
    ["dlq retry --subscription mailer --reason timeout", "what mailer gave up on for that reason"],
    ["dlq retry --all --rate 10/s", "everything, ten per second"],
    ["dlq retry --all --dry-run", "only print what would be redelivered"],
  ],
  parameters: {
    flags: {
      ...filterFlags,
      all: { kind: "boolean", brief: "Every dead letter", default: false },
      dryRun: { kind: "boolean", brief: "Only print what would be done", default: false },
      to: toFlag,
      rate: {
        kind: "parsed",
        parse: (input) => parseRate(input, "--rate"),
        brief: "At most this many per second, minute or hour, such as 10/s or 100/m",
        placeholder: "N/s",
        optional: true,
      },
    },
    positional: idArguments,
  },
  run: retryDeadLetters,
});

async function retryDeadLetters(
  this: EvsContext,
  flags: RetryFlags,
  ...ids: string[]
): Promise<void> {
  const chosen = selection(flags, { ids, now: this.clock.now() });
  assertSelected(chosen, "retry");
  const client = await this.client();
  const { dryRun, to, rate } = flags;
  using progress = new Progress({
    output: this.stderr,
    enabled: this.stderr.isTerminal && !this.quiet,
    now: () => this.clock.monotonic(),
  });
  const { subscription, topic, type, key, reason } = chosen;
  const repeated = { subscription, topic, type, key, reason, to };
  const reply = rate === undefined || dryRun
    ? await retryAtOnce(client, { action: { ...chosen, to, dryRun }, flags: repeated })
    : await retrySlowly(client, {
      chosen,
      to,
      rate,
      clock: this.clock,
      sent: ({ far, of }) => progress.update(() => `sent again: ${far} of ${of}`),
      flags: { ...repeated, rate: rateText(rate) },
    });
  progress.clear();
  assertFound(reply, ids);
  if (!this.forPeople) this.printJson(reply);
  else if (reply.count === 0) this.print("No dead letters match: nothing to send again.");
  else if (dryRun) this.print(`Would send again: ${countReply(reply)}.`);
  else this.print(`Sent again: ${countReply(reply)}.`);
}

/** The flags to repeat in the command that goes on. */
type RepeatedFlags = Readonly<Record<string, string | undefined>>;

/** Asks for all of it. Throws with exactly what was done if it is refused midway. */
async function retryAtOnce(
  client: Client,
  { action, flags }: { action: DeadLetterAction; flags: RepeatedFlags },
): Promise<DeadLetterActionReply> {
  try {
    return await client.retryDeadLetters(action);
  } catch (error) {
    const { done, count, left } = progressOf(error) ?? {};
    if (done === undefined) throw error;
    throw partialRetryError(error as EvsError, {
      partial: {
        sent: done,
        notSent: count! - done,
        unknown: 0,
        unit: "dead letter",
        left: action.ids && left,
      },
      flags,
    });
  }
}

/** What the daemon says of an action that it refused midway. */
function progressOf(error: unknown): { done: number; count: number; left?: string[] } | undefined {
  const details = error instanceof RemoteError ? error.details : undefined;
  if (typeof details?.["done"] !== "number") return undefined;
  return details as { done: number; count: number; left?: string[] };
}

/**
 * How to keep to a rate: chunks of `size`, one every `everyMs`; about ten chunks a second if the
 * rate allows.
 */
export function paceRetries(rate: Rate): { size: number; everyMs: number } {
  const size = Math.min(1_000, Math.max(1, Math.round(rate.count * 100 / rate.perMs)));
  return { size, everyMs: size * rate.perMs / rate.count };
}

interface SlowOptions {
  chosen: DeadLetterAction;
  to: string | undefined;
  rate: Rate;
  clock: Clock;
  /** Called after each chunk: how many of how many have been sent. */
  sent: (so: { far: number; of: number }) => void;
  flags: RepeatedFlags;
}

/**
 * Sends the dead letters that existed at the start, chunk by chunk, in key order: one that fails
 * again meanwhile is not sent twice.
 */
async function retrySlowly(client: Client, options: SlowOptions): Promise<DeadLetterActionReply> {
  const { chosen, to, rate, clock } = options;
  const { size, everyMs } = paceRetries(rate);
  const { ids: named, all: _all, ...filters } = chosen;
  const all = [...new Set(named ?? await namesInOrder(client, chosen))];
  // If the filters find nothing, or an id is unknown, the daemon says so before any is sent.
  if (all.length === 0 || named) await client.retryDeadLetters({ ...chosen, to, dryRun: true });
  let sum = addReplies([]);
  let due = clock.monotonic();
  for (let from = 0; from < all.length; from += size) {
    await sleepUntil(due, clock);
    const ids = all.slice(from, from + size);
    try {
      sum = addReplies([sum, await retryChunk(client, { ...filters, to, ids })]);
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      const so = { sent: sum.count, ids, rest: all.slice(from + size), named: !!named };
      throw partialRetryError(error, { partial: partialRetryOf(error, so), flags: options.flags });
    }
    options.sent({ far: sum.count, of: all.length });
    due = Math.max(due + everyMs, clock.monotonic());
  }
  return sum;
}

/** How far it got when a chunk was refused or not answered. `rest`: those not asked for yet. */
function partialRetryOf(
  error: EvsError,
  { sent, ids, rest, named }: {
    sent: number;
    ids: readonly string[];
    rest: readonly string[];
    named: boolean;
  },
): PartialRetry {
  const progress = progressOf(error);
  const unknown = error instanceof ConnectionLostError ? ids.length : 0;
  const left = [...(unknown > 0 ? [] : progress?.left ?? ids), ...rest];
  return {
    sent: sent + (progress?.done ?? 0),
    notSent: left.length,
    unknown,
    unit: named ? "id" : "dead letter",
    left: named ? left : undefined,
  };
}

/** Sends one chunk. Dead letters that were removed since they were found are skipped. */
async function retryChunk(
  client: Client,
  action: DeadLetterAction & { ids: string[] },
): Promise<DeadLetterActionReply> {
  const { ids } = action;
  try {
    return await client.retryDeadLetters(action);
  } catch (error) {
    const gone = error instanceof RemoteError && error.code === "dead-letter/not-found"
      ? error.details?.["ids"]
      : undefined;
    if (!Array.isArray(gone)) throw error;
    const left = ids.filter((id) => !gone.includes(id));
    if (left.length === 0) return { count: 0, dryRun: false, bySubscription: {} };
    if (left.length === ids.length) throw error;
    return await retryChunk(client, { ...action, ids: left });
  }
}

/** The names of what the filters match, in the order of sending. */
async function namesInOrder(client: Client, chosen: DeadLetterAction): Promise<string[]> {
  const found: Pick<DeadLetterInfo, "subscription" | "topic" | "key" | "seq" | "id">[] = [];
  for await (const page of deadLetterPages(client, { chosen, pageSize: 1_000 })) {
    for (const { subscription, topic, key, seq, id } of page) {
      found.push({ subscription, topic, seq, id, key });
    }
  }
  return inKeyOrder(found).map(({ subscription, id }) => `${subscription}:${id}`);
}

function sleepUntil(due: number, clock: Clock): Promise<void> {
  const ms = due - clock.monotonic();
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}
