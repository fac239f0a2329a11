/** Sabotages of leases, of the order of keys, and of what is held in memory. */
import type { Mutant } from "../mutant.ts";

const AT_LEAST_ONCE = "5. At least once";
const LEASE_REQUEST = "schemas/openapi.json: max, leaseMs and bind of a lease";
const SLOW_READER = "15. A slow reader slows no one else";
const TOGETHER = "6. Retry, dead letter and cursor move together";
const KEY_ORDER = "docs/library.md: events with the same `key` are handled in order, one at a time";
const SUSPEND = "28. Clock changes and suspends affect no timer";

const LEASES = "tests/core/delivery/leases_test.ts";
const MANAGER = "tests/core/delivery/manager_test.ts";
const READY_QUEUE = "tests/core/delivery/ready_queue_test.ts";
const STANDSTILL = "tests/core/delivery/standstill_test.ts";

export const leaseMutants: Mutant[] = [
  {
    name: "plan: a lease whose settlement was refused never expires",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/plan.ts",
    from: "    queue.ready.watch([lease], lease.expiry);\n",
    to: "",
    tests: [LEASES],
  },
  {
    name: "queue: leases are not watched",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/queue.ts",
    from: "    ready.watch(grant.leases, expiry);\n",
    to: "",
    tests: [LEASES],
  },
  {
    name: "queue: an extended lease never expires",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/queue.ts",
    from: "    this.ready.watch(extended, expiry);\n",
    to: "",
    tests: [LEASES],
  },
  {
    name: "queue: extending a lease changes nothing",
    promise: "schemas/openapi.json: expiresAt, when the lease ends unless it is extended",
    file: "core/delivery/queue.ts",
    from: "      lease.expiry = expiry;\n      extended",
    to: "      extended",
    tests: [LEASES],
  },
  {
    name: "queue: a lease lasts twice as long as it was asked for",
    promise: LEASE_REQUEST,
    file: "core/delivery/queue.ts",
    from: "    const expiry = { at: now.mono + order.leaseMs };",
    to: "    const expiry = { at: now.mono + 2 * order.leaseMs };",
    tests: [LEASES],
  },
  {
    name: "queue: a lease takes more bytes than were asked for",
    promise: SLOW_READER,
    file: "core/delivery/queue.ts",
    from: "      if (count > 0 && bytes + entry.size > order.maxBytes) break;\n",
    to: "",
    tests: [LEASES],
  },
  {
    name: "queue: an event that is larger than a reply is never leased",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/queue.ts",
    from: "      if (count > 0 && bytes + entry.size > order.maxBytes) break;\n",
    to: "      if (bytes + entry.size > order.maxBytes) break;\n",
    tests: [LEASES],
  },
  {
    name: "queue: leases one event more than were asked for",
    promise: LEASE_REQUEST,
    file: "core/delivery/queue.ts",
    from: "    for (let count = 0; count < order.max; count++) {",
    to: "    for (let count = 0; count <= order.max; count++) {",
    tests: [LEASES],
  },
  {
    name: "queue: leased events are held in memory without a limit",
    promise: SLOW_READER,
    file: "core/delivery/queue.ts",
    from: "ready.leasedBytes + entry.size > MAX_LEASED_BYTES) break;",
    to: "ready.leasedBytes < 0) break;",
    tests: [LEASES],
  },
  {
    name: "queue: a released event counts as an attempt",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/queue.ts",
    from: "      this.endLease(lease);\n      this.giveBack(entry);",
    to: "      this.endLease(lease);\n      entry.nextAttempt++;\n      this.giveBack(entry);",
    tests: ["tests/core/delivery/queue_test.ts"],
    filter: "counts a lease that ran out",
  },
  {
    name: "queue: releases the leases of a consumer that did not bind them",
    promise: LEASE_REQUEST,
    file: "core/delivery/queue.ts",
    from: "grant.bound && grant.consumer === consumer && !settling",
    to: "grant.consumer === consumer && !settling",
    tests: [MANAGER],
    filter: "gives bound leases back",
  },
  {
    name: "ready queue: an expired lease that is being settled expires, too",
    promise: TOGETHER,
    file: "core/delivery/ready_queue.ts",
    from: "lease.entry.lease === lease && !lease.settling && lease.expiry === expiry",
    to: "lease.entry.lease === lease && lease.expiry === expiry",
    tests: [LEASES],
  },
  {
    name: "ready queue: an extended lease ends at its first time",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/ready_queue.ts",
    from: "lease.entry.lease === lease && !lease.settling && lease.expiry === expiry",
    to: "lease.entry.lease === lease && !lease.settling",
    tests: [LEASES],
  },
  {
    name: "leases: a token with a leading zero is the same token",
    promise: TOGETHER,
    file: "core/delivery/leases.ts",
    from: "digits > 1 && token.charCodeAt(from) === ZERO ? -1 : place",
    to: "place",
    tests: [LEASES],
  },
  {
    name: "leases: remembers the last grant after it has ended",
    promise: TOGETHER,
    file: "core/delivery/leases.ts",
    from: "    if (this.#last?.grant === grant) this.#last = undefined;\n",
    to: "",
    tests: [LEASES],
  },
  {
    name: "driver: does not try again when an expiry was refused",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/expired_leases.ts",
    from: "      driver.queue.ready.watch(leases, expiry);\n",
    to: "",
    tests: [MANAGER],
    filter: "tries a lease that ran out again",
  },
  {
    name: "driver: an expired lease is given back without an attempt",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/expired_leases.ts",
    from:
      "    driver.settle(leases.map((lease) => expirySettlement(lease, now))).catch((error) => {",
    to:
      "    driver.queue.release(leases.map(({ token }) => token));\n    driver.settle([]).catch((error) => {",
    tests: [MANAGER],
    filter: "tries a lease that ran out again",
  },
  {
    name: "driver: reads ahead without a limit",
    promise: SLOW_READER,
    file: "core/delivery/read_window.ts",
    from: "  return buffered < WINDOW.events && bufferedBytes < WINDOW.bytes;",
    to: "  return buffered + bufferedBytes >= 0;",
    tests: [MANAGER],
    filter: "looks ahead few bytes",
  },
  {
    name: "ready queue: a released event goes behind the others of its key",
    promise: KEY_ORDER,
    file: "core/delivery/ready_queue.ts",
    from: "    entry.group?.waiting.unshift(entry);",
    to: "    entry.group?.waiting.push(entry);",
    tests: [READY_QUEUE],
  },
  {
    name: "ready queue: a retry is ready before it is due",
    promise:
      "docs/library.md: a failed event waits for its next attempt without blocking the others",
    file: "core/delivery/ready_queue.ts",
    from: "    return entry.due && (!group ||",
    to: "    return (!group ||",
    tests: [READY_QUEUE],
  },
  {
    name: "ready queue: others of the key go while a retry waits",
    promise: KEY_ORDER,
    file: "core/delivery/ready_queue.ts",
    from: "!group.leased && group.scheduled.length === 0 && group.waiting[0] === entry",
    to: "!group.leased && group.waiting[0] === entry",
    tests: [READY_QUEUE],
  },
  {
    name: "ready queue: two events of a key are leased at once",
    promise: KEY_ORDER,
    file: "core/delivery/ready_queue.ts",
    from:
      '      entry.group.leased = entry;\n    }\n    if (entry.kind === "retry") this.leasedRetries++;\n    else this.#unbuffer(entry);',
    to:
      '    }\n    if (entry.kind === "retry") this.leasedRetries++;\n    else this.#unbuffer(entry);',
    tests: [READY_QUEUE],
  },
  {
    name: "ready queue: retries of a key go newest first",
    promise: KEY_ORDER,
    file: "core/delivery/ready_queue.ts",
    from: "entries[at - 1]!.seq > entry.seq) at--;",
    to: "entries[at - 1]!.seq < entry.seq) at--;",
    tests: [READY_QUEUE],
  },
  {
    name: "ready queue: a dead letter does not let the next of its key go",
    promise: AT_LEAST_ONCE,
    file: "core/delivery/ready_queue.ts",
    from: "    this.#promoteGroup(entry.group);\n  }\n\n  /** The stream events",
    to: "  }\n\n  /** The stream events",
    tests: [READY_QUEUE],
  },
  {
    name: "wake timer: leases expire after a standstill",
    promise: SUSPEND,
    file: "core/delivery/driver.ts",
    from: "        this.queue.ready.extendAll(ms);\n",
    to: "",
    tests: [STANDSTILL],
  },
  {
    name: "wake timer: a late timer expires leases at once",
    promise: SUSPEND,
    file: "core/delivery/wake_timer.ts",
    from: "now - at > LATE_MS && this.#confirmAt < at;",
    to: "now - at > Infinity;",
    tests: [STANDSTILL],
  },
  {
    name: "driver: leases end by the wall clock",
    promise: "10. The clock may jump",
    file: "core/delivery/driver.ts",
    from: "mono: this.#context.clock.monotonic() };\n  }",
    to: "mono: this.#context.clock.now() };\n  }",
    tests: [MANAGER],
    filter: "runs its timers by monotonic",
  },
];
