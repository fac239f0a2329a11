/** One topic: what it is, its types and keys, and its events. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import { pathSegment } from "../data/api.ts";
import { eventPage } from "../data/events.ts";
import { useLive } from "../data/live.ts";
import { Facts } from "../parts/facts.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Ago, At } from "../parts/time.tsx";
import { type EventLine, sampledEvents, type Tally, tallyOf } from "../view/event_line.ts";
import {
  countNoun,
  countText,
  escapeText,
  formatBytes,
  perSecondText,
  spanText,
} from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";
import { TopicEvents } from "./topic_events.tsx";

/** The page. */
export function TopicPage({ name, place }: { name: string; place: Place }) {
  const live = useLive<TopicInfo>(`/v1/topics/${pathSegment(name)}`);
  return (
    <>
      <p class="crumbs">
        <a href={hashOf(["topics"])}>Topics</a>
      </p>
      <h1 tabIndex={-1}>{escapeText(name)}</h1>
      <Loaded live={live}>
        {(topic) => (
          <>
            <TopicFacts topic={topic} />
            <Contents topic={topic} />
            <TopicEvents topic={name} place={place} />
          </>
        )}
      </Loaded>
    </>
  );
}

function TopicFacts({ topic }: { topic: TopicInfo }) {
  const { rates, retentionPeriod, maxEvents, maxBytes, newestAt, heldBack } = topic;
  const perSecond = `${perSecondText(rates.last1m)} over 1m, ${
    perSecondText(rates.last5m)
  } over 5m, ${perSecondText(rates.last15m)} over 15m`;
  const limits = [
    ...(retentionPeriod > 0 ? [spanText(retentionPeriod)] : []),
    ...(maxEvents > 0 ? [countNoun(maxEvents, "event")] : []),
    ...(maxBytes > 0 ? [formatBytes(maxBytes)] : []),
  ];
  return (
    <Facts
      facts={{
        "Events": topic.persistent ? countText(topic.events) : "not stored",
        "Size": formatBytes(topic.bytes),
        "Seqs": topic.events === 0
          ? null
          : `${countText(topic.firstSeq)} to ${countText(topic.lastSeq)}`,
        "Rate": perSecond,
        "Newest": newestAt === undefined ? null : <Ago at={newestAt} />,
        "Keeps": limits.length === 0 ? "everything" : `at most ${limits.join(", ")}`,
        "Held back": heldBack === undefined ? null : (
          <span class="fault">
            {countNoun(heldBack.count, "event")} for {heldBack.by.map(escapeText).join(", ")}
          </span>
        ),
        "Schema": topic.schema,
        "Store": topic.store,
        "Durability": topic.durability,
        "Created": <At at={topic.createdAt} />,
      }}
    />
  );
}

/** Counted when somebody asks: it reads the newest events. */
function Contents({ topic }: { topic: TopicInfo }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Types and keys</summary>
      {isOpen ? <Counted topic={topic} /> : null}
    </details>
  );
}

function Counted({ topic: { name, events, bytes } }: { topic: TopicInfo }) {
  const limit = sampledEvents({ events, bytes });
  const live = useLive<readonly EventLine[]>(`contents ${name}`, {
    load: async (_path, signal) =>
      limit === 0
        ? []
        : (await eventPage({ topic: name }, { after: undefined, signal, limit })).rows,
    every: Infinity,
  });
  return (
    <Loaded live={live}>
      {(rows) => {
        const { types, keys } = tallyOf(rows);
        return (
          <div class="columns">
            <Tallies
              title="Types"
              tallies={types}
              hrefOf={(type) => hashOf(["topics", name], { type })}
            />
            <Tallies
              title="Keys"
              tallies={keys}
              hrefOf={(key) =>
                hashOf(["topics", name], { where: `event.key == ${JSON.stringify(key)}` })}
            />
            <p class="quiet">
              {rows.length < events
                ? `Counted in the newest ${countNoun(rows.length, "event")}.`
                : "Counted in all events."}
            </p>
          </div>
        );
      }}
    </Loaded>
  );
}

const MOST_SHOWN = 12;

function Tallies(
  { title, tallies, hrefOf }: {
    title: string;
    tallies: readonly Tally[];
    hrefOf: (name: string) => string;
  },
) {
  return (
    <div>
      <h3>{title}</h3>
      {tallies.length === 0 ? <Empty>None.</Empty> : (
        <ul class="causes">
          {tallies.slice(0, MOST_SHOWN).map(({ name, count }) => (
            <li key={name}>
              <span class="number">{countText(count)}</span>
              <a href={hrefOf(name)}>{escapeText(name)}</a>
            </li>
          ))}
        </ul>
      )}
      {tallies.length > MOST_SHOWN
        ? <p class="quiet">and {countText(tallies.length - MOST_SHOWN)} more</p>
        : null}
    </div>
  );
}
