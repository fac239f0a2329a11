/**
 * The completion scripts. Verbs and flags are part of the script; it gets names from the running
 * daemon through `evs completions names KIND`, which prints nothing if there is no daemon.
 *
 * Names are matched only by string comparison: `compgen -W` and similar would expand `$(…)` in a
 * name.
 */
import { shellQuote } from "../../core/base/shell_quote.ts";
import type { CompletionNode, CompletionValue } from "./tree.ts";

/** The supported shells. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = typeof shells[number];

/** The script for one shell. */
export function completionScript(shell: Shell, tree: readonly CompletionNode[]): string {
  switch (shell) {
    case "bash":
      return bash(tree);
    case "zsh":
      return zsh(tree);
    case "fish":
      return fish(tree);
  }
}

/** How the scripts write a value: `topics`, `=a b c`, `files`, `commands`, or `any`. */
function code(value: CompletionValue): string {
  if (value.kind === "names") return value.of;
  return value.kind === "words" ? `=${value.words.join(" ")}` : value.kind;
}

/**
 * The tables shared by bash and zsh: `case` functions over `PATH`, `PATH FLAG` and `PATH|NUMBER`.
 */
function posixTables(tree: readonly CompletionNode[]): string {
  const groups = tree.filter((node) => node.routes.length > 0);
  const routes = groups.map((node) =>
    `    ${shellQuote(node.path)}) echo ${
      shellQuote(node.routes.map((route) => route.name).join(" "))
    } ;;`
  );
  const flags = tree.map((node) =>
    `    ${shellQuote(node.path)}) echo ${
      shellQuote(node.flags.map((flag) => flag.name).join(" "))
    } ;;`
  );
  const values = tree.flatMap((node) =>
    node.flags.flatMap((flag) =>
      flag.value === undefined ? [] : [
        `    ${shellQuote(`${node.path} ${flag.name}`)}) echo ${shellQuote(code(flag.value))} ;;`,
      ]
    )
  );
  const places = tree.flatMap((node) =>
    node.positionals.map((value, index) => {
      const last = node.repeats && index === node.positionals.length - 1;
      return `    ${shellQuote(`${node.path}|`)}${last ? "*" : index}) echo ${
        shellQuote(code(value))
      } ;;`;
    })
  );
  return [
    table("_evs_routes", routes),
    table("_evs_flags", flags),
    table("_evs_value", values),
    table("_evs_place", places),
  ].join("\n");
}

function table(name: string, lines: readonly string[]): string {
  return `${name}() {\n  case "$1" in\n${lines.join("\n")}\n  esac\n}\n`;
}

function bash(tree: readonly CompletionNode[]): string {
  return `# bash completion for evs. Load it with: source <(evs completions bash)
${posixTables(tree)}
# Adds the lines of stdin that begin with $1.
_evs_add() {
  local word
  while IFS= read -r word; do
    [[ -n $word && $word == "$1"* ]] && COMPREPLY+=("$word")
  done
  return 0
}

# Completes $2 as a value of the kind $1.
_evs_complete() {
  case "$1" in
    topics | subscriptions | schemas) _evs_add "$2" < <(evs completions names "$1" 2>/dev/null) ;;
    '='*) _evs_add "$2" < <(tr ' ' '\\n' <<<"\${1#=}") ;;
    files) _evs_add "$2" < <(compgen -f -- "$2"); compopt -o filenames 2>/dev/null ;;
    payload) [[ $2 == @* ]] && _evs_add "$2" < <(compgen -P @ -f -- "\${2#@}") ;;
    commands) _evs_add "$2" < <(compgen -c -- "$2") ;;
  esac
  return 0
}

_evs() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" place=0 i word kind=""
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ -n $kind ]]; then
      kind=""
    elif [[ $word == -- ]]; then
      # Behind it stands the user's own command.
      if ((i == COMP_CWORD - 1)); then _evs_complete commands "$cur"; else _evs_complete files "$cur"; fi
      return 0
    elif [[ $word == -* ]]; then
      kind="$(_evs_value "$path $word")"
    elif [[ " $(_evs_routes "$path") " == *" $word "* ]]; then
      path="\${path:+$path }$word"
    else
      place=$((place + 1))
    fi
  done
  if [[ -n $kind ]]; then
    _evs_complete "$kind" "$cur"
  elif [[ $cur == -* ]]; then
    _evs_complete "=$(_evs_flags "$path")" "$cur"
  elif [[ -n "$(_evs_routes "$path")" ]]; then
    _evs_complete "=$(_evs_routes "$path")" "$cur"
  else
    _evs_complete "$(_evs_place "$path|$place")" "$cur"
  fi
}

complete -F _evs evs
`;
}

