/** `evs check age` and `evs check leased`: is a subscription stuck? */
import { parseDuration } from "../../core/base/units.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { agoOf, isAgeUnknown, words as said } from "./measures.ts";
import { assertLimits, type CheckFinding, levelOf, type Limits, runCheck } from "./report.ts";

type AgeFlags = Limits & { subscription?: string };

/** `--warn` and `--crit` for durations. */
const ageLimits = {
  warn: { kind: "parsed", parse: duration, brief: "WARNING from this age", placeholder: "D" },
  crit: { kind: "parsed", parse: duration, brief: "CRITICAL from this age", placeholder: "D" },
} as const;

function duration(text: string): number {
  return parseDuration(text, "the age");
}

/** What is looked at of a subscription. */
type AgeInfo = Pick<SubscriptionInfo, "name" | "cursors" | "oldestPendingAt" | "leasedSince">;

/** What makes a subscription old, Unix ms, and how that is said. */
interface Age {
  since(info: AgeInfo): number | undefined;
  /** Something is there whose age the daemon does not know yet. */
  isUnknown(info: AgeInfo): boolean;
  words(ms: number, name: string): string;
  nothing: string;
}

/** `evs check age`. */
export const OLDEST: Age = {
  since: ({ oldestPendingAt }) => oldestPendingAt,
  isUnknown: isAgeUnknown,
  words: said.age,
  nothing: "no events wait",
};

const LEASED: Age = {
  since: ({ leasedSince }) => leasedSince,
  isUnknown: () => false,
  words: said.leased,
  nothing: "no consumer has an event",
};

function ageVerb(
  age: Age,
  { brief, what, examples }: { brief: string; what: string; examples: [string, string][] },
) {
  return verb<AgeFlags, []>({
    brief,
    description:
      `${what} The worst subscription determines the result. Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, also without a daemon, 3 UNKNOWN.`,
    examples,
    parameters: {
      flags: { ...ageLimits, subscription: textFlag("Only this subscription", "NAME") },
    },
    async run(this: EvsContext, { warn, crit, subscription }: AgeFlags): Promise<void> {
      const limits = { warn, crit };
      assertLimits(limits, "high");
      await runCheck(this, async () => {
        const client = await this.client();
        const infos = subscription === undefined
          ? await client.subscriptions()
          : [await client.subscription(subscription)];
        return ageFinding(infos, { limits, age, now: this.clock.now() });
      });
    },
  });
}

/** Combines subscriptions into one finding. Pure. */
export function ageFinding(
  infos: readonly AgeInfo[],
  { limits, age, now }: { limits: Limits; age: Age; now: number },
): CheckFinding {
  const unknown = infos.filter((info) => age.isUnknown(info)).map(({ name }) => name);
  const old = infos.filter((info) => !age.isUnknown(info))
    .map((info) => ({ name: info.name, value: agoOf(age.since(info), now) }))
    .sort((a, b) => b.value - a.value);
  const worst = old[0];
  const seconds = { warn: limits.warn / 1000, crit: limits.crit / 1000 };
  const level = levelOf(worst?.value ?? 0, limits, "high");
  const words = [
    ...(worst === undefined || worst.value === 0
      ? unknown.length === 0 ? [age.nothing] : []
      : [age.words(worst.value, worst.name)]),
    ...(unknown.length === 0 ? [] : [unknownWords(unknown)]),
  ];
  return {
    // What is known to be old stays a reason to look.
    level: level === "OK" && unknown.length > 0 ? "UNKNOWN" : level,
    words: words.join("; "),
    measures: Object.fromEntries(
      old.map(({ name, value }) => [
        name,
        { value: Math.round(value) / 1000, unit: "s", limits: seconds },
      ]),
    ),
  };
}

/** Most names in a line. */
const MOST_NAMED = 5;

function unknownWords(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  const named = names.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return `the daemon does not know yet how old the oldest event is of ${named}`;
}

/** `evs check age`. */
export const route = ageVerb(OLDEST, {
  brief: "Check how old the oldest event of a subscription is",
  what:
    "Looks at the oldest event of each subscription that is pending or in flight, and not at retries that wait. UNKNOWN, too, as long as the daemon does not know an age: of events from before its start it reads some at a time.",
  examples: [
    ["check age --warn 5m --crit 1h", "every subscription"],
    ["check age --subscription mailer --warn 1m --crit 10m", "only mailer"],
  ],
});

/** `evs check leased`. */
export const leased = ageVerb(LEASED, {
  brief: "Check how long consumers have had an event leased",
  what:
    "Looks at the oldest lease of each subscription: an event that a consumer has, and has not answered for. Where a handler hangs, that grows.",
  examples: [["check leased --warn 10m --crit 1h", "handlers need less than ten minutes"]],
});
