/**
 * Faults that were found from outside once: which mutant puts each back, and the scenario and its
 * seed that find it. Where the scenario or the engine changes, a seed may have to be looked for
 * again: `deno task test:old-faults --only A9 --search 400`.
 */

/** A fault, and who finds it. */
export interface OldFault {
  /** Its entry in the list of faults: "A9". */
  fault: string;
  /** The name of its mutant, in tests/mutants/lists/faults.ts. */
  mutant: string;
  /** The scenario whose life finds it, and the seed. */
  scenario: string;
  seed: number;
  /** The promise that breaks. */
  promise: string;
}

/** See above. */
export const OLD_FAULTS: readonly OldFault[] = [
  {
    fault: "A1",
    mutant: "file store: serves nothing behind a line that was cut out",
    scenario: "cut lines",
    seed: 1,
    promise: "9. Damage is detected, reported and kept",
  },
  {
    fault: "A2",
    mutant: "known ends: takes an older store as it is",
    scenario: "lost files",
    seed: 2,
    promise: "27. Missing files are noticed",
  },
  {
    fault: "A3",
    mutant: "start: makes an empty data dir where a restore was cut short",
    scenario: "restores",
    seed: 4,
    promise: "27. Missing files are noticed",
  },
  {
    fault: "A4",
    mutant: "named files: acknowledges into a database that was removed",
    scenario: "lost files",
    seed: 4,
    promise: "27. Missing files are noticed",
  },
  {
    fault: "A5",
    mutant: "retries: wait for the wall clock to come to what it said",
    scenario: "late retries",
    seed: 12,
    promise: "28. Clock changes and suspends affect no timer",
  },
  {
    fault: "A6",
    mutant: "leases: run out while the daemon stands still",
    scenario: "standing still",
    seed: 15,
    promise: "28. Clock changes and suspends affect no timer",
  },
  {
    fault: "A6",
    mutant: "leases: run out before the answers in the socket are read",
    scenario: "standing still",
    seed: 3,
    promise: "28. Clock changes and suspends affect no timer",
  },
  {
    fault: "A7",
    mutant: "tail: skips in silence what retention deleted",
    scenario: "followers",
    seed: 5,
    promise: "5. At least once",
  },
  {
    fault: "A9",
    mutant: "deliveries: an end without an answer is not counted",
    scenario: "dying handlers",
    seed: 1,
    promise: "29. Deliveries that are never answered are counted",
  },
  {
    fault: "A10",
    mutant: "handlers: a value that cannot be read stops the subscription",
    scenario: "odd errors",
    seed: 1,
    promise: "A failing handler affects nobody else",
  },
  {
    fault: "A11",
    mutant: "numbers: a text with 16 digits is read with rounding",
    scenario: "numbers",
    seed: 2,
    promise: "30. Numbers keep their exact value",
  },
  {
    fault: "A12",
    mutant: "retention: goes by the timestamps of events",
    scenario: "ages",
    seed: 2,
    promise: "28. Clock changes and suspends affect no timer",
  },
  {
    fault: "A13",
    mutant: "subscriptions: the start of a consumer ends a person's pause",
    scenario: "pauses",
    seed: 5,
    promise: "5. At least once",
  },
  {
    fault: "A14",
    mutant: "HTTP: ignores a parameter that it does not know",
    scenario: "parameters",
    seed: 1,
    promise: "Every request gets an answer",
  },
  {
    fault: "A15",
    mutant: "append: judges an expectation by the first event's key only",
    scenario: "expectations",
    seed: 7,
    promise: "Concurrent writers of one version conflict",
  },
  {
    fault: "A16",
    mutant: "library: takes a Map for an empty object",
    scenario: "payloads",
    seed: 2,
    promise: "Each kind of bad input has its error",
  },
  {
    fault: "A17",
    mutant: "library: takes an event of any size",
    scenario: "payloads",
    seed: 6,
    promise: "Each kind of bad input has its error",
  },
  {
    fault: "A19",
    mutant: "daemon: looks healthy while its disk is full",
    scenario: "full disk",
    seed: 1,
    promise: "8. A full disk is reported, and the daemon recovers",
  },
  {
    fault: "A21",
    mutant: "schemas: multipleOf divides doubles",
    scenario: "numbers",
    seed: 7,
    promise: "30. Numbers keep their exact value",
  },
  {
    fault: "B1",
    mutant: "clients: wait for ever for a daemon that does not answer",
    scenario: "standing still",
    seed: 5,
    promise: "31. The daemon is found, and commands never hang",
  },
  {
    fault: "B4",
    mutant: "publish: a stream ends when the daemon is restarted",
    scenario: "streams",
    seed: 2,
    promise: "A published stream survives a restart of the daemon",
  },
  {
    fault: "B8",
    mutant: "handlers: wait for their own end for ever",
    scenario: "waiting handlers",
    seed: 2,
    promise: "A failing handler affects nobody else",
  },
  {
    fault: "B9",
    mutant: "SQLite: two brokers write to one database",
    scenario: "two brokers",
    seed: 2,
    promise: "13. One daemon per data dir",
  },
];
