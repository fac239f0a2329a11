/**
 * Numbers and strings: bounds, multiples, lengths, patterns and formats that the reader requires
 * and the writer does not guarantee.
 */
import type { Break, Containment } from "./containment.ts";
import { isMultipleOf, type Numeric } from "../../json/decimal.ts";
import { keywordOf, numberOf, numericAt, type SchemaPlace } from "./place.ts";
import { boundOf, boundsAt, highest, isTighter, isWhole, lowest, type Writer } from "./writer.ts";

/** Where the reader's number keywords may refuse the writer's payloads. */
export function numberBreaks(
  { whose }: Containment,
  writer: Writer,
  reader: SchemaPlace,
): Break[] {
  const found: Break[] = [];
  for (const side of [1, -1] as const) {
    const known = boundOf(writer, side);
    for (const bound of boundsAt(reader, side)) {
      if (known !== undefined && isTighter(known, bound, side)) continue;
      const beyond = `${bound.exclusive ? "" : side === 1 ? "below " : "above "}${bound.value}`;
      found.push({
        pointer: `${reader.pointer}/${bound.keyword}`,
        message: bound.exclusive
          ? `refuses ${bound.value} and ${
            side === 1 ? "less" : "more"
          }, and ${whose} payloads may have that`
          : `refuses numbers ${beyond}, and ${whose} payloads may have them`,
      });
    }
  }
  const step = numericAt(reader, "multipleOf");
  if (step !== undefined && !isMultiple(writer, step)) {
    found.push({
      pointer: `${reader.pointer}/multipleOf`,
      message: `allows only multiples of ${step}, and ${whose} payloads may have others`,
    });
  }
  return [...found, ...formatBreaks({ whose, writer, reader, numeric: true })];
}

/**
 * True if every number is a multiple of `step`: because it is whole, or a multiple of such a
 * multiple.
 */
function isMultiple(writer: Writer, step: Numeric): boolean {
  if (isWhole(writer) && isMultipleOf(1, step)) return true;
  return writer.some((place) => {
    const known = numericAt(place, "multipleOf");
    return known !== undefined && isMultipleOf(known, step);
  });
}

/** Where the reader's string keywords may refuse the writer's payloads. */
export function stringBreaks(
  { whose }: Containment,
  writer: Writer,
  reader: SchemaPlace,
): Break[] {
  const found: Break[] = [];
  const least = numberOf(reader, "minLength");
  if (least !== undefined && least > (highest(writer, "minLength") ?? 0)) {
    found.push({
      pointer: `${reader.pointer}/minLength`,
      message: `refuses strings shorter than ${least}, and ${whose} payloads may have them`,
    });
  }
  const most = numberOf(reader, "maxLength");
  if (most !== undefined && most < (lowest(writer, "maxLength") ?? Infinity)) {
    found.push({
      pointer: `${reader.pointer}/maxLength`,
      message: `refuses strings longer than ${most}, and ${whose} payloads may have them`,
    });
  }
  const pattern = keywordOf(reader, "pattern");
  if (pattern !== undefined && !writer.some((place) => keywordOf(place, "pattern") === pattern)) {
    found.push({
      pointer: `${reader.pointer}/pattern`,
      message: `asks for the pattern ${pattern}, which ${whose} payloads need not match`,
    });
  }
  return [...found, ...formatBreaks({ whose, writer, reader, numeric: false })];
}

/** Formats that apply to numbers (ajv-formats); all the others apply to strings. */
const NUMERIC = new Set(["int32", "int64", "float", "double"]);

function formatBreaks(
  about: { whose: string; writer: Writer; reader: SchemaPlace; numeric: boolean },
): Break[] {
  const { whose, writer, reader, numeric } = about;
  const format = keywordOf(reader, "format");
  if (typeof format !== "string" || NUMERIC.has(format) !== numeric) return [];
  if (writer.some((place) => keywordOf(place, "format") === format)) return [];
  return [{
    pointer: `${reader.pointer}/format`,
    message: `asks for the format ${format}, which ${whose} payloads need not have`,
  }];
}
