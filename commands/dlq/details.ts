/**
 * Dead letters with everything that is kept of them, as text: the payload is not parsed and printed
 * again.
 */
import { type Client, segment } from "../../core/client/client.ts";
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { splitElements, splitMembers } from "../../core/json/json.ts";

/** All entries of an event id or of `SUBSCRIPTION:ID`, of one topic where it is given. */
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
 * What is typed to mean one of these entries: `SUBSCRIPTION:ID`, and its topic where another entry
 * has the same name (ids are told apart within a topic only), or may have: `isNarrowed` says that
 * only one topic was asked for. For a shell: what an id holds is the publisher's, and must not run
 * in the one that it is pasted into.
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
