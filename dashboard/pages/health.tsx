/** The health of the daemon, what it says of itself, and the doctor. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { SpoolStatus, StatusReply } from "../../core/protocol/status.ts";
import { useLive } from "../data/live.ts";
import { useSession } from "../data/session.ts";
import { useStream } from "../data/stream.ts";
import { Badge } from "../parts/badge.tsx";
import { Copyable } from "../parts/copyable.tsx";
import { Facts } from "../parts/facts.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { TopicLink } from "../parts/place_link.tsx";
import { At } from "../parts/time.tsx";
import { evsCommand } from "../view/command_line.ts";
import {
  diagnosisTone,
  type DoctorFinding,
  doctorSummary,
  readDiagnosis,
} from "../view/diagnosis.ts";
import {
  countNoun,
  countText,
  escapeLines,
  escapeText,
  formatBytes,
  spanText,
} from "../view/format.ts";
import { concerns, healthBadge } from "../view/overview.ts";
import { Concerns } from "./overview.tsx";

/** The page. */
export function HealthPage() {
  const live = useLive<StatusReply>("/v1/status");
  return (
    <>
      <h1 tabIndex={-1}>Health</h1>
      <Loaded live={live}>
        {(status) => (
          <>
            <StatusFacts status={status} />
            <details>
              <summary>Permissions of its process</summary>
              <ul class="plain-list">
                {status.permissions.map((flag) => (
                  <li key={flag}>
                    <code>{escapeText(flag)}</code>
                  </li>
                ))}
              </ul>
            </details>
            {concerns(status).length === 0
              ? <Empty>Nothing is wrong that the daemon knows of.</Empty>
              : <Concerns list={concerns(status)} />}
            <HeldBackEvents status={status} />
            {status.spool?.map((spool) => <Spool key={spool.folder} spool={spool} />)}
          </>
        )}
      </Loaded>
      <Doctor />
    </>
  );
}

function StatusFacts({ status }: { status: StatusReply }) {
  const badge = healthBadge(status);
  return (
    <Facts
      facts={{
        "Health": <Badge tone={badge.tone}>{badge.text}</Badge>,
        "Version": `${status.version}, protocol ${status.protocol}`,
        "Process": `pid ${status.pid}`,
        "Started": (
          <>
            <At at={status.startedAt} /> ({spanText(status.uptimeMs)} ago)
          </>
        ),
        "Memory": formatBytes(status.memory.rss),
        "Connections": `${countText(status.connections)}, ${countText(status.tails)} followers`,
        "Store": `${status.store}, durability ${status.durability}`,
        ...clusterFacts(status),
        "Events": `${countText(status.events)} (${formatBytes(status.bytes)})`,
        "Published later": countText(status.scheduledEvents),
        "Expired": countText(status.expiredEvents),
        "Data dir": <code>{escapeText(status.dataDir)}</code>,
        "Socket": <code>{escapeText(status.socket)}</code>,
      }}
    />
  );
}

/** The database, and the nodes that share it; nothing for a daemon with files of its own. */
function clusterFacts({ cluster }: StatusReply): Record<string, string> {
  if (cluster === undefined) return {};
  const { database, server, nodes } = cluster;
  const alive = nodes.filter((node) => node.alive).length;
  return {
    "Database": `PostgreSQL ${server} at ${escapeText(database)}`,
    "Nodes": `${alive} of ${nodes.length} alive`,
  };
}

function HeldBackEvents({ status: { heldBack = [] } }: { status: StatusReply }) {
  if (heldBack.length === 0) return null;
  return (
    <section>
      <h2>Held back from retention</h2>
      <ul class="plain-list">
        {heldBack.map(({ topic, count, by, forMs }) => (
          <li key={topic}>
            <TopicLink name={topic} />: {countNoun(count, "event")} for{" "}
            {by.map(escapeText).join(", ")}, {spanText(forMs)} beyond the limit
          </li>
        ))}
      </ul>
    </section>
  );
}

function Spool({ spool: { folder, waiting, refused, faults = [] } }: { spool: SpoolStatus }) {
  return (
    <section>
      <h2>Spool {escapeText(folder)}</h2>
      <p>
        {countNoun(waiting, "event")} to take in,{" "}
        <span class={refused > 0 ? "fault" : ""}>{countText(refused)} refused</span>
      </p>
      {faults.map(({ path, what }) => (
        <p key={path} class="fault">{escapeText(path)} {escapeText(what)}</p>
      ))}
    </section>
  );
}

/** Reads everything in the data dir, so only when somebody asks. */
function Doctor() {
  const [path, setPath] = useState<string>();
  const { lines, isEnded, failure } = useStream(path, { most: 10_000 });
  const { evs } = useSession();
  const findings = lines.map(readDiagnosis);
  // The same path again would not be read again.
  const run = (query: string) => setPath(`/dashboard/doctor?${query}run=${Date.now()}`);
  const isRunning = path !== undefined && !isEnded;
  return (
    <section>
      <div class="bar">
        <h2>Doctor</h2>
        <div class="acts">
          <button type="button" disabled={isRunning} onClick={() => run("quick=1&")}>
            Check the structure
          </button>
          <button type="button" disabled={isRunning} onClick={() => run("")}>
            Verify every event
          </button>
        </div>
      </div>
      <p role="status" class="quiet">
        {path === undefined
          ? "Reads the data dir, and changes nothing."
          : isRunning
          ? "Checking…"
          : doctorSummary(findings)}
      </p>
      <FailureNotice failure={failure} />
      <ul class="concerns">
        {findings.map((finding, i) => <Finding key={i} finding={finding} />)}
      </ul>
      <Copyable text={evsCommand(evs, { words: ["doctor"] })} label="The command line" />
    </section>
  );
}

function Finding({ finding: { level, where, what, hint } }: { finding: DoctorFinding }) {
  const tone = diagnosisTone(level);
  return (
    <li class={tone}>
      <Badge tone={tone}>{level}</Badge> <strong>{escapeText(where)}</strong>:{" "}
      <span class="lines">{escapeLines(what)}</span>
      {hint === undefined ? null : <p class="quiet">{escapeText(hint)}</p>}
    </li>
  );
}
