"""Work on the next item while the caller is busy with this one."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any


def ahead(items: Generator[Any, None, None], waiting: int = 4) -> Iterator[Any]:
    """The items of a generator, which runs in a thread of its own.

    Worth it where the items come from code that lets go of the interpreter for long, as unpacking
    does. At most `waiting` items wait, so memory stays bounded however many there are. What the
    generator raises is raised here; when the caller stops early, the generator is closed.
    """
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=waiting)
    stopped = threading.Event()

    def put(kind: str, item: Any) -> None:
        # With a timeout, so that the thread ends when the caller has gone.
        while not stopped.is_set():
            try:
                ready.put((kind, item), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if stopped.is_set():
                    items.close()
            put("end", None)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            put("error", error)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = ready.get()
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item
    finally:
        stopped.set()
        thread.join()
