"""How the package, or an extra of it, is installed where it lies now."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parents[3]
"""The project's folder, where the package is run from a checkout of it."""


def install_command(extra: str = "", home: Path = HOME) -> str:
    """What installs an extra: in the project's folder where there is one, else by the package's name.

    >>> install_command("hub", Path("/nowhere"))
    "pip install 'pennyweight[hub]'"
    """
    if (home / "pyproject.toml").is_file():
        return f"pip install -e '.[{extra}]'" if extra else "pip install -e ."
    return f"pip install 'pennyweight[{extra}]'" if extra else "pip install --force-reinstall pennyweight"
