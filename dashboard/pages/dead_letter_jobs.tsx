/** Bulk acts on dead letters: what runs, and what ended. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { Empty, Loaded } from "../parts/loading.tsx";
import { DeadLettersHead, JobItem, useJobs } from "./dead_letters_nav.tsx";

/** The page. */
export function DeadLetterJobsPage() {
  const live = useJobs();
  return (
    <>
      <DeadLettersHead tab="jobs" />
      <Loaded live={live}>
        {({ jobs }) =>
          jobs.length === 0
            ? <Empty>No bulk act was carried out. A retry or a removal of many begins one.</Empty>
            : <ul class="jobs">{jobs.map((job) => <JobItem key={job.job} job={job} />)}</ul>}
      </Loaded>
    </>
  );
}
