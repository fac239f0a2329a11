/**
 * A lint rule of this project: a function has at most 60 lines.
 *
 * Texts and tables do not count: a multi-line template, object or list without executable code
 * counts as one line. A function passed to `test`, `Deno.test`, `t.step` or `it` counts separately
 * from the function that registers it.
 */

/** The most lines of a function. */
export const MOST_LINES = 60;

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;
type LiteralNode =
  | Deno.lint.ObjectExpression
  | Deno.lint.ArrayExpression
  | Deno.lint.TemplateLiteral;

/** A function or a literal that is being visited. */
interface Frame {
  isFunction: boolean;
  /** Lines inside it that do not count. */
  aside: number;
  /** A literal in which something runs: steps, not a table. */
  hasSteps: boolean;
}

const REGISTERING = new Set(["test", "it", "step"]);

/**
 * True for the last part of `test(…)`, `Deno.test(…)`, `t.step(…)`, `it(…)`, and for `fn` in
 * `Deno.test({ fn })`.
 */
function isTestBody(node: FunctionNode): boolean {
  let parent: Deno.lint.Node = node.parent;
  if (parent.type === "Property" && parent.parent.type === "ObjectExpression") {
    parent = parent.parent.parent;
  }
  if (parent.type !== "CallExpression") return false;
  const { callee } = parent;
  const name = callee.type === "MemberExpression" ? callee.property : callee;
  return name.type === "Identifier" && REGISTERING.has(name.name);
}

const rule: Deno.lint.Rule = {
  create(context) {
    const { text } = context.sourceCode;
    const frames: Frame[] = [];

    /** The lines that `node` covers, in part too. */
    const linesOf = ({ range: [from, to] }: { range: Deno.lint.Range }): number => {
      let lines = 1;
      for (
        let at = text.indexOf("\n", from);
        at !== -1 && at < to;
        at = text.indexOf("\n", at + 1)
      ) {
        lines++;
      }
      return lines;
    };
    /**
     * Marks the literals around the current node as containing statements, up to the enclosing
     * function.
     */
    const noteStep = () => {
      for (let i = frames.length - 1; i >= 0 && !frames[i]!.isFunction; i--) {
        frames[i]!.hasSteps = true;
      }
    };
    const setAside = (lines: number) => {
      const outer = frames.at(-1);
      if (outer) outer.aside += lines;
    };

    const enterFunction = () => {
      noteStep();
      frames.push({ isFunction: true, aside: 0, hasSteps: false });
    };
    const leaveFunction = (node: FunctionNode) => {
      const { aside } = frames.pop()!;
      const lines = linesOf(node);
      setAside(isTestBody(node) ? lines - 1 : aside);
      if (lines - aside <= MOST_LINES) return;
      context.report({
        node,
        message: `a function of ${lines - aside} lines: one thing, or several?`,
        hint: `at most ${MOST_LINES}, without texts and tables in literals`,
      });
    };
    const enterLiteral = () => {
      frames.push({ isFunction: false, aside: 0, hasSteps: false });
    };
    const leaveLiteral = (node: LiteralNode) => {
      const { aside, hasSteps } = frames.pop()!;
      setAside(hasSteps ? aside : linesOf(node) - 1);
    };
    return {
      FunctionDeclaration: enterFunction,
      "FunctionDeclaration:exit": leaveFunction,
      FunctionExpression: enterFunction,
      "FunctionExpression:exit": leaveFunction,
      ArrowFunctionExpression: enterFunction,
      "ArrowFunctionExpression:exit": leaveFunction,
      AwaitExpression: noteStep,
      ObjectExpression: enterLiteral,
      "ObjectExpression:exit": leaveLiteral,
      ArrayExpression: enterLiteral,
      "ArrayExpression:exit": leaveLiteral,
      TemplateLiteral: enterLiteral,
      "TemplateLiteral:exit": leaveLiteral,
    };
  },
};

const plugin: Deno.lint.Plugin = { name: "house", rules: { "function-length": rule } };

export default plugin;
