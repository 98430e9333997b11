# SPDX-License-Identifier: Apache-2.0
# Completion of wakeline for bash: commands, options and the kinds of their values come from the program's own help, so they are never
# out of date.

# What the help of the command "$@" has, a line each: "command NAME", "option NAMES KIND", "argument NAME KIND". A flag has no kind.
_wakeline_help() {
  "${COMP_WORDS[0]}" "$@" --help 2>/dev/null | awk '
    /^[A-Z][a-z]*:$/ { section = $1; next }
    /^$/ { section = "" }
    !/^  [-a-z]/ { next }
    section == "Subcommands:" { print "command " $1 }
    section == "Options:" || section == "Positionals:" {
      sub(/^  /, "")
      sub(/  .*/, "")
      sub(/ (Excludes|Needs): .*/, "")
      print (section == "Options:" ? "option " : "argument ") $0
    }'
}

# The names that `wakeline $@` lists.
_wakeline_listed() { "${COMP_WORDS[0]}" "$@" list 2>/dev/null | awk 'NR > 1 { print $1 }'; }

# What a value of the kind $1 can be that begins with $2, a line each.
_wakeline_values() {
  local words
  case $1 in
    *{*) words=${1#*\{} && words=${words%\}*} && compgen -W "${words//,/ }" -- "$2" ;;
    FILE*) compgen -f -- "$2" ;;
    FOLDER*) compgen -d -- "$2" ;;
    PROGRAM*) compgen -c -- "$2"; compgen -f -- "$2" ;;
    SCENARIO*) compgen -W "$("${COMP_WORDS[0]}" sim list 2>/dev/null | awk '{ print $1 }')" -- "$2"; compgen -f -- "$2" ;;
    APP*) compgen -W "$(_wakeline_listed apps)" -- "$2" ;;
    DEVICE*) compgen -W "$(_wakeline_listed devices)" -- "$2" ;;
    TOKEN*) compgen -W "$(_wakeline_listed tokens)" -- "$2" ;;
  esac
}

_wakeline() {
  local current=${COMP_WORDS[COMP_CWORD]} word path= lines line names above=() kind= arguments=0 ended= commands= options=
  [[ $current == = ]] && current=  # of --name=value, which stands in three words
  mapfile -t lines < <(_wakeline_help)
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word == = ]]; then
      continue
    elif [[ -n $kind ]]; then
      kind=  # that was its value
    elif [[ $word == -- && -z $ended ]]; then
      ended=1
    elif [[ $word == -?* && -z $ended ]]; then
      for line in "${lines[@]}"; do
        names=${line#option }
        [[ $line == "option "*" "* && ,${names%% *}, == *",$word,"* ]] && kind=${names#* }
      done
    elif [[ " ${lines[*]/%/ } " == *" command $word "* ]]; then
      # What may stand behind the commands of these, too.
      above=()
      for line in "${lines[@]}"; do
        case $path:$line in
          *:"option -h,"*) ;;
          apps:option* | devices:option* | tokens:option* | "server:option --data-folder "*) above+=("$line") ;;
        esac
      done
      path+=${path:+ }$word
      mapfile -t lines < <(_wakeline_help $path)
      lines+=("${above[@]}")
    else
      ((++arguments))
    fi
  done
  compopt -o filenames 2>/dev/null
  if [[ $path == run && arguments -gt 0 ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")  # the words of another program
    return
  elif [[ -n $kind ]]; then
    mapfile -t COMPREPLY < <(_wakeline_values "$kind" "$current")
    return
  fi
  for line in "${lines[@]}"; do
    case $line in
      "command "*) commands+=" ${line#command }" ;;
      # The last argument may come again.
      "argument "*" "*) ((arguments-- >= 0)) && kind=${line#argument * } ;;
      "option "*) names=${line#option } && options+=" ${names%% *}" ;;
    esac
  done
  if [[ $current == -* && -z $ended ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${options//,/ }" -- "$current" | grep -e '^--' | sort -u)
  else
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current"; _wakeline_values "$kind" "$current")
  fi
}
complete -F _wakeline wakeline
