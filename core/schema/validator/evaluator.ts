/**
 * Evaluates a schema exactly as its draft specifies. ajv is faster but departs from the
 * specification here and there (ADR 26). Where it might, this is used instead: for
 * `unevaluatedProperties`, `$dynamicRef`, embedded documents, names such as `constructor`, and
 * every payload with a number that a double cannot hold.
 *
 * Each subschema is compiled into a list of checks once, when the schema is registered or a
 * reference first leads to it. A run carries the mutable state: the budget, the dynamic scope, and
 * the list of faults if wanted.
 */
import { EventRefusedError } from "../../base/errors.ts";
import { APPLICATORS } from "./applicators.ts";
import { ASSERTIONS } from "./assertions.ts";
import { type CheckBudget, stepsOf } from "./budget.ts";
import type { Resource, SchemaDocuments, SchemaPart, Target } from "./documents.ts";
import { isObject, type Schema } from "./limits.ts";
import type { PatternEngine } from "./pattern.ts";

/** One fault, in ajv's form. */
export interface Violation {
  instancePath: string;
  keyword: string;
  params: Record<string, unknown>;
  message: string;
}

/** What was evaluated of a value, for `unevaluatedProperties` and `unevaluatedItems`. */
export interface Evaluated {
  names: Set<string> | "all";
  /** This many items from the start. */
  items: number;
  /** Further items, by index. */
  indexes: Set<number>;
}

/** A value at a place in the payload. */
export interface Subject {
  value: unknown;
  /** A JSON pointer into the payload; empty unless faults are being listed. */
  path: string;
  seen: Evaluated | undefined;
}

/** Tells whether a subject satisfies one keyword. */
export type KeywordCheck = (subject: Subject, run: Evaluation) => boolean;

/** What keywords are compiled with. */
export interface Maker {
  schema: Schema;
  draft: Resource["draft"];
  /** Compiles a subschema of this one. */
  part(schema: unknown): SchemaNode;
  pattern(text: string): PatternEngine;
  format(name: string): Format | undefined;
}

/** A format that is checked. */
export interface Format {
  type: "string" | "number";
  test(value: unknown): boolean;
}

/** Compiles the check of a keyword; undefined if there is nothing to check. */
export type Keyword = (value: unknown, maker: Maker) => KeywordCheck | undefined;

/** A compiled subschema. */
export interface SchemaNode {
  fits(subject: Subject, run: Evaluation): boolean;
  /** True if it accepts every value without evaluating anything. */
  isAlwaysTrue: boolean;
}

/** One run over a value, from the root. */
export interface Evaluation {
  budget: CheckBudget;
  /** The resources entered so far, outermost first. */
  scope: Resource[];
  depth: number;
  /** Absent: the run ends at the first fault. */
  faults: Violation[] | undefined;
}

/** How deep checks may nest before the stack overflows. */
const MAX_DEPTH = 1000;

const YES: SchemaNode = { fits: () => true, isAlwaysTrue: true };
const NO: SchemaNode = {
  fits: ({ path }, run) =>
    addFault(run, {
      instancePath: path,
      keyword: "false schema",
      params: {},
      message: "must not be there",
    }),
  isAlwaysTrue: false,
};

/** Records a fault. Returns false, meaning that the value does not fit. */
export function addFault(run: Evaluation, violation: Violation): false {
  run.faults?.push(violation);
  return false;
}

/** What an evaluator needs. */
export interface EvaluatorOptions {
  documents: SchemaDocuments;
  budget: CheckBudget;
  pattern(text: string): PatternEngine;
  format(name: string): Format | undefined;
}

