/**
 * Converts an error from the wire to the class that a broker in this process would have thrown:
 * same code, message, hint and details.
 */
import {
  CannotStoreError,
  ClosedError,
  ConflictError,
  EventRefusedError,
  EvsError,
  InvalidArgumentError,
  InvalidSchemaError,
  NotFoundError,
  type RefusalCode,
  RemoteError,
  UnsupportedError,
} from "../base/errors.ts";

/** Errors that did not come over the wire, or that only a daemon has, are returned unchanged. */
export function decodeError(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error;
  const { code, message, hint, details, status } = error;
  const about = { cause: error, hint, details };
  const kind = code.split("/")[0]!;
  if (code.endsWith("/not-found")) {
    return new NotFoundError(
      kind as ConstructorParameters<typeof NotFoundError>[0],
      message,
      about,
    );
  }
  if (status === 501) return new UnsupportedError(message, { ...about, code });
  if (code === "broker/closed") return new ClosedError(message, about);
  if (status === 400) return new InvalidArgumentError(message, { ...about, code });
  if (status === 409) return new ConflictError(message, { ...about, code });
  if (status === 507) return new CannotStoreError(message, { ...about, code });
  if (kind === "event" && (status === 413 || status === 422)) {
    return new EventRefusedError(code as RefusalCode, message, about);
  }
  if (kind === "schema" && status === 422) {
    return new InvalidSchemaError(message, { ...about, code });
  }
  return error;
}

/** The error for a refused line of a publish. */
export function decodeRefusal(
  body: { code: string; message: string; hint?: string; details?: Record<string, unknown> },
): EvsError {
  const { code, message, hint, details } = body;
  return new EventRefusedError(code as RefusalCode, message, { hint, details });
}

/** Awaits, and rethrows failures as converted by {@link decodeError}. */
export async function decodingErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw decodeError(error);
  }
}
