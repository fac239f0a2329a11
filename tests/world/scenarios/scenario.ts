/**
 * A scenario is one kind of thing that somebody does with a daemon, with the promise that it relies
 * on: small enough that its judge is obvious. A life has a few of them beside each other, and the
 * machine disturbs them.
 */
import type { Daemon, Json, Random, World } from "../types.ts";

/** What a scenario plans to do: an act at a time. */
export interface Act {
  at: number;
  act: string;
  args: { [name: string]: Json };
}

/** What the machine may do in a life with this scenario; a judge takes only these into account. */
export type Disturbance = "kill" | "stop" | "clock" | "network";

/** Where a scenario acts. */
export interface ScenarioContext {
  world: World;
  daemon: Daemon;
  store: string;
}

/** A scenario in a world. */
export interface RunningScenario {
  act(act: Act): void | Promise<void>;
  /** Called when everything is over and the daemon is well; waits for what must still come. */
  judge(): void | Promise<void>;
}

/** A kind of thing that somebody does. */
export interface Scenario {
  name: string;
  /** What the machine may do meanwhile. Absent: everything. */
  tolerates?: readonly Disturbance[];
  /** Only with this store. */
  store?: "file" | "sqlite";
  plan(random: Random): Act[];
  begin(context: ScenarioContext): RunningScenario | Promise<RunningScenario>;
}

/** Some acts, spread over the time in which a life acts. */
export function spread(
  random: Random,
  { count, act }: { count: number; act: (i: number) => Omit<Act, "at"> },
): Act[] {
  return Array.from({ length: count }, (_, i) => ({ at: random.int(0, SPAN_MS), ...act(i) }));
}

/** The time in which a life acts, ms. */
export const SPAN_MS = 20_000;
