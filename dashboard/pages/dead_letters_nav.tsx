/** What the pages of dead letters share: the ways between them, and the bulk acts that run. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { useLive } from "../data/live.ts";
import { cancelJob, JOBS_PATH, removedBy } from "../data/jobs.ts";
import { useSession } from "../data/session.ts";
import { ActButton } from "../parts/act_button.tsx";
import { ActDialog } from "../parts/act_dialog.tsx";
import { Badge } from "../parts/badge.tsx";
import { Ago } from "../parts/time.tsx";
import { evsCommand } from "../view/command_line.ts";
import { escapeText } from "../view/format.ts";
import { jobPercent, jobState, jobWords, type ShownJob } from "../view/job_words.ts";
import { hashOf } from "../view/place.ts";
import { undoRemoval } from "./dead_letter_acts.tsx";

const TABS = [["", "Causes"], ["list", "List"], ["jobs", "Bulk acts"]] as const;

/** The heading of a page of dead letters, the tabs, and what runs. */
export function DeadLettersHead({ tab }: { tab: string }) {
  return (
    <>
      <div class="bar">
        <h1 tabIndex={-1}>Dead letters</h1>
        <nav class="tabs" aria-label="Dead letters">
          {TABS.map(([name, title]) => (
            <a
              key={name}
              href={hashOf(["dead-letters", ...(name === "" ? [] : [name])])}
              aria-current={tab === name ? "page" : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
      </div>
      {tab === "jobs" ? null : <RunningJobs />}
    </>
  );
}

/** All jobs that the daemon remembers, newest first. */
export function useJobs() {
  return useLive<{ jobs: ShownJob[] }>(JOBS_PATH, { every: 1_000 });
}

/** Those that run, and those of this page whose removal can be undone. */
function RunningJobs() {
  const { data } = useJobs();
  const shown =
    data?.jobs.filter(({ job, state }) => state === "running" || removedBy(job) !== undefined) ??
      [];
  if (shown.length === 0) return null;
  return (
    <ul class="jobs" aria-label="Bulk acts">
      {shown.map((job) => <JobItem key={job.job} job={job} />)}
    </ul>
  );
}

/** One bulk act with its progress. */
export function JobItem({ job }: { job: ShownJob }) {
  const { job: name, state, rate, to, waiting, startedAt, failed } = job;
  const { tone, text } = jobState(job);
  const saved = state === "running" ? undefined : removedBy(name);
  const percent = jobPercent(job);
  return (
    <li class="job">
      <div class="bar">
        <strong>{escapeText(name)}</strong>
        <Badge tone={tone}>{text}</Badge>
        <span>{jobWords(job)}</span>
        <span class="quiet">
          {rate === undefined ? "" : `at most ${rate}, `}
          {to === undefined ? "" : `to ${escapeText(to)}, `}
          began <Ago at={startedAt} />
        </span>
        {state === "running"
          ? (
            <ActButton
              small
              label="Cancel…"
              name={`Cancel ${name}`}
              dialog={(close) => <CancelDialog name={name} onClose={close} />}
            />
          )
          : null}
        {saved === undefined
          ? null
          : (
            <button type="button" class="small" onClick={() => void undoRemoval(saved)}>
              Undo
            </button>
          )}
      </div>
      <progress max={100} value={percent} aria-label={`Progress of ${name}`}>{percent} %</progress>
      {waiting === undefined ? null : <p class="fault">It waits: {escapeText(waiting)}</p>}
      {failed.map(({ reason, count }) => (
        <p key={reason} class="fault">{count}: {escapeText(reason)}</p>
      ))}
    </li>
  );
}

function CancelDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const { evs } = useSession();
  return (
    <ActDialog
      title={`Cancel ${name}`}
      verb="Cancel it"
      danger
      command={evsCommand(evs, { words: ["dlq", "jobs", "cancel", name] })}
      onClose={onClose}
      act={async () => {
        await cancelJob(name);
        return { text: `${name} is cancelled.` };
      }}
    >
      <p>What is done stays done.</p>
    </ActDialog>
  );
}
