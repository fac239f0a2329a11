/** Checks what methods of a broker are called with, wherever the broker runs. */
import { InvalidArgumentError } from "../base/errors.ts";
import { assertArray, assertObject, namesOf, refuseUnknown } from "../base/options.ts";
import { COMPATIBILITY_LEVELS } from "../event/compatibility_level.ts";
import type { Message } from "../event/event_map.ts";
import { assertName } from "../event/name.ts";
import type { PublishBatchOptions, RegisterSchemaOptions } from "./broker.ts";
import { atElement } from "./element_error.ts";
import type { AddressedMessage } from "./publish_all.ts";
import { checkExpected } from "./publish_options.ts";

const BATCH_OPTIONS = namesOf<PublishBatchOptions>({ expected: true, signal: true });
const SCHEMA_OPTIONS = namesOf<RegisterSchemaOptions>({ version: true, compatibility: true });

/** Throws for what cannot be a batch. */
export function checkBatch(messages: readonly Message[], options: PublishBatchOptions): void {
  refuseUnknown(options, { of: "publishBatch", known: BATCH_OPTIONS });
  checkExpected(options.expected);
  assertArray(messages, "the messages of publishBatch");
  for (const [i, message] of messages.entries()) {
    atElement(i + 1, () => assertObject(message, "an event"));
    const given = new Map(Object.entries(message));
    const field = BATCH_OPTIONS.find((name) => given.get(name) !== undefined);
    if (field === undefined) continue;
    throw new InvalidArgumentError(`${field} is that of all events of a batch, not of one`, {
      details: { field },
      hint: `publishBatch(topic, events, { ${field} })`,
    });
  }
}

/** Throws for an event of `publishAll` with a signal of its own. */
export function refuseSignal(message: AddressedMessage): void {
  assertObject(message, "an event");
  if (!("signal" in message)) return;
  throw new InvalidArgumentError("signal is that of all events, not of one", {
    details: { field: "signal" },
    hint: "publishAll(events, { signal })",
  });
}

/** The options of `registerSchema`; throws if they or the type are invalid. */
export function checkSchemaOptions(
  type: string,
  options: RegisterSchemaOptions,
): RegisterSchemaOptions {
  refuseUnknown(options, { of: "registerSchema", known: SCHEMA_OPTIONS });
  assertName(type, "the type");
  const { version, compatibility } = options;
  if (version !== undefined) assertName(version, "the version");
  if (compatibility === undefined || COMPATIBILITY_LEVELS.includes(compatibility)) return options;
  throw new InvalidArgumentError(
    `compatibility is ${COMPATIBILITY_LEVELS.join(", ")}, not ${JSON.stringify(compatibility)}`,
    { details: { field: "compatibility" } },
  );
}
