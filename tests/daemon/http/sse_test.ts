/** Contract row 15: a reader of very many topics receives not much more than their events. */
import assert from "node:assert/strict";
import { sseRender } from "../../../daemon/http/sse.ts";

const TOPICS = 500;
const event = (topic: string, seq: number) => ({
  seq,
  topic,
  id: `${topic}-${seq}`,
  type: "t",
  timestamp: 0,
  schemaVersion: "1.0",
  metadata: "{}",
  payload: new TextEncoder().encode("1"),
});
const name = (i: number) => `${"t".repeat(120)}${i}`;
const decoder = new TextDecoder();

Deno.test("sseRender of very many topics sends no more of ids than of events", () => {
  const render = sseRender(new Map());
  let [all, ids, longest] = [0, 0, 0];
  const send = (events: ReturnType<typeof event>[]) => {
    const text = decoder.decode(render(events));
    all += text.length;
    for (const [line] of text.matchAll(/^id: .*\n/gm)) {
      ids += line.length;
      longest = Math.max(longest, line.length);
    }
    return text;
  };
  // A topic a page, and a page of one topic.
  for (let i = 0; i < TOPICS; i++) send([event(name(i), 1)]);
  const page = Array.from({ length: 1000 }, (_, i) => event(name(0), i + 2));
  const text = send(page);
  assert.ok(longest > TOPICS * 100, `the longest id has ${longest} characters`);
  assert.ok(ids < 2 * (all - ids) + longest, `${ids} of ${all} characters are ids`);
  // The last id covers every topic, and the event that it came with.
  const last = text.split("\n\n").findLast((part) => part.startsWith("id: "))!;
  const { seq } = JSON.parse(/^data: (.*)$/m.exec(last)![1]!);
  const told = /^id: (.*)$/m.exec(last)![1]!.split(",");
  assert.equal(told.length, TOPICS);
  assert.equal(told[0], `${name(0)}:${seq}`);
});

Deno.test("sseRender of few topics tells with every event where each of them is", () => {
  const render = sseRender(new Map([["b", 7]]));
  const text = decoder.decode(render([event("a", 1), event("a", 2)]));
  assert.deepEqual([...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id), ["b:7,a:1", "b:7,a:2"]);
});
