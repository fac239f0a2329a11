/** Which dead letters a command applies to: ids, filters, or all. */
import { defined } from "../../core/base/defined.ts";
import { didYouMean } from "../../core/base/suggest.ts";
import type { Client } from "../../core/client/client.ts";
import type { FlagParametersForType } from "@stricli/core";
import type { DeadLetterAction } from "../../core/protocol/protocol.ts";
import { removedText } from "../../core/event/removed_dead_letters.ts";
import { parseDuration } from "../../core/base/units.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, textFlag } from "../cli/define.ts";

/** The filters that all commands on dead letters share. */
export type FilterFlags = {
  subscription?: string;
  topic?: string;
  type?: string;
  key?: string;
  reason?: string;
  group?: string;
  /** ms ago. */
  since?: number;
  /** ms ago. */
  before?: number;
};

export const filterFlags: FlagParametersForType<FilterFlags, EvsContext> = {
  subscription: textFlag("Only those of this subscription", "NAME"),
  topic: textFlag("Only those of this topic", "TOPIC"),
  type: textFlag("Only events of this type", "TYPE"),
  key: textFlag("Only events with this key", "TEXT"),
  reason: textFlag("Only those whose reason contains this text; * matches any text", "TEXT"),
  group: textFlag("Only those of this group (evs dlq groups)", "GROUP"),
  since: {
    kind: "parsed",
    parse: (input) => parseDuration(input, "--since"),
    brief: "Only dead letters newer than this, such as 1h",
    placeholder: "DURATION",
    optional: true,
  },
  before: {
    kind: "parsed",
    parse: (input) => parseDuration(input, "--before"),
    brief: "Only dead letters older than this, such as 7d",
    placeholder: "DURATION",
    optional: true,
  },
};

/** Together with an id, for commands without other filters. */
export const topicFlag: FlagParametersForType<{ topic?: string }, EvsContext> = {
  topic: textFlag("The topic, if several topics have an event with this id", "TOPIC"),
};

export const toFlag = textFlag(
  "Deliver to this subscription instead of the one that failed",
  "NAME",
);

const id = { parse: plainText, brief: "An event id, or SUBSCRIPTION:ID", placeholder: "ID" };

/** One id as the argument. */
export const idArgument = { kind: "tuple", parameters: [id] } as const;

/** Ids as arguments. */
export const idArguments = { kind: "array", parameter: id } as const;

/** The selection in the form that the daemon takes. */
export function selection(
  flags: FilterFlags & { all?: boolean },
  options: { ids: readonly string[]; now: number },
): DeadLetterAction {
  const { subscription, topic, type, key, reason, group, since, before, all } = flags;
  const at = (age: number | undefined) => age === undefined ? undefined : options.now - age;
  return defined({
    ids: options.ids.length === 0 ? undefined : [...options.ids],
    subscription,
    topic,
    type,
    key,
    reason,
    group,
    since: at(since),
    before: at(before),
    all: all || undefined,
  });
}

/**
 * Throws if nothing was selected (applying a command to all of them has to be explicit), or if both
 * all and some were.
 */
export function assertSelected(chosen: DeadLetterAction, what: string): void {
  const given = Object.keys(chosen).length;
  if (chosen.all && given > 1) {
    throw new InvalidArgumentError("--all goes without ids and filters", {
      hint: `leave --all out: the ${chosen.ids ? "ids" : "filters"} say which`,
    });
  }
  if (given > 0) return;
  throw new InvalidArgumentError(`which dead letters? Give ids, filters, or --all`, {
    hint: `evs dlq ${what} --all --dry-run says how many that is; without --dry-run it is done`,
  });
}

/**
 * The message for an empty result: with a filter, even with a mistyped name, there may be others.
 */
export function noneFound(chosen: DeadLetterAction): string {
  return Object.keys(chosen).length === 0
    ? "no dead letters"
    : "no dead letters match; without the filters: evs dlq list";
}

/** Prints that message; an unknown subscription is an error, even if nobody is watching. */
export async function sayNoneFound(
  context: EvsContext,
  { client, chosen }: { client: Client; chosen: DeadLetterAction },
): Promise<void> {
  const { subscription } = chosen;
  if (subscription !== undefined) {
    const names = (await client.subscriptions()).map(({ name }) => name);
    if (!names.includes(subscription)) {
      const near = didYouMean(subscription, names);
      context.say(
        `evs: there is no subscription ${subscription}${near === undefined ? "" : `\n  ${near}`}`,
      );
      return;
    }
  }
  context.note(noneFound(chosen));
}

/** Says what the limits of topics removed of the dead letters that are selected. */
export async function noteRemoved(
  context: EvsContext,
  { client, chosen }: { client: Client; chosen: DeadLetterAction },
): Promise<void> {
  const { deadLettersRemoved = [] } = await client.status();
  const text = removedText(
    deadLettersRemoved.filter((removed) =>
      (chosen.subscription ?? removed.subscription) === removed.subscription &&
      (chosen.topic ?? removed.topic) === removed.topic
    ),
  );
  if (text !== undefined) context.note(`${text} (evs topic show says which)`);
}

/** The filters of a selection as a query for the list, which takes no ids. */
export function listQuery(
  chosen: DeadLetterAction,
): Record<string, string | number | undefined> {
  const { subscription, topic, type, key, reason, group, since, before } = chosen;
  return { subscription, topic, type, key, reason, group, since, before };
}
