# SPDX-License-Identifier: Apache-2.0
# Completion of wakeline for bash: options and subcommands come from the program's own help, so they are never out of date.
_wakeline() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  case $previous in
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
