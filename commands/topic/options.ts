/** The options of a topic, as flags and as output. */
import { defined } from "../../core/base/defined.ts";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../core/base/units.ts";
import { type Durability, intervalOf, parseDurability } from "../../core/event/durability.ts";
import { heldBackText } from "../../core/event/held_back.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { TopicInfo, TopicRequest } from "../../core/protocol/protocol.ts";
import { count, plainText } from "../cli/define.ts";
import { formatTime } from "../terminal/table.ts";

/** The flags of `create` and `update`. */
export interface TopicFlags {
  retention?: number;
  maxEvents?: number;
  maxBytes?: number;
  keep?: "limits" | "unconsumed";
  drop?: "limits" | "consumed";
  deadRetention?: number;
  deadMax?: number;
  schema?: "off" | "validate" | "require";
  durability?: Durability;
}

export const topicFlags = {
  retention: {
    kind: "parsed",
    parse: (input: string) => parseDuration(input, "--retention"),
    brief: "Remove events stored longer ago, such as 7d; 0: never",
    placeholder: "DURATION",
    optional: true,
  },
  maxEvents: {
    kind: "parsed",
    parse: count,
    brief: "Keep at most the last N events; 0: no limit",
    placeholder: "N",
    optional: true,
  },
  maxBytes: {
    kind: "parsed",
    parse: (input: string) => parseBytes(input, "--max-bytes"),
    brief: "Keep at most this much, such as 64MiB; 0: no limit",
    placeholder: "SIZE",
    optional: true,
  },
  keep: {
    kind: "enum",
    values: ["limits", "unconsumed"],
    brief: "Delete what the limits say, or never what a named subscription has not finished",
    optional: true,
  },
  drop: {
    kind: "enum",
    values: ["limits", "consumed"],
    brief: "Delete what the limits say, or also what all named subscriptions have finished",
    optional: true,
  },
  deadRetention: {
    kind: "parsed",
    parse: (input: string) => parseDuration(input, "--dead-retention"),
    brief: "Remove its dead letters after this long, such as 90d; 0: never",
    placeholder: "DURATION",
    optional: true,
  },
  deadMax: {
    kind: "parsed",
    parse: count,
    brief: "Keep at most the last N of its dead letters per subscription; 0: no limit",
    placeholder: "N",
    optional: true,
  },
  schema: {
    kind: "enum",
    values: ["off", "validate", "require"],
    brief: "Check payloads never, if there is a schema, or always",
    optional: true,
  },
  durability: {
    kind: "parsed",
    parse: parseDurability,
    brief: "When an event is acknowledged: once synced (always), or before (os, interval:200ms)",
    placeholder: "always|os|interval:DURATION",
    optional: true,
  },
} as const;

export const topicArgument = {
  kind: "tuple",
  parameters: [{ parse: plainText, brief: "The topic", placeholder: "TOPIC" }],
} as const;

/** The given flags, as the daemon takes them. */
export function topicRequest(flags: TopicFlags): TopicRequest {
  return defined({
    retentionPeriod: flags.retention,
    maxEvents: flags.maxEvents,
    maxBytes: flags.maxBytes,
    keep: flags.keep,
    drop: flags.drop,
    deadRetention: flags.deadRetention,
    deadMax: flags.deadMax,
    schema: flags.schema,
    durability: flags.durability,
  });
}

/** At least one flag is needed. */
export function requireChange(request: TopicRequest): TopicRequest {
  if (Object.keys(request).length > 0) return request;
  throw new InvalidArgumentError(
    "nothing to change: name --retention, --max-events, --max-bytes, --keep, --drop, --dead-retention, " +
      "--dead-max, --schema or --durability",
    { code: "argument/usage", hint: "evs topic update --help" },
  );
}

function durabilityText(durability: TopicInfo["durability"]): string {
  const ms = durability === "default" ? undefined : intervalOf(durability);
  return ms === undefined ? durability : `interval:${formatDuration(ms)}`;
}

/** What subscriptions have to do with what is deleted. */
function consumptionFacts({ keep, drop, heldBack, expired }: TopicInfo): Record<string, unknown> {
  return defined({
    keep: keep === "unconsumed" ? "what a named subscription has not finished" : undefined,
    drop: drop === "consumed" ? "what all named subscriptions have finished" : undefined,
    "held back": heldBack && heldBackText(heldBack),
    expired: expired && `${expired} before a subscription handled them`,
  });
}

/** The limits on its dead letters, if there are any. */
function deadLetterFacts({ deadRetention, deadMax }: TopicInfo): Record<string, unknown> {
  return defined({
    "dead letters": deadRetention > 0 ? `for ${formatDuration(deadRetention)}` : undefined,
    "max dead letters": deadMax > 0 ? `${deadMax} per subscription` : undefined,
  });
}

/** A topic for people. */
export function topicFacts(topic: TopicInfo): Record<string, unknown> {
  return {
    name: topic.name,
    store: topic.persistent ? topic.store : "none (ephemeral)",
    events: topic.events,
    seqs: topic.events === 0
      ? `none; the last was ${topic.lastSeq}`
      : `${topic.firstSeq} to ${topic.lastSeq}`,
    size: formatBytes(topic.bytes),
    retention: topic.retentionPeriod === 0 ? "for ever" : formatDuration(topic.retentionPeriod),
    "max events": topic.maxEvents === 0 ? "no limit" : topic.maxEvents,
    "max bytes": topic.maxBytes === 0 ? "no limit" : formatBytes(topic.maxBytes),
    ...consumptionFacts(topic),
    ...deadLetterFacts(topic),
    schema: topic.schema,
    ...(topic.persistent ? { durability: durabilityText(topic.durability) } : {}),
    created: formatTime(topic.createdAt),
  };
}
