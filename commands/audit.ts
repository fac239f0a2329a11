/** `evs audit`: what was done, by whom and by which way. */
import type { Client } from "../core/client/client.ts";
import { AUDIT_ACTS, type AuditAct, type AuditRecord } from "../core/event/audit.ts";
import { InvalidArgumentError } from "../core/base/errors.ts";
import { didYouMean } from "../core/base/suggest.ts";
import { parseDuration } from "../core/base/units.ts";
import { type ActsPage, auditPage } from "../core/client/audit.ts";
import type { EvsContext } from "./cli/context.ts";
import { positive, textFlag, verb } from "./cli/define.ts";
import { actorName, actorProcess } from "./terminal/actor_words.ts";
import { formatLocalTime } from "./terminal/local_time.ts";

type AuditFlags = {
  since?: number;
  act?: AuditAct;
  topic?: string;
  subscription?: string;
  limit?: number;
};

/** A terminal shows this many without --limit. */
const TERMINAL_LIMIT = 50;
const PAGE = 1000;

export const route = verb<AuditFlags>({
  brief: "Show what was done, by whom and by which way",
  description:
    "Shows the acts that changed something besides events: retries, edits and removals of dead letters, pauses, seeks, changes of topics, subscriptions and schemas, redactions, jobs; the newest first. The way is cli, http, library, dashboard or daemon. Who it was is what the client claimed: a socket does not tell who is at its other end. The last 10,000 acts are kept; of those that are older than 90 days, the last 1,000.",
  examples: [
    ["audit", "the last ones"],
    ["audit --since 1h --act subscription.pause", "who paused what"],
    ["audit --topic orders | jq -r .act", "what was done to a topic"],
  ],
  parameters: {
    flags: {
      since: {
        kind: "parsed",
        parse: (input) => parseDuration(input, "--since"),
        brief: "Only acts newer than this, such as 1h",
        placeholder: "DURATION",
        optional: true,
      },
      act: {
        kind: "parsed",
        parse: actNamed,
        brief: "Only this act, such as subscription.pause",
        placeholder: "ACT",
        optional: true,
      },
      topic: textFlag("Only those on this topic", "TOPIC"),
      subscription: textFlag("Only those on this subscription", "NAME"),
      limit: {
        kind: "parsed",
        parse: positive,
        brief: "At most this many",
        placeholder: "N",
        optional: true,
      },
    },
    positional: { kind: "tuple", parameters: [] },
  },
  async run(this: EvsContext, flags: AuditFlags): Promise<void> {
    const { since, limit = this.forPeople ? TERMINAL_LIMIT : Infinity, ...filter } = flags;
    const from = since === undefined ? {} : { since: this.clock.now() - since };
    const rows: AuditRecord[] = [];
    let more = false;
    for await (const { acts, next } of pages(await this.client(), { ...filter, ...from, limit })) {
      if (this.forPeople) rows.push(...acts);
      else await this.printLines(acts.map((act) => `${JSON.stringify(act)}\n`).join(""));
      more = next !== undefined;
    }
    if (!this.forPeople) return;
    if (rows.length === 0) return this.note("nothing was done, or no act matches");
    await this.printRows(rows, rowOf, { below: "details", drop: ["way", "by"] });
    if (more && flags.limit === undefined) {
      this.note(`the newest ${rows.length}; more with --limit N`);
    }
  },
});

function actNamed(text: string): AuditAct {
  const act = AUDIT_ACTS.find((one) => one === text);
  if (act !== undefined) return act;
  const near = didYouMean(text, AUDIT_ACTS) ?? `there are ${AUDIT_ACTS.join(", ")}`;
  throw new InvalidArgumentError(`there is no such act: ${near}`);
}

async function* pages(
  client: Client,
  { limit, ...query }: Parameters<typeof auditPage>[1] & { limit: number },
): AsyncGenerator<ActsPage> {
  let before: number | undefined;
  for (let left = limit; left > 0;) {
    const page = await auditPage(client, { ...query, before, limit: Math.min(PAGE, left) });
    yield page;
    if (page.next === undefined) return;
    left -= page.acts.length;
    before = page.next;
  }
}

function rowOf({ at, act, way, by = {}, topic, subscription, details }: AuditRecord) {
  return {
    at: formatLocalTime(at),
    act,
    on: subscription ?? topic ?? "",
    way,
    by: actorName(by),
    details: [
      ...Object.entries(details ?? {}).map(([name, value]) =>
        `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`
      ),
      actorProcess(by),
    ].filter(Boolean).join(", "),
  };
}
