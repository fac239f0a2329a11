/**
 * Where a PostgreSQL database is and how it is reached: from a URL, or from options. The password
 * stays in {@link DatabaseTarget.password}; no error and no text that is made here contains it.
 */
import { defined } from "../base/defined.ts";
import { InvalidArgumentError } from "../base/errors.ts";

/** How to reach a database. */
export interface PostgresOptions {
  /** `postgres://user@host:5432/database`; the fields below override its parts. */
  url?: string;
  /** A name, an address, or the folder of a Unix socket. */
  host?: string;
  /** Default 5432. */
  port?: number;
  /** Default `postgres`. */
  user?: string;
  /** Absent: none is sent. */
  password?: string;
  /** Default: the user's name. */
  database?: string;
  /** Certificates in PEM that the server's is checked against; absent: those of the system. */
  ca?: string;
  /** Milliseconds until a connection that is not made has failed; default 10 s. */
  connectTimeout?: number;
}

/** A database, with all defaults filled in. */
export interface DatabaseTarget {
  host: string;
  port: number;
  user: string;
  database: string;
  password: string | undefined;
  /** True: TLS, with the server's certificate and name verified. */
  tls: boolean;
  ca: string | undefined;
  /** Milliseconds. */
  connectTimeout: number;
}

const PORT = 5432;
const CONNECT_TIMEOUT_MS = 10_000;
const PROTOCOLS = ["postgres:", "postgresql:"];
const HINT = "a URL is postgres://USER@HOST:5432/DATABASE";

/**
 * Reads a URL or options. Throws `InvalidArgumentError` (`postgres/invalid-url`, and
 * `postgres/no-certificate` for a `ca` that has none).
 */
export function readTarget(given: string | PostgresOptions): DatabaseTarget {
  const options = typeof given === "string" ? { url: given } : given;
  if (options.ca !== undefined) assertCertificates(options.ca);
  const from = options.url === undefined ? {} : readUrl(options.url);
  const { sslmode, ...place } = { ...from, ...defined(options) } as Partial<DatabaseTarget> & {
    sslmode?: string;
  };
  const host = place.host || "localhost";
  const user = place.user || "postgres";
  return {
    host,
    port: place.port ?? PORT,
    user,
    database: place.database || user,
    password: place.password || undefined,
    tls: usesTls(host, sslmode),
    ca: place.ca,
    connectTimeout: place.connectTimeout ?? CONNECT_TIMEOUT_MS,
  };
}

/** The database in words, for messages: never with the password. */
export function placeOf({ host, port, database }: DatabaseTarget): string {
  return host.startsWith("/")
    ? `${host}:${port}/${database}`
    : `${nameIn(host)}:${port}/${database}`;
}

/** What a process must be allowed to connect to: `HOST:PORT`, or the path of a Unix socket. */
export function addressOf({ host, port }: Pick<DatabaseTarget, "host" | "port">): {
  net: string;
  socket?: string;
} {
  if (!host.startsWith("/")) return { net: `${nameIn(host)}:${port}` };
  const socket = `${host}/.s.PGSQL.${port}`;
  return { net: `unix:${socket}`, socket };
}

const nameIn = (host: string) => host.includes(":") ? `[${host}]` : host;

/** The text without the password of a URL in it, nor this password. */
export function withoutPassword(text: string, password?: string): string {
  const bare = text.replace(/(\bpostgres(?:ql)?:\/\/[^\s/:@]*):[^\s]*@/gi, "$1:***@");
  if (!password) return bare;
  return [password, encodeURIComponent(password)].reduce(
    (kept, secret) => kept.replaceAll(secret, "***"),
    bare,
  );
}

interface UrlParts extends PostgresOptions {
  sslmode?: string;
}

function readUrl(text: string): UrlParts {
  const url = parseUrl(text);
  if (!PROTOCOLS.includes(url.protocol)) {
    throw invalid("the URL of a PostgreSQL database begins with postgres://");
  }
  if (url.hash !== "") {
    throw invalid("the URL has a # in it", "write a # within a password as %23");
  }
  const parts: UrlParts = {
    host: decoded(url.hostname.replace(/^\[|\]$/g, ""), "host"),
    user: decoded(url.username, "user"),
    database: decoded(url.pathname.slice(1), "database"),
  };
  if (url.password !== "") parts.password = decoded(url.password, "password");
  if (url.port !== "") parts.port = Number(url.port);
  for (const [name, value] of url.searchParams) setParameter(parts, name, value);
  return parts;
}

/** `new URL` quotes what it refuses, and what it refuses may have a password. */
function parseUrl(text: string): URL {
  // `postgres:///database` has no host, which only some schemes may leave out.
  const url = typeof text === "string" && URL.parse(text);
  if (url) return url;
  throw invalid("this is not the URL of a PostgreSQL database");
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`the ${part} in the URL has a % that is not followed by two hex digits`);
  }
}

function setParameter(parts: UrlParts, name: string, value: string): void {
  switch (name) {
    case "host":
    case "user":
    case "password":
    case "sslmode":
      parts[name] = value;
      return;
    case "port":
      if (!/^\d{1,5}$/.test(value)) throw invalid("the port in the URL is not a number");
      parts.port = Number(value);
      return;
    case "dbname":
      parts.database = value;
      return;
    case "connect_timeout":
      if (!/^\d{1,6}$/.test(value)) throw invalid("connect_timeout in the URL is not a number");
      parts.connectTimeout = Number(value) * 1000;
      return;
    default:
      throw invalid(
        "the URL has a parameter that is not known",
        "the parameters are host, port, user, password, dbname, connect_timeout and sslmode",
      );
  }
}

/** True if there is a certificate in a text. */
export function hasCertificate(text: unknown): boolean {
  return typeof text === "string" && /^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/m.test(text);
}

/** The name of a file would be taken for no certificate at all, and each server be refused. */
function assertCertificates(ca: unknown): void {
  if (hasCertificate(ca)) return;
  throw new InvalidArgumentError("there is no certificate in `ca`", {
    code: "postgres/no-certificate",
    hint: "it is the text of certificates in PEM, as a file has them: -----BEGIN CERTIFICATE-----",
  });
}

/** TLS with the certificate verified, unless the server is on this machine. */
function usesTls(host: string, mode: string | undefined): boolean {
  const local = isLocal(host);
  if (mode === undefined) return !local;
  if (mode === "verify-full") return !host.startsWith("/");
  if (mode === "disable" && local) return false;
  throw invalid(
    mode === "disable"
      ? "sslmode=disable is for servers on this machine"
      : "sslmode is verify-full, or disable for a server on this machine",
    "without a verified certificate, the password and all events could be read on the way",
  );
}

/** True for a Unix socket and loopback. */
function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function invalid(message: string, hint = HINT): InvalidArgumentError {
  return new InvalidArgumentError(message, { code: "postgres/invalid-url", hint });
}
