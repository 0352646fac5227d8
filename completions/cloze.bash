# Completion of cloze for bash. The program itself says what can come next (src/cli/completion.h), the one whose name is typed:
# build/cloze completes what build/cloze understands.

_cloze() {
  local line=${COMP_LINE:0:COMP_POINT} words=() lines=() word rest breaks i
  # bash divides words also at "=" and ":". What no space divides is one word here, and the last one ends at the cursor.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    rest=${line#"${line%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$rest
    if [[ $rest == "$line" && ${#words[@]} -gt 0 ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    line=${rest#"$word"}
  done
  word=${words[-1]#[\"\']} # bash closes the quotes
  mapfile -t lines < <("${words[0]/#\~/$HOME}" --complete "${words[@]:1:${#words[@]}-2}" "$word" 2>/dev/null)

  case ${lines[0]-} in
    files) compopt -o default ;;
    directories) compopt -o filenames -o dirnames ;;
    words) [[ ${lines[1]-} != *=$'\t'* ]] || compopt -o nospace ;;
  esac
  # What precedes the last "=" or ":" stays.
  breaks=${COMP_WORDBREAKS//[^=:]/}
  if [[ -n $breaks ]]; then
    word=${word%"${word##*["$breaks"]}"}
  else
    word=
  fi
  COMPREPLY=()
  for line in "${lines[@]:1}"; do
    line=${line%%$'\t'*}
    COMPREPLY+=("${line#"$word"}")
  done
}

complete -F _cloze cloze
