/**
 * JSON Schema keywords that apply subschemas: to the same value, to its properties, or to its
 * items.
 */
import {
  addFault,
  type Evaluation,
  type Keyword,
  type KeywordCheck,
  type Maker,
  type SchemaNode,
  type Subject,
} from "./evaluator.ts";
import { escapePointer } from "../../json/pointer.ts";
import { isObject, type Schema } from "./limits.ts";
import type { Numeric } from "../../json/decimal.ts";

/** Evaluates without collecting faults. */
function quietly(node: SchemaNode, subject: Subject, run: Evaluation): boolean {
  const { faults } = run;
  run.faults = undefined;
  const ok = node.fits(subject, run);
  run.faults = faults;
  return ok;
}

/** The subject for a member or an item. */
function below({ value, path }: Subject, name: string | number, run: Evaluation): Subject {
  return {
    value: (value as Record<string | number, unknown>)[name],
    path: run.faults ? `${path}/${escapePointer(String(name))}` : "",
    seen: undefined,
  };
}

function parts(list: unknown, maker: Maker): SchemaNode[] {
  return (list as unknown[]).map((item) => maker.part(item));
}

// The same value.

function allOf(list: unknown, maker: Maker): KeywordCheck {
  const nodes = parts(list, maker);
  return (subject, run) => {
    let ok = true;
    for (const node of nodes) {
      if (node.fits(subject, run)) continue;
      ok = false;
      if (!run.faults) break;
    }
    return ok;
  };
}

/** `anyOf` and `oneOf`. Every branch has to run if the properties and items it evaluates matter. */
function choice(keyword: "anyOf" | "oneOf"): Keyword {
  const message = keyword === "anyOf"
    ? "must match a schema in anyOf"
    : "must match exactly one schema in oneOf";
  return (list, maker) => {
    const nodes = parts(list, maker);
    return (subject, run) => {
      const before = run.faults?.length ?? 0;
      let fitting = 0;
      for (const node of nodes) {
        if (!node.fits(subject, run)) continue;
        fitting++;
        if (keyword === "anyOf" ? !subject.seen : fitting > 1) break;
      }
      if (fitting > 0 && run.faults) run.faults.length = before;
      if (keyword === "anyOf" ? fitting > 0 : fitting === 1) return true;
      return addFault(run, { instancePath: subject.path, keyword, params: {}, message });
    };
  };
}

function not(schema: unknown, maker: Maker): KeywordCheck {
  const node = maker.part(schema);
  return (subject, run) =>
    !quietly(node, { ...subject, seen: undefined }, run) ||
    addFault(run, {
      instancePath: subject.path,
      keyword: "not",
      params: {},
      message: "must NOT be valid",
    });
}

function condition(schema: unknown, maker: Maker): KeywordCheck {
  const test = maker.part(schema);
  const branches = ["then", "else"].map((keyword) =>
    Object.hasOwn(maker.schema, keyword) ? maker.part(maker.schema[keyword]) : undefined
  );
  return (subject, run) => {
    const holds = quietly(test, subject, run);
    const branch = branches[holds ? 0 : 1];
    if (!branch || branch.fits(subject, run)) return true;
    const failingKeyword = holds ? "then" : "else";
    return addFault(run, {
      instancePath: subject.path,
      keyword: "if",
      params: { failingKeyword },
      message: `must match "${failingKeyword}" schema`,
    });
  };
}

function dependentSchemas(map: unknown, maker: Maker): KeywordCheck {
  const nodes = Object.entries(map as Schema)
    .filter(([, value]) => !Array.isArray(value))
    .map(([name, schema]) => ({ name, node: maker.part(schema) }));
  return (subject, run) => {
    const { value } = subject;
    if (!isObject(value)) return true;
    let ok = true;
    for (const { name, node } of nodes) {
      if (!Object.hasOwn(value, name)) continue;
      if (!node.fits(subject, run)) ok = false;
    }
    return ok;
  };
}

// Properties.

function see(subject: Subject, name: string): void {
  const { seen } = subject;
  if (seen && seen.names !== "all") seen.names.add(name);
}

