/** One dead letter: every attempt with its output, the event, and what can be done. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import type { Attempt } from "../../core/event/attempt.ts";
import { pathSegment, pathWith, send } from "../data/api.ts";
import { useLive } from "../data/live.ts";
import { ActButton } from "../parts/act_button.tsx";
import { EventDetails } from "../parts/event_details.tsx";
import { Facts } from "../parts/facts.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { EventLink, SubscriptionLink } from "../parts/place_link.tsx";
import { Ago, At } from "../parts/time.tsx";
import { attemptOutcome, type RawDeadLetter, readDeadLetters } from "../view/dead_letter_detail.ts";
import { escapeLines, escapeText, spanText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";
import { RemoveOneDialog, RetryOneDialog } from "./dead_letter_acts.tsx";
import { EditDialog } from "./dead_letter_edit.tsx";
import { DeadLettersHead } from "./dead_letters_nav.tsx";

const load = async (path: string, signal: AbortSignal) =>
  readDeadLetters(await (await send(path, { signal })).text());

/** The page. `name` is an event id, or `SUBSCRIPTION:ID`. */
export function OneDeadLetterPage({ name, topic }: { name: string; topic: string | undefined }) {
  const live = useLive<RawDeadLetter[]>(
    pathWith(`/v1/dead-letters/${pathSegment(name)}`, { topic }),
    { load },
  );
  return (
    <>
      <DeadLettersHead tab="list" />
      {live.failure?.code === "dead-letter/not-found"
        ? (
          <Empty>
            {escapeText(name)} is no dead letter any more: it was sent again, or removed.{" "}
            <a href={hashOf(["dead-letters", "list"])}>All dead letters</a>
          </Empty>
        )
        : (
          <Loaded live={live}>
            {(entries) =>
              entries.map((entry) => (
                <Entry key={`${entry.detail.subscription} ${entry.detail.topic}`} entry={entry} />
              ))}
          </Loaded>
        )}
    </>
  );
}

function toList(): void {
  location.hash = hashOf(["dead-letters", "list"]);
}

function Entry({ entry }: { entry: RawDeadLetter }) {
  const { detail, event } = entry;
  return (
    <article class="entry">
      <div class="bar">
        <h2 class="cause">{escapeText(detail.reason)}</h2>
        <div class="acts">
          <ActButton
            label="Retry…"
            dialog={(close) => <RetryOneDialog entry={entry} onClose={close} onDone={toList} />}
          />
          <ActButton
            label="Edit…"
            dialog={(close) => <EditDialog entry={entry} onClose={close} onDone={() => {}} />}
          />
          <ActButton
            label="Remove…"
            dialog={(close) => <RemoveOneDialog entry={entry} onClose={close} onDone={toList} />}
          />
        </div>
      </div>
      <Facts
        facts={{
          "Subscription": <SubscriptionLink name={detail.subscription} />,
          "Event": (
            <EventLink topic={detail.topic} seq={event.seq}>
              {escapeText(detail.topic)} {event.seq}
            </EventLink>
          ),
          "Died": (
            <>
              <At at={detail.diedAt} /> (<Ago at={detail.diedAt} />)
            </>
          ),
          "Edited copy of": detail.editedFrom === undefined
            ? null
            : <DeadLetterLink name={detail.editedFrom} />,
          "Sent again edited, as": detail.editedAs === undefined
            ? null
            : <DeadLetterLink name={detail.editedAs} />,
        }}
      />
      <h3>Attempts</h3>
      <ol class="attempts">
        {detail.attempts.map((attempt) => (
          <AttemptItem key={`${attempt.attempt} ${attempt.delivery}`} attempt={attempt} />
        ))}
      </ol>
      <h3>Event</h3>
      <EventDetails event={event} />
    </article>
  );
}

function DeadLetterLink({ name }: { name: string }) {
  return <a href={hashOf(["dead-letters", "one", name])}>{escapeText(name)}</a>;
}

function AttemptItem({ attempt }: { attempt: Attempt }) {
  const { startedAt, durationMs, error, stderr, stack, unanswered = 0, delivery } = attempt;
  return (
    <li>
      <p>
        <strong>Attempt {attempt.attempt}</strong> {attemptOutcome(attempt)}{" "}
        <span class="quiet">
          <At at={startedAt} />, took {durationMs < 1000 ? `${durationMs}ms` : spanText(durationMs)}
          {delivery === undefined ? "" : `, delivery ${delivery}`}
          {unanswered > 0 ? `, ${unanswered} deliveries before it were never answered` : ""}
        </span>
      </p>
      <p class="lines">{escapeLines(error)}</p>
      {stderr === undefined || stderr.trim() === ""
        ? null
        : <Output title="stderr" text={stderr} />}
      {stack === undefined ? null : <Output title="stack" text={stack} />}
    </li>
  );
}

function Output({ title, text }: { title: string; text: string }) {
  return (
    <div class="output">
      <p class="quiet">{title}</p>
      <pre tabIndex={0} role="group" aria-label={title}>{escapeLines(text)}</pre>
    </div>
  );
}
