/** Sabotages of the doctor on a PostgreSQL database. All need a server, and run at nightly. */
import type { Mutant } from "../mutant.ts";

const PROMISE = "evs doctor changes nothing";
const TESTS = ["tests/system/postgres/doctor_test.ts"];

export const databaseDoctorMutants: Mutant[] = [
  {
    name: "doctor of databases: reads the first page of a topic only",
    promise: PROMISE,
    file: "core/doctor/postgres/events.ts",
    from: "from = page.next;\n  }\n  return intact;",
    to: "from = page.next;\n    break;\n  }\n  return intact;",
    tests: TESTS,
    filter: "intact",
  },
  {
    name: "doctor of databases: takes a young snapshot for an old one",
    promise: PROMISE,
    file: "core/doctor/postgres/snapshots.ts",
    from: "seconds > oldSnapshot",
    to: "seconds >= 0",
    tests: TESTS,
    filter: "old snapshot",
  },
  {
    name: "doctor of databases: says nothing of a standby that is not there",
    promise: PROMISE,
    file: "core/doctor/postgres/durability.ts",
    from: 'names.trim() !== "" && synchronous.length === 0',
    to: "false",
    tests: TESTS,
    filter: "settings",
  },
  {
    name: "doctor of databases: counts nodes that are gone",
    promise: PROMISE,
    file: "core/doctor/postgres/nodes.ts",
    from: "const there = rows.filter(({ alive }) => alive);",
    to: "const there = rows;",
    tests: TESTS,
    filter: "other versions",
  },
];
