/**
 * What makes a CEL program safe to run on payloads that strangers write: `matches()` on a
 * linear-time engine, and a budget of steps. Both are put into the parsed program, where no
 * comment, raw string or space of the text can hide anything.
 *
 * The program's nodes are the library's own (`op`, `args`); a macro's expansion holds the same
 * nodes as the call that was written, so that a change of one is a change of both.
 */
import type { Budget } from "./step_budget.ts";

/** A node of a parsed program, as far as it is looked at here. */
export interface Node {
  op: string;
  args: unknown;
  evaluate(...parts: unknown[]): unknown;
}

/**
 * The name of the `matches` that is ours. As long as the library's, so that positions in messages
 * stay true.
 */
export const LINEAR_MATCHES = "matchRe";

/**
 * Calls that run their arguments once for each element, with the answer that ends the loop: `all`
 * and `exists` go on after an error, so that throwing would not end them.
 */
const LOOPS = new Map([
  ["all", false],
  ["exists", true],
  ["exists_one", undefined],
  ["map", undefined],
  ["filter", undefined],
]);

/** Changes the program in place; gives the patterns that stand in it as they are. */
export function guard(root: unknown, budget: Budget): string[] {
  const patterns: string[] = [];
  const price = (node: unknown, base = 0, last?: boolean) => {
    if (!isNode(node)) return;
    onResult(node, (result) => {
      if (budget.spend(base + weigh(result))) return result;
      if (last === undefined) throw new Error(`more than ${budget.steps} steps`);
      return last;
    });
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isNode(value)) return;
    visit(value.args);
    const args = value.args as unknown[];
    if (value.op === "in") price(args[1]);
    else if (value.op === "+") price(value);
    else if (value.op === "rcall") {
      const [name, receiver, given] = args as [string, unknown, unknown[]];
      if (LOOPS.has(name)) given.forEach((body) => price(body, 1, LOOPS.get(name)));
      else price(receiver);
      if (name === "matches") {
        args[0] = LINEAR_MATCHES;
        const [pattern] = given;
        if (isNode(pattern) && pattern.op === "value" && typeof pattern.args === "string") {
          patterns.push(pattern.args);
        }
      }
    }
  };
  visit(root);
  return patterns;
}

/** What going through a value once costs, in steps of about the same time. */
function weigh(value: unknown): number {
  if (typeof value === "string") return value.length >> 6;
  return Array.isArray(value) ? value.length >> 3 : 0;
}

type Replace = (result: unknown) => unknown;

/** A node may have several: `list.map(i, i + 1)` pays for the sum, and as the body of a loop. */
const replaced = new WeakMap<Node, Replace[]>();

/**
 * Replaces each result of a node. A property with a setter: the node replaces its `evaluate` when
 * it first runs.
 */
function onResult(node: Node, replace: Replace): void {
  const more = replaced.get(node);
  if (more) return void more.push(replace);
  const all = [replace];
  replaced.set(node, all);
  let evaluate = node.evaluate;
  const priced = function (this: Node, ...parts: unknown[]): unknown {
    return all.reduce((result, replace) => replace(result), evaluate.apply(this, parts));
  };
  Object.defineProperty(node, "evaluate", {
    get: () => priced,
    set: (next: Node["evaluate"]) => {
      evaluate = next;
    },
  });
}

/** True for a node of a parsed program. */
export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "op" in value && "args" in value;
}
