/**
 * The completion script for bash.
 *
 * Readline also splits words at `:`, `=` and `@` and replaces only the last piece, and it inserts
 * completions unquoted. So the script joins the words again, and quotes what it offers.
 */
import type { CompletionNode } from "./tree.ts";
import { caseTables } from "./case_tables.ts";

/** The script. */
export function bashScript(tree: readonly CompletionNode[]): string {
  return `# bash completion for evs. Load it with: source <(evs completions bash)\n${
    caseTables(tree)
  }${BODY}`;
}

const BODY = `
# The characters that mean something to the shell.
_evs_special=$' "\\'\\x60$&|;<>()[]{}*?!~#\\\\^,'

# Sets words and cword to the words up to the cursor as the shell will see them; COMP_WORDS is also
# split at : = @.
_evs_words() {
  local i word gap rest="\${COMP_LINE:0:\${COMP_POINT:-0}}" last=""
  words=() cword=-1
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]-}"
    if [[ -n \${COMP_LINE-} ]]; then
      gap="\${rest%%[![:space:]]*}"
      rest="\${rest#"$gap"}"
      [[ $i == "$COMP_CWORD" && $word == "$rest"* ]] && word="$rest"
      rest="\${rest#"$word"}"
    elif ((i > 1)) && [[ $word == [:=] || $last == [:=] ]]; then
      gap=""
    else
      gap=" "
    fi
    if [[ -z $gap ]] && ((cword >= 0)); then
      words[cword]+="$word"
    else
      cword=$((cword + 1))
      words[cword]="$word"
    fi
    last="$word"
  done
}

# Sets plain to $1 without quotes, and quote to a quote that is still open.
_evs_unquote() {
  local i char next
  plain="" quote=""
  for ((i = 0; i < \${#1}; i++)); do
    char="\${1:i:1}" next="\${1:i+1:1}"
    if [[ $quote == "'" ]]; then
      if [[ $char == "'" ]]; then quote=""; else plain+="$char"; fi
    elif [[ $char == '\\' && ( -z $quote || $next == [\\"\\\\\\$] ) ]]; then
      plain+="$next"
      i=$((i + 1))
    elif [[ -n $quote && $char == "$quote" ]]; then
      quote=""
    elif [[ -z $quote && $char == [\\'\\"] ]]; then
      quote="$char"
    else
      plain+="$char"
    fi
  done
}

# Sets word to $1, quoted for the position after the open quote, if there is one.
_evs_quote() {
  local i char
  word="$1"
  [[ $word == *[!A-Za-z0-9._/:=@%+-]* ]] || return 0
  word=""
  for ((i = 0; i < \${#1}; i++)); do
    char="\${1:i:1}"
    if [[ $quote == "'" ]]; then
      [[ $char == "'" ]] && char="'\\\\''"
    elif [[ $quote == '"' ]]; then
      case "$char" in
        '!') char='"\\!"' ;;
        '"' | '\\' | '$' | $'\\x60') char="\\\\$char" ;;
      esac
    elif [[ $_evs_special == *"$char"* ]]; then
      char="\\\\$char"
    fi
    word+="$char"
  done
}

# Offers each line of stdin, prefixed with $lead, that begins with plain.
_evs_add() {
  local line word
  while IFS= read -r line; do
    line="$lead$line"
    [[ $line != "$lead" && $line == "$plain"* ]] || continue
    _evs_quote "\${line#"$before"}"
    COMPREPLY+=("$word")
  done
}

# Offers files as compgen $1 lists them.
_evs_files() {
  local file found=()
  while IFS= read -r file; do found+=("$file"); done < <(compgen "$1" -- "\${plain#"$lead"}")
  if [[ $1 == -f && $before == "$lead" ]] && compopt -o filenames 2>/dev/null; then
    COMPREPLY+=(\${found[@]+"\${found[@]}"})
    return
  fi
  _evs_add < <(for file in \${found[@]+"\${found[@]}"}; do
    if [[ -d $file ]]; then printf '%s/\\n' "$file"; else printf '%s\\n' "$file"; fi
  done)
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
}

# Offers values of the kind $1.
_evs_value_words() {
  case "$1" in
    '' | any) ;;
    '='*) _evs_add < <(tr ' ' '\\n' <<<"\${1#=}") ;;
    offsets) _evs_add < <(printf '%s\\n' start end -10 @-5m @-1h @-1d "@$(date +%Y-%m-%d)") ;;
    files) _evs_files -f ;;
    payload)
      [[ $plain == "$lead@"* ]] || return
      lead+="@"
      _evs_files -f
      ;;
    commands) _evs_add < <(compgen -c -- "$plain") ;;
    schemas-or-folders)
      _evs_value_words schemas
      _evs_files -d
      ;;
    *)
      _evs_add < <(evs completions names "$1" "\${plain#"$lead"}" \${given[@]+"\${given[@]}"} 2>/dev/null </dev/null)
      ;;
  esac
}

_evs() {
  local IFS=$' \\t\\n' words cword given=() path="" kind="" lead="" i whole rest="" plain quote before
  COMPREPLY=()
  _evs_words
  for ((i = 1; i < cword; i++)); do
    _evs_unquote "\${words[i]}"
    if [[ -n $kind ]]; then
      kind=""
    elif [[ \${words[i]} == -- ]]; then
      [[ -n "$(_evs_value "$path --")" ]] || continue
      # The user's own command follows.
      kind=files
      ((i == cword - 1)) && kind=commands
      break
    elif [[ \${words[i]} =~ ^[0-9]*[\\<\\>] ]]; then
      [[ \${words[i]} == *[\\<\\>] ]] && kind=files
    elif [[ $plain == -* ]]; then
      kind="$(_evs_value "$path $plain")"
    elif [[ " $(_evs_routes "$path") " == *" $plain "* ]]; then
      path="\${path:+$path }$plain"
    else
      given+=("$plain")
    fi
  done
  # Readline replaces only the end of the word, after an open quote, a : or a =.
  _evs_unquote "\${words[cword]}"
  whole="$plain"
  rest="\${COMP_WORDS[COMP_CWORD]-}"
  if (($# > 1)); then
    rest="$2"
  elif [[ $rest == [:=] ]]; then
    rest=""
  elif [[ -n $quote ]]; then
    rest="\${rest#"$quote"}"
  fi
  _evs_unquote "\${words[cword]%"$rest"}"
  before="$plain" plain="$whole"
  if [[ -z $kind && $plain == --*=* ]]; then
    kind="$(_evs_value "$path \${plain%%=*}")"
    lead="\${plain%%=*}="
  elif [[ -z $kind && $plain == -* ]]; then
    kind="=$(_evs_flags "$path")"
  elif [[ -z $kind && \${#given[@]} == 0 && -n "$(_evs_routes "$path")" ]]; then
    kind="=$(_evs_routes "$path")"
  elif [[ -z $kind ]]; then
    kind="$(_evs_place "$path|\${#given[@]}")"
  fi
  _evs_value_words "$kind"
  return 0
}

complete -F _evs evs
`;
