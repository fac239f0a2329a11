/** Sabotages of schemas, of upcasters, and of filters. */
import type { Mutant } from "../mutant.ts";

const COMPATIBLE = "docs/operating.md: --compat refuses a version that breaks old or new readers";
const CHECKED = "docs/operating.md: payloads are checked against the schema before they are stored";
const HOSTILE = "25. A hostile schema or payload stalls no one";
const UPCAST_STEPS = "docs/sourcing.md: upcasters convert old events, step by step";

const LEVELS = "tests/core/schema/levels_test.ts";
const REGISTRY = "tests/core/schema/registry_test.ts";
const COMPATIBILITY = "tests/core/schema/compatibility_test.ts";
const UPCASTERS = "tests/core/schema/upcasters_test.ts";
const FILTER = "tests/core/filter/filter_test.ts";

export const schemaMutants: Mutant[] = [
  {
    name: "registry: a version gets another schema",
    promise: "docs/operating.md: a version of a schema never changes",
    file: "core/schema/registry.ts",
    from: "    if (there.record.schema === schema) return true;",
    to: "    if (there.record.schema === schema || there.record.schema.length > 2) return false;",
    tests: [LEVELS],
  },
  {
    name: "registry: the version between two others is compared with one",
    promise: COMPATIBLE,
    file: "core/schema/registry.ts",
    from: '    if (after && level !== "none") {',
    to: '    if (after && !before && level !== "none") {',
    tests: [LEVELS],
  },
  {
    name: "registry: a dry run registers",
    promise: "docs/operating.md: --dry-run shows what would change",
    file: "core/schema/registry.ts",
    from: "        plans.push(await draft.#plan(request));",
    to: "        plans.push(await draft.#plan(request));\n        this.take(plans.slice(-1));",
    tests: [LEVELS],
  },
  {
    name: "registry: the level of a type is forgotten",
    promise: COMPATIBLE,
    file: "core/schema/registry.ts",
    from: "request.compatibility ?? this.level(type);",
    to: 'request.compatibility ?? "none";',
    tests: [LEVELS],
  },
  {
    name: "registry: a removed schema stays the latest",
    promise: CHECKED,
    file: "core/schema/registry.ts",
    from: "    if (versions.size === 0) this.#types.delete(type);\n    this.#findLatest(type);",
    to: "    if (versions.size === 0) this.#types.delete(type);",
    tests: [LEVELS],
  },
  {
    name: "registry: an unknown version is not checked",
    promise: CHECKED,
    file: "core/schema/registry.ts",
    from: "    if (!entry) {\n      const known",
    to: '    if (!entry && meant === "") {\n      const known',
    tests: [LEVELS],
  },
  {
    name: "registry: numbers are rounded before they are checked",
    promise: "30. Numbers keep their exact value",
    file: "core/schema/registry.ts",
    from: "text !== undefined && mayRound(text) ? parseExact(text) : payload;",
    to: "text !== undefined && mayRound(text) ? JSON.parse(text) : payload;",
    tests: [LEVELS],
  },
  {
    name: "registry: a schema may be of any size",
    promise: HOSTILE,
    file: "core/schema/registry.ts",
    from: "  if (bytes > MAX_SCHEMA_BYTES) {",
    to: "  if (bytes > 2 * MAX_SCHEMA_BYTES) {",
    tests: [REGISTRY],
    filter: "is too large",
  },
  {
    name: "version: 1.10 comes before 1.9",
    promise: CHECKED,
    file: "core/schema/version.ts",
    from: "numbers.test(b)) return Number(a) - Number(b);",
    to: "numbers.test(b)) return a < b ? -1 : a > b ? 1 : 0;",
    tests: [REGISTRY],
    filter: "compareVersions",
  },
  {
    name: "compatibility: backward allows what breaks old events",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/breaks.ts",
    from: 'level === "backward" || level === "full" ? comparison.backward',
    to: 'level === "full" ? comparison.backward',
    tests: [LEVELS],
  },
  {
    name: "compatibility: full does not look forward",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/breaks.ts",
    from: 'level === "forward" || level === "full" ? comparison.forward',
    to: 'level === "forward" ? comparison.forward',
    tests: [LEVELS],
  },
  {
    name: "compatibility: a new required property breaks nothing",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/objects.ts",
    from: "    always.has(name) ? [] : [{",
    to: "    always.has(name) || always.size === 0 ? [] : [{",
    tests: [COMPATIBILITY],
  },
  {
    name: "compatibility: a higher minimum breaks nothing",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/scalars.ts",
    from: "      if (known !== undefined && isTighter(known, bound, side)) continue;",
    to: "      if (known !== undefined) continue;",
    tests: [COMPATIBILITY],
  },
  {
    name: "compatibility: a shorter maxLength breaks nothing",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/scalars.ts",
    from: 'most < (lowest(writer, "maxLength") ?? Infinity)',
    to: 'most < (lowest(writer, "maxLength") ?? 0)',
    tests: [COMPATIBILITY],
  },
  {
    name: "compatibility: another pattern breaks nothing",
    promise: COMPATIBLE,
    file: "core/schema/compatibility/scalars.ts",
    from: 'keywordOf(place, "pattern") === pattern)',
    to: 'keywordOf(place, "pattern") !== undefined)',
    tests: [COMPATIBILITY],
  },
  {
    name: "upcasters: one step is enough",
    promise: UPCAST_STEPS,
    file: "core/schema/upcasters.ts",
    from: "      step = steps?.get(step.to)\n",
    to: "      step = undefined\n",
    tests: [UPCASTERS],
  },
  {
    name: "upcasters: a redacted event is upcast",
    promise: "33. Redacted is gone",
    file: "core/schema/upcasters.ts",
    from: "    if (redactionOf(event)) return event;\n",
    to: "",
    tests: ["tests/core/sourcing/redacted_test.ts"],
    filter: "a projection and upcasters",
  },
  {
    name: "upcasters: steps may leave a gap",
    promise: "docs/sourcing.md: a gap between steps is refused when you add it",
    file: "core/schema/upcasters.ts",
    from: "    if (last.length > 1) {",
    to: "    if (last.length > 2) {",
    tests: [UPCASTERS],
  },
  {
    name: "upcasters: steps may go in a circle",
    promise: UPCAST_STEPS,
    file: "core/schema/upcasters.ts",
    from: "      if (at !== from) continue;",
    to: "      if (at !== from || steps.size > 0) continue;",
    tests: [UPCASTERS],
  },
  {
    name: "filter: an event that costs too much is left out",
    promise: HOSTILE,
    file: "core/filter/filter.ts",
    from: "=== true || budget.isSpent;",
    to: "=== true;",
    tests: [FILTER],
    filter: "decides each event anew",
  },
  {
    name: "filter: the budget is not charged for patterns",
    promise: HOSTILE,
    file: "core/filter/step_budget.ts",
    from: "    return this.spend(Math.ceil(size * characters / PATTERN_WORK));",
    to: "    return this.spend(size * characters > 0 ? 1 : 0);",
    tests: [FILTER],
    filter: "decides each event anew",
  },
];
