/** An event in full: what it is, its payload as it was published, and the schema of its type. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { useLive } from "../data/live.ts";
import { checkPayload, type PayloadVerdict, verdictWords } from "../data/schema_check.ts";
import { countText, escapeText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";
import type { RawEvent } from "../view/raw_event.ts";
import { Facts } from "./facts.tsx";
import { JsonBlock } from "./json_block.tsx";
import { At } from "./time.tsx";

/** Everything that is known of it. */
export function EventDetails({ event }: { event: RawEvent }) {
  return (
    <>
      <Facts
        facts={{
          "Id": <code>{escapeText(event.id)}</code>,
          "Type": <code>{escapeText(event.type)}</code>,
          "Seq": countText(event.seq),
          "Published": <At at={event.timestamp} />,
          "Key": event.key === undefined ? null : <code>{escapeText(event.key)}</code>,
          "Seq of key": event.keySeq === undefined ? null : countText(event.keySeq),
          "Expires": event.expiresAt === undefined ? null : <At at={event.expiresAt} />,
          "Schema version": event.schemaVersion === "" ? null : escapeText(event.schemaVersion),
          "Schema": <SchemaOf event={event} />,
        }}
      />
      <p class="block-name">Payload</p>
      <JsonBlock json={event.payload} label="Payload" />
      {event.metadata === "{}" ? null : (
        <>
          <p class="block-name">Metadata</p>
          <JsonBlock json={event.metadata} label="Metadata" />
        </>
      )}
    </>
  );
}

function SchemaOf({ event }: { event: RawEvent }) {
  const { topic, seq, type, payload } = event;
  const { data } = useLive<PayloadVerdict>(`schema-check ${topic} ${seq} ${type}`, {
    load: async (_path, signal) => await checkPayload({ type, payload, signal }),
    every: 60_000,
  });
  if (data === undefined) return <span class="quiet">…</span>;
  return (
    <>
      <span class={data.valid ? "" : "fault"}>{verdictWords(data)}</span>{" "}
      {data.version === undefined ? null : <a href={hashOf(["schemas", type])}>Schema</a>}
    </>
  );
}
