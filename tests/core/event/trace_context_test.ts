/** What is a W3C trace context and what is not, and how it gets into an event's metadata. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  addTrace,
  childOf,
  formatTraceparent,
  parseTraceparent,
  parseTracestate,
  traceContextOf,
  withTrace,
} from "../../../core/event/trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const PARENT = `00-${TRACE}-${SPAN}-01`;

/** Hexadecimal digits that are not all zeros. */
const hex = (length: number) =>
  fc.array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join("")).filter((text) => !/^0+$/.test(text));
const parent = fc.record({ traceId: hex(32), spanId: hex(16), flags: fc.nat({ max: 255 }) }, {
  noNullPrototype: true,
});

Deno.test("parseTraceparent reads what formatTraceparent writes", () => {
  fc.assert(fc.property(parent, (given) => {
    const text = formatTraceparent(given);
    assert.equal(text.length, 55);
    assert.deepEqual(parseTraceparent(text), given);
  }));
});

Deno.test("parseTraceparent reads a later version as the first, with what it knows of it", () => {
  const rest = fc.oneof(fc.constant(""), fc.string().map((text) => `-${text}`));
  fc.assert(fc.property(fc.integer({ min: 1, max: 254 }), parent, rest, (version, given, more) => {
    const text = formatTraceparent(given).slice(2) + more;
    const read = parseTraceparent(version.toString(16).padStart(2, "0") + text);
    assert.deepEqual(read, { ...given, flags: given.flags & 1 });
  }));
});

Deno.test("parseTraceparent refuses any text with one character changed, added or removed, if it is no other", () => {
  const edit = fc.record({
    at: fc.nat({ max: 54 }),
    put: fc.string({ unit: "binary-ascii", maxLength: 2 }),
  });
  fc.assert(fc.property(parent, edit, (given, { at, put }) => {
    const text = formatTraceparent(given);
    const edited = text.slice(0, at) + put + text.slice(at + 1);
    const read = parseTraceparent(edited);
    if (read === undefined) return;
    // Whatever is read can be read again, and says the same.
    assert.deepEqual(parseTraceparent(formatTraceparent(read)), read);
    assert.match(edited, /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/);
    assert.ok(edited.length === 55 || !edited.startsWith("00"), edited);
  }));
});

Deno.test("parseTraceparent refuses what the specification calls invalid", () => {
  const zeros = (n: number) => "0".repeat(n);
  for (
    const text of [
      "",
      "00",
      `ff-${TRACE}-${SPAN}-01`,
      `00-${zeros(32)}-${SPAN}-01`,
      `00-${TRACE}-${zeros(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN.toUpperCase()}-01`,
      `00-${TRACE}-${SPAN}-1`,
      `00-${TRACE}-${SPAN}-0A`,
      `${PARENT}-`,
      `${PARENT}-more`,
      `cc-${TRACE}-${SPAN}-01.more`,
      `0x-${TRACE}-${SPAN}-01`,
      ` ${PARENT}`,
      `${PARENT} `,
      `${PARENT}, ${PARENT}`,
      `00_${TRACE}_${SPAN}_01`,
    ]
  ) assert.equal(parseTraceparent(text), undefined, text);
  assert.deepEqual(parseTraceparent(`cc-${TRACE}-${SPAN}-03-what-the-future-will-be-like`), {
    traceId: TRACE,
    spanId: SPAN,
    flags: 1,
  });
});

Deno.test("childOf keeps the trace and the flags that are defined", () => {
  fc.assert(fc.property(parent, hex(16), (given, spanId) => {
    assert.deepEqual(parseTraceparent(childOf(given, spanId)), {
      traceId: given.traceId,
      spanId,
      flags: given.flags & 3,
    });
  }));
});

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_*/@-]{0,20}$/);
const value = fc.stringMatching(/^[ -+\--<>-~]{0,20}[!-+\--<>-~]$/);

