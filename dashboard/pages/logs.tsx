/** The daemon's log, as it is written. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useMemo, useState } from "../packages/preact.ts";
import { useSession } from "../data/session.ts";
import { useStream } from "../data/stream.ts";
import { Badge } from "../parts/badge.tsx";
import { Choice } from "../parts/choice.tsx";
import { Copyable } from "../parts/copyable.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty } from "../parts/loading.tsx";
import { At } from "../parts/time.tsx";
import { evsCommand } from "../view/command_line.ts";
import { countText, escapeText } from "../view/format.ts";
import { isAtLeast, levelTone, type LogEntry, readLogEntry } from "../view/log_entry.ts";
import type { Place } from "../view/place.ts";

const MOST = 1_000;
const LEVELS = ["debug", "info", "warning", "error"].map((level) => [level, level] as const);

/** The page. */
export function LogsPage({ place }: { place: Place }) {
  const [least, setLeast] = useState("debug");
  const { lines, failure } = useStream(`/dashboard/logs?lines=${MOST}&follow=1`, {
    most: MOST,
    isEndless: true,
  });
  const text = (place.query.get("text") ?? "").toLowerCase();
  const shown = useMemo(
    () =>
      lines.filter((line) => line.toLowerCase().includes(text)).map(readLogEntry)
        .filter((entry) => isAtLeast(entry, least)).reverse(),
    [lines, text, least],
  );
  const { evs } = useSession();
  return (
    <>
      <div class="bar">
        <h1 tabIndex={-1}>Logs</h1>
        <FilterBox place={place} name="text" label="Contains" />
        <Choice label="At least" value={least} options={LEVELS} onValue={setLeast} />
      </div>
      <FailureNotice failure={failure} />
      <p class="quiet" aria-live="polite">
        {countText(shown.length)} of the last {countText(lines.length)}, newest first
      </p>
      {shown.length === 0
        ? <Empty>No entries.</Empty>
        : (
          <ol class="log" tabIndex={0} aria-label="Log">
            {shown.map((entry, i) => <Entry key={shown.length - i} entry={entry} />)}
          </ol>
        )}
      <Copyable
        text={evsCommand(evs, { words: ["daemon", "logs"], flags: { follow: true } })}
        label="The command line"
      />
    </>
  );
}

function Entry({ entry: { time, level, message, fields } }: { entry: LogEntry }) {
  return (
    <li>
      <span class="quiet">{time === undefined ? "" : <At at={time} />}</span>
      <span>
        {level === "" ? null : <Badge tone={levelTone(level)}>{escapeText(level)}</Badge>}
      </span>
      <span class="log-text">
        {escapeText(message)} <span class="quiet">{escapeText(fields)}</span>
      </span>
    </li>
  );
}
