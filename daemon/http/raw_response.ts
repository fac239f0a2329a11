/** A response as bytes, for a connection from which no request can be read. */
import type { EvsError } from "../../core/base/errors.ts";

/** The response with which a connection is closed. `status`: `503 Service Unavailable`. */
export function rawResponse(
  status: string,
  error: EvsError,
  { headers = "" }: { headers?: string } = {},
): string {
  const body = `${JSON.stringify({ error: error.toBody() })}\n`;
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${
    new TextEncoder().encode(body).length
  }\r\n${headers}connection: close\r\n\r\n${body}`;
}
