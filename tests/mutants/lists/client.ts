/** Mutants of what clients do: find a daemon again, go on where they were, keep their leases. */
import type { Mutant } from "../mutant.ts";

const FOUND = "31. The daemon is found, and commands never hang";
const SURVIVES = "A publisher survives a restart of the daemon";
const ONCE = "5. At least once";
const client = "tests/core/client";

const connection = {
  file: "core/client/connection.ts",
  tests: [`${client}/connection_test.ts`],
};
const message = {
  promise: "Every request gets an answer",
  file: "core/client/http_message.ts",
  tests: [`${client}/http_message_test.ts`],
};
const feed = {
  promise: SURVIVES,
  file: "core/client/feed.ts",
  tests: [`${client}/feed_test.ts`],
};
const leaseWatch = {
  promise: FOUND,
  file: "core/client/lease_watch.ts",
  tests: [`${client}/lease_watch_test.ts`],
};
const watchedLeases = {
  promise: FOUND,
  file: "core/client/watched_leases.ts",
  tests: [`${client}/watched_leases_test.ts`],
};
const blocks = {
  promise: "docs/shell.md: replay and tail print the events that were asked for, in order",
  file: "core/client/line_blocks.ts",
  tests: [`${client}/line_blocks_test.ts`],
};
const leased = {
  promise: "11. Bytes in are bytes out",
  tests: [`${client}/read_lease_test.ts`],
};
const silence = {
  promise: FOUND,
  file: "core/client/silence_watch.ts",
  tests: [`${client}/silence_watch_test.ts`],
};
const consumer = {
  promise: ONCE,
  tests: [`${client}/consumer/consumer_test.ts`],
};
const inFlight = {
  promise: ONCE,
  tests: [`${client}/consumer/in_flight_test.ts`],
};
const actor = {
  promise: "An act and its record are one",
  file: "core/protocol/actor.ts",
  tests: ["tests/core/protocol/actor_test.ts"],
};

