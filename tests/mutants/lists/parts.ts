/** Sabotages of what several nodes share: parts, shares, and what is learnt of each other. */
import type { Mutant } from "../mutant.ts";

const SHARED = "A state that several nodes share";
const AT_LEAST_ONCE = "5. At least once";
const TOGETHER = "6. Retry, dead letter and cursor move together";

const PART = "tests/core/event/part_test.ts";
const SHARE = "tests/core/event/part_share_test.ts";
const LANES = "tests/core/delivery/part_lanes_test.ts";
const CATALOG = "tests/core/state/catalog_diff_test.ts";

export const partMutants: Mutant[] = [
  {
    name: "parts: gives neighbours without a key different slots",
    promise: SHARED,
    file: "core/event/part.ts",
    from: "Math.floor(seq / SLOT_RUN) % SLOTS",
    to: "seq % SLOTS",
    tests: [PART],
  },
  {
    name: "parts: rounds up the share of every node",
    promise: SHARED,
    file: "core/event/part_share.ts",
    from: "Math.floor(parts / nodes.length) + (place < parts % nodes.length ? 1 : 0)",
    to: "Math.ceil(parts / nodes.length)",
    tests: [SHARE],
  },
  {
    name: "parts: claims a whole share beside what it has",
    promise: SHARED,
    file: "core/event/part_share.ts",
    from: "Math.max(0, quota - own.length)",
    to: "quota",
    tests: [SHARE],
  },
  {
    name: "parts: leaves a gap for what is open of parts that are gone",
    promise: TOGETHER,
    file: "core/delivery/part_lanes.ts",
    from: "    if ((lane.parts & 1 << part) === 0) lane.settled.add(seq);\n    else if",
    to: "    if",
    tests: [LANES],
  },
  {
    name: "parts: shares what is settled between a frozen lane and the other one",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/part_lanes.ts",
    from: "settled: lane.settled.clone(),",
    to: "settled: lane.settled,",
    tests: [LANES],
  },
  {
    name: "parts: joins a lane that has events in delivery",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/part_lanes.ts",
    from: "cursorIn(one) === one.readNext && ",
    to: "",
    tests: [LANES],
  },
  {
    name: "parts: joins lanes that are at different seqs",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/part_lanes.ts",
    from: "one.readNext === other.readNext &&",
    to: "true &&",
    tests: [LANES],
  },
  {
    name: "parts: reads on what is to be given back",
    promise: SHARED,
    file: "core/delivery/part_lanes.ts",
    from: "!one.frozen && !other.frozen && ",
    to: "",
    tests: [LANES],
  },
  {
    name: "parts: counts leases of parts that are gone",
    promise: SHARED,
    file: "core/delivery/part_lanes.ts",
    from: "  lane.held = 0;\n",
    to: "",
    tests: [LANES],
  },
  {
    name: "catalog: passes over a record that has changed",
    promise: SHARED,
    file: "core/state/catalog_diff.ts",
    from: "there === undefined || !isSame(there, record)",
    to: "there === undefined",
    tests: [CATALOG],
  },
  {
    name: "catalog: takes a topic that was made again for the one before",
    promise: SHARED,
    file: "core/state/catalog_diff.ts",
    from: "return [name, createdAt];",
    to: "return [name, 0 * createdAt];",
    tests: [CATALOG],
  },
];
