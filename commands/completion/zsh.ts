/** The completion script for zsh; zsh itself matches and quotes the words. */
import type { CompletionNode } from "./tree.ts";
import { caseTables } from "./case_tables.ts";

/** The script. */
export function zshScript(tree: readonly CompletionNode[]): string {
  return `#compdef evs
# zsh completion for evs. Load it with: source <(evs completions zsh)\n${caseTables(tree)}${BODY}`;
}

const BODY = `
# Offers values of the kind $1.
_evs_value_words() {
  case "$1" in
    '' | any) return 1 ;;
    '='*) compadd -- "\${(@s: :)1#=}" ;;
    offsets) compadd -- start end -10 @-5m @-1h @-1d "@$(date +%Y-%m-%d)" ;;
    files) _files ;;
    payload) compset -P @ && _files ;;
    commands) _command_names -e ;;
    schemas-or-folders)
      _evs_value_words schemas
      _files -/
      ;;
    *)
      local -a names
      names=(\${(f)"$(evs completions names "$1" "\${(Q)PREFIX-}" "\${given[@]}" 2>/dev/null </dev/null)"})
      (( $#names )) && compadd -a names
      ;;
  esac
}

_evs() {
  local evs_path="" i word kind=""
  local -a given
  for ((i = 2; i < CURRENT; i++)); do
    word="\${(Q)words[i]}"
    if [[ -n $kind ]]; then
      kind=""
    elif [[ $word == -- ]]; then
      [[ -n "$(_evs_value "$evs_path --")" ]] || continue
      # The user's own command follows.
      words=("\${(@)words[i+1,-1]}")
      ((CURRENT -= i))
      _normal
      return
    elif [[ $word == -* ]]; then
      kind="$(_evs_value "$evs_path $word")"
    elif [[ " $(_evs_routes "$evs_path") " == *" $word "* ]]; then
      evs_path="\${evs_path:+$evs_path }$word"
    else
      given+=("$word")
    fi
  done
  if [[ -n $kind ]]; then
    _evs_value_words "$kind"
  elif [[ "\${words[CURRENT]}" == --*=* ]]; then
    kind="$(_evs_value "$evs_path \${words[CURRENT]%%=*}")"
    compset -P 1 '*=' && _evs_value_words "$kind"
  elif [[ "\${words[CURRENT]}" == -* ]]; then
    _evs_value_words "=$(_evs_flags "$evs_path")"
  elif [[ \${#given} == 0 && -n "$(_evs_routes "$evs_path")" ]]; then
    _evs_value_words "=$(_evs_routes "$evs_path")"
  else
    _evs_value_words "$(_evs_place "$evs_path|\${#given}")"
  fi
}

if [[ "\${funcstack[1]}" == _evs ]]; then _evs "$@"; else compdef _evs evs; fi
`;
