/** The overview: numbers, what somebody should look at, and how it went over the last hours. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import { useLive } from "../data/live.ts";
import { useSamples } from "../data/samples.ts";
import { Badge } from "../parts/badge.tsx";
import { Chart } from "../parts/chart.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { SubscriptionLink } from "../parts/place_link.tsx";
import { PlainTable } from "../parts/plain_table.tsx";
import {
  type ChartData,
  chartOfHistory,
  chartOfSamples,
  type DrawnHistory,
} from "../view/chart_data.ts";
import { countText, escapeText, perSecondText } from "../view/format.ts";
import { type Concern, concerns, overviewTiles, type Tile } from "../view/overview.ts";
import { hashOf } from "../view/place.ts";
import { busiest, subscriptionState } from "../view/subscription_rows.ts";

/** The page. */
export function OverviewPage() {
  const status = useLive<StatusReply>("/v1/status");
  const samples = useSamples();
  const { data } = useLive<{ subscriptions: SubscriptionInfo[] }>("/v1/subscriptions");
  const subscriptions = data?.subscriptions;
  return (
    <>
      <h1 tabIndex={-1}>Overview</h1>
      <Loaded live={status}>
        {(status) => (
          <>
            <Tiles tiles={overviewTiles(status, { sample: samples.at(-1), subscriptions })} />
            <Concerns list={concerns(status)} />
          </>
        )}
      </Loaded>
      <Charts />
      <div class="columns">
        <BusiestSubscriptions infos={subscriptions} />
        <Causes />
      </div>
    </>
  );
}

function Tiles({ tiles }: { tiles: readonly Tile[] }) {
  return (
    <ul class="tiles" aria-label="Numbers">
      {tiles.map(({ name, value, note, tone, page }) => (
        <li key={name} class={`tile ${tone}`}>
          <a href={hashOf([page ?? ""])}>
            <span class="tile-name">{name}</span>
            <span class="tile-value">{value}</span>
            {note === undefined ? null : <span class="tile-note">{escapeText(note)}</span>}
          </a>
        </li>
      ))}
    </ul>
  );
}

/** What somebody should look at. */
export function Concerns({ list }: { list: readonly Concern[] }) {
  if (list.length === 0) return null;
  return (
    <section aria-label="To look at">
      <ul class="concerns">
        {list.map(({ tone, text, subscription }) => (
          <li key={text} class={tone}>
            <Badge tone={tone}>{tone === "bad" ? "problem" : "alert"}</Badge>{" "}
            <span>{escapeText(text)}</span>{" "}
            {subscription === undefined ? null : <SubscriptionLink name={subscription} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

const RANGES = [["live", "Live"], ["3h", "3 h"], ["24h", "24 h"], ["72h", "72 h"]] as const;
type Range = typeof RANGES[number][0];

function Charts() {
  const [range, setRange] = useState<Range>("3h");
  return (
    <section aria-label="Charts">
      <div class="bar">
        <h2>How it goes</h2>
        <div class="choices" role="group" aria-label="Time range">
          {RANGES.map(([name, title]) => (
            <button
              key={name}
              type="button"
              class="small"
              aria-pressed={range === name}
              onClick={() => setRange(name)}
            >
              {title}
            </button>
          ))}
        </div>
      </div>
      {range === "live" ? <LiveCharts /> : <HistoryCharts range={range} />}
    </section>
  );
}

function LiveCharts() {
  return <FourCharts data={chartOfSamples(useSamples())} />;
}

/** History changes once a minute, but for what is counted now. */
function HistoryCharts({ range }: { range: Exclude<Range, "live"> }) {
  const history = useLive<DrawnHistory>(`/v1/history?from=@-${range}`, { every: 10_000 });
  return (
    <Loaded live={history}>{(history) => <FourCharts data={chartOfHistory(history)} />}</Loaded>
  );
}

const WHOLE = (value: number) => countText(Math.round(value));

function FourCharts({ data }: { data: ChartData }) {
  const { times } = data;
  return (
    <div class="charts">
      <Chart
        title="Published"
        times={times}
        values={data.publishRate}
        format={perSecondText}
        colour="--blue"
      />
      <Chart
        title="Lag (pending and in flight)"
        times={times}
        values={data.lag}
        format={WHOLE}
        colour="--amber"
        atLeast={4}
      />
      <Chart
        title="Dead letters"
        times={times}
        values={data.deadLetters}
        format={WHOLE}
        colour="--red"
        atLeast={4}
      />
      <Chart
        title="Disk used"
        times={times}
        values={data.diskPercent}
        format={(value) => `${Math.round(value)} %`}
        colour="--violet"
        atLeast={90}
      />
    </div>
  );
}

function BusiestSubscriptions({ infos }: { infos: readonly SubscriptionInfo[] | undefined }) {
  const rows = busiest(infos ?? [], 8);
  return (
    <section>
      <h2>Subscriptions with work</h2>
      {rows.length === 0
        ? <Empty>{infos === undefined ? "Loading…" : "Nothing is pending."}</Empty>
        : (
          <PlainTable
            label="Subscriptions with work"
            heads={["Name", "State", { title: "Pending", isNumber: true }, {
              title: "In flight",
              isNumber: true,
            }]}
          >
            {rows.map((info) => (
              <tr key={info.name}>
                <th scope="row">
                  <SubscriptionLink name={info.name} />
                </th>
                <td>
                  <Badge tone={subscriptionState(info).tone}>
                    {subscriptionState(info).text}
                  </Badge>
                </td>
                <td class="number">{countText(info.pending)}</td>
                <td class="number">{countText(info.leased)}</td>
              </tr>
            ))}
          </PlainTable>
        )}
    </section>
  );
}

/** The causes of most dead letters. */
function Causes() {
  const { data } = useLive<{ groups: DeadLetterGroup[] }>("/v1/dead-letter-groups", {
    every: 10_000,
  });
  const groups = data?.groups.slice(0, 6) ?? [];
  return (
    <section>
      <h2>Why events are dead letters</h2>
      {groups.length === 0
        ? <Empty>{data === undefined ? "Loading…" : "There are no dead letters."}</Empty>
        : (
          <ul class="causes">
            {groups.map(({ reason, count }) => (
              <li key={reason}>
                <span class="number">{countText(count)}</span>
                <a href={hashOf(["dead-letters", "list"], { reason })}>{escapeText(reason)}</a>
              </li>
            ))}
          </ul>
        )}
    </section>
  );
}