export const clientMutants: Mutant[] = [
  {
    name: "client: sends a change again when the connection was lost",
    promise: SURVIVES,
    file: "core/client/client.ts",
    from: 'if (!(error instanceof ConnectionLostError) || request.method !== "GET") throw error;',
    to: "if (!(error instanceof ConnectionLostError)) throw error;",
    tests: connection.tests,
    filter: "for reads only",
  },
  {
    name: "connection: a body that was left early is read for the next answer",
    promise: message.promise,
    ...connection,
    from: "        if (!isComplete) this.close();\n",
    to: "",
  },
  {
    name: "connection: a daemon of another protocol is talked to",
    promise: message.promise,
    ...connection,
    from: "    checkProtocol(head);\n",
    to: "    void checkProtocol;\n",
  },
  {
    name: "connection: a last line without a line feed is dropped",
    promise: message.promise,
    ...connection,
    filter: "splitLines",
    from: "if (heldLength > 0) yield join(held, heldLength);",
    to: "",
  },
  {
    name: "http message: an answer that was cut off counts as whole",
    ...message,
    filter: "cut off",
    from:
      "left = length; left > 0;) {\n      if (this.#isShortOf(left)) await this.#collect(left);",
    to:
      "left = length; left > 0;) {\n      while (this.#isShortOf(left)) if (!(await this.#fill())) return;",
  },
  {
    name: "http message: a head as long as the one before is taken for the same",
    ...message,
    from: "for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;",
    to: "",
  },
  {
    name: "http message: the beginning of an answer counts as whole",
    ...message,
    from: "return length === undefined || length > there ?",
    to: "return length === undefined ?",
  },
  {
    name: "connection: is busy for good after an answer that came in one piece",
    promise: message.promise,
    ...connection,
    from: "    this.#settle(head);\n    return new HttpResponse(head, arrived);",
    to: "    return new HttpResponse(head, arrived);",
  },
  {
    name: "http message: a chunked answer without its last chunk counts as whole",
    ...message,
    filter: "what is no HTTP",
    from: '      if (size === undefined) throw broken("a chunk without a size");',
    to: "      if (size === undefined) return;",
  },
  {
    name: "http message: 100 Continue is the answer",
    ...message,
    filter: "100 Continue",
    from: "if (head.status >= 200) return head;",
    to: "if (head.status >= 100) return head;",
  },
  {
    name: "http message: a head may be of any length",
    ...message,
    filter: "without an end",
    from: 'if (have > MAX_HEAD) throw broken("a head of more than 64 KiB");',
    to: "",
  },
  {
    name: "feed: begins anew after a break",
    ...feed,
    from: "    after: positions.toList(),\n    limit: options.left",
    to: "    limit: options.left",
  },
  {
    name: "feed: reads beyond the end that it had at first",
    ...feed,
    from: "? { to: String(options.endSeq) }",
    to: "? {}",
  },
  {
    name: "feed: follows from the new end after a break",
    ...feed,
    from: 'from: fromStart ? "start" : query.from,',
    to: "from: query.from,",
  },
  {
    name: "feed: asks for no heartbeats",
    ...feed,
    from: "    ...(follow ? { heartbeat: HEARTBEAT } : {}),\n",
    to: "",
  },
  {
    name: "feed: hands heartbeats on as lines",
    ...feed,
    file: "core/client/line_blocks.ts",
    from: "      while (piece[from] === LF) from++;\n",
    to: "",
  },
  {
    name: "line blocks: a heartbeat behind events comes along with them",
    ...blocks,
    from: "chunk[0] !== LF && chunk[0] !== NOTICE",
    to: "chunk[0] !== NOTICE",
  },
  {
    name: "line blocks: a notice behind events comes along with them",
    ...blocks,
    from: "chunk[0] !== LF && chunk[0] !== NOTICE",
    to: "chunk[0] !== LF",
  },
  {
    name: "line blocks: half a line behind events comes along with them",
    ...blocks,
    from: " && chunk.at(-1) === LF;",
    to: ";",
  },
  {
    name: "line blocks: what follows a joined line is lost",
    ...blocks,
    from: "    if (lines.length > 0) this.#next = lines;\n",
    to: "",
  },
  {
    name: "line blocks: events that have arrived overtake a line that has not",
    ...blocks,
    from: "return this.#next || this.#rest.length > 0 ? block : this.#more(block);",
    to: "return this.#more(block);",
  },
  {
    name: "http message: a chunk that is not wanted is lost",
    ...blocks,
    file: "core/client/http_message.ts",
    from: "    this.#start = before;\n",
    to: "",
  },
  {
    name: "feed: does not know what it has missed when it goes on",
    ...feed,
    from: "            positions.pass(block.topic, reverse ? block.from : block.to);\n",
    to: "",
  },
  {
    name: "positions: an id with a quote in it shifts the topic",
    promise: SURVIVES,
    file: "core/client/positions.ts",
    filter: "topicAt",
    from: "if (slashes % 2 === 0) return end;",
    to: "if (slashes === 0) return end;",
    tests: [`${client}/positions_test.ts`],
  },
  {
    name: "positions: the first line of a block is its position",
    promise: SURVIVES,
    file: "core/client/positions.ts",
    from: "const last = block.lastIndexOf(LF, block.length - 2) + 1;",
    to: "const last = 0;",
    tests: [`${client}/positions_test.ts`],
  },
  {
    name: "silence watch: a slow reader is taken for a silent daemon",
    ...silence,
    from: "    this.#since = undefined;\n    return piece;",
    to: "    return piece;",
  },
  {
    name: "silence watch: a standstill of its own process counts",
    ...silence,
    from: "this.#cancel = setPatientTimer(clock, () => {",
    to: "this.#cancel = clock.setTimer(() => {",
  },
  {
    name: "silence watch: never gives up",
    ...silence,
    from: "if (left > 0) return this.#wait(left);",
    to: "return this.#wait(Math.max(left, 1));",
  },
  {
    name: "lease watch: gives up a daemon that only stands still",
    ...leaseWatch,
    from: "      if (answered) break;",
    to: "      break;",
  },
  {
    name: "lease watch: gives no heartbeat time to come once the daemon answers",
    ...leaseWatch,
    from: "    await pause(limitMs, { clock, signal });\n",
    to: "",
  },
  {
    name: "lease watch: asks again all the time",
    ...leaseWatch,
    from: "for (let ms = FIRST_INQUIRY_MS;; ms = Math.min(ms * 2, LONGEST_INQUIRY_MS)) {",
    to: "for (let ms = FIRST_INQUIRY_MS;; ms = FIRST_INQUIRY_MS) {",
  },
  {
    name: "lease watch: tells of the silence again and again",
    ...leaseWatch,
    from: "      this.#reported = true;\n",
    to: "",
  },
  {
    name: "leases: no heartbeat is asked for",
    ...watchedLeases,
    from: "{ ...request, heartbeatMs: HEARTBEAT_MS }",
    to: "{ ...request }",
  },
  {
    name: "leases: an older daemon is refused",
    ...watchedLeases,
    from: 'if (!isUnknownField(error, "heartbeatMs")) throw error;',
    to: "throw error;",
  },
  {
    name: "leases: an older daemon gets no time for its wait",
    ...watchedLeases,
    from: "limitMs: quietMs + this.#silenceMs,",
    to: "limitMs: this.#silenceMs,",
  },
  {
    name: "leases: connects again as soon each time",
    ...watchedLeases,
    from: "this.#silenceMs = Math.min(this.#silenceMs * 2, LONGEST_SILENCE_MS);",
    to: "",
  },
  {
    name: "starvation: time in which the daemon had no processor counts",
    promise: FOUND,
    file: "core/client/daemon_address.ts",
    from: "return Math.max(0, Math.min(STARVED_MS, ms - before.ms));",
    to: "return 0;",
    tests: [`${client}/starvation_test.ts`],
  },
  {
    name: "consumer: runs again what it has done when it comes anew",
    ...inFlight,
    file: "core/client/consumer/in_flight.ts",
    from: "    this.#done.push(work.key);\n",
    to: "",
  },
  {
    name: "consumer: settles with the lease that it has lost",
    ...inFlight,
    file: "core/client/consumer/in_flight.ts",
    from: "      inHand.lease = delivery.lease;\n",
    to: "",
  },
  {
    name: "consumer: begins what the daemon has back",
    ...inFlight,
    file: "core/client/consumer/in_flight.ts",
    from:
      "      if (work.stale) {\n        this.#works.delete(work.key);\n        continue;\n      }\n",
    to: "",
  },
  {
    name: "consumer: begins two events of one id together",
    ...inFlight,
    file: "core/client/consumer/in_flight.ts",
    from: "      if (ids.has(id)) continue;\n",
    to: "",
  },
  {
    name: "consumer: takes a failure that was counted for one of the next attempt",
    ...inFlight,
    file: "core/client/consumer/work.ts",
    from: 'return work.verdict?.kind === "nack" && delivery.attempt > work.delivery.attempt;',
    to: 'return work.verdict?.kind === "nack" && delivery.attempt > work.delivery.attempt + 1;',
  },
  {
    name: "consumer: leases more than it may do",
    ...inFlight,
    file: "core/client/consumer/demand.ts",
    from: "permitted, max - started - waiting));",
    to: "permitted));",
  },
  {
    name: "consumer: leases ahead though it has a rate",
    ...inFlight,
    file: "core/client/consumer/demand.ts",
    from: "const ahead = limit ? 0 : prefetch",
    to: "const ahead = prefetch",
  },
  {
    name: "consumer: ends when the disk is full",
    promise: "8. A full disk is reported, and the daemon recovers",
    file: "core/client/consumer/disk_full_retry.ts",
    from: "if (!isFull(error)) return false;",
    to: "if (!isFull(error) || true) return false;",
    tests: consumer.tests,
    filter: "disk is full",
  },
  {
    name: "consumer: ends when the daemon's database is away",
    promise: "8. A full disk is reported, and the daemon recovers",
    file: "core/client/consumer/daemon_wait.ts",
    from: 'const what = isDatabaseAway(error) ? "database" :',
    to: 'const what = false ? "database" :',
    tests: consumer.tests,
    filter: "database is away",
  },
  {
    name: "consumer: ends when its node is drained",
    promise: "docs/scaling.md: evs consume waits until it, or its successor, delivers again",
    file: "core/client/consumer/daemon_wait.ts",
    from: 'isNodeDrained(error) ? "leave" : undefined;',
    to: "undefined;",
    tests: consumer.tests,
    filter: "drained node",
  },
  {
    name: "prefetch: leases ahead before it knows how long a handler takes",
    promise: ONCE,
    file: "core/client/consumer/prefetch.ts",
    from: "#meanMs = Infinity;",
    to: "#meanMs = 0;",
    tests: [`${client}/consumer/prefetch_test.ts`],
  },
  {
    name: "actor: takes parts that it does not have",
    ...actor,
    from:
      "    else throw wrong(`it has way, user, host, pid and command, not ${JSON.stringify(name)}`);\n",
    to: "",
  },
  {
    name: "actor: a client without the header is the command line",
    ...actor,
    from: 'const way = parts.get("way") ?? "http";',
    to: 'const way = parts.get("way") ?? "cli";',
  },
  {
    name: "actor: a name of any length is recorded",
    ...actor,
    from: "if (value.length <= LONGEST) return",
    to: "if (value.length <= 10 * LONGEST) return",
  },
  {
    name: "read_lease: every delivery has the terms of the first one",
    ...leased,
    file: "core/client/read_lease.ts",
    from: "if (isSame) return last!;",
    to: "if (last) return last;",
  },
  {
    name: "read_lease: places in the text are places in the bytes, whatever the characters",
    ...leased,
    file: "core/client/read_lease.ts",
    from: "text.length === bytes.length ? bytes : undefined",
    to: "bytes",
  },
  {
    name: "leased_event: the payload is what the first member of that name holds",
    ...leased,
    file: "core/client/leased_event.ts",
    from: 'if (head < 0 || text.indexOf("{", from + 1) !== metadata) return undefined;',
    to: "if (head < 0) return undefined;",
  },
  {
    name: "consumer: does not note that a mark is stored, so that every delivery gets its own",
    ...consumer,
    file: "core/client/consumer/consumer.ts",
    from: "        this.#begins.stored(this.#clock.monotonic());\n",
    to: "",
    filter: "marks the deliveries",
  },
];
