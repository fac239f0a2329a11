/**
 * Makes a CEL program safe to run on untrusted payloads: `matches()` on a linear-time engine, and a
 * step budget. Both are put into the parsed program rather than the text, where a comment, a raw
 * string or white space could hide a call.
 *
 * The program's nodes are the library's own (`op`, `args`). A macro's expansion shares its nodes
 * with the call as written, so changing one changes both.
 */
import type { Budget } from "./step_budget.ts";

/** The part of a parsed program's node that is used here. */
export interface Node {
  op: string;
  args: unknown;
  evaluate(...parts: unknown[]): unknown;
}

/**
 * The name of our own `matches`. It is as long as the library's, so that positions in error
 * messages stay correct.
 */
export const LINEAR_MATCHES = "matchRe";

/**
 * Calls that evaluate their arguments once per element, and the result that ends the loop. `all`
 * and `exists` continue after an error, so throwing would not stop them.
 */
const LOOPS = new Map([
  ["all", false],
  ["exists", true],
  ["exists_one", undefined],
  ["map", undefined],
  ["filter", undefined],
]);

/** Changes the program in place. Returns the patterns that appear in it literally. */
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

/** The cost of going through a value once, in steps of roughly equal time. */
function weigh(value: unknown): number {
  if (typeof value === "string") return value.length >> 6;
  return Array.isArray(value) ? value.length >> 3 : 0;
}

type Replace = (result: unknown) => unknown;

/**
 * A node may have several: in `list.map(i, i + 1)` the sum is charged as a sum and as a loop body.
 */
const replaced = new WeakMap<Node, Replace[]>();

/**
 * Intercepts every result of a node. It has to be a property with a setter, because the node
 * replaces its own `evaluate` when it first runs.
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
