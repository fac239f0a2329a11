/** A publish of one event that is to be published later. */
import { defined } from "../../core/base/defined.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { Schedule } from "../../core/event/schedule.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import type { OneEvent } from "../ingest/decode_event.ts";
import type { RouteRequest } from "../http/router.ts";
import type { PublishParameters } from "./publish_options.ts";

/** Throws for a schedule in the query of an array. */
export function assertNoSchedule({ schedule }: PublishParameters): void {
  if (schedule === undefined) return;
  throw new InvalidArgumentError(
    "delayMs and at go with one event, not with an array or a CloudEvent",
    {
      details: { parameter: schedule.at === undefined ? "delayMs" : "at" },
    },
  );
}

/** When to publish one event, by its envelope or by the query; throws if it cannot be later. */
export function scheduleIn(
  options: PublishParameters,
  one: OneEvent | undefined,
): Schedule | undefined {
  const schedule = one?.schedule ?? options.schedule;
  const { expected = "any" } = options;
  if (schedule === undefined || expected === "any") return schedule;
  throw new InvalidArgumentError(
    "expected does not go with an event that is published later: nobody could be told",
    { details: { parameter: "expected" } },
  );
}

/** Keeps the event until it is due; the reply says when that is. */
export async function publishLater(
  { services, params }: RouteRequest,
  { event, schedule, stamped }: OneEvent & { schedule: Schedule },
): Promise<PublishReply> {
  const topic = params["topic"]!;
  const { scheduled } = services.broker;
  const accepted = await scheduled.accept(topic, event, { schedule, stamped });
  const { id, schemaVersion } = event;
  const { dueAt, seq, duplicate, past, expiresAt, keySeq } = accepted;
  const isStored = dueAt === undefined && duplicate === undefined;
  return {
    count: isStored ? 1 : 0,
    duplicates: duplicate ? 1 : 0,
    firstSeq: seq,
    lastSeq: seq,
    // A scheduled event is synced whatever its topic says.
    durable: dueAt !== undefined || services.broker.isDurable(topic),
    lines: 1,
    events: [{ seq, id, schemaVersion, ...defined({ keySeq, duplicate, expiresAt }) }],
    refused: [],
    ...(dueAt === undefined ? {} : { scheduled: { id, dueAt: Math.round(dueAt) } }),
    ...(past ? { past } : {}),
  };
}
