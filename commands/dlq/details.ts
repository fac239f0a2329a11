/** Dead letters with everything that is kept of them, as text: the payload is not parsed and printed again. */
import { type Client, segment } from "../../core/client/client.ts";
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import { splitElements, splitMembers } from "../../core/json/json.ts";

/** All entries of an event id, or the one of `SUBSCRIPTION:ID`. */
export async function fetchDetails(client: Client, id: string): Promise<RawDetail[]> {
  const response = await client.fetch({
    method: "GET",
    path: `/v1/dead-letters/${segment(id)}`,
  });
  return readDetails(await response.bytes());
}

/** A dead letter as it came, and as a value; the payload is not printed again. */
export interface RawDetail {
  text: string;
  detail: DeadLetterDetail;
  payload: string;
}

/** Cuts the daemon's answer into its entries. */
export function readDetails(bytes: Uint8Array): RawDetail[] {
  const body = new TextDecoder().decode(bytes);
  const found: RawDetail[] = [];
  for (const member of splitMembers(body, bytes)) {
    if (member.name !== "deadLetters") continue;
    for (const element of splitElements(member.text, member.bytes)) {
      const event = splitMembers(element.text, element.bytes)
        .find((part) => part.name === "event");
      const payload = event === undefined
        ? undefined
        : splitMembers(event.text, event.bytes).find((part) => part.name === "payload");
      found.push({
        text: element.text,
        detail: JSON.parse(element.text) as DeadLetterDetail,
        payload: payload?.text ?? "",
      });
    }
  }
  return found;
}

/** The line of an entry whose event has another payload (on one line), as `dlq import` takes it. */
export function withPayload(raw: RawDetail, payload: string): Uint8Array {
  const encoder = new TextEncoder();
  const replace = (text: string, name: string, by: (member: string) => string): string =>
    `{${
      splitMembers(text, encoder.encode(text)).map((member) =>
        `${JSON.stringify(member.name)}:${member.name === name ? by(member.text) : member.text}`
      ).join(",")
    }}`;
  const line = replace(raw.text, "event", (event) => replace(event, "payload", () => payload));
  return encoder.encode(`${line}\n`);
}
