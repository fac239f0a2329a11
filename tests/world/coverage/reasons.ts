/**
 * Decisions that no world reaches, and why: none can, or none should, because something else shows
 * it. Somebody who changes such a place, or teaches a life something that gets there, changes the
 * list with it: a text that is not there any more, or that a seed has reached, is an error of
 * `deno task test:world --coverage`.
 */

/** Why a decision is not reached. */
export interface Reason {
  file: string;
  /** Occurs exactly once in the file; all lines that it spans are meant. */
  text: string;
  /** The same; then all lines from `text` to this are meant. */
  until?: string;
  why: string;
}

const NO_ROOM =
  "A commit that fails ends the daemon, except for want of room, and SQLite's files are real: no full disk of a world meets them. tests/core/delivery/committer_test.ts has such a commit.";
const EPHEMERAL = "No life has topics that store nothing: tests/core/broker_suite does.";
const MANY_TOPICS =
  "A checkpoint is for stores with more than a hundred topics, and such worlds take too long: tests/daemon/many_topics_test.ts has them.";
const TAKEN_AWAY =
  "Nobody takes this file away while a daemon writes to it: tests/e2e/taken_away_test.ts takes away those that hold events.";
const OWN_STORES =
  "Only a store that an application wrote itself is asked this way: tests/seed and tests/core/store/select_events_test.ts do.";
const PARTS =
  "A world has one node, whose subscriptions are not divided: tests/core/delivery/parts_model_test.ts has several nodes.";

