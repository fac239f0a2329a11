/** `POST /v1/dead-letters/import`: imports exported dead letters, unchanged or edited. */
import type { NewEvent } from "../../core/event/event.ts";
import { EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import type { Candidate } from "../../core/broker/schema_gate.ts";
import type { ImportedDeadLetter } from "../../core/dead_letter/imported.ts";
import { readDeadLetterLine } from "../ingest/decode_dead_letters.ts";
import type { Services } from "../services.ts";
import { lineFaultError, LineReader } from "../ingest/ndjson.ts";
import { RefusedLines } from "../ingest/refused_lines.ts";
import { bodyOf, type Route, type RouteRequest, sendJson } from "../http/router.ts";
import { flag, flagIn } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { batchTag, subscriptionName } from "./shapes.ts";

/** What a line contains besides the payload: the envelope, and the attempts with their stderr. */
const ROOM = 4 * 1024 * 1024;
/**
 * All lines are checked before anything is changed, so they are all in memory: at most this many
 * entries,
 */
const MOST_ENTRIES = 10_000;
/**
 * and at most this many bytes, or one line if that may be longer. `evs dlq import` sends 64 KiB at
 * a time.
 */
const MOST_BYTES = 16 * 1024 * 1024;

export const deadLetterImportRoutes: Route[] = [
  {
    method: "POST",
    path: "/v1/dead-letters/import",
    query: { retry: flag, to: subscriptionName, batch: batchTag },
    body: { shape: "raw", required: true },
    async handle(request, reply) {
      const options = { ...optionsOf(request.query), ...actOf(request) };
      const { entries, refused } = await readEntries(request);
      const { deadLetterImports } = request.services.broker;
      const result = options.retry
        ? await deadLetterImports.retry(entries, options)
        : await deadLetterImports.add(entries, options);
      request.services.log.logger.info("dead letters imported", {
        ...result,
        refused: refused.count,
      });
      request.services.retention.changed();
      sendJson(reply, 200, {
        ...result,
        ...(refused.count === 0 ? {} : { refused: refused.listed }),
        ...(refused.more === 0 ? {} : { refusedMore: refused.more }),
      });
    },
  },
];

function optionsOf(query: URLSearchParams): { retry: boolean; to?: string; batch?: string } {
  const retry = flagIn(query, "retry");
  const to = query.get("to");
  if (to !== null && !retry) {
    throw new InvalidArgumentError("to goes with retry", {
      details: { parameter: "to" },
      hint: "add retry=1",
    });
  }
  const batch = query.get("batch");
  return { retry, ...(to === null ? {} : { to }), ...(batch === null ? {} : { batch }) };
}

/** Reads all lines before anything is changed. */
async function readEntries(
  request: RouteRequest,
): Promise<{ entries: ImportedDeadLetter[]; refused: RefusedLines }> {
  const { services } = request;
  await services.broker.ready;
  const longest = services.maxEventBytes + ROOM;
  const most = Math.max(MOST_BYTES, longest);
  const entries: ImportedDeadLetter[] = [];
  const refused = new RefusedLines();
  let bytesOfEntries = 0;
  const reader = new LineReader({
    line(line, text, bytes) {
      let entry: ImportedDeadLetter;
      try {
        // A copy: the reader's bytes belong to the chunk, which is reused soon.
        entry = readDeadLetterLine(
          { line, text, bytes: bytes.slice() },
          (topic) => decoderOf(services, topic),
        );
      } catch (error) {
        if (!(error instanceof EvsError && error.status < 500)) throw error;
        refused.add(line, error);
        return true;
      }
      entries.push(entry);
      bytesOfEntries += bytes.length;
      if (entries.length > MOST_ENTRIES) throw tooMuch(line, MOST_ENTRIES, "dead letters");
      if (bytesOfEntries > most) throw tooMuch(line, most, "bytes of dead letters");
      return true;
    },
    fault(line, fault) {
      refused.add(line, lineFaultError(fault));
      return true;
    },
  }, { limit: longest, firstLine: 1 });
  for await (const chunk of bodyOf(request)) reader.push(chunk);
  reader.end();
  return { entries, refused };
}

function tooMuch(line: number, limit: number, what: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `with line ${line} these are more than ${limit} ${what}; nothing of them was taken in`,
    {
      code: "argument/too-large",
      details: { line, limit },
      hint: "send them in parts, as evs dlq import does",
    },
  );
}

function decoderOf({ broker, ids, maxEventBytes }: Services, topic: string) {
  return {
    maxEventBytes,
    admit: (candidate: Candidate) => broker.admit(topic, candidate),
    nextId: (now: number) => ids.next(now),
    now: () => Date.now(),
    // A dead letter does not expire, whatever its event said.
    stamp: ({ ttlMs: _ttlMs, expiresAt: _expiresAt, ...event }: NewEvent) => event,
  };
}
