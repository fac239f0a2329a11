/** The lookup tables of the scripts: subcommands, flags and values, as `case` functions. */
import { shellQuote } from "../../core/base/shell_quote.ts";
import type { CompletionNode } from "./tree.ts";
import { type CompletionValue, takesCommand } from "./values.ts";

/** How the scripts write a value: `topics`, `=a b c`, `files`, `commands`, or `any`. */
function codeOf(value: CompletionValue): string {
  if (value.kind === "names") return value.of;
  return value.kind === "words" ? `=${value.words.join(" ")}` : value.kind;
}

/** The value of each flag that takes one, under `PATH FLAG`; `PATH --` if a command follows. */
export function flagCodes(tree: readonly CompletionNode[]): [place: string, code: string][] {
  const commands = tree.filter(({ path }) => takesCommand(path));
  return [
    ...tree.flatMap(({ path, flags }) =>
      flags.flatMap(({ name, value }): [string, string][] =>
        value === undefined ? [] : [[`${path} ${name}`, codeOf(value)]]
      )
    ),
    ...commands.map(({ path }): [string, string] => [`${path} --`, "commands"]),
  ];
}

/** The value of each positional, under `PATH|NUMBER`; `PATH|*` if it may be repeated. */
export function placeCodes(tree: readonly CompletionNode[]): [place: string, code: string][] {
  return tree.flatMap(({ path, positionals, repeats }) =>
    positionals.map((value, index): [string, string] => {
      const isRepeated = repeats && index === positionals.length - 1;
      return [`${path}|${isRepeated ? "*" : index}`, codeOf(value)];
    })
  );
}

/** The tables shared by bash and zsh. */
export function caseTables(tree: readonly CompletionNode[]): string {
  const named = (words: readonly { name: string }[]) => words.map(({ name }) => name).join(" ");
  return [
    caseTable(
      "_evs_routes",
      tree.filter(({ routes }) => routes.length > 0)
        .map(({ path, routes }) => [shellQuote(path), named(routes)]),
    ),
    caseTable("_evs_flags", tree.map(({ path, flags }) => [shellQuote(path), named(flags)])),
    caseTable("_evs_value", flagCodes(tree).map(([place, code]) => [shellQuote(place), code])),
    caseTable("_evs_place", placeCodes(tree).map(([place, code]) => [placePattern(place), code])),
  ].join("\n");
}

/** Only the star is a pattern. */
function placePattern(place: string): string {
  return place.endsWith("*") ? `${shellQuote(place.slice(0, -1))}*` : shellQuote(place);
}

function caseTable(name: string, lines: readonly (readonly [string, string])[]): string {
  const cases = lines.map(([pattern, text]) => `    ${pattern}) echo ${shellQuote(text)} ;;\n`);
  return `${name}() {\n  case "$1" in\n${cases.join("")}  esac\n}\n`;
}
