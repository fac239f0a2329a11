/** The events of a topic: stored ones page by page, or new ones as they come in; filtered. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import { eventPage, useFollowed } from "../data/events.ts";
import { usePages } from "../data/pages.ts";
import { useSession } from "../data/session.ts";
import { Copyable } from "../parts/copyable.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { Field } from "../parts/field.tsx";
import { Empty } from "../parts/loading.tsx";
import { EventLink } from "../parts/place_link.tsx";
import { At } from "../parts/time.tsx";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { evsCommand } from "../view/command_line.ts";
import { type EventLine, payloadStart } from "../view/event_line.ts";
import { type EventView, eventViewOf, tailWords } from "../view/event_view.ts";
import { countNoun, countText, escapeText } from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";

/** The filter, and the events that pass it. */
export function TopicEvents({ topic, place }: { topic: string; place: Place }) {
  const view = eventViewOf(topic, place.query);
  const isLive = place.query.get("live") === "1";
  const { evs } = useSession();
  return (
    <section>
      <h2>Events</h2>
      <EventFilter key={JSON.stringify(view)} view={view} isLive={isLive} />
      {isLive ? <FollowedEvents view={view} /> : <StoredEvents view={view} />}
      <Copyable text={evsCommand(evs, tailWords(view, { isLive }))} label="The command line" />
    </section>
  );
}

/** CEL is asked when it is complete, so not at each key. */
function EventFilter({ view, isLive }: { view: EventView; isLive: boolean }) {
  const [where, setWhere] = useState(view.where ?? "");
  const [type, setType] = useState(view.type ?? "");
  const [from, setFrom] = useState(view.from ?? "");
  const go = (live: boolean) => {
    location.hash = hashOf(["topics", view.topic], {
      where: where.trim(),
      type: type.trim(),
      from: live ? undefined : from.trim(),
      live: live ? 1 : undefined,
    });
  };
  return (
    <form
      class="filters"
      role="search"
      aria-label="Filter of events"
      onSubmit={(event) => {
        event.preventDefault();
        go(isLive);
      }}
    >
      <Field
        label="Where (CEL)"
        value={where}
        onValue={setWhere}
        placeholder="payload.total > 100"
      />
      <Field label="Type" value={type} onValue={setType} placeholder="order.placed" />
      {isLive ? null : (
        <Field
          label="From (empty: newest first)"
          value={from}
          onValue={setFrom}
          placeholder="@-1h"
        />
      )}
      <div class="acts">
        <button type="submit">Filter</button>
        <button type="button" aria-pressed={isLive} onClick={() => go(!isLive)}>
          {isLive ? "Stop following" : "Follow live"}
        </button>
      </div>
    </form>
  );
}

const columns: readonly Column<EventLine>[] = [
  {
    name: "seq",
    title: "Seq",
    width: "minmax(4.5rem, 0.5fr)",
    isNumber: true,
    cell: ({ event: { topic, seq } }) => <EventLink topic={topic} seq={seq}>{seq}</EventLink>,
  },
  {
    name: "time",
    title: "Time",
    width: "17rem",
    from: 820,
    cell: ({ event }) => <At at={event.timestamp} />,
  },
  {
    name: "type",
    title: "Type",
    width: "minmax(6rem, 1fr)",
    cell: ({ event }) => escapeText(event.type),
  },
  {
    name: "key",
    title: "Key",
    width: "minmax(4rem, 0.8fr)",
    from: 560,
    cell: ({ event }) => escapeText(event.key ?? ""),
  },
  {
    name: "payload",
    title: "Payload",
    width: "minmax(8rem, 3fr)",
    cell: ({ event }) => <code>{payloadStart(event.payload)}</code>,
  },
];

function keyOf({ event }: EventLine): string {
  return `${event.topic} ${event.seq}`;
}

function StoredEvents({ view }: { view: EventView }) {
  const pages = usePages(
    JSON.stringify(view),
    (after, signal) => eventPage(view, { after, signal }),
  );
  const { rows, isLoading, hasMore, failure } = pages;
  return (
    <>
      <FailureNotice failure={failure} />
      <p class="quiet" aria-live="polite">
        {isLoading ? "Loading…" : `${countText(rows.length)}${hasMore ? "; scroll for more" : ""}`}
      </p>
      {rows.length === 0
        ? isLoading || failure !== undefined ? null : <Empty>No events.</Empty>
        : (
          <VirtualTable
            label="Events"
            rows={rows}
            columns={columns}
            rowKey={keyOf}
            total={hasMore ? -1 : rows.length}
            onNearEnd={pages.more}
          />
        )}
    </>
  );
}

function FollowedEvents({ view }: { view: EventView }) {
  const { rows, count, failure } = useFollowed(view);
  return (
    <>
      <FailureNotice failure={failure} />
      <p class="quiet" role="status">
        {count === 0
          ? "Waiting for new events…"
          : `${countNoun(count, "event")} came in${
            count > rows.length ? `; the newest ${countText(rows.length)}` : ""
          }`}
      </p>
      {rows.length === 0
        ? null
        : <VirtualTable label="New events" rows={rows} columns={columns} rowKey={keyOf} />}
    </>
  );
}
