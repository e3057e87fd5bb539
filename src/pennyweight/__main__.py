"""`pennyweight` and `python -m pennyweight`.

Whatever takes time to import is imported inside `main`, where Ctrl-C is met.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command line: 0, 1 for what failed, 2 for what was not understood, 130 for Ctrl-C.

    `arguments` are those of the process unless given; without any, the help page is printed.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _answer(given)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; nothing that is left in the buffer may complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _answer(given: list[str]) -> int:
    """The exit code, once what went wrong is told on stderr."""
    from typer.exceptions import TyperException

    from pennyweight.cli.app import command
    from pennyweight.core.errors import PennyweightError
    from pennyweight.report.terminal import plain_streams, show_error

    plain_streams()
    try:
        code = command().main(given or ["--help"], prog_name="pennyweight", standalone_mode=False)
        sys.stdout.flush()
    except PennyweightError as error:
        show_error(str(error), error.hint)
        return error.exit_code
    except TyperException as error:
        context = getattr(error, "ctx", None)
        show_error(error.format_message(), f"{context.command_path} --help" if context else "")
        return error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        show_error(f"{place}{error.strerror or error}")
        return 1
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