function properties(map: unknown, maker: Maker): KeywordCheck {
  const nodes = Object.entries(map as Schema).map(([name, schema]) => ({
    name,
    node: maker.part(schema),
  }));
  return (subject, run) => {
    const { value } = subject;
    if (!isObject(value)) return true;
    let ok = true;
    for (const { name, node } of nodes) {
      if (!Object.hasOwn(value, name)) continue;
      see(subject, name);
      if (node.fits(below(subject, name, run), run)) continue;
      ok = false;
      if (!run.faults) break;
    }
    return ok;
  };
}

function patternProperties(map: unknown, maker: Maker): KeywordCheck {
  const nodes = Object.entries(map as Schema).map(([pattern, schema]) => ({
    engine: maker.pattern(pattern),
    node: maker.part(schema),
  }));
  return (subject, run) => {
    const { value } = subject;
    if (!isObject(value)) return true;
    let ok = true;
    const names = Object.keys(value);
    for (const { engine, node } of nodes) {
      run.budget.spend(names.length);
      for (const name of names) {
        if (!engine.test(name)) continue;
        see(subject, name);
        if (node.fits(below(subject, name, run), run)) continue;
        ok = false;
        if (!run.faults) return false;
      }
    }
    return ok;
  };
}

function additionalProperties(schema: unknown, maker: Maker): KeywordCheck {
  const node = maker.part(schema);
  const { properties: listed, patternProperties: patterns } = maker.schema;
  const known = new Set(isObject(listed) ? Object.keys(listed) : []);
  const engines = isObject(patterns) ? Object.keys(patterns).map((one) => maker.pattern(one)) : [];
  return othersCheck("additionalProperties", {
    schema,
    node,
    isKnown: (name) => known.has(name) || engines.some((engine) => engine.test(name)),
  });
}

function unevaluatedProperties(schema: unknown, maker: Maker): KeywordCheck {
  return othersCheck("unevaluatedProperties", {
    schema,
    node: maker.part(schema),
    isKnown: (name, { seen }) => seen?.names === "all" || seen?.names.has(name) === true,
  });
}

/** Applies a schema to all properties that are not known. */
function othersCheck(
  keyword: "additionalProperties" | "unevaluatedProperties",
  about: {
    schema: unknown;
    node: SchemaNode;
    isKnown: (name: string, subject: Subject) => boolean;
  },
): KeywordCheck {
  const { schema, node, isKnown } = about;
  const param = keyword === "additionalProperties" ? "additionalProperty" : "unevaluatedProperty";
  return (subject, run) => {
    const { value, path, seen } = subject;
    if (!isObject(value)) return true;
    let ok = true;
    const names = Object.keys(value);
    run.budget.spend(names.length >> 2);
    for (const name of names) {
      if (isKnown(name, subject)) continue;
      const fits = schema === false
        ? addFault(run, {
          instancePath: path,
          keyword,
          params: { [param]: name },
          message: "must not be there",
        })
        : node.fits(below(subject, name, run), run);
      if (fits) continue;
      ok = false;
      if (!run.faults) break;
    }
    if (seen) seen.names = "all";
    return ok;
  };
}

function propertyNames(schema: unknown, maker: Maker): KeywordCheck {
  const node = maker.part(schema);
  return (subject, run) => {
    const { value, path } = subject;
    if (!isObject(value)) return true;
    let ok = true;
    for (const name of Object.keys(value)) {
      if (quietly(node, { value: name, path, seen: undefined }, run)) continue;
      ok = addFault(run, {
        instancePath: path,
        keyword: "propertyNames",
        params: { propertyName: name },
        message: `the property name ${JSON.stringify(name)} is not valid`,
      });
      if (!run.faults) break;
    }
    return ok;
  };
}

// Items.

