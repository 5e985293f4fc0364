"""How far a command is, on one line of the terminal."""

import sys


def show(done: int, total: int | None, text: str = "") -> None:
    """One line that is written over and over; nothing where nobody watches, as in a pipe or a log."""
    if sys.stderr.isatty():
        share = f"{done / total:4.0%} " if total else ""
        print(f"\r\033[K{share}{text}", end="", file=sys.stderr, flush=True)


def clear() -> None:
    """Clear the line of the progress."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
