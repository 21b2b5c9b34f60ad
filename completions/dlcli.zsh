#compdef dlcli
# zsh completion of dlcli: eval "$(_DLCLI_COMPLETE=source_zsh dlcli)", or put this file as _dlcli into a folder of $fpath.
_dlcli_completion() {
    local -a lines values open described
    local line="${words[1,$CURRENT]}"
    [[ "$PREFIX" == -*=* ]] && compset -P '*='
    lines=("${(@f)$(_DLCLI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS="$line" dlcli 2>/dev/null)}")
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
