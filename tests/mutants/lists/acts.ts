/** Sabotages of what people ask of subscriptions on any node of several. */
import type { Mutant } from "../mutant.ts";

const TOGETHER = "6. Retry, dead letter and cursor move together";

export const actMutants: Mutant[] = [
  {
    name: "acts: counts that other processes change are remembered for ever",
    promise: TOGETHER,
    file: "core/state/guarded_state.ts",
    from: "this.#value !== undefined && now - this.#readAt < REMEMBERED_MS",
    to: "this.#value !== undefined",
    tests: ["tests/core/state/guarded_state_test.ts"],
  },
  {
    name: "acts: counts are not read again after an act",
    promise: TOGETHER,
    file: "core/state/guarded_state.ts",
    from: "    } finally {\n      this.#forget();\n    }",
    to: "    } finally {\n      // Nothing.\n    }",
    tests: ["tests/core/state/guarded_state_test.ts"],
  },
];
