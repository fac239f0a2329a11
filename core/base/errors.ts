/**
 * Everything that can go wrong, defined once: every error that leaves this project is an
 * {@link EvsError}. There is a class per kind, with a stable `code` (scripts depend on it), a
 * message for people, `details` for machines, and a `hint` that names the next command to type. The
 * HTTP status and exit code of each kind are decided here and nowhere else.
 */
import { asCause } from "./thrown.ts";
import { truncate, truncateDetails } from "./truncate.ts";

/** Exit codes of the `evs` command, as promised in docs/configuration.md. */
export const ExitCode = {
  /** Done; a closed pipe too. */
  Ok: 0,
  /** Not found, timed out, or `consume` ended while paused. */
  NotFound: 1,
  /** Invalid command line. */
  Usage: 2,
  /** An expectation did not hold, or a name is taken. */
  Conflict: 3,
  /** An event was rejected: JSON, UTF-8, depth, size or schema. */
  Refused: 4,
  /** No daemon, or the connection was lost midway. */
  NoDaemon: 5,
  /** Partly done, or `consume` dead-lettered something. */
  Partly: 6,
  /** Cannot store right now: the disk is full, or the store is busy. */
  CannotStore: 7,
  /** A bug in evs. */
  Bug: 70,
  /** Ctrl-C. */
  Interrupted: 130,
} as const;

/** What an error may carry besides its message. */
export interface ErrorOptions {
  /** The next command to type, or the next thing to try. */
  hint?: string;
  /** Facts for machines: the line, the field, both sequence numbers of a conflict. JSON only. */
  details?: Record<string, unknown>;
  /** The underlying error. */
  cause?: unknown;
}

/** An error as sent over the wire. */
export interface ErrorBody {
  /** As in `EvsError`. */
  code: string;
  /** For people. */
  message: string;
  /** The next thing to type. */
  hint?: string;
  /** Facts for machines. */
  details?: Record<string, unknown>;
}

/**
 * The base of every error that this project throws.
 * @example `if (error instanceof EvsError) console.error(error.code, error.hint);`
 */
export class EvsError extends Error {
  /** A stable identifier, `kind/what`, such as `event/invalid-json`. */
  readonly code: string;
  /** The HTTP status that the daemon answers with. */
  readonly status: number;
  /** The exit code that `evs` ends with. */
  readonly exit: number;
  /** The next thing to type. */
  readonly hint?: string;
  /** Facts for machines. */
  readonly details?: Record<string, unknown>;

  /** @internal */
  constructor(
    kind: { code: string; status: number; exit: number },
    message: string,
    options: ErrorOptions = {},
  ) {
    super(
      truncate(message),
      options.cause === undefined ? undefined : { cause: asCause(options.cause) },
    );
    this.name = new.target.name;
    this.code = kind.code;
    this.status = kind.status;
    this.exit = kind.exit;
    this.hint = options.hint && truncate(options.hint);
    this.details = options.details && truncateDetails(options.details);
  }

  /** The error as JSON for the wire. */
  toBody(): ErrorBody {
    const body: ErrorBody = { code: this.code, message: this.message };
    if (this.hint !== undefined) body.hint = this.hint;
    if (this.details !== undefined) body.details = this.details;
    return body;
  }
}

/**
 * A name, flag or parameter that does not match its grammar.
 * @example `broker.publish("no topic", "created", {})` rejects with it.
 */
export class InvalidArgumentError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions & { code?: string } = {}) {
    super(
      { code: options.code ?? "argument/invalid", status: 400, exit: ExitCode.Usage },
      message,
      options,
    );
  }
}

/** The codes for rejecting an event because of its own bytes. */
export type RefusalCode =
  | "event/invalid-json"
  | "event/invalid-utf8"
  | "event/too-deep"
  | "event/too-large"
  | "event/invalid-envelope"
  | "event/invalid-cloudevent"
  | "event/invalid-payload"
  | "event/schema-violation"
  | "event/schema-required"
  | "event/schema-too-costly"
  | "event/validator-failed"
  | "event/schema-unknown-version";

/**
 * An event was rejected; nothing of it was stored.
 * @example A payload that its schema rejects: `error.code === "event/schema-violation"`.
 */
export class EventRefusedError extends EvsError {
  /** @internal */
  constructor(code: RefusalCode, message: string, options: ErrorOptions = {}) {
    super(
      { code, status: code === "event/too-large" ? 413 : 422, exit: ExitCode.Refused },
      message,
      options,
    );
  }
}

/**
 * Something that does not exist, such as a topic, an event, a dead letter or a schema.
 * @example `topic.options` of a topic that was removed throws it.
 */
