/**
 * What the reading thread is told of a topic: only what is new to it, and with that it knows the
 * same as the thread that writes.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import {
  emptySegment,
  type SegmentInfo,
  ToldViews,
  type TopicView,
  viewOfTold,
} from "../../../../core/store/file/view.ts";

/** What may happen to the segments of a topic: each makes other objects of what it changes. */
const CHANGES: Record<string, (segments: SegmentInfo[], place: number) => SegmentInfo[]> = {
  append: (segments) => changed(segments, segments.length - 1),
  begin: (segments) => [...segments, emptySegment((segments.at(-1)?.firstSeq ?? 0) + 10)],
  replace: (segments, place) => changed(segments, place % Math.max(1, segments.length)),
  "remove the oldest": (segments) => segments.slice(1),
  "remove all": () => [],
  "open again": (segments) => segments.map((segment) => ({ ...segment })),
  nothing: (segments) => segments,
};

function changed(segments: SegmentInfo[], place: number): SegmentInfo[] {
  const segment = segments[place];
  return segment ? segments.with(place, { ...segment, size: segment.size + 1 }) : segments;
}

function viewOf(name: string, segments: SegmentInfo[]): TopicView {
  return { name, firstSeq: 1, lastSeq: segments.length, bytes: 0, segments };
}

Deno.test("ToldViews tells the reading thread all of a topic when its segments change in any way", () => {
  const step = fc.record({
    topic: fc.constantFrom("a", "b"),
    how: fc.constantFrom(...Object.keys(CHANGES)),
    place: fc.nat(5),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const told = new ToldViews();
    const written = new Map<string, SegmentInfo[]>();
    const known = new Map<string, TopicView>();
    for (const { topic, how, place } of steps) {
      const segments = CHANGES[how]!(written.get(topic) ?? [], place);
      written.set(topic, segments);
      const sent = structuredClone(told.tell({ view: viewOf(topic, segments), blocks: [] }));
      known.set(topic, viewOfTold(sent, known.get(topic)));
      for (const [name, segments] of written) {
        assert.deepEqual(known.get(name), viewOf(name, segments));
      }
    }
  }));
});

Deno.test("ToldViews tells of one segment when an append has changed the last of many", () => {
  const told = new ToldViews();
  const segments = Array.from({ length: 400 }, (_, i) => emptySegment(i * 10 + 1));
  assert.equal(told.tell({ view: viewOf("t", segments), blocks: [] }).view.segments.length, 400);
  const sent = told.tell({ view: viewOf("t", changed(segments, 399)), blocks: [] });
  assert.equal(sent.same, 399);
  assert.deepEqual(sent.view.segments.map(({ size }) => size), [1]);
});
