/** What a command of `evs alert` is told: as JSON on its stdin, and in its environment. Pure. */
import { defined } from "../../core/base/defined.ts";
import { formatDuration } from "../../core/base/units.ts";
import { wholeSeconds } from "../check/measures.ts";
import { isLasting, type Measure, type Unit, type WatchedLimits } from "./limit.ts";
import type { SubscriptionValue } from "./look.ts";
import type { Occurrence } from "./machine.ts";

/** One begin or one end. Times: Unix ms; a value and its limit: see `unit`. */
export interface Notice {
  alert: Measure;
  state: "begin" | "end";
  /** The same for a begin and its end, and for no other. */
  id: string;
  /** Absent: the daemon as a whole. */
  subscription?: string;
  /** The value that was seen; absent where an end comes without one. */
  value?: number;
  limit?: number;
  /** The limit as it was typed. */
  condition?: string;
  unit?: Unit;
  /** When the condition was first seen. */
  since: number;
  /** When it began or ended. */
  at: number;
  /** Of an end: why. */
  ended?: Occurrence["ended"];
  /** For people. */
  message: string;
  /** What to type next. */
  hint: string;
  /** More of the subscription. */
  about?: {
    topic: string;
    pending: number;
    leased: number;
    scheduled: number;
    dead: number;
    paused: boolean;
  };
  /** The `--name` of this `evs alert`. */
  name: string;
  host: string;
  dataDir?: string;
  socket: string;
}

/** Where alerts come from. */
export type AlertSource = Pick<Notice, "name" | "host" | "dataDir" | "socket">;

/** The facts of what happened. */
export function noticeOf(
  { state, condition, reading, ended }: Occurrence,
  { limits, source, now }: { limits: WatchedLimits; source: AlertSource; now: number },
): Notice {
  const { measure, subscription, id, since } = condition;
  const limit = limits[measure];
  const info = (reading as SubscriptionValue | undefined)?.info;
  const value = isLasting(measure) ? Math.max(0, now - since) : reading?.value;
  return {
    alert: measure,
    state,
    id,
    ...defined({
      subscription,
      value: isLasting(measure) && state === "end" ? undefined : value,
      limit: limit?.value,
      condition: limit?.text,
      unit: limit?.unit,
    }),
    since,
    at: now,
    ...defined({ ended }),
    message: messageOf({ state, condition, reading, ended }, { limits, now }),
    hint: hintOf(measure, subscription),
    ...defined({
      about: info && {
        topic: info.topic,
        pending: info.pending,
        leased: info.leased,
        scheduled: info.scheduled,
        dead: info.dead,
        paused: info.paused,
      },
    }),
    ...source,
  };
}

function messageOf(
  { state, condition, reading, ended }: Occurrence,
  { limits, now }: { limits: WatchedLimits; now: number },
): string {
  const { measure, subscription, since } = condition;
  const lasted = wholeSeconds(Math.max(0, now - since));
  if (state === "begin") {
    const words = reading?.words() ?? measure;
    if (measure === "down") return `the daemon has not answered for ${lasted}: ${words}`;
    if (measure === "degraded") return `the daemon has been degraded for ${lasted}: ${words}`;
    return `${words} (limit ${limits[measure]?.text})`;
  }
  const why = {
    over: reading?.words() ?? "",
    removed: `the subscription ${subscription} was removed`,
    unwatched: `--${measure}${
      subscription === undefined ? "" : ` of ${subscription}`
    } is not watched any more`,
  }[ended ?? "over"];
  return `over after ${lasted}: ${why}`;
}

function hintOf(measure: Measure, subscription: string | undefined): string {
  switch (measure) {
    case "dlq":
      return `evs dlq groups --subscription ${subscription}`;
    case "lag":
    case "age":
    case "leased":
      return `evs subscription show ${subscription}`;
    case "refused":
      return "evs doctor";
    case "disk":
      return "evs topic list";
    case "nodes":
      return "evs node list";
    case "snapshot":
      return "evs doctor";
    case "degraded":
    case "down":
      return "evs daemon status";
  }
}

/** The variables of a command, by name; those that have no value here are taken away. */
export function alertVariables(
  facts: Notice,
  attempt: number,
): Record<string, string | undefined> {
  return {
    EVS_ALERT: facts.alert,
    EVS_ALERT_STATE: facts.state,
    EVS_ALERT_ID: facts.id,
    EVS_ALERT_SUBSCRIPTION: facts.subscription,
    EVS_ALERT_VALUE: amount(facts.value, facts.unit),
    EVS_ALERT_LIMIT: facts.condition,
    EVS_ALERT_SINCE: new Date(facts.since).toISOString(),
    EVS_ALERT_MESSAGE: facts.message,
    EVS_ALERT_HINT: facts.hint,
    EVS_ALERT_NAME: facts.name,
    EVS_ALERT_HOST: facts.host,
    EVS_ALERT_ATTEMPT: String(attempt),
  };
}

/** As limits are typed: `3`, `5m`, `9.5%`; bytes are a number. */
function amount(value: number | undefined, unit: Unit | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (unit === "ms") return formatDuration(value);
  return unit === "percent" ? `${value}%` : String(value);
}
