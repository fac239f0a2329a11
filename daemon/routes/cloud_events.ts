/** CloudEvents in requests and responses: how they are asked for, and how they are written. */
import { concat } from "../../core/base/bytes.ts";
import { EventRefusedError, EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import type { Render } from "../../core/reading/replay.ts";
import { toCloudLine } from "../../core/event/cloud_event_text.ts";
import type { IncomingRequest } from "../http/request.ts";

/** The media types of events in the JSON format: one, an array, and one per line. */
export const CLOUD_EVENT = "application/cloudevents+json";
export const CLOUD_BATCH = "application/cloudevents-batch+json";
export const CLOUD_LINES = "application/cloudevents+ndjson";

/** How a request carries its events. */
export type CloudMode = "structured" | "batch" | "lines" | "binary";

const MODES: ReadonlyMap<string, CloudMode> = new Map([
  [CLOUD_EVENT, "structured"],
  [CLOUD_BATCH, "batch"],
  [CLOUD_LINES, "lines"],
]);

/** A format of events that is not understood. */
class UnsupportedMediaTypeError extends EvsError {
  constructor(type: string) {
    super(
      { code: "request/unsupported-media-type", status: 415, exit: 2 },
      `CloudEvents are not read as ${type}`,
      { hint: `send ${[...MODES.keys()].join(", ")}, or headers that begin with ce-` },
    );
  }
}

const ABOUT_CLOUD_EVENTS = /cloudevents/i;
/** Headers that every event in binary mode has. */
const REQUIRED = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

/** How a publish of this content type carries CloudEvents; undefined if it does not. */
export function cloudModeOf(
  request: IncomingRequest,
  contentType: string | undefined,
): CloudMode | undefined {
  if (contentType !== undefined && ABOUT_CLOUD_EVENTS.test(contentType)) {
    const [type = ""] = contentType.toLowerCase().split(";");
    const mode = MODES.get(type.trim());
    if (mode !== undefined) return mode;
    if (type.startsWith("application/cloudevents")) {
      throw new UnsupportedMediaTypeError(type.trim());
    }
  }
  for (const name of REQUIRED) if (request.count(name) > 0) return "binary";
  return undefined;
}

/** Refuses parameters that say what an event says itself. */
export function refuseOwnParameters(query: URLSearchParams): void {
  const own = (["type", "id", "idPrefix", "metadata", "text"] as const).find((name) =>
    query.has(name)
  );
  if (own !== undefined) {
    const why = own === "text" ? "" : ", which have their own";
    throw new InvalidArgumentError(`${own} does not go with CloudEvents${why}`, {
      details: { parameter: own },
    });
  }
}

/** The error for a batch that is no array. */
export function notABatch(): EventRefusedError {
  return new EventRefusedError(
    "event/invalid-cloudevent",
    "a batch is a JSON array of CloudEvents; nothing was stored",
    { hint: `one event is sent as ${CLOUD_EVENT}` },
  );
}

/** The format that a client asks for: a batch, or a line per event. Undefined: events as ours. */
export function cloudFormatOf(accept: string | undefined): "batch" | "lines" | undefined {
  const [, , kind] = /(^|[,\s])application\/cloudevents(\+json|\+ndjson|-batch\+json)(?=$|[;,\s])/i
    .exec(accept ?? "") ?? [];
  if (kind === undefined) return undefined;
  return kind.toLowerCase() === "-batch+json" ? "batch" : "lines";
}

/** Events as lines in the JSON format. */
export const cloudLines: Render = (events) => concat(events.map(toCloudLine));

const COMMA = 0x2c;
const SPACE = 0x20;

/** Events as the elements of an array, whose brackets are written by `begin` and `end`. */
export class CloudBatch {
  static readonly begin: Uint8Array = new TextEncoder().encode("[");
  static readonly end: Uint8Array = new TextEncoder().encode("]\n");
  #isFirst = true;

  readonly render: Render = (events) =>
    concat(events.flatMap((event) => {
      // Its line feed is white space between elements.
      const line = toCloudLine(event);
      line[line.length - 1] = SPACE;
      const parts = this.#isFirst ? [line] : [Uint8Array.of(COMMA), line];
      this.#isFirst = false;
      return parts;
    }));
}