/** See above. */
export const REASONS: readonly Reason[] = [
  {
    file: "core/broker/known_ends.ts",
    text:
      "return lostEnds(ends, (topic) => keepsNumbers(store, topic) ? store.head(topic) : undefined);",
    why: "No life has topics in memory, whose numbers start over with each start.",
  },
  {
    file: "core/data_dir/missing_files.ts",
    text: 'const what = MEANING[file] ?? "it is gone";',
    why: "Watermarks of this version name only files that have a meaning here.",
  },
  {
    file: "core/data_dir/watermarks.ts",
    text: "const writtenAt = Deno.lstatSync(path).mtime?.getTime() ?? 0;",
    why: "Every file system that worlds have knows when a file was changed.",
  },
  {
    file: "core/data_dir/watermarks.ts",
    text: "if (lastSeq <= (this.#ends.get(topic) ?? 0)) return;",
    why: "Commits come one by one, and the numbers of a topic only grow.",
  },
  {
    file: "core/delivery/plan.ts",
    text: "function unsettle(",
    why: NO_ROOM,
  },
  {
    file: "core/delivery/plan.ts",
    text: "return { ...lanes, result: undefined, dead: [], rollback: () => {} };",
    why: NO_ROOM,
  },
  {
    file: "core/delivery/plan.ts",
    text: "signal: signal && truncate(signal),",
    why:
      "Handlers of lives end by themselves or with their consumer: tests/commands/consumer has those that a signal ends.",
  },
  {
    file: "core/delivery/plan.ts",
    text: "stderr: stderr && truncateToEnd(stderr),",
    why:
      "Programs of lives print nothing when they fail: tests/commands/consumer has those that do.",
  },
  {
    file: "core/delivery/plan.ts",
    text: "if (before.length < ATTEMPTS_KEPT) return [...before, attempt];",
    why: "No life lets an event fail 256 times: tests/core/delivery/plan_test.ts does.",
  },
  {
    file: "core/delivery/missed_events.ts",
    text: "      const fresh = parts ? freshIn(lane, [first, last], parts) : open;",
    why: PARTS,
  },
  {
    file: "core/delivery/missed_events.ts",
    text: "  topics(): string[] {",
    until: "  forget(topic: string): void {",
    why: PARTS,
  },
  {
    file: "core/delivery/missed_events.ts",
    text: "function freshIn(",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "    return lanes.every(({ readNext }) => readNext === next) ? next : undefined;",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text:
      "      const events = parts ? page.events.filter((event) => isInParts(event, parts)) : page.events;",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "      if (this.lanes.count > 1) entry.part = this.#partIn(lane, event);",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "  #partIn({ parts }: PartLane, event: StoredEvent | WireEvent): number {",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "    if (this.#isFrozen(entry)) return this.ready.drop(entry);",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "    if (this.#isFrozen(entry)) this.ready.drop(entry);",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "    return this.lanes.frozen !== 0 && kind !==",
    why: PARTS,
  },
  {
    file: "core/delivery/plan.ts",
    text: "for (const [part, seqs] of settled.above(lane, isBehind ? 0 : next)) {",
    why: PARTS,
  },
  {
    file: "core/delivery/redeliver.ts",
    text:
      "    if (queue.lanes.count > 1) (moves.get(from)!.parts ??= []).push(queue.partOf(entry));",
    why: PARTS,
  },
  {
    file: "core/delivery/queue.ts",
    text: "const events = this.#redactedEvents?.without(topic, read, storedOf) ?? read;",
    why: "A broker tells every queue what was redacted; only tests make one by itself.",
  },
  {
    file: "core/delivery/queue.ts",
    text: "  feedEphemeral(event: StoredEvent, room: { events: number; bytes: number }): void {",
    why: EPHEMERAL,
  },
  {
    file: "core/delivery/queue.ts",
    text:
      "  leaseDirect(event: StoredEvent, now: Now, order: { token: string; consumer: string }): Lease {",
    why: EPHEMERAL,
  },
  {
    file: "core/delivery/queue.ts",
    text: 'if (lease.entry.kind === "ephemeral") return;',
    why: EPHEMERAL,
  },
  {
    file: "core/delivery/queue.ts",
    text: "if (ready.leases.size > 0 && ready.leasedBytes + entry.size > MAX_LEASED_BYTES) break;",
    until: "if (count > 0 && bytes + entry.size > order.maxBytes) break;",
    why: "A world with so many bytes takes too long: tests/core/delivery/leases_test.ts has them.",
  },
  {
    file: "core/delivery/redeliver.ts",
    text: "nextAttempt: (attempts.at(-1)?.attempt ?? 0) + 1,",
    why: "A dead letter has attempts; only an import that somebody wrote by hand has none.",
  },
  {
    file: "core/delivery/redeliver.ts",
    text: "    rollback() {\n      settled.undo((lane, seq)",
    why: NO_ROOM,
  },
  {
    file: "core/delivery/unanswered.ts",
    text: "    rollback() {\n      for (const { lease } of steps)",
    why: NO_ROOM,
  },
  {
    file: "core/delivery/unanswered.ts",
    text: "if (!consumer.startsWith(OWN_PROCESS)) continue;",
    why:
      "Only a broker in an application's own process has consumers of its own: tests/core/delivery/unanswered_test.ts has one.",
  },
  {
    file: "core/delivery/unanswered.ts",
    text: "if (this.#leases.size <= MOST_RETURNED) break;",
    why: "No life loses so many leases at once.",
  },
  {
    file: "core/store/append.ts",
    text: "if (keys.size > 1 && isOfOneKey) {",
    why:
      "Nobody in a life expects one number of several keys: tests/core/store/append_test.ts does.",
  },
  {
    file: "core/store/append.ts",
    text: "const number = view.keySeqOfKey?.(key) ?? 0;",
    why: "All stores of a daemon count the events of keys; an application's own may not.",
  },
  {
    file: "core/store/append.ts",
    text: '    case "any":\n      return true;',
    why: "Whoever expects anything is not asked what is there.",
  },
  {
    file: "core/store/append.ts",
    text: 'const text = typeof metadata === "string" ? metadata : metadata[i]!;',
    why:
      "No life publishes lines with metadata of their own in one request: tests/core/store/packed_lines_test.ts does.",
  },
  {
    file: "core/store/append.ts",
    text: "export function eventsToSave(event: Event): AppendRequest {",
    why: OWN_STORES,
  },
  {
    file: "core/store/append.ts",
    text: "export function selects(",
    why: OWN_STORES,
  },
  {
    file: "core/store/file/batch_record.ts",
    text: "if (this.isEmpty && this.#file?.hasName() === false) this.close(); // nothing was in it",
    why: TAKEN_AWAY,
  },
  {
    file: "core/store/file/batch_record.ts",
    text: "if (!file.hasName()) throw takenAway(`${this.#dir}/${BATCH_FILE}`);",
    why: TAKEN_AWAY,
  },
  {
    file: "core/store/file/batch_record.ts",
    text: "  scrub(): void {\n    if (this.#file?.hasName() === false) this.close();",
    why: TAKEN_AWAY,
  },
  {
    file: "core/store/file/batch_record.ts",
    text: "  clear(): void {\n    if (this.isEmpty) return;",
    why: "A store clears only what it has written; `discard` asks first.",
  },
  {
    file: "core/store/file/checkpoint.ts",
    text: "  static open(disk: Disk, dir: string): { checkpoint: Checkpoint; views: ViewTable } {",
    until: "    if (!this.#topics.has(topic)) return;",
    why: MANY_TOPICS,
  },
  {
    file: "core/store/file/checkpoint.ts",
    text: "  async strikeOff(topics: readonly string[]): Promise<void> {",
    until: "    this.#file?.close();",
    why: MANY_TOPICS,
  },
  {
    file: "core/store/file/checkpoint.ts",
    text: "function encode({ names, numbers }: PackedViews): Uint8Array {",
    until: "function hex(bytes: Uint8Array): string {",
    why: MANY_TOPICS,
  },
  {
    file: "core/store/file/open_topic.ts",
    text: '} else if (kind === "file" && segment?.suffix === REPLACING) {',
    why:
      "A start has completed the replacement before it lists the files; only `evs doctor` sees one, at a moment between.",
  },
  {
    file: "core/store/file/open_topic.ts",
    text: '} else if (kind !== "file" || !(segment || OWN_FILES.includes(name))) {',
    why:
      "Nobody in a life puts files of their own beside ours: tests/e2e/doctor_warnings_test.ts does.",
  },
  {
    file: "core/store/file/open_topic.ts",
    text: 'if (slot?.kind !== "newer") return;',
    why: "No life has files of a newer version: tests/core/store/file/open_store_test.ts does.",
  },
  {
    file: "core/store/file/redact_segment.ts",
    text: "if (found?.event.id !== id) return undefined;",
    why: "The number comes from the event of this id, and nobody changes a segment meanwhile.",
  },
  {
    file: "core/store/file/redact_segment.ts",
    text: 'return isThere("ndjson") && isThere(kind)',
    why:
      "Only `evs doctor` asks, and a start has completed the replacement before it can: tests/core/store/redact_test.ts interrupts it at every call.",
  },
  {
    file: "core/store/file/redact_segment.ts",
    text: 'if (bytes.length === 0) throw new Error("a segment is shorter than it was");',
    why: "Nobody shortens a segment while a daemon rewrites it.",
  },
  {
    file: "core/store/retention_rule.ts",
    text:
      "return whenReady(isLarge ? seekBytes(options.maxBytes) : head.firstSeq, (withinBytes) => {",
    why: "No life limits the bytes of a topic: tests/core/store/retention_rule_test.ts does.",
  },
  {
    file: "core/store/key_seqs.ts",
    text: "return Array.from(keys, (key) => key === undefined ? 0 : this.next(key));\n    }",
    why:
      "No life publishes lines of several keys in one request: tests/core/store/packed_lines_test.ts does.",
  },
  {
    file: "core/store/sqlite/salvage/carve.ts",
    text: "if (type === 7) return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);",
    why: "No table of ours holds fractions.",
  },
  {
    file: "core/store/sqlite/salvage/carve.ts",
    text: "if (i === 8) return { value: Number(value << 8n | BigInt(byte)), next: at + 9 };",
    why: "No row of ours holds a number of nine bytes.",
  },
  {
    file: "core/store/sqlite/salvage/wal_frames.ts",
    text: "found.push({ byte: word + (this.#little ? bit >> 3 : 3 - (bit >> 3)), bit: bit & 7 });",
    why:
      "SQLite writes its sums in the byte order of the machine, and all that worlds run on are little-endian.",
  },
  {
    file: "core/store/sqlite/salvage_database.ts",
    text: "if (++count % AT_ONCE === 0) {",
    why: "A world with ten thousand events takes too long.",
  },
  {
    file: "core/store/sqlite/salvage_database.ts",
    text: 'if (!database.isTransaction) throw asUnreadable(new Error("disk I/O error"), path);',
    why:
      "A read that fails because of the machine is no fault of the simulated disk: SQLite reads real files. tests/system/read_fault_test.ts has one.",
  },
];
