"""Tab completion for `python -m dltools.train` and `dltools-train`."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from dltools.cfgutils.groups import PLURAL, WEIGHTED
from dltools.cfgutils.index import index
from dltools.cfgutils.terms import WEIGHT

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
    COMPREPLY=()
    while read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$choices" -- "${COMP_WORDS[COMP_CWORD]}")
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _dltools_complete python python3 dltools-train
"""
"""For bash; Hydra's own `dltools-train -sc install=zsh` or `fish` serves the other shells."""

_LAST_TERM = re.compile(
    rf"""(?:^|(?<=\s))(?P<typed>
        \+{{0,2}}(?P<group>[\w/]+)(?:@[\w.]+)?=
        (?P<before>(?:[^\s\[{{'"]*(?P<sign>[+,(]))?)
        (?P<weight>(?:{WEIGHT}\*?)?)
    )(?P<name>[\w-]*)$""",
    re.VERBOSE,
)


@contextmanager
def completing() -> Iterator[None]:
    """Let Hydra complete the line of `COMP_LINE` within.

    Hydra knows only words such as `loss=di`. It is asked for the last name of `loss=dice+0.3fo` or `loss=dice,fo` as if
    that stood alone, and what stands before it is put back into what Hydra prints.
    """
    line = re.sub(
        r"^\s*\S*python[0-9.]*\s+-m\s+dltools\.train(?=\s|$)", "dltools-train", os.environ.get("COMP_LINE", "")
    )
    term = _LAST_TERM.search(line)
    if term is None or not _may_stand(term):
        os.environ["COMP_LINE"] = line
        yield
        return
    asked = f"{term['group']}="
    os.environ["COMP_LINE"] = f"{line[: term.start()]}{asked}{term['name']}"
    answer = io.StringIO()
    with redirect_stdout(answer):
        yield
    names = [word.removeprefix(asked) for word in answer.getvalue().split()]
    separator = "\n" if "\n" in answer.getvalue().strip() else " "
    print(separator.join(f"{term['typed']}{name}" for name in names if _fits(name, term)))


def _may_stand(term: re.Match[str]) -> bool:
    """Tell whether the group takes several names, if several are typed, and weights, if one is."""
    return (term["sign"] != "+" or term["group"] in PLURAL) and (not term["weight"] or term["group"] in WEIGHTED)


def _fits(name: str, term: re.Match[str]) -> bool:
    """Tell whether the expression may go on with a name: not named yet, and a component if it has a weight."""
    expression = re.split(r"[,(]", term["before"])[-1]
    if name in re.findall(r"[A-Za-z_]\w*", expression):
        return False
    return not term["weight"] or index().find(term["group"], name) is not None
