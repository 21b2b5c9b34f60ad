# bash completion of dlcli: source this file, or: eval "$(_DLCLI_COMPLETE=source_bash dlcli)"
_dlcli_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n' word start k
    COMPREPLY=($(_DLCLI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS="$line" dlcli 2>/dev/null | cut -f1))
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
