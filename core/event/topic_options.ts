/** Topic names, patterns and options. */
import { assertText } from "../base/options.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { LONGEST_TOPIC_NAME } from "./limits.ts";
import { type Durability, readDurability } from "./durability.ts";

/** Where events can live. */
export type StoreKind = "sqlite" | "file" | "memory";

/** The allowed values of a topic's `store`. */
export const TOPIC_STORES: readonly (StoreKind | "default")[] = [
  "default",
  "sqlite",
  "file",
  "memory",
];

/** The allowed values of a topic's `schema`. */
export const SCHEMA_MODES: readonly SchemaMode[] = ["off", "validate", "require"];

/** The allowed values of a topic's `keep`. */
export const KEEP_RULES: readonly TopicOptions["keep"][] = ["limits", "unconsumed"];

/** The allowed values of a topic's `drop`. */
export const DROP_RULES: readonly TopicOptions["drop"][] = ["limits", "consumed"];

/** How strictly a topic checks incoming payloads. */
export type SchemaMode = "off" | "validate" | "require";

/** A topic's options, with every default filled in. */
export interface TopicOptions {
  /** False: nothing is stored, and only current subscriptions receive events. */
  persistent: boolean;
  /** Milliseconds; 0 means no limit. */
  retentionPeriod: number;
  /** 0 means no limit. */
  maxEvents: number;
  /** Bytes of payloads and metadata; 0 means no limit. */
  maxBytes: number;
  /**
   * What its limits may not delete: nothing (`limits`), or what some named subscription has not
   * finished (`unconsumed`), and everything while there is none.
   */
  keep: "limits" | "unconsumed";
  /**
   * What is deleted: only what exceeds its limits (`limits`), or also what every named subscription
   * has finished, if there is one (`consumed`).
   */
  drop: "limits" | "consumed";
  /** Milliseconds after which a dead letter of the topic is removed; 0: never. */
  deadRetention: number;
  /** The most dead letters of the topic that each subscription keeps; 0: no limit. */
  deadMax: number;
  /**
   * How payloads are checked: not at all (`off`), against the schema if one exists (`validate`), or
   * against a schema that must exist (`require`).
   */
  schema: SchemaMode;
  /** Where its events are stored, for good; `default`: the broker's store. */
  store: StoreKind | "default";
  /** When an event is acknowledged; `default`: the broker's setting. */
  durability: Durability | "default";
}

/** The options of a topic that has none set. */
export const defaultTopicOptions: Readonly<TopicOptions> = {
  persistent: true,
  retentionPeriod: 0,
  maxEvents: 0,
  maxBytes: 0,
  keep: "limits",
  drop: "limits",
  deadRetention: 0,
  deadMax: 0,
  schema: "validate",
  store: "default",
  durability: "default",
};

/**
 * Returns the name, or throws an `InvalidArgumentError` (`topic/invalid-name`) saying what is wrong
 * with it.
 */
export function assertTopicName(name: string): string {
  return assertName(name, { what: "topic", code: "topic/invalid-name" });
}

/** True for what {@link assertTopicName} returns. */
export function isTopicName(name: string): boolean {
  return nameFault(name) === undefined;
}

/** The same rule for the names of subscriptions. */
export function assertSubscriptionName(name: string): string {
  return assertName(name, { what: "subscription", code: "subscription/invalid-name" });
}

function assertName(name: string, kind: { what: string; code: string }): string {
  assertText(name, `the name of a ${kind.what}`);
  const fault = nameFault(name);
  if (fault === undefined) return name;
  throw new InvalidArgumentError(`the ${kind.what} name ${quote(name)} ${fault}`, {
    code: kind.code,
    hint: "a name is 1 to 128 of A-Z a-z 0-9 . _ -",
    details: { name },
  });
}

function nameFault(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "is reserved";
  if (name.length > LONGEST_TOPIC_NAME) {
    return `has ${name.length} characters; the limit is ${LONGEST_TOPIC_NAME}`;
  }
  const bad = /[^A-Za-z0-9._-]/u.exec(name);
  return bad ? `has ${quote(bad[0])} at character ${bad.index + 1}` : undefined;
}

