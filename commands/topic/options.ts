/** The options of a topic, as flags and as output. */
import { defined } from "../../core/base/defined.ts";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../core/base/units.ts";
import { type Durability, intervalOf, parseDurability } from "../../core/event/durability.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { TopicInfo, TopicRequest } from "../../core/protocol/protocol.ts";
import { count, plainText } from "../cli/define.ts";
import { formatTime } from "../terminal/table.ts";

/** The flags of `create` and `update`. */
export interface TopicFlags {
  retention?: number;
  maxEvents?: number;
  maxBytes?: number;
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
    schema: flags.schema,
    durability: flags.durability,
  });
}

/** At least one flag is needed. */
export function requireChange(request: TopicRequest): TopicRequest {
  if (Object.keys(request).length > 0) return request;
  throw new InvalidArgumentError(
    "nothing to change: name --retention, --max-events, --max-bytes, --schema or --durability",
    { code: "argument/usage", hint: "evs topic update --help" },
  );
}

function durabilityText(durability: TopicInfo["durability"]): string {
  const ms = durability === "default" ? undefined : intervalOf(durability);
  return ms === undefined ? durability : `interval:${formatDuration(ms)}`;
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
    schema: topic.schema,
    ...(topic.persistent ? { durability: durabilityText(topic.durability) } : {}),
    created: formatTime(topic.createdAt),
  };
}
