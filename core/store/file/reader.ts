/**
 * Reads of the file store, a page at a time; no state is kept between pages. Every block is checked
 * against its checksum before any of its bytes are returned. A block that fails is left out and
 * reported to the {@link DamageLog}. An unfiltered page of lines is the unchanged bytes of the
 * segment.
 */
import type { StoredEvent } from "../../event/event.ts";
import { timeOfId } from "../../event/id.ts";
import { sizeOf } from "../append.ts";
import { concat } from "../../base/bytes.ts";
import {
  type EventQuery,
  type LinePage,
  type Page,
  PAGE_BYTES,
  type PageQuery,
  type TopicHead,
} from "../store.ts";
import type { SyncEventReader } from "../reader.ts";
import { selectEvents } from "../select_events.ts";
import type { IndexBlock } from "./block.ts";
import type { DamageLog } from "./damage_log.ts";
import {
  eachLine,
  eventOfSlot,
  idMatcher,
  keyedLines,
  offsetOfLine,
  typeMatcher,
} from "./lines.ts";
import { vouchesFor } from "./recovery.ts";
import type { SegmentCache } from "./segment_cache.ts";
import { indexOfSeq, type SegmentInfo, type TopicView } from "./view.ts";

const EMPTY = new Uint8Array(0);

/** Whole lines whose checksums were verified. */
interface Piece {
  firstSeq: number;
  count: number;
  bytes: Uint8Array;
}

/** What is known of topics without reading their events. */
export interface KnownTopics {
  get(name: string): TopicView | undefined;
  head(name: string): TopicHead | undefined;
  /** The names of topics that have or had events. */
  used(): string[];
}

/** The read half of the file store. */
export class FileReader implements SyncEventReader {
  readonly #cache: SegmentCache;
  readonly #topics: KnownTopics;
  readonly #damage: DamageLog;
  #last: { segment: SegmentInfo; block: IndexBlock; bytes: Uint8Array } | undefined;

  constructor(
    cache: SegmentCache,
    options: {
      topics: KnownTopics;
      damage: DamageLog;
    },
  ) {
    this.#cache = cache;
    this.#topics = options.topics;
    this.#damage = options.damage;
  }

  head(topic: string): TopicHead {
    return this.#topics.head(topic) ?? { firstSeq: 1, lastSeq: 0, bytes: 0 };
  }

  topics(): string[] {
    return this.#topics.used();
  }

  keepsLines(): boolean {
    return true;
  }

  readLines(topic: string, query: PageQuery): LinePage {
    const { pieces, next } = this.#pieces(topic, query);
    const matches = query.types ? typeMatcher(query.types) : undefined;
    const parts: Uint8Array[] = [];
    let count = 0;
    let lastSeq = 0;
    for (const piece of pieces) {
      if (!matches) {
        parts.push(piece.bytes);
        count += piece.count;
        lastSeq = piece.firstSeq + piece.count - 1;
        continue;
      }
      let seq = piece.firstSeq;
      eachLine(piece.bytes, (start, end) => {
        if (matches(piece.bytes, start)) {
          parts.push(piece.bytes.subarray(start, end + 1));
          count++;
          lastSeq = seq;
        }
        seq++;
      });
    }
    return { bytes: parts.length === 0 ? EMPTY : concat(parts), count, lastSeq, next };
  }

  readPage(topic: string, query: PageQuery): Page {
    const { pieces, next } = this.#pieces(topic, query);
    const matches = query.types ? typeMatcher(query.types) : undefined;
    const events: StoredEvent[] = [];
    const eachWanted = query.key === undefined ? eachLine : keyedLines(query.key);
    for (const { bytes } of pieces) {
      eachWanted(bytes, (start, end) => {
        if (matches && !matches(bytes, start)) return;
        events.push(eventOfSlot(bytes.subarray(start, end)));
      });
    }
    return { events, next };
  }

  find(topic: string, id: string): StoredEvent | undefined {
    const view = this.#topics.get(topic);
    if (!view) return undefined;
    const time = timeOfId(id);
    const isIt = idMatcher(id);
    for (const segment of view.segments.toReversed()) {
      for (const block of this.#cache.blocks(topic, segment).toReversed()) {
        const mayHave = block.given ||
          (time !== undefined && block.minIdTime <= time && time <= block.maxIdTime);
        if (!mayHave) continue;
        const bytes = this.#verified(topic, segment, block);
        let found: Uint8Array | undefined;
        eachLine(bytes ?? EMPTY, (start, end) => {
          const line = bytes!.subarray(start, end);
          if (isIt(line)) found = line;
        });
        const event = found && eventOfSlot(found);
        if (event && event.seq >= view.firstSeq) return event;
      }
    }
    return undefined;
  }

