/** What the query of a publish says, checked: an error names the parameter. */
import { EventRefusedError, InvalidArgumentError } from "../../core/base/errors.ts";
import type { Expected } from "../../core/store/store.ts";
import { assertName } from "../../core/event/name.ts";
import { type EventDecoderOptions, parseExpected } from "../ingest/decode_event.ts";

/** A publish as it was asked for. */
export interface PublishParameters extends EventDecoderOptions {
  line: number;
  onError: "stop" | "skip";
  expected: Expected | undefined;
}

const PARAMETERS = [
  "type",
  "key",
  "keyPointer",
  "schemaVersion",
  "metadata",
  "id",
  "idPrefix",
  "line",
  "onError",
  "expected",
];

/** Reads the query. */
export function publishParameters(query: URLSearchParams): PublishParameters {
  for (const name of query.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw new InvalidArgumentError(`publish has no parameter ${JSON.stringify(name)}`, {
      details: { parameter: name },
      hint: `it takes ${PARAMETERS.join(", ")}`,
    });
  }
  const named = (name: string, what: string) => {
    const value = query.get(name);
    return value === null ? {} : { [name]: nameOf(value, { name, what }) };
  };
  const onError = query.get("onError") ?? "stop";
  if (onError !== "stop" && onError !== "skip") {
    throw new InvalidArgumentError(`onError is stop or skip, not ${JSON.stringify(onError)}`);
  }
  const line = Number(query.get("line") ?? "1");
  if (!Number.isSafeInteger(line) || line < 1) {
    throw new InvalidArgumentError("line is a number from 1");
  }
  const keyPointer = query.get("keyPointer");
  const expected = query.get("expected");
  return {
    ...named("type", "the type"),
    ...named("key", "the key"),
    ...named("schemaVersion", "the schema version"),
    ...given("id", query.get("id")),
    ...given("idPrefix", query.get("idPrefix")),
    ...(keyPointer === null ? {} : { keyPointer }),
    metadata: metadataOf(query.get("metadata")),
    line,
    onError,
    expected: expected === null ? undefined : parseExpected(expected),
  };
}

/** A name that the query gives: when it is wrong, it is the request that is wrong, and not an event. */
function nameOf(value: string, { name, what }: { name: string; what: string }): string {
  try {
    return assertName(value, what);
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw new InvalidArgumentError(error.message, { cause: error, details: { parameter: name } });
  }
}

function given(name: "id" | "idPrefix", value: string | null): Record<string, string> {
  if (value === null) return {};
  if (/^[!-~]{1,128}$/.test(value)) return { [name]: value };
  throw new InvalidArgumentError(`${name} is 1 to 128 printable ASCII characters without a space`, {
    details: { parameter: name },
  });
}

function metadataOf(value: string | null): string {
  if (value === null) return "{}";
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return JSON.stringify(parsed);
    }
  } catch (cause) {
    throw new InvalidArgumentError("metadata is not JSON", {
      cause,
      details: { parameter: "metadata" },
    });
  }
  throw new InvalidArgumentError("metadata is not a JSON object", {
    details: { parameter: "metadata" },
  });
}
