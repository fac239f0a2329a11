/** Which page is shown. */
/** @jsx h */
import { h, useEffect, useRef } from "./packages/preact.ts";
import { currentPlace } from "./data/location.ts";
import { reach } from "./data/reach.ts";
import { useSignal } from "./data/signal.ts";
import { AuditPage } from "./pages/audit.tsx";
import { OneDeadLetterPage } from "./pages/dead_letter.tsx";
import { DeadLetterGroupPage } from "./pages/dead_letter_group.tsx";
import { DeadLetterGroupsPage } from "./pages/dead_letter_groups.tsx";
import { DeadLetterJobsPage } from "./pages/dead_letter_jobs.tsx";
import { DeadLetterListPage } from "./pages/dead_letter_list.tsx";
import { EventPage } from "./pages/event.tsx";
import { HealthPage } from "./pages/health.tsx";
import { LogsPage } from "./pages/logs.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SubscriptionPage } from "./pages/subscription.tsx";
import { SubscriptionsPage } from "./pages/subscriptions.tsx";
import { SchemaPage } from "./pages/schema.tsx";
import { SchemasPage } from "./pages/schemas.tsx";
import { TopicPage } from "./pages/topic.tsx";
import { TopicsPage } from "./pages/topics.tsx";
import { Empty } from "./parts/loading.tsx";
import { PageFrame } from "./parts/page_frame.tsx";
import { escapeText } from "./view/format.ts";
import type { Place } from "./view/place.ts";

/** Everything. */
export function App() {
  const here = useSignal(currentPlace);
  const { state } = useSignal(reach);
  const path = [here.page, ...here.names].join("/");
  const shown = useRef(path);
  useEffect(() => {
    const heading = document.querySelector("h1");
    document.title = `${heading?.textContent ?? "evs"} - evs`;
    if (shown.current === path) return;
    shown.current = path;
    // Who followed a link with the keyboard goes on at the new page, and hears its name.
    heading?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [path]);
  return (
    <PageFrame>
      {state === "no-session" ? <h1 tabIndex={-1}>evs</h1> : <Page key={path} place={here} />}
    </PageFrame>
  );
}

function Page({ place }: { place: Place }) {
  const { page, names: [name, second] } = place;
  if (page === "") return <OverviewPage />;
  if (page === "topics") {
    if (name === undefined) return <TopicsPage place={place} />;
    return second === undefined
      ? <TopicPage name={name} place={place} />
      : <EventPage topic={name} name={second} />;
  }
  if (page === "subscriptions") {
    return name === undefined
      ? <SubscriptionsPage place={place} />
      : <SubscriptionPage name={name} />;
  }
  if (page === "schemas") {
    return name === undefined
      ? <SchemasPage place={place} />
      : <SchemaPage type={name} place={place} />;
  }
  if (page === "health") return <HealthPage />;
  if (page === "logs") return <LogsPage place={place} />;
  if (page === "audit") return <AuditPage place={place} />;
  return page === "dead-letters" ? <DeadLetterPages place={place} /> : <NoPage place={place} />;
}

function DeadLetterPages({ place }: { place: Place }) {
  const { names: [name, second], query } = place;
  if (name === undefined) return <DeadLetterGroupsPage place={place} />;
  if (name === "list") return <DeadLetterListPage place={place} />;
  if (name === "jobs") return <DeadLetterJobsPage />;
  if (name === "group" && second !== undefined) return <DeadLetterGroupPage id={second} />;
  if (name === "one" && second !== undefined) {
    return <OneDeadLetterPage name={second} topic={query.get("topic") ?? undefined} />;
  }
  return <NoPage place={place} />;
}

function NoPage({ place: { page, names } }: { place: Place }) {
  return (
    <div>
      <h1 tabIndex={-1}>Nothing is here</h1>
      <Empty>There is no page {escapeText([page, ...names].join("/"))}.</Empty>
    </div>
  );
}