  /**
   * The lowest seq that may have been stored at or after `since`; `lastSeq + 1` if there is none.
   */
  seekStored(topic: string, since: number): number {
    const view = this.#topics.get(topic);
    if (!view) return 1;
    for (const segment of view.segments) {
      if (segment.storedAt < since) continue;
      const block = this.#cache.blocks(topic, segment).find(({ storedAt }) => storedAt >= since);
      if (block) return Math.max(view.firstSeq, block.firstSeq);
    }
    return view.lastSeq + 1;
  }

  seekTime(topic: string, timestamp: number, latest = Infinity): number {
    const view = this.#topics.get(topic);
    if (!view) return 1;
    for (const segment of view.segments) {
      if (segment.maxTimestamp < timestamp) continue;
      for (const block of this.#cache.blocks(topic, segment)) {
        if (block.maxTimestamp < timestamp) continue;
        const found = this.#events(topic, segment, block)
          .find((event) =>
            event.timestamp >= timestamp && event.timestamp <= latest && event.seq >= view.firstSeq
          );
        if (found) return found.seq;
      }
    }
    return view.lastSeq + 1;
  }

  seekBytes(topic: string, maxBytes: number): number {
    const view = this.#topics.get(topic);
    if (!view || view.bytes <= maxBytes) return view?.firstSeq ?? 1;
    let left = maxBytes;
    for (const segment of view.segments.toReversed()) {
      if (segment.size <= left) {
        left -= segment.size;
        continue;
      }
      for (const block of this.#cache.blocks(topic, segment).toReversed()) {
        if (block.size <= left) {
          left -= block.size;
          continue;
        }
        for (const event of this.#events(topic, segment, block).reverse()) {
          left -= sizeOf(event);
          if (left < 0) return event.seq + 1;
        }
        return Math.max(view.firstSeq, block.firstSeq);
      }
    }
    return view.firstSeq;
  }

  /** The query of a three-method store: by time and type. */
  getEvents(topic: string, query: EventQuery): StoredEvent[] {
    return selectEvents(this, topic, query);
  }

  /** Bytes of payloads and metadata of the events from `seq` on. */
  bytesFrom(view: TopicView, seq: number): number {
    let bytes = 0;
    for (const segment of view.segments) {
      if (segment.lastSeq < seq) continue;
      if (segment.firstSeq >= seq) {
        bytes += segment.size;
        continue;
      }
      for (const block of this.#cache.blocks(view.name, segment)) {
        if (block.firstSeq >= seq) bytes += block.size;
        else if (block.firstSeq + block.count > seq) {
          for (const event of this.#events(view.name, segment, block)) {
            if (event.seq >= seq) bytes += sizeOf(event);
          }
        }
      }
    }
    return bytes;
  }

  /** The events of a block of a topic, oldest first; none if it is damaged. */
  blockEvents(topic: string, segment: SegmentInfo, block: IndexBlock): StoredEvent[] {
    return this.#events(topic, segment, block);
  }

  /** The lines of a block of a topic; undefined if it is damaged. */
  blockBytes(topic: string, segment: SegmentInfo, block: IndexBlock): Uint8Array | undefined {
    return this.#verified(topic, segment, block);
  }

  /** The segment's blocks. */
  blocks(topic: string, segment: SegmentInfo): readonly IndexBlock[] {
    return this.#cache.blocks(topic, segment);
  }