function quote(text: string): string {
  return JSON.stringify(text.length > LONGEST_TOPIC_NAME ? `${text.slice(0, 40)}…` : text);
}

/** True for a pattern: a name with `*` (one dot-segment) or `**` (one or more). */
export function isPattern(text: string): boolean {
  return text.includes("*");
}

/** Returns the pattern or name, or throws an `InvalidArgumentError` (`topic/invalid-pattern`). */
export function assertTopicPattern(text: string): string {
  if (typeof text !== "string" || !isPattern(text)) return assertTopicName(text);
  const bad = text.split(".").find((segment) => !/^(?:\*\*?|[A-Za-z0-9_-]+)$/.test(segment));
  if (bad === undefined && text.length <= LONGEST_TOPIC_NAME) return text;
  throw new InvalidArgumentError(
    bad === undefined
      ? `the pattern has ${text.length} characters; the limit is ${LONGEST_TOPIC_NAME}`
      : `the pattern ${quote(text)} has a segment ${quote(bad)}`,
    {
      code: "topic/invalid-pattern",
      hint:
        "between dots comes a name, * for any one segment, or ** for one or more: orders.*, **.failed",
      details: { pattern: text },
    },
  );
}

/** Returns a function that tells whether a topic matches. A plain name matches only itself. */
export function compilePattern(pattern: string): (topic: string) => boolean {
  assertTopicPattern(pattern);
  if (!isPattern(pattern)) return (topic) => topic === pattern;
  const segments = pattern.split(".");
  return (topic) => matchSegments(segments, topic.split("."));
}

/** Greedy, backtracking only to the last `**`: linear in the topic for each `**`. */
function matchSegments(pattern: readonly string[], topic: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let back: { p: number; t: number } | undefined;
  while (t < topic.length) {
    const segment = pattern[p];
    if (segment === "**") {
      back = { p, t: t + 1 };
      p++;
      t++;
    } else if (segment !== undefined && (segment === "*" || segment === topic[t])) {
      p++;
      t++;
    } else if (back) {
      p = back.p + 1;
      t = ++back.t;
    } else {
      return false;
    }
  }
  return p === pattern.length;
}

/** Validates options from outside. Each error names its field, and unknown fields are rejected. */
export function checkTopicOptions(given: unknown): Partial<TopicOptions> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError("topic options are a JSON object");
  }
  for (const [field, value] of Object.entries(given)) checkOption(field, value);
  const options = given as Partial<TopicOptions>;
  const { durability } = options;
  if (durability === undefined || durability === "default") return options;
  return { ...options, durability: readDurability(durability) };
}

function checkOption(field: string, value: unknown): void {
  const fault = optionFault(field, value);
  if (fault === undefined) return;
  const known = Object.keys(defaultTopicOptions);
  const hint = known.includes(field)
    ? undefined
    : didYouMean(field, known) ?? `the options are ${known.join(", ")}`;
  throw new InvalidArgumentError(`${field} ${fault}`, {
    details: { field },
    hint,
  });
}

function optionFault(field: string, value: unknown): string | undefined {
  switch (field) {
    case "persistent":
      return typeof value === "boolean" ? undefined : "is true or false";
    case "schema":
      return SCHEMA_MODES.some((mode) => mode === value)
        ? undefined
        : "is off, validate or require";
    case "keep":
      return KEEP_RULES.some((rule) => rule === value) ? undefined : "is limits or unconsumed";
    case "drop":
      return DROP_RULES.some((rule) => rule === value) ? undefined : "is limits or consumed";
    case "store":
      return TOPIC_STORES.some((store) => store === value)
        ? undefined
        : "is sqlite, file or memory";
    case "durability":
      return typeof value === "string" ? undefined : "is always, os or interval:DURATION";
    case "retentionPeriod":
    case "maxEvents":
    case "maxBytes":
    case "deadRetention":
    case "deadMax":
      return Number.isSafeInteger(value) && (value as number) >= 0
        ? undefined
        : `is a whole number from 0 (no limit), not ${JSON.stringify(value)}`;
    default:
      return "is not an option of a topic";
  }
}
