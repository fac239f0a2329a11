/** Objects: properties, required names, other names, counts and dependencies. */
import type { Break, Containment } from "./containment.ts";
import {
  below,
  conjuncts,
  isObject,
  keywordOf,
  mapBelow,
  numberOf,
  type SchemaPlace,
} from "./place.ts";
import {
  additionalAt,
  assumption,
  companionsAt,
  hasApplicators,
  highest,
  listedNames,
  listedPatterns,
  lowest,
  possibleNames,
  propertyAt,
  propertyOf,
  requiredOf,
  type Writer,
} from "./writer.ts";

/** Where the reader's object keywords may refuse the writer's payloads. */
export function objectBreaks(
  containment: Containment,
  writer: Writer,
  reader: SchemaPlace,
): Break[] {
  return [
    ...requiredBreaks(containment, writer, reader),
    ...countBreaks(containment, writer, reader),
    ...propertyBreaks(containment, writer, reader),
    ...otherBreaks(containment, writer, reader),
    ...nameBreaks(containment, writer, reader),
    ...dependencyBreaks(containment, writer, reader),
    ...unevaluatedBreaks(reader),
  ];
}

function requiredBreaks({ whose }: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const names = keywordOf(reader, "required");
  if (!Array.isArray(names)) return [];
  const always = requiredOf(writer);
  return (names as string[]).flatMap((name, index) =>
    always.has(name) ? [] : [{
      pointer: `${reader.pointer}/required/${index}`,
      message: `requires ${name}, which ${whose} payloads may leave out`,
    }]
  );
}

function countBreaks({ whose }: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const found: Break[] = [];
  const least = numberOf(reader, "minProperties");
  if (
    least !== undefined &&
    least > Math.max(highest(writer, "minProperties") ?? 0, requiredOf(writer).size)
  ) {
    found.push({
      pointer: `${reader.pointer}/minProperties`,
      message: `asks for ${least} properties, and ${whose} payloads may have fewer`,
    });
  }
  const most = numberOf(reader, "maxProperties");
  const possible = possibleNames(writer)?.length ?? Infinity;
  if (
    most !== undefined && most < Math.min(lowest(writer, "maxProperties") ?? Infinity, possible)
  ) {
    found.push({
      pointer: `${reader.pointer}/maxProperties`,
      message: `allows ${most} properties, and ${whose} payloads may have more`,
    });
  }
  return found;
}

/** Checks every name that either of the two lists. */
function propertyBreaks(containment: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const names = new Set([...mapBelow(reader, "properties").keys(), ...listedNames(writer)]);
  return [...names].flatMap((name) => {
    const known = propertyOf(writer, name);
    return propertyAt(reader, name).flatMap((part) => {
      if (part.schema === false && !containment.isEmpty(known)) {
        return [{
          pointer: part.pointer,
          message: `refuses ${name}, which ${containment.whose} payloads may have`,
        }];
      }
      const breaks = containment.breaks(known, part);
      if (breaks.length === 0 || known.length > 0) return breaks;
      return [{
        pointer: part.pointer,
        message: `restricts ${name}, which may be anything in ${containment.whose} payloads: ` +
          "their schema neither lists it nor refuses other properties",
      }];
    });
  });
}

/**
 * Checks names that neither lists: those matching a pattern and those matching none. A name that
 * matches one of the writer's patterns may match any of the reader's, unless both patterns have the
 * same text.
 */
function otherBreaks(containment: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const patterns = listedPatterns(writer);
  const classes: { pattern?: string; known: Writer }[] = [
    { known: writer.flatMap((place) => additionalAt(place) ?? []).flatMap(conjuncts) },
    ...[...patterns].map((pattern) => ({ pattern, known: matching(writer, pattern) })),
  ];
  const wanted = mapBelow(reader, "patternProperties");
  const additional = additionalAt(reader);
  const found: Break[] = [];
  for (const { pattern, known } of classes) {
    for (const [name, part] of wanted) {
      // A name that matches this pattern fits what the writer requires for it; one that matches no
      // pattern does not match it either.
      if (patterns.has(name) && name !== pattern) continue;
      found.push(...containment.breaks(known, part));
    }
    if (additional !== undefined && (pattern === undefined || !wanted.has(pattern))) {
      found.push(...containment.breaks(known, additional));
    }
  }
  return found;
}

function matching(writer: Writer, pattern: string): Writer {
  return writer.flatMap((place) => below(place, "patternProperties", pattern) ?? [])
    .flatMap(conjuncts);
}

function nameBreaks(containment: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const rule = below(reader, "propertyNames");
  if (rule === undefined) return [];
  const names = possibleNames(writer);
  if (names !== undefined) {
    const refused = names.filter((name) => !rule.document.accepts(rule.pointer, name));
    return refused.length === 0 ? [] : [{
      pointer: rule.pointer,
      message: `refuses the names ${
        refused.join(", ")
      }, which ${containment.whose} payloads may have`,
    }];
  }
  const known = writer.flatMap((place) => below(place, "propertyNames") ?? []).flatMap(conjuncts);
  return containment.breaks([...known, assumption({ type: "string" })], rule);
}

/** `dependentRequired`, `dependentSchemas` and draft-07's `dependencies`, which may be either. */
function dependencyBreaks(containment: Containment, writer: Writer, reader: SchemaPlace): Break[] {
  const found: Break[] = [];
  const always = requiredOf(writer);
  const isNeverThere = (name: string) => containment.isEmpty(propertyOf(writer, name));
  for (const keyword of ["dependentRequired", "dependentSchemas", "dependencies"]) {
    const map = keywordOf(reader, keyword);
    for (const [name, value] of Object.entries(isObject(map) ? map : {})) {
      if (isNeverThere(name)) continue;
      if (Array.isArray(value)) {
        const companions = new Set(writer.flatMap((place) => companionsAt(place, name)));
        const missing = (value as string[]).filter((other) =>
          !always.has(other) && !companions.has(other)
        );
        if (missing.length === 0) continue;
        found.push({
          pointer: `${reader.pointer}/${keyword}/${name}`,
          message: `requires ${missing.join(", ")} beside ${name}, which ${containment.whose} ` +
            "payloads may leave out",
        });
        continue;
      }
      const known = writer.flatMap((place) => below(place, keyword, name) ?? []).flatMap(conjuncts);
      const part = below(reader, keyword, name);
      if (part === undefined) continue;
      const withName = [...writer, ...known, assumption({ required: [name] })];
      found.push(...containment.breaks(withName, part));
    }
  }
  return found;
}

/** What other keywords evaluated is known only while a payload is checked. */
function unevaluatedBreaks(reader: SchemaPlace): Break[] {
  if (keywordOf(reader, "unevaluatedProperties") === undefined) return [];
  if (below(reader, "additionalProperties") !== undefined || !hasApplicators(reader)) return [];
  if (keywordOf(reader, "unevaluatedProperties") === true) return [];
  return [{
    pointer: `${reader.pointer}/unevaluatedProperties`,
    message: "cannot be compared beside other parts: taken as breaking",
  }];
}
