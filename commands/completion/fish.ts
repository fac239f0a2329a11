/** The completion script for fish; fish itself matches and quotes the words. */
import type { CompletionNode } from "./tree.ts";
import { flagCodes, placeCodes } from "./case_tables.ts";

/** The script. */
export function fishScript(tree: readonly CompletionNode[]): string {
  const described = (words: readonly { name: string; brief: string }[]) =>
    `printf '%s\\t%s\\n' ${
      words.map(({ name, brief }) => `${fishQuote(name)} ${fishQuote(brief)}`).join(" ")
    }`;
  return `# fish completion for evs. Load it with: evs completions fish | source
${
    [
      switchTable(
        "__evs_routes",
        tree.filter(({ routes }) => routes.length > 0)
          .map(({ path, routes }) => [path, described(routes)]),
      ),
      switchTable("__evs_flags", tree.map(({ path, flags }) => [path, described(flags)])),
      switchTable(
        "__evs_value",
        flagCodes(tree).map(([place, code]) => [place, `echo ${fishQuote(code)}`]),
      ),
      switchTable(
        "__evs_place",
        placeCodes(tree).map(([place, code]) => [place, `echo ${fishQuote(code)}`]),
      ),
    ].join("\n")
  }${BODY}`;
}

function switchTable(name: string, lines: readonly (readonly [string, string])[]): string {
  const cases = lines.map(([key, action]) => `    case ${fishQuote(key)}\n      ${action}\n`);
  return `function ${name}\n  switch "$argv[1]"\n${cases.join("")}  end\nend\n`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

const BODY = `
# Files: fish offers them to commands that have no completions of their own.
function __evs_files
  set -l word (string escape --no-quoted -- $argv[1] | string replace -r '^\\\\~' '~')
  complete -C "__evs_no_such_command $word" | string replace -r '\\t.*' ''
end

# Values of the kind $argv[1] for the word $argv[2]; the arguments before it follow.
function __evs_value_words
  switch $argv[1]
    case '' any
    case '=*'
      string split ' ' -- (string sub -s 2 -- $argv[1])
    case offsets
      printf '%s\\n' start end -10 @-5m @-1h @-1d @(date +%Y-%m-%d)
    case files
      __evs_files $argv[2]
    case payload
      string match -q -- '@*' $argv[2]; or return
      set -l files (__evs_files (string sub -s 2 -- $argv[2]))
      set -q files[1]; and printf '@%s\\n' $files
    case schemas-or-folders
      __evs_value_words schemas $argv[2..-1]
      __evs_files $argv[2] | string match -- '*/'
    case commands
      complete -C "$argv[2]"
    case '*'
      evs completions names $argv[1] "$argv[2]" $argv[3..-1] 2>/dev/null </dev/null
  end
end

# Everything that fits at the cursor.
function __evs
  set -l words (commandline -opc)
  set -l raw (commandline -ct)
  set -l typed
  switch "$raw"
    case "'*"
      set typed (string unescape -- "$raw'")
    case '"*'
      set typed (string unescape -- "$raw\\"")
    case '*'
      set typed (string unescape -- "$raw")
  end
  while set -q words[1]; and string match -q -- '*=*' $words[1]
    set -e words[1]
  end
  set -l path ''
  set -l kind ''
  set -l given
  for i in (seq 2 (count $words))
    set -l word $words[$i]
    if test -n "$kind"
      set kind ''
    else if test "$word" = --
      set -l own (__evs_value "$path --")
      set -q own[1]; or continue
      # The user's own command follows.
      set -l command (string escape -- $words[$i..-1])[2..-1]
      complete -C (string join ' ' -- $command $raw)
      return
    else if string match -q -- '-*' $word
      set kind (__evs_value "$path $word")
    else if contains -- "$word" (__evs_routes "$path" | string replace -r '\\t.*' '')
      set path (string trim -- "$path $word")
    else
      set -a given $word
    end
  end
  if test -n "$kind"
    __evs_value_words "$kind" "$typed" $given
  else if string match -q -- '--*=*' $typed
    set -l parts (string split -m 1 = -- $typed)
    set -l found (__evs_value_words (__evs_value "$path $parts[1]") "$parts[2]" $given)
    set -q found[1]; and printf '%s\\n' $parts[1]=$found
  else if string match -q -- '-*' $typed
    __evs_flags "$path"
  else
    set -l routes (__evs_routes "$path")
    if set -q routes[1]; and not set -q given[1]
      printf '%s\\n' $routes
    else
      __evs_value_words (__evs_place "$path|"(count $given)) "$typed" $given
    end
  end
end

complete -c evs -e
complete -c evs -f -a '(__evs)'
`;
