/** Dead letters by cause: what to repair first. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { pathWith } from "../data/api.ts";
import { useGroupSupport } from "../data/group_support.ts";
import { useLive } from "../data/live.ts";
import { ActButton } from "../parts/act_button.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { SubscriptionLink } from "../parts/place_link.tsx";
import { Ago } from "../parts/time.tsx";
import { barHeights, queryOfGroup, type ShownGroup, trendOf } from "../view/dead_letter_groups.ts";
import { countNoun, countText, escapeText } from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";
import { RemoveManyDialog, RetryManyDialog } from "./dead_letter_acts.tsx";
import { DeadLettersHead } from "./dead_letters_nav.tsx";

const STATES = [["open", "Open"], ["dismissed", "Dismissed"], ["resolved", "Resolved"], [
  "all",
  "All",
]] as const;

/** The page. */
export function DeadLetterGroupsPage({ place }: { place: Place }) {
  const state = place.query.get("state") ?? "open";
  const live = useLive<{ groups: ShownGroup[] }>(
    pathWith("/v1/dead-letter-groups", { state: state === "open" ? undefined : state }),
    { every: 5_000 },
  );
  return (
    <>
      <DeadLettersHead tab="" />
      <StateChoice state={state} />
      <Loaded live={live}>
        {({ groups }) =>
          groups.length === 0
            ? <Empty>{state === "open" ? "There are no dead letters." : "There is none."}</Empty>
            : (
              <ul class="groups">
                {groups.map((group) => <Group key={group.id ?? group.reason} group={group} />)}
              </ul>
            )}
      </Loaded>
    </>
  );
}

/** Which of them: those that count, or those about which a person has decided. */
function StateChoice({ state }: { state: string }) {
  if (!useGroupSupport()) return null;
  return (
    <nav class="choices" aria-label="State">
      {STATES.map(([name, title]) => (
        <a
          key={name}
          class="button small"
          href={hashOf(["dead-letters"], { state: name === "open" ? undefined : name })}
          aria-current={state === name ? "true" : undefined}
        >
          {title}
        </a>
      ))}
    </nav>
  );
}

function Group({ group }: { group: ShownGroup }) {
  const { reason, count, firstAt, lastAt, subscriptions, total, noted = 0, id } = group;
  const query = queryOfGroup(group);
  return (
    <li class="group">
      <div class="group-head">
        <span class="group-count">{countText(count)}</span>
        <a class="group-reason" href={hashOf(["dead-letters", "list"], query)}>
          {escapeText(reason)}
        </a>
        <GroupState group={group} />
      </div>
      <div class="group-facts quiet">
        <span>
          first <Ago at={firstAt} />, last <Ago at={lastAt} />
        </span>
        {total === undefined ? null : <span>{countText(total)} ever</span>}
        <Trend group={group} />
        <span>
          {subscriptions.slice(0, 4).map((name, i) => (
            <>
              {i === 0 ? "" : ", "}
              <SubscriptionLink name={name} />
            </>
          ))}
          {subscriptions.length > 4 ? ` and ${subscriptions.length - 4} more` : ""}
        </span>
      </div>
      <div class="acts">
        {id === undefined
          ? null
          : (
            <a class="button small" href={hashOf(["dead-letters", "group", id])}>
              {noted > 0 ? countNoun(noted, "note") : "Details"}
            </a>
          )}
        <ActButton
          small
          label="Retry…"
          disabled={count === 0}
          name={`Retry: ${reason}`}
          dialog={(close) => <RetryManyDialog view={query} onClose={close} />}
        />
        <ActButton
          small
          label="Remove…"
          disabled={count === 0}
          name={`Remove: ${reason}`}
          dialog={(close) => <RemoveManyDialog view={query} onClose={close} />}
        />
      </div>
    </li>
  );
}

/** A word where a person has decided something. */
export function GroupState({ group: { state, act, more } }: { group: ShownGroup }) {
  if (act?.act === "return" && state === "open") return <Badge tone="bad">came back</Badge>;
  if (state === "dismissed") {
    return (
      <Badge tone="plain">{more === undefined ? "dismissed" : `dismissed for ${more} more`}</Badge>
    );
  }
  return state === "resolved" ? <Badge tone="good">resolved</Badge> : null;
}

/** The last 24 hours as bars, and in words. */
export function Trend({ group }: { group: ShownGroup }) {
  const trend = trendOf(group);
  if (trend === undefined || group.hours === undefined) return null;
  const heights = barHeights(group.hours);
  return (
    <span class="trend">
      <svg
        viewBox={`0 0 ${heights.length * 4} 16`}
        width={heights.length * 4}
        height="16"
        aria-hidden="true"
      >
        {heights.map((height, i) => (
          <rect key={i} x={i * 4} width="3" y={16 - 16 * height} height={16 * height} />
        ))}
      </svg>
      <span>{trend.text}</span>
    </span>
  );
}
