"""Commands that are printed: what a shell makes of them is what was meant, and no terminal obeys them."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.text import command, visible

PRINTABLE = st.text().filter(str.isprintable)


@given(words=st.lists(PRINTABLE))
def test_a_shell_reads_the_words_that_were_meant(words: list[str]) -> None:
    assert shlex.split(command(*words)) == ["pennyweight", *words]


@given(word=st.text())
def test_whatever_a_word_holds_a_terminal_may_show_it(word: str) -> None:
    assert command("evaluate", word).isprintable()
    assert visible(command("evaluate", word)) == command("evaluate", word)
