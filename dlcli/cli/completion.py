"""Shell completion: the scripts for bash and zsh, and Typer's for fish.

All of them send the line up to the cursor to `dlcli`, which answers as Typer does for fish: a value on each line, and after a
tab what it means. Typer's own scripts for bash and zsh cut words at a colon, or put a space after a folder.
"""

import os
import sys
from typing import Any

import typer
import typer.completion

VARIABLE = "_DLCLI_COMPLETE"

_ASK = '_DLCLI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS="{line}" dlcli 2>/dev/null'
_BASH = r"""# bash completion of dlcli: source this file, or: eval "$(_DLCLI_COMPLETE=source_bash dlcli)"
_dlcli_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n' word start k
    COMPREPLY=($(ASK | cut -f1))
    # Readline replaces only what follows the last break in the word, such as the colon in torchvision:resnet18.
    word="${line##*[[:space:]]}"
    start="${word%"${word##*[$COMP_WORDBREAKS]}"}"
    for k in "${!COMPREPLY[@]}"; do
        COMPREPLY[k]="${COMPREPLY[k]#"$start"}"
        [[ "$word" != [\"\']* && "${COMPREPLY[k]}" == *[!a-zA-Z0-9_.,:=/+@~%-]* ]] || continue
        printf -v "COMPREPLY[$k]" %q "${COMPREPLY[k]}"
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[/:=] ]]; then compopt -o nospace; fi
}
complete -o default -F _dlcli_completion dlcli
"""
_ZSH = r"""#compdef dlcli
# zsh completion of dlcli: eval "$(_DLCLI_COMPLETE=source_zsh dlcli)", or put this file as _dlcli into a folder of $fpath.
_dlcli_completion() {
    local -a lines values open described
    local line="${words[1,$CURRENT]}"
    [[ "$PREFIX" == -*=* ]] && compset -P '*='
    lines=("${(@f)$(ASK)}")
    lines=(${lines:#})
    described=(${${(M)lines:#*$'\t'*}//:/\\:})
    values=(${lines:#*$'\t'*})
    open=(${(M)values:#*[\/:=]})
    values=(${values:#*[\/:=]})
    (( ${#lines} )) || { _files; return }
    (( ${#described} )) && { described=(${described/$'\t'/:}); _describe -V value described }
    (( ${#open} )) && compadd -S '' -a open
    (( ${#values} )) && compadd -a values
}
if [[ "${zsh_eval_context[-1]}" == loadautofunc ]]; then _dlcli_completion "$@"; else compdef _dlcli_completion dlcli; fi
"""
_SCRIPTS = {"bash": _BASH.replace("ASK", _ASK.format(line="$line")), "zsh": _ZSH.replace("ASK", _ASK.format(line="$line"))}


def install() -> str:
    """Write the script of the shell that this runs in to where the shell reads it; returns one line about it."""
    shell, path = typer.completion.install(prog_name="dlcli", complete_var=VARIABLE)  # type: ignore[attr-defined]
    if shell in _SCRIPTS:
        path.write_text(_SCRIPTS[shell], encoding="utf-8")
    return f"{shell} completion is installed in {path}; it works in new terminals"


def show(app: typer.Typer) -> None:
    """Print the script of the user's login shell."""
    shell = os.path.basename(os.environ.get("SHELL", "bash"))
    os.environ[VARIABLE] = f"source_{shell}"
    complete(app, [])


def complete(app: typer.Typer, arguments: list[str]) -> int:
    """Do what `_DLCLI_COMPLETE` asks for: print a shell's script, or the values for the line that Typer's variables hold."""
    instruction, _, shell = os.environ[VARIABLE].partition("_")
    if instruction == "source" and shell in _SCRIPTS:
        sys.stdout.write(_SCRIPTS[shell])
        return 0
    typer.completion.get_completion_inspect_parameters()  # makes the shells known to Typer
    os.environ["COLUMNS"] = "10000"  # Typer wraps what a word means to the width, and a shell would take each line for a word
    command: Any = typer.main.get_command(app)
    return int(command.main(arguments, prog_name="dlcli", standalone_mode=True) or 0)
