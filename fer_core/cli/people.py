"""Commands on the people who label: people, consensus, gold."""

import argparse
import math

from fer_core.cli.findings import _many
from fer_core.cli.versions import _me
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation.agreement import Kappa
from fer_core.review import looks, people, quality
from fer_core.review.quality import Share


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("people", help="who labels how fast and how well, and who agrees with whom")
    add.add_argument("dataset")
    add.set_defaults(run=_people)

    add = commands.add_parser("consensus", help="the labels that people agree on; only shows, unless --write")
    add.add_argument("dataset")
    add.add_argument("--method", choices=sorted(people.METHODS), default="majority")
    add.add_argument("--least", type=int, default=2, help="answers that a picture must have")
    add.add_argument("--certainty", type=float, default=0.0, help="leave less certain ones as they are")
    add.add_argument("--write", action="store_true", help="give the pictures these labels")
    add.add_argument("--who", default=_me(), help="who does it; stands in the ledger")
    add.set_defaults(run=_consensus)

    add = commands.add_parser("gold", help="pictures whose label is beyond doubt, to measure people by")
    add.add_argument("dataset")
    what = add.add_mutually_exclusive_group()
    what.add_argument("--add", nargs="+", metavar="SAMPLE=LABEL")
    what.add_argument("--agreed", type=int, metavar="N", help="add N on which 9 imported raters in 10 agree")
    what.add_argument("--drop", nargs="+", type=int, metavar="SAMPLE")
    add.add_argument("--who", default=_me(), help="who says so")
    add.set_defaults(run=_gold)


def _people(options: argparse.Namespace) -> int:
    report = quality.report(Store.open(), options.dataset)
    if not report.people:
        print("nobody has labelled a picture by hand yet")
    for person in report.people:
        pace = "" if math.isnan(person.pace) else f"  {person.pace:.0f} a minute"
        print(f"{person.who}  {person.answers:,} pictures{pace}")
        for name, share in (
            ("labels changed", person.changed),
            ("as most of the others", person.others),
            ("second look the same", person.itself),
            ("gold right", person.gold),
        ):
            print(f"  {name}: {_share(share)}")
    for (one, other), kappa in report.pairs.items():
        print(f"{one} and {other}: {_kappa(kappa)}")
    if report.shared:
        print(f"all together: {_kappa(report.together)}; different answers on {_differing(report):,}")
    return 0


def _differing(report: quality.Report) -> int:
    return report.conflicts["sample"].nunique()


def _consensus(options: argparse.Namespace) -> int:
    store = Store.open()
    how = {"method": options.method, "least": options.least}
    found = people.consensus(store, options.dataset, **how)
    wanted = people.changed(found)
    wanted = wanted[wanted["certainty"] >= options.certainty]
    for row in wanted.itertuples(index=False):
        print(
            f"{row.sample}  {row.present or 'no label'} -> {row.label}  {row.certainty:.2f} of {row.answers}"
        )
    ties = int(found["label"].isna().sum())
    print(
        f"{_many(len(found), 'picture')}, {_many(ties, 'tie')}, {len(wanted):,} that would get another label"
    )
    if options.write:
        change = people.write_consensus(
            store, options.dataset, options.who, **how, certainty=options.certainty
        )
        print(f"{len(change.events):,} labels changed, batch {change.batch}")
    return 0


def _gold(options: argparse.Namespace) -> int:
    store = Store.open()
    if options.drop:
        looks.drop_gold(store, options.drop)
    elif options.agreed:
        offers = looks.gold_offers(store, options.dataset)[: options.agreed]
        wanted = dict(zip(offers["sample"].tolist(), offers["label"], strict=True))
        looks.make_gold(store, options.dataset, wanted, options.who)
    elif options.add:
        looks.make_gold(store, options.dataset, dict(map(_pair, options.add)), options.who)
    for row in looks.gold_samples(store, options.dataset).itertuples(index=False):
        print(f"{row.sample}  {row.label}  {row.who}, {row.at[:16]}")
    return 0


def _pair(text: str) -> tuple[int, str]:
    sample, _, label = text.partition("=")
    if not sample.isdigit() or not label:
        raise BadInput(f"Gold is given as SAMPLE=LABEL. Received: {text!r}. Write 12=sad.")
    return int(sample), label


def _share(share: Share) -> str:
    if not share.n:
        return "none yet"
    low, high = share.interval
    return f"{share.hits:,} of {share.n:,} ({low:.0%} to {high:.0%})"


def _kappa(kappa: Kappa) -> str:
    if math.isnan(kappa.value):
        return f"kappa not known, {kappa.n:,} pictures"
    return f"kappa {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f}), {kappa.n:,} pictures"
