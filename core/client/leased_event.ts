/**
 * One event of a lease response, as a place in the response's text. Whoever handles it may want its
 * payload, its whole line or only its id: each is read off the text when it is asked for.
 */
import { splitMembers, valueEnd } from "../json/json.ts";
import type { Delivery, EventFacts } from "./consumer/port.ts";

const encoder = new TextEncoder();
const BEFORE_METADATA = ',"metadata":';
const BEFORE_PAYLOAD = ',"payload":';

/** What a response says of a delivery besides its lease and its event. */
export interface Terms {
  /** As it is written there. */
  readonly written: string;
  readonly attempt: number;
  readonly delivery?: number;
  readonly epoch?: number;
}

/** Where an event is: from `from` to `to` in the text. */
interface Source {
  readonly text: string;
  /** The same in bytes, if each character of the text is a byte. */
  readonly bytes?: Uint8Array | undefined;
  readonly from: number;
  readonly to: number;
}

/** Where the parts of a wire line are. */
interface Layout {
  /** The end of the members before the metadata. */
  readonly head: number;
  readonly metadata: number;
  readonly metadataEnd: number;
  readonly payload: number;
}

/** One event as leased. */
export class LeasedEvent implements Delivery {
  readonly lease: string;
  readonly #terms: Terms;
  readonly #source: Source;
  #facts: EventFacts | undefined;

  constructor(lease: string, terms: Terms, source: Source) {
    this.lease = lease;
    this.#terms = terms;
    this.#source = source;
  }

  get attempt(): number {
    return this.#terms.attempt;
  }

  get delivery(): number {
    return this.#terms.delivery ?? 1;
  }

  get isSuspect(): boolean {
    return this.#terms.delivery !== undefined;
  }

  get epoch(): number | undefined {
    return this.#terms.epoch;
  }

  get line(): string {
    const { text, from, to } = this.#source;
    return text.slice(from, to);
  }

  get event(): Uint8Array {
    const { from, to } = this.#source;
    return this.#bytesOf(from, to);
  }

  get payload(): Uint8Array {
    const layout = this.#layout();
    if (layout === undefined) return this.#members().get("payload")!.bytes;
    // Without the brace that closes the event.
    return this.#bytesOf(layout.payload, this.#source.to - 1);
  }

  get facts(): EventFacts {
    return this.#facts ??= this.#readFacts();
  }

  #readFacts(): EventFacts {
    const { text, from } = this.#source;
    const layout = this.#layout();
    if (layout === undefined) {
      const metadata = this.#members().get("metadata")?.text ?? "{}";
      return factsOf(JSON.parse(this.line) as EventFacts, metadata);
    }
    const head = JSON.parse(`${text.slice(from, layout.head)}}`) as EventFacts;
    return factsOf(head, text.slice(layout.metadata, layout.metadataEnd));
  }

  /** Undefined for an event that is not written as a wire line. */
  #layout(): Layout | undefined {
    const { text, from, to } = this.#source;
    const head = text.indexOf(BEFORE_METADATA, from);
    const metadata = head + BEFORE_METADATA.length;
    // Before its metadata there are numbers and texts alone: no other object has such a member.
    if (head < 0 || text.indexOf("{", from + 1) !== metadata) return undefined;
    const metadataEnd = valueEnd(text, metadata);
    const payload = metadataEnd + BEFORE_PAYLOAD.length;
    if (!text.startsWith(BEFORE_PAYLOAD, metadataEnd) || payload > to) return undefined;
    return { head, metadata, metadataEnd, payload };
  }

  /** Throws a `SyntaxError` for what is not JSON: only JSON can be taken apart. */
  #members(): Map<string, { text: string; bytes: Uint8Array }> {
    JSON.parse(this.line);
    const members = splitMembers(this.line, this.event);
    return new Map(members.map((member) => [member.name, member]));
  }

  #bytesOf(from: number, to: number): Uint8Array {
    const { text, bytes } = this.#source;
    return bytes?.subarray(from, to) ?? encoder.encode(text.slice(from, to));
  }
}

function factsOf({ topic, type, id, seq, key }: EventFacts, metadata: string): EventFacts {
  return { topic, type, id, seq, ...key !== undefined && { key }, ...metadataFacts(metadata) };
}

/** Few events have any: a search is cheaper than parsing the metadata of all. */
function metadataFacts(metadata: string): Pick<EventFacts, "correlationId" | "trace"> {
  const hasTrace = metadata.includes('"traceparent"');
  if (!hasTrace && !metadata.includes('"correlationId"')) return {};
  const { correlationId, traceparent, tracestate } = JSON.parse(metadata) as Record<
    string,
    unknown
  >;
  return {
    ...typeof correlationId === "string" && { correlationId },
    ...hasTrace && { trace: { traceparent, tracestate } },
  };
}
