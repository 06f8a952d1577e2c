"""Tab completion for `python -m dltools.train` and `dltools-train`."""

from __future__ import annotations

import os
import re

SCRIPT = """\
_dltools_complete() {
    local line="${COMP_LINE:0:COMP_POINT}"
    if [[ "$line" =~ ^[^[:space:]]*python[0-9.]*[[:space:]]+-m[[:space:]]+dltools\\.train[[:space:]] ]]; then
        local choices; choices=$(COMP_LINE="$line" "${COMP_WORDS[0]}" -m dltools.train -sc query=bash 2>/dev/null)
    elif [[ "$line" =~ ^[^[:space:]]*dltools-train[[:space:]] ]]; then
        local choices; choices=$(COMP_LINE="$line" "${COMP_WORDS[0]}" -sc query=bash 2>/dev/null)
    else
        return
    fi
    COMPREPLY=($(compgen -W "$choices" -- "${COMP_WORDS[COMP_CWORD]}"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _dltools_complete python python3 dltools-train
"""
"""For bash; Hydra's own `dltools-train -sc install=zsh` or `fish` serves the other shells."""


def normalize_query() -> None:
    """Rewrite the line under completion to the form that Hydra can take apart: one word, then overrides."""
    line = os.environ.get("COMP_LINE", "")
    os.environ["COMP_LINE"] = re.sub(r"^\s*\S*python[0-9.]*\s+-m\s+dltools\.train(?=\s|$)", "dltools-train", line)
