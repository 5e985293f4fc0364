"""Prints README's table of models from their cards: `python docs/figures.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fer_core.zoo import library  # noqa: E402

TRUTHS = {"labels": "FER2013's labels", "votes": "FER+ plurality"}


def share(record: dict) -> str:
    """Accuracy with its 95 % interval and n."""
    low, high = record["accuracy_low"], record["accuracy_high"]
    return f"{record['accuracy']:.1%} ({low:.1%} to {high:.1%}), n = {record['n']:,}".replace("%", " %")


def main() -> None:
    print("| Model | Truth | Accuracy | Leak-free | Over half of the raters agree | Macro F1 | ECE |")
    print("|---|---|---|---|---|---|---|")
    for entry in library.entries():
        for record in entry.card.evaluations if entry.card and entry.shipped else ():
            cells = [f"`{entry.id}`", TRUTHS[record["kind"]], share(record), share(record["leak_free"])]
            cells += [share(record["majority"]) if "majority" in record else "", f"{record['macro_f1']:.3f}"]
            print("| " + " | ".join([*cells, f"{record['ece']:.1%}".replace("%", " %")]) + " |")


if __name__ == "__main__":
    main()
