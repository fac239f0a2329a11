/** Responses of the dashboard's server, and the headers that all of them have. */
import type { ServerResponse } from "node:http";
import type { EvsError } from "../../core/base/errors.ts";
import type { Asset } from "./assets.ts";

/**
 * A page may load its own files and talk to its own server. Nothing inline, nothing from elsewhere,
 * no text that becomes a script, and no page around it.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const EVERYWHERE: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** What is not said again for every reply. */
export const NOT_STORED: Readonly<Record<string, string>> = { "cache-control": "no-store" };

/** Begins a response. */
export function begin(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...EVERYWHERE, ...NOT_STORED, ...headers });
}

/** Sends JSON. */
export function answerJson(response: ServerResponse, value: unknown): void {
  const body = JSON.stringify(value);
  begin(response, 200, { "content-type": "application/json" });
  response.end(body);
}

/** Sends an error as the daemon does. If the response has begun, all that is left is to break off. */
export function answerError(
  response: ServerResponse,
  error: EvsError,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  begin(response, error.status, {
    "content-type": "application/json",
    // A body that was not read would have to be: it may have no end.
    connection: "close",
    ...headers,
  });
  response.end(JSON.stringify({ error: error.toBody() }) + "\n");
}

/** Sends a file of the page, unless the browser has it. */
export function answerAsset(
  response: ServerResponse,
  { contentType, content, etag }: Asset,
  { known, isHead }: { known: string | undefined; isHead: boolean },
): void {
  const headers = { "content-type": contentType, "cache-control": "no-cache", etag };
  if (known === etag) {
    begin(response, 304, headers);
    response.end();
    return;
  }
  begin(response, 200, { ...headers, "content-length": String(content.length) });
  response.end(isHead ? undefined : content);
}

/** Sends a page of plain words for a person. */
export function answerWords(
  response: ServerResponse,
  { status, words, headers = {} }: {
    status: number;
    words: string;
    headers?: Record<string, string>;
  },
): void {
  begin(response, status, { "content-type": "text/plain; charset=utf-8", ...headers });
  response.end(words + "\n");
}
