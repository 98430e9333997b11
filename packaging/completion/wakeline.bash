# SPDX-License-Identifier: Apache-2.0
# Completion of wakeline for bash: options and subcommands come from the program's own help, so they are never out of date.
_wakeline() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # After `run … --` stand the words of another program.
  local at
  if [[ ${COMP_WORDS[1]} == run ]]; then
    for ((at = 2; at < COMP_CWORD; at++)); do
      [[ ${COMP_WORDS[at]} == -- ]] && COMPREPLY=($(compgen -cf -- "$current")) && return
    done
  fi
  case $previous in
    install) COMPREPLY=($(compgen -f -- "$current")) && return ;;
    launch | foreground | background | close | remove | info | --app)
      COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" apps list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$current")) && return
      ;;
    --*folder | --apps) COMPREPLY=($(compgen -d -- "$current")) && return ;;
    --*file | --output | --ca | --doorbell | --report) COMPREPLY=($(compgen -f -- "$current")) && return ;;
  esac
  local word path=() help
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == [a-z]* ]] && path+=("$word")
  done
  # A word that is no subcommand (an app's name) ends the path.
  while ! help=$("${COMP_WORDS[0]}" "${path[@]}" --help 2>/dev/null); do
    ((${#path[@]})) || return
    unset 'path[-1]'
  done
  COMPREPLY=($(compgen -W "$(awk '
    /^Subcommands:/ { sub_section = 1; next }
    sub_section && /^  [a-z]/ { print $1; next }
    { while (match($0, /--[a-z][a-z-]*/)) { print substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH) } }
  ' <<<"$help")" -- "$current"))
}
complete -F _wakeline wakeline
