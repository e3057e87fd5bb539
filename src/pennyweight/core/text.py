"""Text that came from anywhere, made fit to be printed."""

from __future__ import annotations

import shlex


def visible(text: object) -> str:
    """The text with every character that a terminal would obey, or cannot print, written as an escape.

    >>> visible("caf\\u00e9 \\x1b[31m \\udce9")
    'café \\\\x1b[31m \\\\udce9'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def command(*words: object) -> str:
    """`pennyweight` with these words, as a shell takes it and a terminal may show it.

    >>> command("evaluate", "my run", "--part", "validation")
    "pennyweight evaluate 'my run' --part validation"
    """
    return visible(shlex.join(["pennyweight", *map(str, words)]))
