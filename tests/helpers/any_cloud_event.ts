/** CloudEvents of every kind, for properties. */
import fc from "../packages/fast_check.ts";
import { CORE_ATTRIBUTES } from "../../core/event/cloud_attributes.ts";
import type { CloudEvent } from "../../core/event/cloud_event.ts";
import { isName } from "../../core/event/name.ts";

/** Text that an attribute may have. */
function anyText(): fc.Arbitrary<string> {
  return fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 }).filter((text) =>
    !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(text)
  );
}

function anyTime(): fc.Arbitrary<string> {
  return fc.record({
    day: fc.date({ min: new Date("0001-01-01"), max: new Date("9998-12-31"), noInvalidDate: true }),
    fraction: fc.constantFrom("", ".5", ".123", ".123456789"),
    zone: fc.constantFrom("Z", "z", "+02:00", "-11:30"),
  }).map(({ day, fraction, zone }) => `${day.toISOString().slice(0, 19)}${fraction}${zone}`);
}

function anyExtensions(): fc.Arbitrary<Record<string, unknown>> {
  const reserved = [...CORE_ATTRIBUTES, "data"];
  return fc.dictionary(
    fc.oneof(
      fc.stringMatching(/^[a-z0-9]{1,20}$/),
      fc.constantFrom("traceparent", "correlationid", "causationid", "partitionkey", "constructor"),
      fc.constantFrom("evsmetadata", "schemaversion", "cloudevent"),
    ).filter((name) => !reserved.includes(name)),
    fc.oneof(anyText(), fc.constant(""), fc.boolean(), fc.integer()),
    { maxKeys: 5, noNullPrototype: true },
  );
}

function anyData(): fc.Arbitrary<Record<string, unknown>> {
  return fc.oneof(
    fc.constant({}),
    fc.record({ data: fc.jsonValue({ maxDepth: 3 }) }),
    fc.record({ data: fc.constantFrom("QUJD", null, "", 0, false) }),
    fc.record({ data_base64: fc.uint8Array().map((bytes) => bytes.toBase64()) }),
  );
}

/** A valid CloudEvent whose type is one of ours, too. */
export function anyCloudEvent(): fc.Arbitrary<CloudEvent> {
  const attributes = fc.record({
    specversion: fc.constant("1.0" as const),
    id: fc.oneof(fc.uuid(), anyText()),
    source: fc.oneof(fc.webUrl(), fc.constantFrom("/a", "urn:x:y", "//host/p?q#f", "a%20b")),
    type: anyText().filter(isName),
    subject: anyText(),
    time: anyTime(),
    datacontenttype: fc.constantFrom(
      "application/json",
      "text/plain; charset=utf-8",
      "application/octet-stream",
      'multipart/x; boundary="a b"',
    ),
    dataschema: fc.webUrl(),
  }, { requiredKeys: ["specversion", "id", "source", "type"] });
  return fc.tuple(attributes, anyExtensions(), anyData()).map(([first, extensions, data]) =>
    // JSON has no minus zero.
    JSON.parse(JSON.stringify({ ...first, ...extensions, ...data })) as CloudEvent
  );
}
