/** Which fields of an event a CEL program can see: all others need not be read. */
import { isNode, type Node } from "./guard.ts";

/**
 * More of them are not looked for one by one: each name of a payload is held against all of them.
 */
const MOST = 16;

/**
 * The fields, as paths from the event: `payload.total` is `["payload", "total"]`. Undefined when
 * the program may look at any, because it takes the event as a whole, or at many. One too many does
 * no harm, so what is bound to a name of its own (`exists(payload, …)`) is taken for the payload.
 */
export function fieldsOf(root: unknown): string[][] | undefined {
  const paths: string[][] = [];
  let whole = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isNode(value)) return;
    const chain = chainOf(value);
    if (!chain) return visit(value.args);
    const [variable, ...rest] = chain;
    if (variable !== "event" && variable !== "payload") return;
    const path = variable === "event" ? rest : chain;
    // JSON has it as a member like any other; an object of ours would take it for its prototype.
    if (path.length === 0 || path.includes("__proto__")) whole = true;
    else paths.push(path);
  };
  visit(root);
  const different = [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()];
  return whole || different.length > MOST ? undefined : different;
}

/** The names of `a.b.c`; undefined for any other node. */
function chainOf(node: Node): string[] | undefined {
  if (node.op === "id") return [node.args as string];
  if (node.op !== ".") return undefined;
  const [object, name] = node.args as [unknown, string];
  const before = isNode(object) ? chainOf(object) : undefined;
  return before && [...before, name];
}
