/**
 * The topics of a store. A topic that is known from the checkpoint gets no writer until somebody
 * changes it: with ten thousand topics, most are idle.
 */
import { assertTopicName } from "../../event/topic_options.ts";
import type { TopicHead } from "../store.ts";
import type { OpenedTopic } from "./open_topic.ts";
import { TopicWriter, type WriterContext } from "./topic_writer.ts";
import type { TopicView } from "./view.ts";
import type { PackedViews, ViewTable } from "./view_table.ts";

/** The topics of a file store. */
export class Topics {
  readonly #writers = new Map<string, TopicWriter>();
  readonly #unseen: ViewTable;

  /** `unseen`: topics known from the checkpoint only. */
  constructor(unseen: ViewTable) {
    this.#unseen = unseen;
  }

  /** Adds a topic that was opened. */
  add(context: WriterContext, opened: OpenedTopic): void {
    const writer = new TopicWriter(context, opened);
    this.#writers.set(opened.view.name, writer);
    writer.measure();
  }

  /**
   * The writer of a topic, created if needed. Throws `InvalidArgumentError` if `topic` is not a
   * valid topic name.
   */
  writerOf(context: WriterContext, topic: string): TopicWriter {
    const there = this.writerOfKnown(context, topic);
    if (there) return there;
    assertTopicName(topic);
    const view: TopicView = { name: topic, firstSeq: 1, lastSeq: 0, bytes: 0, segments: [] };
    const writer = new TopicWriter(context, { view, open: undefined, orphans: [] });
    this.#writers.set(topic, writer);
    return writer;
  }

  /** The writer of an existing topic. */
  writerOfKnown(context: WriterContext, topic: string): TopicWriter | undefined {
    const there = this.#writers.get(topic);
    if (there) return there;
    const view = this.#unseen.get(topic);
    if (!view) return undefined;
    const writer = TopicWriter.unseen(context, view);
    this.#writers.set(topic, writer);
    this.#unseen.delete(topic);
    return writer;
  }

  get(topic: string): TopicView | undefined {
    return this.#writers.get(topic)?.view ?? this.#unseen.get(topic);
  }

  head(topic: string): TopicHead {
    const { firstSeq, lastSeq, bytes } = this.#writers.get(topic)?.view ??
      this.#unseen.head(topic) ?? { firstSeq: 1, lastSeq: 0, bytes: 0 };
    return { firstSeq, lastSeq, bytes };
  }

  get size(): number {
    return this.#unseen.size + this.#writers.size;
  }

  /** The names of topics that have or had events. */
  used(): string[] {
    const used = this.#unseen.used();
    for (const [name, { view }] of this.#writers) if (view.lastSeq > 0) used.push(name);
    return used;
  }

  /** Everything that is known of all topics. */
  pack(): PackedViews {
    return this.#unseen.pack(Array.from(this.#writers.values(), ({ view }) => view));
  }
}
