/** Does what was confirmed, with the requests that the command makes. */
import type { Client } from "../../core/client/client.ts";
import { deadLetterJob, startDeadLetterJob } from "../../core/client/dead_letter_jobs.ts";
import type { Action } from "./actions.ts";
import { palette } from "../terminal/colour.ts";
import { plural } from "../terminal/table.ts";
import { fetchDetails } from "../dlq/details.ts";
import { describeDeadLetter } from "../dlq/show.ts";

/** Of a text only this much is shown; its command line prints all. */
const MOST_CHARACTERS = 64 * 1024;
/** How long a retry is waited for; it goes on without us, ms. */
const JOB_WAIT_MS = 1000;

/** What came of it: a word for the last row, or a text to read. */
export type Performed =
  | { kind: "done"; text: string }
  | { kind: "text"; title: string; lines: string[] };

/** Throws an `EvsError` if the daemon refuses it. */
export async function perform(client: Client, action: Action): Promise<Performed> {
  switch (action.kind) {
    case "pause":
      await client.pauseSubscription(action.name);
      return { kind: "done", text: `${action.name} is paused; r resumes it` };
    case "resume":
      await client.resumeSubscription(action.name);
      return { kind: "done", text: `${action.name} is resumed` };
    case "retry": {
      return { kind: "done", text: await retry(client, action) };
    }
    case "event": {
      const bytes = await client.event(action.topic, String(action.seq));
      const line = new TextDecoder().decode(bytes).trimEnd();
      return text(
        `event ${action.seq} of ${action.topic}`,
        JSON.stringify(JSON.parse(line), null, 2),
      );
    }
    case "dead-letter": {
      const found = await fetchDetails(client, { id: action.name, topic: action.topic });
      const paint = palette(false);
      const parts = found.map(({ detail, payload }) =>
        describeDeadLetter(detail, { payload, schema: "not checked here", paint })
      );
      return text(action.name, parts.join("\n"));
    }
  }
}

/** The daemon does it by itself; what it has done after a moment is told. */
async function retry(client: Client, { group }: Action & { kind: "retry" }): Promise<string> {
  const started = await startDeadLetterJob(client, { action: "retry", group });
  if (started.total === 0) return "no dead letter has this cause any more";
  const { job, state, done, total } = await deadLetterJob(client, started.job, {
    waitMs: JOB_WAIT_MS,
  });
  return state === "running"
    ? `sent again: ${done} of ${total} so far; evs dlq jobs show ${job}`
    : `sent again: ${plural(done, "dead letter")} (${job})`;
}

function text(title: string, whole: string): Performed {
  const shown = whole.slice(0, MOST_CHARACTERS);
  const lines = shown.split("\n");
  if (shown.length < whole.length) lines.push("… the command above prints all of it");
  return { kind: "text", title, lines };
}
