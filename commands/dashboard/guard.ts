/**
 * Who may ask for what. Pure: a request's head goes in, a refusal comes out as an error.
 *
 * Loopback keeps other machines out, and nothing else: every user of this machine can connect, and
 * every page in the owner's browser can send requests here.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { bearerIn, cookiesIn, isSecret, type Secrets } from "./secrets.ts";

/** What is known of a request before it is carried out. */
export interface AskedHead {
  method: string;
  /** As it was sent. */
  target: string;
  /** Names in lower case; a header that comes twice is joined by a comma. */
  header: (name: string) => string | undefined;
}

/** The header with the page's half of the session. */
export const KEY_HEADER = "evs-dashboard-key";

/** What a scraper's token is good for. */
const SCRAPED: ReadonlySet<string> = new Set(["/metrics", "/v1/health"]);

/** A refusal with the words for whoever asked. */
export function refusal(
  kind: { code: string; status: number },
  message: string,
  options: { hint?: string; details?: Record<string, unknown> } = {},
): EvsError {
  return new EvsError({ ...kind, exit: ExitCode.Refused }, message, options);
}

/** The path of a target without its query. */
export function pathOf(target: string): string {
  const at = target.indexOf("?");
  return at < 0 ? target : target.slice(0, at);
}

/** The query of a target. */
export function queryOf(target: string): URLSearchParams {
  const at = target.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : target.slice(at + 1));
}

/** Throws unless the target is a plain path, and the host one of these names with any port. */
export function checkAddressed(
  { target, header }: AskedHead,
  names: ReadonlySet<string>,
): void {
  // Printable ASCII: anything else, and a whole URL, is what a proxy or an attacker would send.
  if (!/^\/[\x21-\x7e]*$/.test(target) || target.startsWith("//")) {
    throw refusal(
      { code: "dashboard/not-found", status: 404 },
      "there is nothing at this address",
    );
  }
  const host = header("host") ?? "";
  const name = /^(\[[\da-f:]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(host)?.[1];
  if (name !== undefined && names.has(name.toLowerCase())) return;
  throw refusal(
    { code: "dashboard/foreign-host", status: 403 },
    `this dashboard does not answer to the name ${JSON.stringify(host.slice(0, 80))}`,
    { hint: `open the link that evs dashboard printed; it begins with ${[...names][0]}` },
  );
}

/**
 * Throws if another page than ours, or an address that was typed, made the browser ask. A program
 * that is no browser sends neither header; what it needs is the session.
 */
export function checkOrigin({ method, header }: AskedHead): void {
  const site = header("sec-fetch-site");
  const origin = header("origin");
  const isOurs = (site === undefined || site === "same-origin") &&
    (origin === undefined || origin === `http://${header("host")}`);
  const isKnown = method === "GET" || method === "HEAD" || origin !== undefined;
  if (isOurs && isKnown) return;
  throw refusal(
    { code: "dashboard/foreign-request", status: 403 },
    isOurs
      ? "a request that changes something needs an Origin header"
      : "only the dashboard's own pages may ask for this",
  );
}

/** True if this request has both halves of the session. */
export function hasSession(
  { header }: AskedHead,
  { secrets, cookieName }: { secrets: Secrets; cookieName: string },
): boolean {
  const cookies = cookiesIn(header("cookie"), cookieName);
  const hasCookie = cookies.filter((value) => isSecret(value, secrets.cookie)).length > 0;
  return isSecret(header(KEY_HEADER) ?? "", secrets.key) && hasCookie;
}

/** The error for one without. */
export function noSession(): EvsError {
  return refusal(
    { code: "dashboard/no-session", status: 401 },
    "this browser has not been let in, or evs dashboard was started anew",
    { hint: "open the link that evs dashboard printed" },
  );
}

/** A scraper's token, where one may be used; undefined if none was sent. */
export function scraperToken({ method, target, header }: AskedHead): string | undefined {
  if (method !== "GET" || !SCRAPED.has(pathOf(target))) return undefined;
  return bearerIn(header("authorization"));
}
