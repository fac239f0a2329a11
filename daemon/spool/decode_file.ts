/** The events of a spooled file, decoded and checked as if they were published now. */
import type { Clock } from "../../core/base/clock.ts";
import { EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import { turn } from "../../core/base/in_turns.ts";
import type { EventBroker } from "../../core/broker/event_broker.ts";
import type { NewEvent } from "../../core/event/event.ts";
import type { CheckedUnder } from "../../core/store/store.ts";
import {
  firstLineOf,
  type RefusedSpoolLine,
  type SpooledFile,
} from "../../core/spool/spool_file.ts";
import { checkQuery } from "../http/shape.ts";
import { EventDecoder } from "../ingest/decode_event.ts";
import { lineFaultError, LineReader } from "../ingest/ndjson.ts";
import { publishParameters, publishQuery } from "../routes/publish_options.ts";

/** What an envelope may add to its payload. */
const ENVELOPE_ROOM = 64 * 1024;
/** What goes with a daemon that answers, and not with the spool. */
const FOR_NOW = ["expected", "expectedKeySeq", "batch", "delayMs", "at"];
const PAGE = 1000;
/** So many lines are told with their reasons. */
const MOST_REASONS = 1000;
/** Refusing a line takes far longer than accepting one: fewer bytes at a time then. */
const [PIECE, SMALL_PIECE, MANY_REFUSED] = [64 * 1024, 1024, 100];

/** What a decoder works with. */
export interface DecodeContext {
  broker: Pick<EventBroker, "admit" | "checkedUnder" | "expiry">;
  maxEventBytes: number;
  clock: Pick<Clock, "now">;
  nextId(now: number): string;
}

/** What a file has. */
export interface DecodedFile {
  events: NewEvent[];
  /** The numbers of lines that are not stored. */
  refused: Set<number>;
  /** Why, of the first thousand. */
  reasons: RefusedSpoolLine[];
  /** What it was checked by, where several nodes share the state. */
  under?: CheckedUnder | undefined;
}

/** Notes a line that is not stored. */
export function refuse({ refused, reasons }: DecodedFile, line: number, error: EvsError): void {
  refused.add(line);
  if (reasons.length >= MOST_REASONS) return;
  const { code, message, hint } = error.toBody();
  reasons.push({ line, code, message, ...(hint === undefined ? {} : { hint }) });
}

/**
 * Decodes a file, piece by piece: everything else has its turn. An event without a time of its own
 * gets the time at which it was spooled.
 */
export async function decodeFile(
  { request, body }: SpooledFile,
  { broker, maxEventBytes, nextId, clock }: DecodeContext,
): Promise<DecodedFile> {
  const { at: spooledAt, topic, query } = request;
  // Its time to live has been passing since, by the wall clock: no other one runs meanwhile.
  const age = Math.max(0, clock.now() - spooledAt);
  const under = broker.checkedUnder(topic);
  const decoded: DecodedFile = { events: [], refused: new Set(), reasons: [], under };
  let decoder: EventDecoder | undefined;
  const decoderOfQuery = () =>
    new EventDecoder(parametersOf(query), {
      admit: (candidate) => broker.admit(topic, candidate),
      nextId,
      now: () => spooledAt,
      stamp: (event) => broker.expiry.stamp(event, age),
      maxEventBytes,
    });
  const reader = new LineReader({
    line(number, text, bytes) {
      try {
        decoded.events.push((decoder ??= decoderOfQuery()).event(number, text, bytes));
      } catch (error) {
        if (!(error instanceof EvsError)) throw error;
        refuse(decoded, number, error);
      }
      return true;
    },
    fault(number, fault) {
      refuse(decoded, number, lineFaultError(fault));
      return true;
    },
  }, { limit: maxEventBytes + ENVELOPE_ROOM, firstLine: firstLineOf(request) });
  for (let at = 0, size = PIECE; at < body.length;) {
    const before = decoded.refused.size;
    if (at > 0) await turn();
    const end = at + size;
    reader.push(body.subarray(at, end));
    at = end;
    size = decoded.refused.size - before > MANY_REFUSED ? SMALL_PIECE : PIECE;
  }
  reader.end();
  return decoded;
}

/** Whoever may write into the folder writes what they like into a file. */
function parametersOf(query: Record<string, string>): ReturnType<typeof publishParameters> {
  const parameters = new URLSearchParams(query);
  checkQuery(publishQuery, parameters);
  const found = FOR_NOW.find((name) => parameters.has(name));
  if (found === undefined) return publishParameters(parameters);
  throw new InvalidArgumentError(`${found} does not go with the spool`, {
    details: { parameter: found },
  });
}

/** Those of the ids that a topic has among what was stored in the last `age` ms. */
export async function publishedSince(
  topic: string,
  { broker: { store, topics }, age, ids }: {
    broker: Pick<EventBroker, "store" | "topics">;
    age: number;
    ids: readonly string[];
  },
): Promise<Set<string>> {
  const found = new Set<string>();
  if (ids.length === 0 || !topics.get(topic)?.options.persistent) return found;
  const wanted = new Set(ids);
  if (store.refresh) await store.refresh([topic]);
  const { firstSeq, lastSeq: to } = store.head(topic);
  let from = Math.max(firstSeq, await store.seekAge?.(topic, age) ?? 1);
  while (from <= to) {
    const page = await store.readPage(topic, { from, to, limit: PAGE });
    for (const { id } of page.events) if (wanted.has(id)) found.add(id);
    from = page.next;
    await turn();
  }
  return found;
}
