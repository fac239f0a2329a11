/** Dead letters in full, as text: the payload is not parsed and reserialised. */
import { type Client, segment } from "../../core/client/client.ts";
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { splitElements, splitMembers } from "../../core/json/json.ts";

/** All entries with an event id or a `SUBSCRIPTION:ID`, optionally only of one topic. */
export async function fetchDetails(
  client: Client,
  { id, topic }: { id: string; topic?: string | undefined },
): Promise<RawDetail[]> {
  const response = await client.fetch({
    method: "GET",
    path: `/v1/dead-letters/${segment(id)}`,
    query: { topic },
  });
  return readDetails(await response.bytes());
}

/**
 * The arguments that identify one of these entries: `SUBSCRIPTION:ID`, plus its topic if another
 * entry has, or may have, the same name (ids are unique only within a topic); `isNarrowed` says
 * that only one topic was searched. Quoted for a shell: ids come from the publisher, and must not
 * run in the shell that they are pasted into.
 */
export function argumentsFor(
  { subscription, topic, id }: DeadLetterDetail,
  { among, isNarrowed = false }: { among: readonly RawDetail[]; isNarrowed?: boolean },
): string {
  const name = shellQuote(`${subscription}:${id}`);
  const same = among.filter(({ detail }) =>
    detail.subscription === subscription && detail.id === id
  );
  return isNarrowed || same.length > 1 ? `${name} --topic ${shellQuote(topic)}` : name;
}

/** A dead letter as received, and as a value; the payload is not reserialised. */
export interface RawDetail {
  text: string;
  detail: DeadLetterDetail;
  payload: string;
}

/** Splits the daemon's response into its entries. */
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

/**
 * The line of an entry whose event has a different payload (on one line), as `dlq import` accepts
 * it.
 */
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
