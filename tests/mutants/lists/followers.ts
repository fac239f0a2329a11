/** Sabotages of what followers are sent: of each commit, made once for all that get the same. */
import type { Mutant } from "../mutant.ts";

const READS = "docs/shell.md: replay and tail print the events that were asked for, in order";
const AT_LEAST_ONCE = "5. At least once";
const SLOW_READER = "15. A slow reader slows no one else";

const FORMS = "core/reading/commit_lines.ts";
const TAIL = "core/reading/tail.ts";
const SHARED = "tests/core/reading/shared_commits_test.ts";

const stream = {
  file: "core/broker/event_stream.ts",
  tests: ["tests/core/broker/event_stream_test.ts"],
};

export const followerMutants: Mutant[] = [
  {
    name: "tails: share bytes whatever their types",
    promise: READS,
    file: FORMS,
    from: "    types ? [...new Set(types)].sort() : null,\n",
    to: "    types ? 1 : null,\n",
    tests: [SHARED],
  },
  {
    name: "tails: share bytes whatever their filters",
    promise: READS,
    file: FORMS,
    from: "    filter ? filter.expression ?? numberOf(filter) : null,\n",
    to: "    filter ? 1 : null,\n",
    tests: [SHARED],
  },
  {
    name: "tails: take filters without an expression for the same",
    promise: READS,
    file: FORMS,
    from: "filter.expression ?? numberOf(filter)",
    to: "filter.expression ?? 0",
    tests: [SHARED],
    filter: "very same bytes",
  },
  {
    name: "tails: share bytes whatever their format",
    promise: READS,
    file: FORMS,
    from: "    render ? numberOf(render) : null,\n",
    to: "    render ? 1 : null,\n",
    tests: [SHARED],
  },
  {
    name: "tails: a packed commit is sent without a look at the filter",
    promise: READS,
    file: FORMS,
    from: "pages.push(keep ? keep(page.bytes) : page.bytes);",
    to: "pages.push(page.bytes);",
    tests: [SHARED],
    filter: "once and in order",
  },
  {
    name: "tail: is given more while its reader has no room",
    promise: SLOW_READER,
    file: TAIL,
    from: "!this.#reading && !this.#taking &&",
    to: "!this.#reading &&",
    tests: [SHARED],
    filter: "stores nothing",
  },
  {
    name: "tail: gives a commit and reads it again",
    promise: READS,
    file: TAIL,
    from: "      if (!commit.ephemeral) this.#positions.set(commit.topic, commit.lastSeq + 1);\n",
    to: "",
    tests: [SHARED],
    filter: "once and in order",
  },
  {
    name: "tail: forgets what came while its reader had no room",
    promise: AT_LEAST_ONCE,
    file: TAIL,
    from: "    if (!commit.ephemeral) this.#dirty.add(commit.topic);\n",
    to: "    if (!commit.ephemeral && !this.#taking) this.#dirty.add(commit.topic);\n",
    tests: [SHARED],
    filter: "once and in order",
  },
  {
    name: "tail: gives nothing, as if it were an event",
    promise: READS,
    file: TAIL,
    from: "      if (bytes.length > 0) this.#give(bytes);\n",
    to: "      this.#give(bytes);\n",
    tests: [SHARED],
    filter: "once and in order",
  },
  {
    name: "tail: waits for ever after a read that failed",
    promise: AT_LEAST_ONCE,
    file: TAIL,
    from: "    } catch (error) {\n      this.#fail(error);\n",
    to: "    } catch {\n",
    tests: [SHARED],
    filter: "cannot read",
  },
  {
    name: "stream: a call overtakes one that waits",
    promise: READS,
    ...stream,
    from: "this.#calls === 0 ? this.#takeHeld() : undefined",
    to: "this.#takeHeld()",
  },
  {
    name: "stream: gives what is not there after it was ended",
    promise: READS,
    ...stream,
    from: "    this.#at = 0;\n    this.#close();\n",
    to: "    this.#close();\n",
  },
  {
    name: "stream: skips the first events of a page",
    promise: READS,
    ...stream,
    from: "if (this.#at === this.#held.length) {\n      this.#held = [];",
    to: "if (this.#at > this.#held.length) {\n      this.#held = [];",
  },
  {
    name: "follower: a limit does not end it",
    promise: READS,
    file: "daemon/routes/follow.ts",
    from: "limited ? { ...options, stateless: false } : { ...options, take }",
    to: "{ ...options, take }",
    tests: ["tests/daemon/routes/followers_test.ts"],
    filter: "file",
  },
  {
    name: "reply: does not tell that there is room for more",
    promise: AT_LEAST_ONCE,
    file: "daemon/http/reply.ts",
    from: "    this.onRoom?.();\n",
    to: "",
    tests: ["tests/daemon/http/lines_reply_test.ts"],
    filter: "once for all",
  },
  {
    name: "connection: the last piece of a response does not end it",
    promise: AT_LEAST_ONCE,
    file: "daemon/http/connection.ts",
    from: "if (first?.waiting.length === 1 && !first.isOver) {",
    to: "if (first?.waiting.length === 1) {",
    tests: ["tests/daemon/http/joined_writes_test.ts"],
  },
  {
    name: "heartbeat: comes in between while its reader is slow",
    promise: SLOW_READER,
    file: "daemon/http/heartbeat.ts",
    from: "if (this.#waiting && !this.#options.isBusy?.()) void this.ifDue();",
    to: "if (this.#waiting) void this.ifDue();",
    tests: ["tests/daemon/http/heartbeat_test.ts"],
    filter: "in between",
  },
];
