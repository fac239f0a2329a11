/** `POST /v1/dead-letters/import`: dead letters that were exported, as they were or mended. */
import { EvsError, InvalidArgumentError } from "../../core/errors.ts";
import type { DeadLetterImportReply } from "../../core/client/protocol.ts";
import type { ImportedDeadLetter } from "../../core/dead_letter/mending.ts";
import { assertSubscriptionName } from "../../core/topic.ts";
import { readDeadLetterLine } from "../dead_letter_lines.ts";
import type { Host } from "../host.ts";
import { lineFaultError, LineReader } from "../ndjson.ts";
import { bodyOf, type Route, type RouteRequest, sendJson } from "../router.ts";

/** What a line has beside the payload: the envelope, and the attempts with their stderr. */
const ROOM = 4 * 1024 * 1024;

export const deadLetterImportRoutes: Route[] = [
  {
    method: "POST",
    path: "/v1/dead-letters/import",
    async handle(request, reply) {
      const options = optionsOf(request.query);
      const { entries, refused } = await readEntries(request);
      const { deadLetterImports } = request.host.broker;
      const result = options.retry
        ? await deadLetterImports.retry(entries, options)
        : await deadLetterImports.add(entries);
      request.host.log.logger.info("dead letters imported", { ...result, refused: refused.length });
      sendJson(reply, 200, { ...result, ...(refused.length === 0 ? {} : { refused }) });
    },
  },
];

function optionsOf(query: URLSearchParams): { retry: boolean; to?: string } {
  for (const name of query.keys()) {
    if (["retry", "to"].includes(name)) continue;
    throw new InvalidArgumentError(`an import has no parameter ${JSON.stringify(name)}`, {
      details: { parameter: name },
      hint: "it takes retry and to",
    });
  }
  const retry = query.get("retry") ?? "0";
  if (!["0", "1"].includes(retry)) {
    throw new InvalidArgumentError("retry is 0 or 1", { details: { parameter: "retry" } });
  }
  const to = query.get("to");
  if (to !== null && retry === "0") {
    throw new InvalidArgumentError("to goes with retry", { details: { parameter: "to" } });
  }
  return { retry: retry === "1", ...(to === null ? {} : { to: assertSubscriptionName(to) }) };
}

/** Every line is looked at before anything is changed. */
async function readEntries(request: RouteRequest): Promise<{
  entries: ImportedDeadLetter[];
  refused: NonNullable<DeadLetterImportReply["refused"]>;
}> {
  const { host } = request;
  await host.broker.ready;
  const entries: ImportedDeadLetter[] = [];
  const refused: NonNullable<DeadLetterImportReply["refused"]> = [];
  const refuse = (line: number, error: EvsError) => {
    refused.push({ line, ...error.toBody() });
    return true;
  };
  const reader = new LineReader({
    line(line, text, bytes) {
      try {
        // A copy: the reader's bytes are the chunk's, and the chunk is not ours for long.
        entries.push(
          readDeadLetterLine(
            { line, text, bytes: bytes.slice() },
            (topic) => intakeOf(host, topic),
          ),
        );
        return true;
      } catch (error) {
        if (error instanceof EvsError && error.status < 500) return refuse(line, error);
        throw error;
      }
    },
    fault: (line, fault) => refuse(line, lineFaultError(fault)),
  }, { limit: host.maxEventBytes + ROOM, firstLine: 1 });
  for await (const chunk of bodyOf(request)) reader.push(chunk);
  reader.end();
  return { entries, refused };
}

function intakeOf({ broker, ids }: Host, topic: string) {
  return {
    admit: (type: string, version: string | undefined, payload: unknown) =>
      broker.admit(topic, type, version, payload),
    nextId: (now: number) => ids.next(now),
    now: () => Date.now(),
  };
}