Deno.test("parseTracestate keeps members, their order and their values, of one name the first", () => {
  const member = fc.tuple(name, value);
  const blank = fc.constantFrom("", " ", "\t", " \t ");
  fc.assert(fc.property(fc.array(fc.tuple(blank, member, blank), { maxLength: 8 }), (all) => {
    const text = all.map(([before, [name, value], after]) => `${before}${name}=${value}${after}`);
    const first = new Map<string, string>();
    for (const [, [name, value]] of all) if (!first.has(name)) first.set(name, value);
    const expected = Array.from(first, (pair) => pair.join("=").trimStart()).join(",");
    const read = parseTracestate(["", ...text, " "].join(","));
    assert.equal(read, expected || undefined);
    if (read !== undefined) assert.equal(parseTracestate(read), read);
  }));
});

Deno.test("parseTracestate passes on at most 512 characters: without long members, then without the last", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 256 }), { maxLength: 32 }), (sizes) => {
    const members = sizes.map((size, i) => `k${i}=${"v".repeat(size)}`);
    const kept = parseTracestate(members.join(",")) ?? "";
    assert.ok(kept.length <= 512);
    const left = kept === "" ? [] : kept.split(",");
    assert.deepEqual(left, members.filter((member) => left.includes(member)), "in their order");
    const lost = members.filter((member) => !left.includes(member));
    if (lost.some((member) => member.length <= 128)) {
      assert.ok(left.every((member) => member.length <= 128), "long ones go first");
    }
    if (members.join(",").length <= 512) assert.deepEqual(lost, []);
  }));
});

Deno.test("parseTracestate refuses the whole list for one member that is wrong, or too many", () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `k${i}=1`).join(",");
  assert.equal(parseTracestate(many(32)), many(32));
  for (
    const text of [
      many(33),
      "a",
      "a=",
      "=1",
      "a=1,b",
      "A=1",
      "a b=1",
      "a=1=2",
      "a=\u00e9",
      `a=${"x".repeat(257)}`,
      `${"a".repeat(257)}=1`,
    ]
  ) assert.equal(parseTracestate(text), undefined, text);
  for (const text of ["", " ", ",", " ,\t,"]) assert.equal(parseTracestate(text), undefined);
});

Deno.test("traceContextOf is nothing without a valid traceparent, and keeps it without a tracestate", () => {
  const tracestate = "vendor=1";
  assert.deepEqual(traceContextOf({ traceparent: PARENT, tracestate }), {
    traceparent: PARENT,
    tracestate,
  });
  assert.deepEqual(traceContextOf({ traceparent: PARENT, tracestate: "?" }), {
    traceparent: PARENT,
  });
  assert.deepEqual(traceContextOf({ traceparent: PARENT, tracestate: 7 }), { traceparent: PARENT });
  for (const traceparent of [undefined, "", "x", 7, null, { PARENT }]) {
    assert.equal(traceContextOf({ traceparent, tracestate }), undefined);
  }
});

Deno.test("withTrace adds to any metadata, changes no byte of it, and does nothing if it has one", () => {
  const names = fc.oneof(fc.string(), fc.constantFrom("traceparent", "tracestate", "a}b"));
  const metadata = fc.dictionary(names, fc.jsonValue(), { maxKeys: 4, noNullPrototype: true });
  const trace = { traceparent: PARENT, tracestate: "vendor=1" };
  const spaces = fc.constantFrom("", " ", "\n");
  fc.assert(fc.property(metadata, spaces, (given, space) => {
    const text = JSON.stringify(given, undefined, space);
    const added = withTrace(text, trace);
    assert.deepEqual(
      JSON.parse(added),
      Object.hasOwn(given, "traceparent") ? JSON.parse(text) : { ...trace, ...JSON.parse(text) },
    );
    const same = JSON.parse(JSON.stringify(addTrace(given, trace)));
    assert.deepEqual(same, JSON.parse(added));
    if (Object.keys(given).length > 0) assert.ok(added.startsWith(text.replace(/\s*}$/, "")));
  }));
  const exact = '{"redacted":{"at":1.0},"n":12345678901234567890}';
  const added = withTrace(exact, { traceparent: PARENT });
  assert.equal(added, `${exact.slice(0, -1)},"traceparent":"${PARENT}"}`);
});
