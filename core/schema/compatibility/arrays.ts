/** Arrays: item counts, items by position, the items after them, and `contains`. */
import type { Break, Containment } from "./containment.ts";
import { below, isSame, keywordOf, numberOf, type SchemaPlace } from "./place.ts";
import { highest, itemOf, mostItems, prefixAt, restAt, type Writer } from "./writer.ts";

/** Where the reader's array keywords may refuse the writer's payloads. */
export function arrayBreaks(
  containment: Containment,
  writer: Writer,
  reader: SchemaPlace,
): Break[] {
  return [
    ...countBreaks(containment, writer, reader),
    ...itemBreaks(containment, writer, reader),
    ...containsBreaks(containment, writer, reader),
    ...unevaluatedBreaks(reader),
  ];
}

function countBreaks({ whose }: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const found: Break[] = [];
  const least = numberOf(reader, "minItems");
  if (least !== undefined && least > (highest(writer, "minItems") ?? 0)) {
    found.push({
      pointer: `${reader.pointer}/minItems`,
      message: `refuses fewer than ${least} items, and ${whose} payloads may have fewer`,
    });
  }
  const most = numberOf(reader, "maxItems");
  const known = mostItems(writer);
  if (most !== undefined && most < known) {
    found.push({
      pointer: `${reader.pointer}/maxItems`,
      message: `refuses more than ${most} items, and ${whose} payloads may have more`,
    });
  }
  const isUnique = known <= 1 ||
    writer.some((place) => keywordOf(place, "uniqueItems") === true);
  if (keywordOf(reader, "uniqueItems") === true && !isUnique) {
    found.push({
      pointer: `${reader.pointer}/uniqueItems`,
      message: `refuses the same item twice, and ${whose} payloads may have that`,
    });
  }
  return found;
}

function itemBreaks(containment: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const found: Break[] = [];
  const most = mostItems(writer);
  const prefix = prefixAt(reader);
  const longest = Math.max(prefix.length, ...writer.map((place) => prefixAt(place).length));
  // The index after the longest prefix stands for all later items.
  for (let index = 0; index <= longest && index < most; index++) {
    const part = prefix[index] ?? restAt(reader);
    if (part !== undefined) found.push(...containment.breaks(itemOf(writer, index), part));
  }
  return found;
}

function containsBreaks({ whose }: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const wanted = below(reader, "contains");
  if (wanted === undefined) return [];
  const isKept = writer.some((place) => {
    const known = below(place, "contains");
    return known !== undefined && isSame(known, wanted) &&
      (numberOf(place, "minContains") ?? 1) >= (numberOf(reader, "minContains") ?? 1) &&
      (numberOf(place, "maxContains") ?? Infinity) <= (numberOf(reader, "maxContains") ?? Infinity);
  });
  return isKept ? [] : [{
    pointer: wanted.pointer,
    message: `asks for certain items, which ${whose} payloads need not have`,
  }];
}

/** What other keywords evaluated is known only while a payload is checked. */
function unevaluatedBreaks(reader: SchemaPlace): Break[] {
  const rule = keywordOf(reader, "unevaluatedItems");
  if (rule === undefined || rule === true) return [];
  return [{
    pointer: `${reader.pointer}/unevaluatedItems`,
    message: "cannot be compared: taken as breaking",
  }];
}