function zsh(tree: readonly CompletionNode[]): string {
  return `#compdef evs
# zsh completion for evs. Load it with: source <(evs completions zsh)
${posixTables(tree)}
# Completes a value of the kind $1.
_evs_complete() {
  case "$1" in
    topics | subscriptions | schemas) compadd -- "\${(@f)$(evs completions names "$1" 2>/dev/null)}" ;;
    '='*) compadd -- "\${(@s: :)1#=}" ;;
    files) _files ;;
    payload) compset -P @ && _files ;;
    commands) _command_names -e ;;
  esac
}

_evs() {
  local evs_path="" place=0 i word kind=""
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    if [[ -n $kind ]]; then
      kind=""
    elif [[ $word == -- ]]; then
      # Behind it stands the user's own command.
      if ((i == CURRENT - 1)); then _evs_complete commands; else _files; fi
      return
    elif [[ $word == -* ]]; then
      kind="$(_evs_value "$evs_path $word")"
    elif [[ " $(_evs_routes "$evs_path") " == *" $word "* ]]; then
      evs_path="\${evs_path:+$evs_path }$word"
    else
      place=$((place + 1))
    fi
  done
  if [[ -n $kind ]]; then
    _evs_complete "$kind"
  elif [[ "\${words[CURRENT]}" == -* ]]; then
    _evs_complete "=$(_evs_flags "$evs_path")"
  elif [[ -n "$(_evs_routes "$evs_path")" ]]; then
    _evs_complete "=$(_evs_routes "$evs_path")"
  else
    _evs_complete "$(_evs_place "$evs_path|$place")"
  fi
}

if [[ "\${funcstack[1]}" == _evs ]]; then _evs "$@"; else compdef _evs evs; fi
`;
}

/** What fish knows of the words typed so far. */
const FISH_STATE = `# fish completion for evs. Load it with: evs completions fish | source
complete -c evs -f

# The verbs typed so far, and how many words stand behind them.
function __evs_state
  set -l path ''
  set -l place 0
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    if test "$word" = '--'
      echo "$path|--"
      return
    end
    if string match -q -- '-*' $word
      contains -- "$path $word" $__evs_valued; and set skip 1
      continue
    end
    if contains -- (string trim -- "$path $word") $__evs_paths
      set path (string trim -- "$path $word")
    else
      set place (math $place + 1)
    end
  end
  echo "$path|$place"
end

function __evs_at
  string match -q -- $argv[1] (__evs_state)
end
`;

function fish(tree: readonly CompletionNode[]): string {
  const paths = tree.filter((node) => node.path !== "").map((node) => fishQuote(node.path));
  const valued = tree.flatMap((node) =>
    node.flags.filter((flag) => flag.value !== undefined)
      .map((flag) => fishQuote(`${node.path} ${flag.name}`))
  );
  const lines = [
    FISH_STATE,
    `set -g __evs_paths ${paths.join(" ")}`,
    `set -g __evs_valued ${valued.join(" ")}`,
    "",
    ...tree.flatMap((node) => node.routes.map((route) => fishRoute(node, route))),
    ...tree.flatMap((node) => [
      ...node.flags.map((flag) => fishFlag(node, flag)),
      ...node.positionals.flatMap((value, index) => fishPositional(node, { value, index })),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

function fishRoute(node: CompletionNode, route: CompletionNode["routes"][number]): string {
  const at = fishQuote(`__evs_at '${node.path}|0'`);
  return `complete -c evs -n ${at} -a ${route.name} -d ${fishQuote(route.brief)}`;
}

function fishPositional(
  node: CompletionNode,
  { value, index }: { value: CompletionValue; index: number },
): string[] {
  const last = node.repeats && index === node.positionals.length - 1;
  const words = fishWords(value);
  if (words === "") return [];
  const at = fishQuote(`__evs_at '${node.path}|${last ? "*" : index}'`);
  return [`complete -c evs -n ${at} ${words}`];
}

function fishFlag(node: CompletionNode, flag: CompletionNode["flags"][number]): string {
  const name = flag.name.startsWith("--") ? `-l ${flag.name.slice(2)}` : `-s ${flag.name.slice(1)}`;
  const value = flag.value === undefined ? "" : ` -r ${fishWords(flag.value)}`;
  const at = fishQuote(`__evs_at '${node.path}|*'`);
  return `complete -c evs -n ${at} ${name}${value} -d ${fishQuote(flag.brief)}`;
}

function fishWords(value: CompletionValue): string {
  switch (value.kind) {
    case "names":
      return `-a '(evs completions names ${value.of} 2>/dev/null)'`;
    case "words":
      return `-a ${fishQuote(value.words.join(" "))}`;
    case "files":
      return "-F";
    case "commands":
      return "-a '(__fish_complete_command)'";
    case "payload":
    case "any":
      return "";
  }
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
