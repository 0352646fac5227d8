#!/usr/bin/env bash
# Types command lines into interactive shells, presses Tab, and compares what then stands there:
#
#   completion.sh PROGRAM [SHELL]      SHELL: bash or zsh (both, zsh if it is installed)
#
# PROGRAM is called cloze.
set -euo pipefail
program=$(realpath "$1")
completions=$(realpath "$(dirname "$0")/../../completions")
shells=(bash zsh)
[ $# -lt 2 ] || shells=("$2")

script --quiet --command true /dev/null >/dev/null 2>&1 </dev/null ||
  { echo "SKIPPED: completion in shells, for want of script and pseudo-terminals"; exit 77; }
work=$(mktemp -d)
trap 'exec 3>&- || true; wait; rm -rf "$work"' EXIT
cd "$work"
mkdir -p "runs/mine/checkpoints/step-00000001" runs/other/checkpoints model corpus "my runs/one/checkpoints"
touch runs/mine/checkpoints/step-00000001/config.json model/config.json corpus/text.txt run.yaml sentences.txt
export PATH=${program%/*}:$PATH TERM=dumb HOME=$work HISTFILE=
status=0

# Ctrl-T writes the line that stands at the prompt to a file, and empties it.
cat >bash.init <<END
bind 'set bell-style none'
write_line() { printf '%s\n' "\$READLINE_LINE" >line.partial; mv line.partial line; READLINE_LINE=; }
bind -x '"\C-t": write_line'
. "$completions/cloze.bash"
complete -p cloze >registered
PS1='> ' PROMPT_COMMAND=': >ready'
END
cat >zsh.init <<END
write_line() { print -r -- "\$BUFFER" >line.partial; mv line.partial line; BUFFER= }
zle-line-init() { : >ready }
zle -N write_line
zle -N zle-line-init
bindkey '^T' write_line
setopt no_beep
fpath=("$completions" \$fpath)
autoload -Uz compinit
compinit -u -D
print -r -- "complete -F \${_comps[cloze]} cloze" >registered
PS1='> '
END

await() { # FILE
  for _ in {1..400}; do
    [ ! -e "$1" ] || return 0
    sleep 0.05
  done
  printf 'no answer for 20 s; on the screen stands:\n%s\n' "$(<screen)" >&2
  return 1
}

start() { # SHELL
  rm -f ready line typed
  mkfifo typed
  case $1 in
    bash) interactive='bash --noprofile --rcfile bash.init -i' ;;
    zsh) interactive='zsh -f -i' ;;
  esac
  script --quiet --flush --command "$interactive" /dev/null <typed >screen 2>&1 &
  exec 3>typed
  [ "$1" = bash ] || printf '. ./zsh.init\n' >&3
  await ready
}

stop() {
  printf 'exit\n' >&3
  exec 3>&-
  wait
}

# With CURSOR the last so many characters come after the cursor.
expect() { # TYPED EXPECTED [CURSOR]
  local left='' stands
  for ((i = 0; i < ${3:-0}; i++)); do left+=$'\002'; done
  rm -f line
  printf '%s%s\t\024' "$1" "$left" >&3
  await line || exit 1
  stands=$(<line)
  if [ "$stands" != "$2" ]; then
    printf '%s: "%s" became "%s", expected "%s"\n' "$shell" "$1" "$stands" "$2"
    status=1
  fi
}

for shell in "${shells[@]}"; do
  if ! command -v "$shell" >/dev/null; then
    echo "SKIPPED: completion in $shell, which is not installed"
    continue
  fi
  start "$shell"
  [ "$(<registered)" = "complete -F _cloze cloze" ] || { cat registered; status=1; }

  # Commands and options.
  expect 'cloze tr' 'cloze train '
  expect 'cloze help emb' 'cloze help embed '
  expect 'cloze --ver' 'cloze --version '
  expect 'cloze train run.yaml --dr' 'cloze train run.yaml --dry-run '
  expect 'cloze eval --min' 'cloze eval --minimal-pairs '
  # What follows the cursor stays; zsh puts a space before it.
  space=' '
  [ "$shell" = zsh ] || space=
  expect 'cloze train run.yaml --dr --resume' "cloze train run.yaml --dry-run $space--resume" 9

  # Keys, and their values.
  expect 'cloze train run.yaml --set train.sch' 'cloze train run.yaml --set train.schedule='
  expect 'cloze train run.yaml --set train.schedule=li' 'cloze train run.yaml --set train.schedule=linear '
  expect 'cloze train run.yaml --set=train.sch' 'cloze train run.yaml --set=train.schedule='
  expect 'cloze finetune a.yaml --set=task.kind=t' 'cloze finetune a.yaml --set=task.kind=tokens '
  expect 'cloze train run.yaml --set tokenizer.vocab=cor' 'cloze train run.yaml --set tokenizer.vocab=corpus/'
  expect 'cloze predict runs/mine --format=cs' 'cloze predict runs/mine --format=csv '
  expect 'cloze predict runs/mine --format cs' 'cloze predict runs/mine --format csv '

  # Models, runs and files.
  expect 'cloze fill ru' 'cloze fill runs/'
  expect 'cloze fill runs/m' 'cloze fill runs/mine/'
  expect 'cloze fill runs/mine/' 'cloze fill runs/mine/checkpoints/'
  expect 'cloze report runs/mine runs/o' 'cloze report runs/mine runs/other/'
  expect 'cloze info c' 'cloze info corpus/' # no model is there: any directory
  expect 'cloze fill my' 'cloze fill my\ runs/'
  expect 'cloze fill ~/mod' 'cloze fill ~/model/'
  expect 'cloze embed runs/mine sen' 'cloze embed runs/mine sentences.txt '
  expect 'cloze vocab --input corpus/te' 'cloze vocab --input corpus/text.txt '
  expect 'cloze vocab --input corpus/text.txt sen' 'cloze vocab --input corpus/text.txt sentences.txt '
  expect 'cloze vocab --output=sen' 'cloze vocab --output=sentences.txt '

  # Nothing is known of a text or a number.
  expect 'cloze fill runs/mine sen' 'cloze fill runs/mine sen'
  expect 'cloze nonsense r' 'cloze nonsense r'
  stop
done
exit $status
