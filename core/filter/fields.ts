/** Finds which fields of an event a CEL program can see; the others need not be read. */
import { isNode, type Node } from "./guard.ts";

/**
 * With more fields than this, reading them one by one no longer pays: each name in a payload is
 * compared with all of them.
 */
const MOST = 16;

/**
 * The fields as paths from the event: `payload.total` is `["payload", "total"]`. Undefined if the
 * program may look at any field, because it uses the event as a whole or looks at many. One field
 * too many does no harm, so a bound variable (`exists(payload, …)`) is taken for the payload.
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
    // In JSON it is an ordinary member, but in our objects it would be the prototype.
    if (path.length === 0 || path.includes("__proto__")) whole = true;
    else paths.push(path);
  };
  visit(root);
  const different = [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()];
  return whole || different.length > MOST ? undefined : different;
}

/** The names in `a.b.c`; undefined for any other node. */
function chainOf(node: Node): string[] | undefined {
  if (node.op === "id") return [node.args as string];
  if (node.op !== ".") return undefined;
  const [object, name] = node.args as [unknown, string];
  const before = isNode(object) ? chainOf(object) : undefined;
  return before && [...before, name];
}
