/** `evs top`: what the daemon is doing, live in a terminal, or once. */
import { parseDuration } from "../../core/base/units.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { load } from "../cli/lazy.ts";
import { type Sort, SORTS } from "./state.ts";

type TopFlags = { once: boolean; every?: number; sort: Sort; filter?: string };

/** How often the daemon is read unless --every says so, ms. */
const EVERY_MS = 2000;
/** More often costs the daemon more than anybody can read, ms. */
const SHORTEST_MS = 100;

export const route = verb<TopFlags, []>({
  brief: "Watch subscriptions, dead letters and the daemon live",
  description:
    "Shows a screen that is always up to date: of each subscription how fast it is, how far behind, what is in flight and for how long, when the next retry is due; the causes of dead letters; disk, memory and the last warnings of the log. ? lists the keys. Keys that pause, resume, retry or show an event ask first, and show the command line that does the same. With --once, with --json, or if standard input or output is no terminal, prints one reading and exits; with --every as well as --json, one each time. Rates need two readings, so this takes a second.",
  examples: [
    ["top", "a live screen; q quits"],
    [
      "top --sort dead --filter mail",
      "subscriptions with mail in name or topic, most dead letters first",
    ],
    ["top --once", "print one reading as a table"],
    ["top --json | jq '.subscriptions[] | select(.lag > 100).name'", "those that are behind"],
  ],
  parameters: {
    flags: {
      once: { kind: "boolean", brief: "Print one reading and exit", default: false },
      every: {
        kind: "parsed",
        parse: interval,
        brief: "The time between readings; default 2s, with --once 1s",
        placeholder: "DURATION",
        optional: true,
      },
      sort: {
        kind: "enum",
        values: SORTS,
        brief: "The order, the largest or oldest first",
        default: "lag",
      },
      filter: textFlag("Only subscriptions whose name or topic contains this text", "TEXT"),
    },
  },
  async run(this: EvsContext, { once, every, sort, filter = "" }: TopFlags): Promise<void> {
    if (once || this.json || !this.stdout.isTerminal || !this.stdin.isTerminal()) {
      const { printReadings } = await load<typeof import("./report.ts")>("./top/report.ts");
      return await printReadings(this, { everyMs: every, once, sort, filter });
    }
    if (this.env("TERM") === "dumb") {
      throw new InvalidArgumentError("TERM is dumb: this terminal cannot show a live screen", {
        code: "terminal/dumb",
        hint: "evs top --once",
      });
    }
    const { runLive } = await load<typeof import("./live.ts")>("./top/live.ts");
    await runLive(this, { everyMs: every ?? EVERY_MS, sort, filter, place: placeFlags(this) });
  },
});

function interval(input: string): number {
  const ms = parseDuration(input, "--every");
  if (ms >= SHORTEST_MS) return ms;
  throw new InvalidArgumentError(`--every is at least ${SHORTEST_MS}ms, not ${input}`);
}

/** The flags with which this daemon was named, for command lines that name it again. */
function placeFlags({ places, contextGiven }: EvsContext): string[] {
  return [
    ...(places?.EVS_SOCKET === undefined ? [] : ["--socket", places.EVS_SOCKET]),
    ...(places?.EVS_DATA_DIR === undefined ? [] : ["--data-dir", places.EVS_DATA_DIR]),
    ...(contextGiven === undefined ? [] : ["--context", contextGiven]),
  ];
}