  #events(topic: string, segment: SegmentInfo, block: IndexBlock): StoredEvent[] {
    const bytes = this.#verified(topic, segment, block);
    const events: StoredEvent[] = [];
    if (bytes) {
      eachLine(bytes, (start, end) => void events.push(eventOfSlot(bytes.subarray(start, end))));
    }
    return events;
  }

  #verified(topic: string, segment: SegmentInfo, block: IndexBlock): Uint8Array | undefined {
    const last = this.#last;
    if (last?.segment.firstSeq === segment.firstSeq && last.block === block) return last.bytes;
    const bytes = this.#cache.read(topic, segment.firstSeq, [block.start, block.end]);
    if (!this.#check(topic, segment, { block, bytes })) return undefined;
    this.#last = { segment, block, bytes };
    return bytes;
  }

  #check(
    topic: string,
    segment: SegmentInfo,
    { block, bytes }: { block: IndexBlock; bytes: Uint8Array },
  ): boolean {
    if (vouchesFor(block, bytes)) return true;
    this.#damage.add(topic, this.#cache.path(topic, segment.firstSeq), block);
    return false;
  }

  /** The lines of one page, in pieces: they are split at segment boundaries and damaged blocks. */
  #pieces(topic: string, query: PageQuery): { pieces: Piece[]; next: number } {
    const view = this.#topics.get(topic);
    const first = Math.max(query.from, view?.firstSeq ?? 1);
    const last = Math.min(query.to, view?.lastSeq ?? 0);
    if (!view || first > last) return { pieces: [], next: query.to + 1 };
    const to = Math.min(last, first + query.limit - 1);
    const pieces: Piece[] = [];
    let left = PAGE_BYTES;
    let from = first;
    while (from <= to && left > 0) {
      const at = indexOfSeq(view.segments, from);
      const segment = view.segments[at];
      const run = segment ? this.#run(topic, segment, { from, to, maxBytes: left }) : [];
      const tail = run.at(-1);
      if (segment && tail) {
        const bytes = tail.end - run[0]!.start;
        if (bytes > left && from > first) break;
        pieces.push(...this.#cut(topic, segment, { run, from, to }));
        left -= bytes;
        from = tail.firstSeq + tail.count;
      } else {
        // No segment has these seqs any more.
        from = view.segments[at + 1]?.firstSeq ?? last + 1;
      }
    }
    from = Math.min(from, to + 1);
    return { pieces, next: from > last ? query.to + 1 : from };
  }

  /** The blocks of a segment with these events, up to `maxBytes`, but at least one. */
  #run(
    topic: string,
    segment: SegmentInfo,
    { from, to, maxBytes }: { from: number; to: number; maxBytes: number },
  ): IndexBlock[] {
    const blocks = this.#cache.blocks(topic, segment);
    const begin = Math.max(0, indexOfSeq(blocks, from));
    const first = blocks[begin];
    if (!first || (begin === blocks.length - 1 && first.firstSeq + first.count <= from)) return [];
    let end = begin + 1;
    while (
      end < blocks.length && blocks[end]!.firstSeq <= to &&
      blocks[end]!.end - first.start <= maxBytes
    ) end++;
    return blocks.slice(begin, end);
  }

  #cut(
    topic: string,
    segment: SegmentInfo,
    { run, from, to }: { run: IndexBlock[]; from: number; to: number },
  ): Piece[] {
    const one = run.length === 1 ? this.#verified(topic, segment, run[0]!) : undefined;
    if (run.length === 1 && !one) return [];
    const start = run[0]!.start;
    const all = one ??
      this.#cache.read(topic, segment.firstSeq, [start, run[run.length - 1]!.end]);
    const bytesOf = (block: IndexBlock) => all.subarray(block.start - start, block.end - start);
    const pieces: Piece[] = [];
    let whole: IndexBlock[] = [];
    const flush = () => {
      const [first, last] = [whole[0], whole.at(-1)];
      whole = [];
      if (!first || !last) return;
      const begin = beginIn(first, bytesOf(first), from);
      const end = endIn(last, bytesOf(last), to);
      if (begin.seq > end.seq) return;
      const bytes = all.subarray(first.start - start + begin.at, last.start - start + end.at);
      pieces.push({ firstSeq: begin.seq, count: end.seq - begin.seq + 1, bytes });
    };
    for (const block of run) {
      const bytes = bytesOf(block);
      if (one || this.#check(topic, segment, { block, bytes })) whole.push(block);
      else flush();
    }
    flush();
    return pieces;
  }
}

/**
 * Where seq `from` begins in a block that contains it or begins after it. Only the block at the
 * edge of a page is searched line by line.
 */
function beginIn(block: IndexBlock, bytes: Uint8Array, from: number): { seq: number; at: number } {
  if (from <= block.firstSeq) return { seq: block.firstSeq, at: 0 };
  return { seq: from, at: offsetOfLine(bytes, from - block.firstSeq) };
}

/** Where seq `to` ends in a block that begins at or before it. */
function endIn(block: IndexBlock, bytes: Uint8Array, to: number): { seq: number; at: number } {
  const lastSeq = block.firstSeq + block.count - 1;
  if (to >= lastSeq) return { seq: lastSeq, at: bytes.length };
  return { seq: to, at: offsetOfLine(bytes, to - block.firstSeq + 1) };
}