export class NotFoundError extends EvsError {
  /** @internal */
  constructor(
    what:
      | "topic"
      | "event"
      | "subscription"
      | "retry"
      | "scheduled"
      | "spool"
      | `dead-letter${"" | "-group" | "-job"}`
      | "schema"
      | "node"
      | "route"
      | "aggregate",
    message: string,
    options: ErrorOptions = {},
  ) {
    super({ code: `${what}/not-found`, status: 404, exit: ExitCode.NotFound }, message, options);
  }
}

/**
 * An expectation about the current state did not hold.
 * @example A publish whose `expected` does not hold: somebody else was first.
 */
export class ConflictError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions & { code?: string } = {}) {
    super(
      { code: options.code ?? "event/conflict", status: 409, exit: ExitCode.Conflict },
      message,
      options,
    );
  }
}

/**
 * Somebody else saved the aggregate first; nothing of this save was stored. `details` holds both
 * versions.
 * @example `repository.save(order)` after somebody else saved that order; `update` retries.
 */
export class VersionConflictError extends ConflictError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, code: "aggregate/conflict" });
  }
}

/**
 * An aggregate met an event of an unknown type. The event stays stored.
 * @example `repository.load(id)` without a handler for a stored type rejects with it.
 */
export class UnknownEventTypeError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super(
      { code: "aggregate/unknown-event", status: 422, exit: ExitCode.Refused },
      message,
      options,
    );
  }
}

/**
 * The stored history of an aggregate or a projection is incomplete.
 * @example `repository.load(id)` of an aggregate whose first events were deleted by retention.
 */
export class BrokenHistoryError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super(
      { code: "aggregate/broken-history", status: 409, exit: ExitCode.Conflict },
      message,
      options,
    );
  }
}

/**
 * An aggregate has an event that was redacted; `details` has its seq and id, by whom and why.
 * @example `repository.getById(id)`, unless the repository has `redacted: "skip"`.
 */
export class RedactedEventError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "aggregate/redacted", status: 409, exit: ExitCode.Conflict }, message, options);
  }
}

/**
 * A snapshot cannot be used. It is ignored, and the aggregate is rebuilt from its events.
 * @example `snapshots.save({ ...snapshot, state: new Map() })` rejects with it.
 */
export class SnapshotError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "snapshot/unusable", status: 500, exit: ExitCode.Bug }, message, options);
  }
}

/**
 * A projection's reducer threw. The projection stays just before that event.
 * @example A reducer that reads a field which older events do not have.
 */
export class ProjectionError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "projection/failed", status: 500, exit: ExitCode.Refused }, message, options);
  }
}

/**
 * A schema that cannot be registered: not a schema, too large, with remote references, or with a
 * pattern that cannot run in linear time.
 * @example `broker.registerSchema("t", { type: "strin" })` rejects with it.
 */
export class InvalidSchemaError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions & { code?: string } = {}) {
    super(
      { code: options.code ?? "schema/invalid", status: 422, exit: ExitCode.Refused },
      message,
      options,
    );
  }
}

/**
 * Nothing is listening on the socket.
 * @example `await connect()` where no daemon runs: `evs daemon start`.
 */
export class NoDaemonError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "daemon/not-running", status: 503, exit: ExitCode.NoDaemon }, message, options);
  }
}

/**
 * A daemon exists but does not answer: it is stopped, starting, stopping or hung.
 * @example `await connect()` while the daemon is stopped by SIGSTOP.
 */
export class NotAnsweringError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "daemon/not-answering", status: 503, exit: ExitCode.NoDaemon }, message, options);
  }
}

/**
 * The daemon went away midway. `details` says what is uncertain.
 * @example A publish that the daemon did not answer: publish again with the same id.
 */
export class ConnectionLostError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super(
      { code: "daemon/connection-lost", status: 503, exit: ExitCode.NoDaemon },
      message,
      options,
    );
  }
}

/** Client and daemon speak different protocols. */
export class ProtocolMismatchError extends EvsError {
  constructor(message: string, options: ErrorOptions = {}) {
    super(
      { code: "daemon/protocol-mismatch", status: 426, exit: ExitCode.NoDaemon },
      message,
      options,
    );
  }
}

/**
 * The store takes nothing now (disk full, draining, too many connections). Nothing was stored.
 * @example `if (error instanceof CannotStoreError) await retryLater(event);`
 */
export class CannotStoreError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions & { code?: string } = {}) {
    super(
      { code: options.code ?? "store/unavailable", status: 507, exit: ExitCode.CannotStore },
      message,
      options,
    );
  }
}

/** @internal The code of the error for a limit on the size of files. */
export const FILE_SIZE_LIMIT = "store/file-size-limit";

