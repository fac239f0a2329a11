/**
 * One subscription: where it is, what it has in flight, what waits for a retry, and what can be
 * done.
 */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { InFlightInfo, RetriesReply } from "../../core/protocol/in_flight.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import { pathSegment, pathWith } from "../data/api.ts";
import { useLive } from "../data/live.ts";
import { ActButton } from "../parts/act_button.tsx";
import { Badge } from "../parts/badge.tsx";
import { Facts } from "../parts/facts.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { EventLink, TopicLink } from "../parts/place_link.tsx";
import { PlainTable } from "../parts/plain_table.tsx";
import { Ago, At, Due } from "../parts/time.tsx";
import { countNoun, countText, escapeText, spanText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";
import { backoffWords, holderWords } from "../view/subscription_words.ts";
import { oldestAge, subscriptionState } from "../view/subscription_rows.ts";
import { PauseDialog, ResumeDialog, RetriesNowDialog, SeekDialog } from "./subscription_acts.tsx";

/** The page. */
export function SubscriptionPage({ name }: { name: string }) {
  const live = useLive<SubscriptionInfo>(`/v1/subscriptions/${pathSegment(name)}`);
  return (
    <>
      <p class="crumbs">
        <a href={hashOf(["subscriptions"])}>Subscriptions</a>
      </p>
      <div class="bar">
        <h1 tabIndex={-1}>{escapeText(name)}</h1>
        {live.data === undefined ? null : <Acts info={live.data} />}
      </div>
      <Loaded live={live}>
        {(info) => (
          <>
            <About info={info} />
            <Positions info={info} />
            <InFlightTable info={info} />
            <RetriesTable info={info} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Acts({ info: { name, paused } }: { info: SubscriptionInfo }) {
  return (
    <div class="acts">
      {paused
        ? (
          <ActButton
            key="resume"
            label="Resume…"
            dialog={(close) => <ResumeDialog name={name} onClose={close} />}
          />
        )
        : (
          <ActButton
            key="pause"
            label="Pause…"
            dialog={(close) => <PauseDialog name={name} onClose={close} />}
          />
        )}
      <ActButton
        label="Seek…"
        dialog={(close) => <SeekDialog name={name} onClose={close} />}
      />
    </div>
  );
}

function About({ info }: { info: SubscriptionInfo }) {
  const { tone, text } = subscriptionState(info);
  const age = oldestAge(info, Date.now());
  const { settings, settled } = info;
  return (
    <Facts
      facts={{
        "State": <Badge tone={tone}>{text}</Badge>,
        "Why": info.pauseReason === undefined ? null : escapeText(info.pauseReason),
        "Until": info.pausedUntil === undefined ? null : <At at={info.pausedUntil} />,
        "Pending": countText(info.pending),
        "In flight": countText(info.leased),
        "Retries": countText(info.scheduled),
        "Dead letters": info.dead === 0
          ? "0"
          : (
            <a href={hashOf(["dead-letters", "list"], { subscription: info.name })}>
              {countText(info.dead)}
            </a>
          ),
        "Oldest": age === undefined ? null : spanText(age),
        "Since the start": `${countText(settled.acknowledged)} acknowledged, ${
          countText(settled.failed)
        } failed, ${countText(settled.dead)} dead`,
        "Max retries": String(settings.maxRetries),
        "Max deliveries": String(settings.maxDeliveries),
        "Backoff": backoffWords(settings.backoff),
        "Types": settings.eventTypes.length === 0
          ? null
          : settings.eventTypes.map(escapeText).join(", "),
        "Where": settings.where === undefined ? null : <code>{escapeText(settings.where)}</code>,
        "Created": <At at={info.createdAt} />,
      }}
    />
  );
}

function Positions({ info: { cursors, missed } }: { info: SubscriptionInfo }) {
  if (cursors.length === 0) return <Empty>It has no topic yet.</Empty>;
  return (
    <section>
      <h2>Positions</h2>
      <PlainTable
        label="Positions"
        heads={["Topic", { title: "Next", isNumber: true }, { title: "Last", isNumber: true }, {
          title: "Behind",
          isNumber: true,
        }]}
      >
        {cursors.map(({ topic, next, lastSeq, lag }) => (
          <tr key={topic}>
            <th scope="row">
              <TopicLink name={topic} />
            </th>
            <td class="number">{countText(next)}</td>
            <td class="number">{countText(lastSeq)}</td>
            <td class="number">{countText(lag)}</td>
          </tr>
        ))}
      </PlainTable>
      {missed.map(({ topic, from, to, count }) => (
        <p key={`${topic} ${from}`} class="fault">
          Retention deleted {countNoun(count, "event")} of {escapeText(topic)} ({from} to{" "}
          {to}) before they were delivered.
        </p>
      ))}
    </section>
  );
}

function InFlightTable({ info: { inFlight = [], leased } }: { info: SubscriptionInfo }) {
  return (
    <section>
      <h2>In flight</h2>
      {inFlight.length === 0 ? <Empty>No consumer has an event.</Empty> : (
        <PlainTable
          label="In flight"
          heads={[
            "Event",
            "Type",
            { title: "Attempt", isNumber: true },
            "Since",
            "Consumer",
            "Last answer",
          ]}
        >
          {inFlight.map((held) => <InFlightRow key={`${held.topic} ${held.seq}`} held={held} />)}
        </PlainTable>
      )}
      {leased > inFlight.length
        ? <p class="quiet">The oldest {inFlight.length} of {leased}.</p>
        : null}
    </section>
  );
}

function InFlightRow({ held }: { held: InFlightInfo }) {
  const { topic, seq, type, attempt, since, begun, consumer } = held;
  return (
    <tr>
      <th scope="row">
        <EventLink topic={topic} seq={seq}>{escapeText(topic)} {seq}</EventLink>
      </th>
      <td>{escapeText(type)}</td>
      <td class="number">{attempt}</td>
      <td>
        <Ago at={since} />
        {begun ? null : <span class="quiet">(waits at its consumer)</span>}
      </td>
      <td class="wrap">
        {consumer === undefined ? <span class="quiet">not known</span> : holderWords(consumer)}
      </td>
      <td>{consumer?.lastAckAt === undefined ? "" : <Ago at={consumer.lastAckAt} />}</td>
    </tr>
  );
}

/** Page by page: there may be a hundred thousand. */
function RetriesTable({ info: { name, scheduled } }: { info: SubscriptionInfo }) {
  const [after, setAfter] = useState<string>();
  const live = useLive<RetriesReply>(
    pathWith(`/v1/subscriptions/${pathSegment(name)}/retries`, { after }),
  );
  return (
    <section>
      <div class="bar">
        <h2>Retries</h2>
        {scheduled === 0 ? null : (
          <ActButton
            label="Retry all now…"
            dialog={(close) => <RetriesNowDialog name={name} count={scheduled} onClose={close} />}
          />
        )}
      </div>
      <Loaded live={live}>
        {({ retries, next }) =>
          retries.length === 0 ? <Empty>No event waits for a retry.</Empty> : (
            <>
              <PlainTable
                label="Retries"
                heads={["Due", "Event", { title: "Attempt", isNumber: true }, "Why", {
                  title: "Acts",
                  isUnseen: true,
                }]}
              >
                {retries.map((row) => (
                  <RetryRow key={`${row.topic} ${row.id}`} name={name} row={row} />
                ))}
              </PlainTable>
              <div class="acts">
                {after === undefined ? null : (
                  <button
                    type="button"
                    class="small"
                    onClick={() => setAfter(undefined)}
                  >
                    First
                  </button>
                )}
                {next === undefined ? null : (
                  <button
                    type="button"
                    class="small"
                    onClick={() => setAfter(next)}
                  >
                    Next
                  </button>
                )}
              </div>
            </>
          )}
      </Loaded>
    </section>
  );
}

function RetryRow({ name, row }: { name: string; row: RetriesReply["retries"][number] }) {
  const { topic, seq, id, attempt, dueAt, reason = "" } = row;
  return (
    <tr>
      <td>
        <Due at={dueAt} />
      </td>
      <th scope="row">
        <EventLink topic={topic} seq={seq}>{escapeText(topic)} {seq}</EventLink>
      </th>
      <td class="number">{attempt}</td>
      <td class="wrap">{escapeText(reason)}</td>
      <td>
        <ActButton
          small
          label="Now…"
          name={`Retry event ${seq} of ${topic} now`}
          dialog={(close) => <RetriesNowDialog name={name} id={id} count={1} onClose={close} />}
        />
      </td>
    </tr>
  );
}
