/**
 * Responses to plain publishes, which differ in a seq and an id: copies of one that was made the
 * usual way, with those overwritten. So no text is put together and encoded for each.
 */
import { concat, writeDecimal } from "../../core/base/bytes.ts";
import type { NewEvent } from "../../core/event/event.ts";
import { OWN_ID_BYTES } from "../../core/event/id.ts";
import { Reply } from "../http/reply.ts";
import { type Stored, storedText } from "./publish_one.ts";

/** Placeholder for an id. */
const ID_PLACE = "*".repeat(OWN_ID_BYTES);

interface Template {
  bytes: Uint8Array;
  /** Where the seq ends, each time. */
  seqEnds: number[];
  id: number;
  /** It is the same for seqs from `from` to before `to`, until the next second. */
  from: number;
  to: number;
  second: number;
  schemaVersion: string;
  isDurable: boolean;
}

/** Makes the responses to publishes that have the same head. */
export class StoredReplies {
  #template: Template | undefined;

  /** The whole response; undefined: it differs in something else, too. */
  bytesOf(event: NewEvent, stored: Stored, isDurable: boolean): Uint8Array | undefined {
    const { id, schemaVersion } = event;
    const isPlain = !event.idGiven && id.length === OWN_ID_BYTES && event.key === undefined &&
      event.expiresAt === undefined && stored.count === 1 && stored.duplicates.length === 0;
    if (!isPlain) return undefined;
    const seq = stored.firstSeq;
    const second = Math.floor(Date.now() / 1000);
    let template = this.#template;
    if (
      template === undefined || template.second !== second || template.isDurable !== isDurable ||
      template.schemaVersion !== schemaVersion || seq < template.from || seq >= template.to
    ) {
      this.#template = template = templateOf({ seq, schemaVersion, isDurable, second });
    }
    const bytes = template.bytes.slice();
    for (const end of template.seqEnds) writeDecimal(bytes, end, seq);
    for (let i = 0; i < OWN_ID_BYTES; i++) bytes[template.id + i] = id.charCodeAt(i);
    return bytes;
  }
}

function templateOf(
  { seq, schemaVersion, isDurable, second }:
    & { seq: number }
    & Pick<Template, "schemaVersion" | "isDurable" | "second">,
): Template {
  const digits = String(seq).length;
  // Events that are not stored have the seq 0.
  const [from, to] = [digits === 1 ? 0 : 10 ** (digits - 1), 10 ** digits];
  const reply = new Reply({ send() {}, destroy() {} }, { keepAlive: true });
  const body = storedText({ id: ID_PLACE, schemaVersion }, { firstSeq: from }, isDurable);
  reply.send(200, { type: "application/json", body });
  const bytes = concat(reply.waiting);
  // All that is looked for stands before the schema version, and so far a character is a byte.
  const text = new TextDecoder().decode(bytes);
  const seqEnds = Array.from(
    text.matchAll(/"(?:firstSeq|lastSeq|seq)":\d+/g),
    ({ index, 0: member }) => index + member.length,
  );
  const id = text.indexOf(ID_PLACE);
  return { bytes, seqEnds, id, from, to, second, schemaVersion, isDurable };
}