/**
 * True for the error of a full disk or of a limit on the size of files.
 * @internal
 */
export function isDiskFull(error: unknown): boolean {
  return error instanceof CannotStoreError &&
    (error.code === "store/disk-full" || error.code === FILE_SIZE_LIMIT);
}

/** The data dir cannot be used: locked by another daemon, newer format, wrong owner or mode. */
export class DataDirError extends EvsError {
  constructor(
    code:
      | "datadir/locked"
      | "datadir/newer-format"
      | "datadir/unsafe"
      | "datadir/damaged"
      | "datadir/missing"
      | "datadir/taken-away"
      | "datadir/unreadable"
      | "datadir/events-gone"
      | "datadir/other-store",
    message: string,
    options: ErrorOptions = {},
  ) {
    const exit = code === "datadir/missing" ? ExitCode.NotFound : ExitCode.CannotStore;
    super({ code, status: 500, exit }, message, options);
  }
}

/** The socket cannot be used: in use, path too long, or owned by someone else. */
export class SocketError extends EvsError {
  constructor(
    code: "socket/in-use" | "socket/too-long" | "socket/not-ours" | "socket/unsafe",
    message: string,
    options: ErrorOptions = {},
  ) {
    super({ code, status: 500, exit: ExitCode.CannotStore }, message, options);
  }
}

/** Something that was awaited did not happen in time. */
export class TimeoutError extends EvsError {
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "wait/timed-out", status: 504, exit: ExitCode.NotFound }, message, options);
  }
}

/** A lease that is no longer held: expired, already settled, or never granted. */
export class LeaseLostError extends EvsError {
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "delivery/lease-lost", status: 409, exit: ExitCode.Conflict }, message, options);
  }
}

/**
 * Something that the chosen store or broker cannot do.
 * @example A publish with `expected` to a topic that stores nothing.
 */
export class UnsupportedError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions & { code?: string } = {}) {
    super(
      { code: options.code ?? "store/unsupported", status: 501, exit: ExitCode.Usage },
      message,
      options,
    );
  }
}

/**
 * The broker, topic or subscription was closed or removed while in use.
 * @example `await broker.close()`, then `broker.publish("t", "n", 1)` rejects with it.
 */
export class ClosedError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "broker/closed", status: 503, exit: ExitCode.NoDaemon }, message, options);
  }
}

/** The error for using a broker after it was closed. */
export function closedBroker(): ClosedError {
  return new ClosedError("the broker is closed");
}

/**
 * Thrown by a handler when the event can never succeed: dead-letter it now.
 * @example `throw new NonRetryableError("the order has no customer");`
 */
export class NonRetryableError extends EvsError {
  /** `message`: why the event will never succeed. */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "handler/non-retryable", status: 500, exit: ExitCode.Refused }, message, options);
  }
}

/**
 * A handler did not finish in time. The attempt failed, and the event is retried.
 * @example The reason of a dead letter whose handler exceeded `timeoutMs`.
 */
export class HandlerTimeoutError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "handler/timed-out", status: 504, exit: ExitCode.NotFound }, message, options);
  }
}

/**
 * The reader of a stream with `overflow: "fail"` was slower than its events.
 * @example `for await (const event of broker.stream("t", { overflow: "fail" }))` throws it.
 */
export class OverflowError extends EvsError {
  /** @internal */
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "stream/overflow", status: 503, exit: ExitCode.CannotStore }, message, options);
  }
}

/** A bug in evs: anything that no other class covers. */
export class InternalError extends EvsError {
  constructor(message: string, options: ErrorOptions = {}) {
    super({ code: "internal/bug", status: 500, exit: ExitCode.Bug }, message, options);
  }
}

/**
 * An error returned by the daemon, as the client throws it: same code, message, hint and details.
 */
export class RemoteError extends EvsError {
  constructor(body: ErrorBody, status: number) {
    super({ code: body.code, status, exit: exitOf(body.code, status) }, body.message, body);
  }
}

/** The exit code for an error received over the wire. */
function exitOf(code: string, status: number): number {
  if (code === "internal/bug") return ExitCode.Bug;
  if (code.startsWith("argument/")) return ExitCode.Usage;
  if (code.startsWith("daemon/") || code === "broker/closed") return ExitCode.NoDaemon;
  switch (status) {
    case 400:
    case 501:
      return ExitCode.Usage;
    case 404:
    case 504:
      return ExitCode.NotFound;
    case 409:
      return ExitCode.Conflict;
    case 413:
    case 422:
      return ExitCode.Refused;
    case 503:
    case 507:
      return ExitCode.CannotStore;
    default:
      return ExitCode.Bug;
  }
}
