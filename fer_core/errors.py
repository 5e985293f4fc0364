"""Every error that a user may meet.

    FerError
    ├── BadInput       what was given cannot be used (a file, a link, an option): the sender can mend it
    ├── NotFound       nothing has that name; the message lists what exists
    ├── Conflict       it is in use, already there, or someone else is writing it
    ├── BadModel       a model folder that is incomplete, changed or foreign
    └── StorageError   the disk or the database refused; nothing half-written was kept

Messages follow one form: the rule, then "Received: name=value", then the remedy.
"""

from collections.abc import Iterable


class FerError(Exception):
    """Base of every error that is meant for a user's eyes."""


class BadInput(FerError):
    """What was given cannot be used."""


class NotFound(FerError):
    """A look-up failed."""

    @classmethod
    def of(cls, kind: str, name: object, existing: Iterable[object]) -> "NotFound":
        """Build the message that lists what exists instead."""
        known = ", ".join(sorted(str(item) for item in existing)) or "none"
        return cls(f"There is no {kind} of that name. Received: {name!r}. There are: {known}.")


class Conflict(FerError):
    """It is in use, already there, or being written by someone else."""


class BadModel(FerError):
    """A model folder that is incomplete, changed or foreign."""


class StorageError(FerError):
    """The disk or the database refused to store something."""
