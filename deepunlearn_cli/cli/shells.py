"""What bash is given for completion: Typer's script takes a word with a colon (`class:3`) for three words."""

from __future__ import annotations

from typer import _completion_classes, _completion_shared

# bash breaks words at colons, and replaces what stands behind the last one alone
BASH = """
%(complete_func)s() {
    local IFS=$'\\n' words=() i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i)) && [[ ${COMP_WORDS[i]} == :* || ${COMP_WORDS[i - 1]} == *: ]]; then
            words[-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    local current=${words[-1]}
    COMPREPLY=( $( env COMP_WORDS="${words[*]}" \\
                   COMP_CWORD=$((${#words[@]} - 1)) \\
                   %(autocomplete_var)s=complete_bash $1 ) )
    if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
        COMPREPLY=( "${COMPREPLY[@]#"${current%%"${current##*:}"}"}" )
    fi
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""


def mend() -> None:
    """Have `--show-completion` and `--install-completion` give the script above."""
    _completion_shared._completion_scripts["bash"] = BASH
    _completion_classes.BashComplete.source_template = BASH