function itemsFrom(
  start: (subject: Subject) => number,
  about: { keyword: string; schema: unknown; node: SchemaNode },
): KeywordCheck {
  const { keyword, schema, node } = about;
  const skipsSeen = keyword === "unevaluatedItems";
  return (subject, run) => {
    const { value, path, seen } = subject;
    if (!Array.isArray(value)) return true;
    let ok = true;
    const first = start(subject);
    for (let index = first; index < value.length; index++) {
      if (skipsSeen && seen?.indexes.has(index)) continue;
      if (node.isAlwaysTrue) break;
      const fits = schema === false
        ? addFault(run, {
          instancePath: path,
          keyword,
          params: { limit: first },
          message: `must NOT have more than ${first} items`,
        })
        : node.fits(below(subject, index, run), run);
      if (fits) continue;
      ok = false;
      // One fault stands for all of them.
      if (!run.faults || schema === false) break;
    }
    if (seen) seen.items = value.length;
    return ok;
  };
}

function prefix(list: unknown, maker: Maker): KeywordCheck {
  const nodes = parts(list, maker);
  return (subject, run) => {
    const { value, seen } = subject;
    if (!Array.isArray(value)) return true;
    let ok = true;
    for (let index = 0; index < nodes.length && index < value.length; index++) {
      if (nodes[index]!.fits(below(subject, index, run), run)) continue;
      ok = false;
      if (!run.faults) break;
    }
    if (seen) seen.items = Math.max(seen.items, nodes.length);
    return ok;
  };
}

function items(schema: unknown, maker: Maker): KeywordCheck {
  if (Array.isArray(schema)) return prefix(schema, maker);
  const before = maker.draft === "07" ? undefined : maker.schema["prefixItems"];
  const first = Array.isArray(before) ? before.length : 0;
  return itemsFrom(() => first, { keyword: "items", schema, node: maker.part(schema) });
}

/** Draft-07 only, where `items` may be a list. */
function additionalItems(schema: unknown, maker: Maker): KeywordCheck | undefined {
  const { items: list } = maker.schema;
  if (maker.draft !== "07" || !Array.isArray(list)) return undefined;
  const { length } = list;
  return itemsFrom(() => length, { keyword: "additionalItems", schema, node: maker.part(schema) });
}

function unevaluatedItems(schema: unknown, maker: Maker): KeywordCheck {
  return itemsFrom(({ seen }) => seen?.items ?? 0, {
    keyword: "unevaluatedItems",
    schema,
    node: maker.part(schema),
  });
}

function contains(schema: unknown, maker: Maker): KeywordCheck {
  const node = maker.part(schema);
  const { minContains, maxContains } = maker.draft === "07" ? {} as Schema : maker.schema;
  const least = minContains === undefined ? 1 : (minContains as Numeric).valueOf();
  const most = maxContains === undefined ? Infinity : (maxContains as Numeric).valueOf();
  const message = most === Infinity
    ? `must contain at least ${least} valid item(s)`
    : `must contain at least ${least} and no more than ${most} valid item(s)`;
  return (subject, run) => {
    const { value, path, seen } = subject;
    if (!Array.isArray(value)) return true;
    let found = 0;
    for (let index = 0; index < value.length; index++) {
      if (!quietly(node, below(subject, index, run), run)) continue;
      found++;
      // In draft-07 nothing depends on which items matched.
      if (seen) seen.indexes.add(index);
      else if (found >= least && most === Infinity) break;
    }
    if (found >= least && found <= most) return true;
    return addFault(run, {
      instancePath: path,
      keyword: "contains",
      params: { minContains: least, maxContains: most },
      message,
    });
  };
}

/** For keywords that draft-07 does not have. */
function later(make: Keyword): Keyword {
  return (value, maker) => maker.draft === "07" ? undefined : make(value, maker);
}

/** In evaluation order: keywords that depend on what the others evaluated come last. */
export const APPLICATORS: readonly [keyword: string, make: Keyword][] = [
  ["allOf", allOf],
  ["anyOf", choice("anyOf")],
  ["oneOf", choice("oneOf")],
  ["not", not],
  ["if", condition],
  ["dependentSchemas", later(dependentSchemas)],
  ["dependencies", dependentSchemas],
  ["properties", properties],
  ["patternProperties", patternProperties],
  ["additionalProperties", additionalProperties],
  ["propertyNames", propertyNames],
  ["prefixItems", later(prefix)],
  ["items", items],
  ["additionalItems", additionalItems],
  ["contains", contains],
  ["unevaluatedItems", later(unevaluatedItems)],
  ["unevaluatedProperties", later(unevaluatedProperties)],
];
