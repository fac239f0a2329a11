/**
 * What PostgreSQL and the connection to it report, as errors of ours. Three kinds matter to a
 * store: nothing was stored and it may work later (`CannotStoreError`), it cannot be known whether
 * it was stored ({@link UnknownOutcomeError}, resolved inside the store), and a fault.
 */
import { CannotStoreError, EvsError, InternalError } from "../base/errors.ts";
import { DATABASE_AWAY } from "../protocol/database_url.ts";
import { thrownText } from "../base/thrown.ts";
import { type DatabaseTarget, placeOf, withoutPassword } from "./url.ts";

/** What the driver throws: a SQLSTATE of the server, or a code of the operating system. */
export interface DriverError {
  code?: string;
  message: string;
}

/**
 * The connection was lost, or somebody cancelled the wait for a standby, after a change was sent:
 * it may be stored or not. Whoever sent it finds out.
 */
export class UnknownOutcomeError extends EvsError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super({ code: "postgres/outcome-unknown", status: 503, exit: 7 }, message, options);
  }
}

/** A transaction that met another one: the same again will do. */
export class TryAgainError extends EvsError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super({ code: "postgres/try-again", status: 503, exit: 7 }, message, options);
  }
}

/** A function in the database refused a call with a SQLSTATE of ours, `EV…`. */
export class RefusedByFunctionError extends EvsError {
  readonly state: string;

  constructor(state: string, message: string) {
    super({ code: "postgres/refused", status: 503, exit: 7 }, message);
    this.state = state;
  }
}

/** A row or a page of the database cannot be read. */
export class DamagedPageError extends EvsError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super({ code: "postgres/damaged", status: 500, exit: 7 }, message, options);
  }
}

/** The code of errors that go by when the server is back. */
export const AWAY = DATABASE_AWAY;

/** The codes of refusals that a person has to do something about, by SQLSTATE. */
const REFUSED: Record<string, { code: string; why: string; hint: string }> = {
  "28P01": {
    code: "postgres/authentication",
    why: "refused the password",
    hint: "check the user and the password (EVS_POSTGRES_PASSWORD); the server's log says more",
  },
  "28000": {
    code: "postgres/authentication",
    why: "does not let this user in",
    hint: "check the user, and what pg_hba.conf says about it",
  },
  "3D000": {
    code: "postgres/no-database",
    why: "has no such database",
    hint: "create it first: createdb --encoding UTF8 NAME",
  },
  "42501": {
    code: "postgres/no-rights",
    why: "does not let this user do that",
    hint: "grant it: GRANT CREATE ON DATABASE …, or make the user the owner of the schema evs",
  },
};

/** SQLSTATEs of a server that is going down, starting, full or read-only, or cannot use its disk. */
const AWAY_STATES = /^(08...|57P0[1-5]|57014|55P03|25006|25P0[34]|53[023]00|53400|580[03]0)$/;
/** What the operating system and the driver say when a connection is not there. */
const AWAY_CODES =
  /^(E(CONN(REFUSED|RESET|ABORTED)|NOTFOUND|AI_AGAIN|TIMEDOUT|PIPE|HOSTUNREACH|NETUNREACH|NOENT|ACCES))$/;
const LOST = /^(Connection terminated|Client has encountered|timeout expired|the connection)/;
/** What the driver says when the server asks for a password and there is none. */
const NO_PASSWORD = /client password must be a( non-empty)? string/;
const TLS = /certificate|TLS|SSL|self[- ]signed|altname/i;

/** True if the connection is gone, or was never made. */
export function isLost(error: DriverError): boolean {
  const code = error.code ?? "";
  return /^(08...|57P0[1-5]|25P0[34])$/.test(code) || AWAY_CODES.test(code) ||
    LOST.test(error.message);
}

/** What the driver threw, as an error of ours that has no password in it. */
export function asPostgresError(thrown: unknown, target: DatabaseTarget): EvsError {
  if (thrown instanceof EvsError) return thrown;
  const { code = "", message = thrownText(thrown) } = thrown as DriverError;
  const where = `PostgreSQL at ${placeOf(target)}`;
  const said = withoutPassword(message, target.password);
  if (NO_PASSWORD.test(message)) {
    return new CannotStoreError(`${where} asks for a password, and none was given`, {
      code: "postgres/authentication",
      hint: "set EVS_POSTGRES_PASSWORD, or PGPASSFILE, or password under [postgres]",
    });
  }
  const refused = REFUSED[code];
  if (refused) {
    return new CannotStoreError(`${where} ${refused.why}: ${said}`, refused);
  }
  if (code === "53100") {
    return new CannotStoreError(`the disk of ${where} is full: ${said}`, {
      code: "store/disk-full",
      hint: "make room on the server; it goes on by itself",
    });
  }
  if (/^EV...$/.test(code)) return new RefusedByFunctionError(code, `${where}: ${said}`);
  if (/^XX00[12]$/.test(code)) return new DamagedPageError(`${where}: ${said}`);
  if (code === "40001" || code === "40P01") return new TryAgainError(`${where}: ${said}`);
  if (AWAY_STATES.test(code) || isLost({ code, message })) {
    return new CannotStoreError(`${where} cannot be used now: ${said}`, {
      code: AWAY,
      hint: "start the server, or check the host and port; it goes on by itself",
    });
  }
  if (TLS.test(message) && !/^[0-9A-Z]{5}$/.test(code)) {
    return new CannotStoreError(`${where} has no certificate that can be verified: ${said}`, {
      code: "postgres/tls",
      hint: "give the server a certificate for its name, or the authority's certificate as `ca`",
    });
  }
  return new InternalError(`${where}: ${said}${code && ` (${code})`}`);
}

/** The SQLSTATE with which a function of ours refused; undefined for all other errors. */
export function refusedBy(error: unknown): string | undefined {
  return error instanceof RefusedByFunctionError ? error.state : undefined;
}
