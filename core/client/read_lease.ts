/**
 * Reads the response to a lease request. The daemon writes each delivery on a line of its own, so a
 * thousand of them are told apart by their line feeds, and of an event nothing is parsed before
 * somebody asks. Other JSON of the same meaning, as older daemons write it, is taken apart first.
 */
import { splitElements, splitMembers } from "../json/json.ts";
import type { LeaseReply } from "../protocol/protocol.ts";
import type { Delivery, Leased } from "./consumer/port.ts";
import { LeasedEvent, type Terms } from "./leased_event.ts";

const decoder = new TextDecoder();
/** How the daemon writes it: these occur in no value, because quotes in texts are escaped. */
const OPEN = '"deliveries":[\n';
const CLOSE = "\n]}\n";
const BEFORE_LEASE = '{"lease":"';
const BEFORE_EVENT = ',"event":';

/** Reads a lease response; events and payloads keep their exact bytes. */
export function readLease(bytes: Uint8Array): Leased {
  const text = decoder.decode(bytes);
  return readLines(text, bytes) ?? readParts(text, bytes);
}

/** Undefined if it is not written in lines. */
function readLines(text: string, bytes: Uint8Array): Leased | undefined {
  const open = text.indexOf(OPEN);
  if (open < 0 || !text.endsWith(CLOSE)) return undefined;
  const rest = restOf(`${text.slice(0, open)}"deliveries":[]}`);
  // Where each character is a byte, places in the text are places in the bytes.
  const same = text.length === bytes.length ? bytes : undefined;
  const end = text.length - CLOSE.length;
  const deliveries: Delivery[] = [];
  let terms: Terms | undefined;
  for (let at = open + OPEN.length; at < end;) {
    const feed = text.indexOf("\n", at);
    const lease = at + BEFORE_LEASE.length;
    const leaseEnd = text.indexOf('"', lease);
    const event = text.indexOf(BEFORE_EVENT, leaseEnd);
    if (!text.startsWith(BEFORE_LEASE, at) || event < 0 || event > feed) return undefined;
    terms = termsOf(text, { from: leaseEnd + 1, to: event }, terms);
    // Without the brace that closes the delivery, and the comma between two.
    const to = feed < end ? feed - 2 : end - 1;
    const source = { text, bytes: same, from: event + BEFORE_EVENT.length, to };
    deliveries.push(new LeasedEvent(text.slice(lease, leaseEnd), terms, source));
    at = feed + 1;
  }
  return { ...rest, deliveries };
}

/** The members between the lease and the event: the same for most of a response. */
function termsOf(
  text: string,
  { from, to }: { from: number; to: number },
  last: Terms | undefined,
): Terms {
  const isSame = last?.written.length === to - from && text.startsWith(last.written, from);
  if (isSame) return last!;
  const written = text.slice(from, to);
  return { ...JSON.parse(`{"lease":""${written}}`) as Omit<Terms, "written">, written };
}

/** Throws a `SyntaxError` for what is not JSON: only JSON can be taken apart. */
function readParts(text: string, bytes: Uint8Array): Leased {
  JSON.parse(text);
  const rest: Record<string, unknown> = {};
  let deliveries: Delivery[] = [];
  for (const member of splitMembers(text, bytes)) {
    if (member.name === "deliveries") {
      deliveries = splitElements(member.text, member.bytes)
        .map((element) => readDelivery(element.text, element.bytes));
    } else {
      rest[member.name] = JSON.parse(member.text);
    }
  }
  return { ...rest as unknown as Omit<LeaseReply, "deliveries">, deliveries };
}

function readDelivery(text: string, bytes: Uint8Array): Delivery {
  const terms: Record<string, unknown> = { written: "" };
  let event = "";
  for (const member of splitMembers(text, bytes)) {
    if (member.name === "event") event = member.text;
    else terms[member.name] = JSON.parse(member.text);
  }
  const { lease } = terms as { lease: string };
  return new LeasedEvent(lease, terms as unknown as Terms, {
    text: event,
    from: 0,
    to: event.length,
  });
}

function restOf(text: string): Omit<LeaseReply, "deliveries"> {
  const { deliveries: _, ...rest } = JSON.parse(text) as LeaseReply;
  return rest;
}
