/** One event. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { pathSegment, send } from "../data/api.ts";
import { useLive } from "../data/live.ts";
import { useSession } from "../data/session.ts";
import { Copyable } from "../parts/copyable.tsx";
import { EventDetails } from "../parts/event_details.tsx";
import { Loaded } from "../parts/loading.tsx";
import { TopicLink } from "../parts/place_link.tsx";
import { evsCommand } from "../view/command_line.ts";
import { escapeText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";
import { type RawEvent, readEvent } from "../view/raw_event.ts";

const load = async (path: string, signal: AbortSignal) =>
  readEvent(await (await send(path, { signal })).text());

/** The page. `name` is a seq or an id. */
export function EventPage({ topic, name }: { topic: string; name: string }) {
  const live = useLive<RawEvent>(`/v1/topics/${pathSegment(topic)}/events/${pathSegment(name)}`, {
    load,
    every: 30_000,
  });
  const { evs } = useSession();
  return (
    <>
      <p class="crumbs">
        <a href={hashOf(["topics"])}>Topics</a> / <TopicLink name={topic} />
      </p>
      <div class="bar">
        <h1 tabIndex={-1}>{escapeText(topic)} {escapeText(name)}</h1>
        <Neighbours topic={topic} seq={live.data?.seq} />
      </div>
      <Loaded live={live}>{(event) => <EventDetails event={event} />}</Loaded>
      <Copyable
        text={evsCommand(evs, { words: ["get", topic, name] })}
        label="The command line"
      />
    </>
  );
}

function Neighbours({ topic, seq }: { topic: string; seq: string | undefined }) {
  if (seq === undefined) return null;
  const at = BigInt(seq);
  return (
    <nav class="acts" aria-label="Events before and after">
      {at > 1n
        ? <a class="button small" href={hashOf(["topics", topic, String(at - 1n)])}>Previous</a>
        : null}
      <a class="button small" href={hashOf(["topics", topic, String(at + 1n)])}>Next</a>
    </nav>
  );
}