/** Checks values against one schema. */
export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #nodes = new Map<Schema, SchemaNode>();
  /** True if any keyword depends on what was evaluated. */
  readonly #tracks: boolean;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#tracks = options.documents.ownParts().some(({ schema }) =>
      schema["unevaluatedProperties"] !== undefined || schema["unevaluatedItems"] !== undefined
    );
    // Compile right away, so that an invalid pattern is rejected at registration.
    for (const part of options.documents.ownParts()) this.#node(part);
  }

  /** True if the value fits. `at`: a part of the schema instead of the whole. */
  fits(value: unknown, at: Target = this.#root()): boolean {
    return this.#run(value, at, undefined);
  }

  /** All faults of the value. */
  violations(value: unknown): Violation[] {
    const faults: Violation[] = [];
    this.#run(value, this.#root(), faults);
    return faults;
  }

  #root(): Target {
    const { root } = this.#options.documents;
    return { schema: root.root, resource: root, pointer: "", isOwn: true };
  }

  #run(value: unknown, target: Target, faults: Violation[] | undefined): boolean {
    const { budget } = this.#options;
    const run: Evaluation = { budget, scope: [target.resource], depth: 0, faults };
    return this.#nodeOf(target).fits({ value, path: "", seen: undefined }, run);
  }

  #nodeOf({ schema }: { schema: unknown }): SchemaNode {
    if (typeof schema === "boolean") return schema ? YES : NO;
    return isObject(schema) ? this.#node(this.#options.documents.partOf(schema)) : YES;
  }

  #node(part: SchemaPart): SchemaNode {
    const { schema, resource } = part;
    const before = this.#nodes.get(schema);
    if (before !== undefined) return before;
    const steps = stepsOf(schema);
    let checks: KeywordCheck[] = [];
    const fits = (subject: Subject, run: Evaluation): boolean => {
      if (checks.length === 0) return true;
      run.budget.spend(steps);
      if (++run.depth > MAX_DEPTH) throw tooDeep();
      const enters = run.scope.at(-1) !== resource;
      if (enters) run.scope.push(resource);
      const seen: Evaluated | undefined = this.#tracks
        ? { names: new Set(), items: 0, indexes: new Set() }
        : undefined;
      const own = { value: subject.value, path: subject.path, seen };
      let ok = true;
      for (const check of checks) {
        if (check(own, run)) continue;
        ok = false;
        if (!run.faults) break;
      }
      if (enters) run.scope.pop();
      run.depth--;
      if (ok && seen && subject.seen) merge(subject.seen, seen, run.budget);
      return ok;
    };
    const node: SchemaNode = { fits, isAlwaysTrue: Object.keys(schema).length === 0 };
    this.#nodes.set(schema, node);
    checks = this.#checks(part);
    return node;
  }

  #checks(part: SchemaPart): KeywordCheck[] {
    const { schema, resource } = part;
    const { pattern, format } = this.#options;
    const maker: Maker = {
      schema,
      draft: resource.draft,
      part: (inner) => this.#nodeOf({ schema: inner }),
      pattern,
      format,
    };
    const reference = this.#reference(part);
    // In draft-07, `$ref` disables the keywords beside it.
    if (resource.draft === "07" && reference) return [reference];
    const checks = reference ? [reference] : [];
    const dynamic = resource.draft === "07" ? undefined : this.#dynamicReference(part);
    if (dynamic) checks.push(dynamic);
    for (const [keyword, make] of [...ASSERTIONS, ...APPLICATORS]) {
      if (!Object.hasOwn(schema, keyword)) continue;
      const check = make(schema[keyword], maker);
      if (check) checks.push(check);
    }
    return checks;
  }

  #reference(part: SchemaPart): KeywordCheck | undefined {
    const reference = part.schema["$ref"];
    if (typeof reference !== "string") return undefined;
    return this.#follow(this.#options.documents.resolve(part, reference));
  }

  #follow(target: Target | undefined): KeywordCheck {
    if (target === undefined) throw new Error("a reference leads nowhere"); // refused before
    let node: SchemaNode | undefined;
    return (subject, run) => (node ??= this.#nodeOf(target)).fits(subject, run);
  }

  /**
   * Resolves to the outermost schema in scope that has the anchor, provided that the reference
   * leads to such an anchor at all.
   */
  #dynamicReference(part: SchemaPart): KeywordCheck | undefined {
    const reference = part.schema["$dynamicRef"];
    if (typeof reference !== "string") return undefined;
    const { documents } = this.#options;
    const target = documents.resolve(part, reference);
    const anchor = decodeURIComponent(reference.slice(reference.indexOf("#") + 1));
    const isDynamic = isObject(target?.schema) && reference.includes("#") &&
      target.resource.dynamicAnchors.get(anchor) === target.schema;
    if (!isDynamic) return this.#follow(target);
    return (subject, run) => {
      const outermost = run.scope.find(({ dynamicAnchors }) => dynamicAnchors.has(anchor));
      const schema = outermost?.dynamicAnchors.get(anchor) ?? target.schema;
      return this.#nodeOf({ schema }).fits(subject, run);
    };
  }
}

function merge(into: Evaluated, from: Evaluated, budget: CheckBudget): void {
  if (from.names === "all") into.names = "all";
  else if (into.names !== "all") {
    budget.spend(from.names.size >> 2);
    for (const name of from.names) into.names.add(name);
  }
  into.items = Math.max(into.items, from.items);
  budget.spend(from.indexes.size >> 2);
  for (const index of from.indexes) into.indexes.add(index);
}

function tooDeep(): EventRefusedError {
  return new EventRefusedError(
    "event/schema-too-costly",
    `checking the payload against its schema takes more than ${MAX_DEPTH} checks inside each other`,
    { hint: "the schema refers to itself again and again for the same value: make it simpler" },
  );
}
