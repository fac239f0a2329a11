/** Shapes that several routes use: names, ids, offsets, expectations, dead-letter filters. */
import { COMPATIBILITY_LEVELS } from "../../core/event/compatibility_level.ts";
import { readDurability } from "../../core/event/durability.ts";
import { isBatchTag } from "../../core/event/batch_tag.ts";
import { isEventId } from "../../core/event/id.ts";
import { LONGEST_ID, LONGEST_NAME, LONGEST_TOPIC_NAME } from "../../core/event/limits.ts";
import { assertName } from "../../core/event/name.ts";
import { parseDuration } from "../../core/base/units.ts";
import { parseMoment, parseOffset } from "../../core/event/offset.ts";
import {
  assertSubscriptionName,
  assertTopicName,
  assertTopicPattern,
} from "../../core/event/topic_options.ts";
import { parseExpected } from "../ingest/decode_event.ts";
import { checkedText, choice, type ShapeSchema, text, whole } from "../http/shape.ts";

/**
 * Neither `.` nor `..`, written without look-ahead: tools that generate values from a pattern do
 * not support it.
 */
const TOPIC_NAME: ShapeSchema & { pattern: string } = {
  pattern: "^(\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\\.{3}[A-Za-z0-9._-]*)$",
  maxLength: LONGEST_TOPIC_NAME,
};

/** A topic's name. */
export const topicName = checkedText(TOPIC_NAME, assertTopicName);
/** A subscription's name. */
export const subscriptionName = checkedText(TOPIC_NAME, assertSubscriptionName);
/** A topic's name, or a pattern with `*` and `**`. */
export const topicPattern = checkedText({
  anyOf: [TOPIC_NAME, {
    pattern: "^(\\*\\*?|[A-Za-z0-9_-]+)(\\.(\\*\\*?|[A-Za-z0-9_-]+))*$",
    maxLength: LONGEST_TOPIC_NAME,
  }],
}, assertTopicPattern);

const NAME: ShapeSchema = {
  minLength: 1,
  maxLength: LONGEST_NAME,
  pattern: "^[^\\u0000-\\u001f\\u007f]*$",
};
const named = (what: string) => checkedText(NAME, (value) => assertName(value, what));

/** An event's type. */
export const typeName = named("the type");
/** A key. */
export const keyName = named("the key");
/** A schema's version. */
export const versionName = named("the version");

/** An id, or the prefix of one. */
export const eventId = checkedText({ pattern: `^[!-~]{1,${LONGEST_ID}}$` }, (value, place) => {
  if (isEventId(value)) return value;
  throw new Error(`${place} is 1 to ${LONGEST_ID} printable ASCII characters without a space`);
});

/** The tag of a batch. */
export const batchTag = checkedText({
  pattern: "^[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}, (value, place) => {
  if (isBatchTag(value)) return value;
  throw new Error(`${place} is what a UUID ends with: 4 and 12 hexadecimal digits`);
});

const DURATION = "([0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h|d|w)){1,5}";
const DAY = [
  "[0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|(02-(0[1-9]|1[0-9]|2[0-8])))",
  "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29",
].join("|");
const TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?";
const ZONE = "(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])";

/** Where to begin or end. */
export const offset = checkedText({
  pattern: `^(start|end|-?[0-9]{1,15}|@-${DURATION}|@[0-9]{12,14}|@(${DAY})[T ]${TIME}${ZONE})$`,
}, (value) => {
  parseOffset(value);
  return value;
});

/** A time as an offset. */
export const pastTime = checkedText({
  pattern: `^(@-${DURATION}|@[0-9]{12,14}|@(${DAY})[T ]${TIME}${ZONE})$`,
}, (value) => {
  parseOffset(value);
  return value;
});

/** A time, with a zone or in Unix ms. */
export const pointInTime = checkedText({
  pattern: `^([0-9]{12,14}|(${DAY})[T ]${TIME}${ZONE})$`,
}, parseMoment);

/** A topic and the last seq that was read. */
export const topicPosition = checkedText({
  pattern: `^[A-Za-z0-9._-]{1,${LONGEST_TOPIC_NAME}}:[0-9]{1,15}$`,
}, (value) => value);

/** How often to send a heartbeat: from 100 ms to some hours. */
export const heartbeat = checkedText({
  pattern: "^([1-9][0-9]{2,6}ms|[1-9][0-9]{0,3}s|[1-9][0-9]?m)$",
}, (value) => parseDuration(value, "the heartbeat"));

/** The maximum number of events. */
export const readLimit = whole([0, 999_999_999_999_999]);

/** The expected last seq. */
export const expected = checkedText({
  pattern: "^(none|exists|any|[0-9]{1,15})$",
}, parseExpected);

/** The compatibility required of a type's new versions. */
export const compatibility = choice(COMPATIBILITY_LEVELS);

/** A time, Unix ms. */
export const moment = whole([0, Number.MAX_SAFE_INTEGER]);

/** A selection of dead letters. */
export const deadLetterFilter = {
  subscription: text,
  topic: text,
  type: text,
  key: text,
  reason: text,
  since: moment,
  before: moment,
  group: text,
} as const;

/** When an event is acknowledged. */
export const durability = checkedText({
  pattern:
    "^(default|always|os|interval:[1-9][0-9]{0,14}|interval:[1-9][0-9]{0,8}(\\.[0-9]{1,3})?(ms|s|m|h|d|w)([0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h|d|w)){0,4})$",
}, (value) => value === "default" ? value : readDurability(value));
