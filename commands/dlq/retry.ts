/** `evs dlq retry`: redelivers dead letters to their subscription. */
import type { Client } from "../../core/client/client.ts";
import type { DeadLetterAction, DeadLetterActionReply } from "../../core/protocol/protocol.ts";
import { defined } from "../../core/base/defined.ts";
import { parseRate, type Rate, rateText } from "../../core/base/rate.ts";
import { type EvsError, RemoteError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { detachFlag, runJob } from "./job.ts";
import { assertFound, countReply } from "./outcome.ts";
import { partialRetryError } from "./partial_retry.ts";
import {
  assertSelected,
  type FilterFlags,
  filterFlags,
  idArguments,
  selection,
  toFlag,
} from "./selection.ts";

type RetryFlags = FilterFlags & {
  all: boolean;
  dryRun: boolean;
  detach: boolean;
  to?: string;
  rate?: Rate;
};

export const route = verb<RetryFlags, string[]>({
  brief: "Redeliver dead letters",
  description:
    "Redelivers dead letters to the subscription that failed, with fresh retries; their history is kept. Events that succeed leave the queue, events that fail return to it. Without ids, or with --rate, it is a job of the daemon, which acts on what was there when it started, and goes on if this command ends (evs dlq jobs).",
  examples: [
    ["dlq retry o-17", "this event, for every subscription that gave up on it"],
    ["dlq retry mailer:o-17 --topic orders", "if several topics have an event with the id o-17"],
    ["dlq retry --subscription mailer --reason timeout", "what mailer gave up on for that reason"],
    ["dlq retry --group 0ggcxb", "those with one cause (evs dlq groups)"],
    ["dlq retry --all --rate 10/s", "everything, ten per second"],
    ["dlq retry --all --rate 10/s --detach", "the same, without waiting for the end"],
    ["dlq retry --all --dry-run", "only print what would be redelivered"],
  ],
  parameters: {
    flags: {
      ...filterFlags,
      all: { kind: "boolean", brief: "Every dead letter", default: false },
      dryRun: { kind: "boolean", brief: "Only print what would be done", default: false },
      detach: detachFlag,
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
  const { dryRun, to, rate, detach } = flags;
  if (!dryRun && (ids.length === 0 || rate !== undefined || detach)) {
    const rateGiven = rate === undefined ? {} : { rate: rateText(rate) };
    const request = { action: "retry" as const, ...chosen, ...defined({ to }), ...rateGiven };
    return await runJob(this, request, { detach });
  }
  const { subscription, topic, type, key, reason, group } = chosen;
  const repeated = { subscription, topic, type, key, reason, group, to };
  const action = { ...chosen, to, dryRun };
  const reply = await retryAtOnce(await this.client(), { action, flags: repeated });
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
      partial: { sent: done, notSent: count! - done, left: action.ids && left },
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
