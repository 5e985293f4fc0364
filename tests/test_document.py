"""The report on a model: whole in one file, true to the record, and deaf to what names try to say."""

import dataclasses
import html.parser
import re

import numpy as np
import pytest

from fer_core.dataset import measures, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import document, metrics, register, report, robustness, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.document import plots
from fer_core.evaluation.document.plots import Axis, Bar, Line
from fer_core.evaluation.trial import Trial
from fer_core.imaging.disturbances import DISTURBANCES
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import library, thresholds
from tests import drawn_dataset, drawn_fer2013
from tests.drawn_dataset import picture, row

EVIL = '<script>alert("x")</script>'
NAMES = ("happy", "sad", "neutral")


@pytest.fixture
def card():
    return dataclasses.replace(
        library.find(library.DEFAULT).card, labels=LabelSet("three", NAMES), answer_threshold=0.5
    )


def store_of(folder, labels, **how) -> Store:
    rows = [row(f"v{i}", picture(i), label, "validation") for i, label in enumerate(labels)]
    return drawn_dataset.here(folder, rows, **how)


def made(store, card, answers, dataset="faces", split="validation", seen=frozenset(), faces=WHOLE) -> Trial:
    """A trial of these answers, in the register as `trial.run` leaves it."""
    asked = trial.rows(store, dataset, None, split)
    found = Trial(card, asked, faces, np.asarray(answers, np.float32), seen)
    register.note(store, card, dataset, asked.version, split, faces, found.records)
    return found


def some_answers(count, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


class Page(html.parser.HTMLParser):
    """What a browser makes of a page: its tags with attributes, its text, its tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.rows, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, text):
        self.words.append(text)
        if self.rows and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += text

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def row(self, name):
        """Cells of all rows that begin with this name."""
        return [cells for cells in self.rows if cells and cells[0] == name]


def test_the_page_is_whole_and_says_what_the_record_says(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad", "neutral", "happy"] * 10)
    found = made(store, card, some_answers(40), seen=frozenset())
    record = found.records[0]
    text = document.html(store, found)
    page = Page(text)
    assert page.open == [] and {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe"})
    assert not re.search(r"https?:|url\(|@import|src=|href=", text)
    for place, name in enumerate(NAMES):
        cells, faces = page.row(name)
        assert cells[1:] == [
            f"{n / sum(record['confusion'][place]) * 100:.0f} %{n:,}" for n in record["confusion"][place]
        ]
        recall = record["per_class"]["recall"][place]
        assert faces[1] == str(record["per_class"]["support"][place])
        assert faces[2].startswith(f"{recall * 100:.1f} % (")
        assert f"{name} AP {record['average_precision'][place]:.2f}" in page.text
    low, high = record["accuracy_low"] * 100, record["accuracy_high"] * 100
    assert f"{record['accuracy'] * 100:.1f} % of 40 faces" in page.text
    assert f"interval {low:.1f} to {high:.1f} %" in page.text
    assert "Below 50 % confidence it says can't tell" in page.text
    sure = found.result().confidence >= 0.5
    assert f"{sure.mean() * 100:.1f} % of the faces get an answer" in page.text
    assert all(sentence in page.text for sentence in card.limitations)
    assert (
        "MIT" in page.text
        and f"{card.parameters:,} weights" in page.text
        and "print it to a PDF" in page.text
    )


def test_a_threshold_that_was_chosen_here_is_the_one_that_is_told(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad", "neutral", "happy"] * 10)
    thresholds.choose(card, 0.75)
    page = Page(document.html(store, made(store, card, some_answers(40))))
    assert "Below 75 % confidence it says can't tell" in page.text
    assert page.row("Says can't tell")[0][1] == "below 75 % confidence, as was chosen here"


def test_whatever_names_and_cards_hold_is_text(tmp_path, card):
    evil = LabelSet("evil", (EVIL, "sad", "'onload=alert(1)"))
    store = store_of(tmp_path, evil.names * 4, name=EVIL, label_set=evil)
    versions.freeze(store, EVIL, EVIL, EVIL)
    card = dataclasses.replace(
        card,
        title=EVIL,
        labels=evil,
        limitations=[EVIL],
        licence={EVIL: EVIL},
        environment={EVIL: EVIL},
        training={"dataset": EVIL, "version": EVIL, "left_out": {EVIL: 1}, "selected_on": EVIL},
    )
    text = document.html(store, made(store, card, some_answers(12), dataset=EVIL, faces=EVIL))
    page = Page(text)
    assert "<script" not in text and page.text.count(EVIL) >= 8
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    (title,) = (words for words in page.words if words.startswith(EVIL) and "report" in words)
    assert title == f"{EVIL}: report"


def test_every_evaluation_of_these_weights_is_told_its_own_dataset_first(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad"] * 8)
    drawn_dataset.write(
        store,
        [row(f"o{i}", picture(90 + i), name, "test") for i, name in enumerate(["sad", "fear"] * 6)],
        "others",
        why="another",
    )
    card = dataclasses.replace(card, training={"dataset": "others"})
    other = dataclasses.replace(card, files={**card.files, "model.tflite": "ff"})
    versions.freeze(store, "faces", "cleaned", "Ada")
    first = made(store, card, some_answers(16), seen=None)
    made(store, card, some_answers(12, seed=1), dataset="others", split="test")
    made(store, other, some_answers(16, seed=2))
    page = Page(document.html(store, first))
    rows = [cells for cells in page.rows if cells[0].startswith("the ")]
    assert [cells[0].split(" (")[0] for cells in rows] == [
        f"the test split of others, version {register.entries(store, dataset='others')[0].version[:8]}",
        "the validation split of faces, version “cleaned”",
    ]
    assert rows[0][-1] == "6 fear" and rows[1][3] == "not known"
    assert "One test split was measured" in page.text
    assert "not known: its training set is not here" in page.text


def test_faces_that_were_not_found_have_a_column(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad", "neutral"] * 4)
    answers = some_answers(12)
    answers[:3] = np.nan
    page = Page(document.html(store, made(store, card, answers, faces="yunet")))
    assert [cells[0][-1] for cells in map(page.row, NAMES)] == ["25 %1"] * 3
    assert "75.0 %, 9 of 12" in page.text and "faces found by yunet" in page.text


def test_not_one_face_found_is_a_report_too(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad"])
    page = Page(document.html(store, made(store, card, np.full((2, 3), np.nan), faces="yunet")))
    assert "0.0 % of 2 faces" in page.text


def test_one_class_alone_is_a_report_too(tmp_path, card):
    store = store_of(tmp_path, ["sad"] * 5)
    page = Page(document.html(store, made(store, card, some_answers(5))))
    assert "100.0 % of 5 faces" in page.text and "always sad" in page.text


def test_a_model_whose_classes_do_not_fit_has_no_report(tmp_path, card):
    store = store_of(tmp_path, ["fear"] * 4)
    asked = trial.rows(store, "faces", None, "validation")
    with pytest.raises(BadInput, match="must share classes"):
        document.html(store, Trial(card, asked, WHOLE, some_answers(4).astype(np.float32), None))


def test_votes_stand_beside_labels_with_the_human_line(tmp_path, card):
    store = drawn_fer2013.filled(tmp_path, 40, votes=True)
    eight = library.find(library.DEFAULT).card
    found = made(store, eight, some_answers(10, 8))
    page = Page(document.html(store, found, "votes"))
    (published,) = page.row("As published")
    for cell, record in zip(published[1:], found.records, strict=True):
        assert cell.startswith(f"{record['accuracy'] * 100:.1f} % (")
    (human,) = page.row("A rater agrees with the others")
    assert human[1] == "–" and human[2].startswith("100.0 % (")
    assert "the most frequent vote says" in page.text


def test_models_of_other_tasks_have_theirs(tmp_path, card):
    rows = [
        row(f"v{i}", picture(i), "happy" if i % 2 else "sad", "validation", valence=i / 20 - 0.5, arousal=0.1)
        for i in range(20)
    ]
    store = drawn_dataset.here(tmp_path, rows)
    affect = dataclasses.replace(card, task="affect")
    found = made(store, affect, np.random.default_rng(0).uniform(-1, 1, (20, 2)))
    page = Page(document.html(store, found))
    (cells,) = page.row("valence")
    assert cells[1].startswith(f"{found.records[0]['valence']['ccc']:.3f} (")
    pairs = dataclasses.replace(card, task="similarity", files={"model.tflite": "pairs"})
    found = made(store, pairs, some_answers(20, 8))
    page = Page(document.html(store, found))
    assert f"Area under the curve {found.records[0]['auc']:.3f}" in page.text
    assert any(tag == "polyline" for tag, _ in page.tags)


def test_limits_are_told_where_they_were_measured(tmp_path):
    """Nothing is measured for the report: it shows what is kept."""
    predictor = Predictor.load(library.find(library.DEFAULT).folder)
    rows = [
        row(f"v{i}", picture(i, 48) // (1 + i % 2), "happy" if i % 3 else "sad", "validation", subject=EVIL)
        for i in range(10)
    ]
    store = drawn_dataset.here(tmp_path, rows)
    found = trial.run(store, predictor, trial.rows(store, "faces", None, "validation"))
    before = Page(document.html(store, found)).text
    assert "When pictures get worse" not in before and "Brightness" not in before
    curves = robustness.measure(store, predictor, found.result().among(robustness.drawn(found.result())))
    measures.measure(store, "faces")
    text = document.html(store, found)
    page = Page(text)
    assert robustness.sentence(robustness.worst(curves)) in page.text
    for each in DISTURBANCES:
        (alt,) = re.findall(rf"<title>{each.title}: (.*?)</title>", text)
        worst = min(curves.at(each, step).mean() for step in each.steps)
        assert alt == f"{curves.result.right.mean():.0%} as it is, {worst:.0%} at worst"
    dark, bright = (sum(found.result().right[of::2]) / 5 for of in (1, 0))
    cells = [cells for cells in page.rows if "Brightness" in cells[0] or cells[0].startswith("below")]
    (heading, darker), rest = cells[:2], page.rows
    assert "mean grey level" in heading[0] and darker[1] == "5"
    assert darker[2].startswith(f"{dark * 100:.1f} % (")
    (brighter,) = [c for c in rest if c[0].endswith("or more") and c[1] == "5"][:1]
    assert brighter[2].startswith(f"{bright * 100:.1f} % (")
    assert EVIL not in page.text, "who is shown is left out"


def test_a_chart_puts_each_value_where_its_axes_say():
    x, y = Axis("px", ((10, "ten"), (20, "twenty"))), plots.percents("right")
    svg = plots.chart(x, y, "one & two", [Line([(10, 0), (15, 0.5), (20, 1), (99, 2)], dots=True)])
    left, right, top, foot = plots._LEFT, 340 - plots._RIGHT, plots._TOP, 260 - plots._BOTTOM
    middle = f"{(left + right) / 2} {(top + foot) / 2}"
    (points,) = re.findall(r'points="([^"]*)"', svg)
    assert points == f"{left}.0 {foot}.0 {middle} {right}.0 {top}.0 {right}.0 {top}.0"
    assert "<title>one &amp; two</title>" in svg and svg.count("<circle") == 4
    assert all(f">{text}</text>" in svg for text in ("ten", "twenty", "px", "right", "0 %", "100 %"))


def test_bars_stand_on_the_axis_and_show_their_interval():
    axis = plots.percents("share")
    svg = plots.chart(axis, axis, "", bars=[Bar(0, 0.5, 0.25, 0.1, 0.4)])
    height = 260 - plots._BOTTOM - plots._TOP
    top, wide = (
        float(re.search(r'y="([\d.]+)" width', svg)[1]),
        float(re.search(r'width="([\d.]+)" h', svg)[1]),
    )
    assert top == pytest.approx(plots._TOP + 0.75 * height, abs=0.1)
    assert wide == pytest.approx((340 - plots._LEFT - plots._RIGHT) / 2 - 1, abs=0.1)
    ends = re.search(r'class="line" d="M[\d.]+ ([\d.]+)V([\d.]+)"', svg).groups()
    assert [float(end) for end in ends] == pytest.approx(
        [plots._TOP + (1 - share) * height for share in (0.4, 0.1)], abs=0.1
    )


def test_a_thinned_curve_keeps_its_ends_and_its_steep_part():
    recall = np.concatenate([np.linspace(0.1, 0.9, 10), np.full(5000, 0.95), [1.0]])
    kept = document.figures._thin(recall)
    assert {*range(10), 10, len(recall) - 1} <= set(kept.tolist()) and len(kept) < 420


def test_figures_in_words_are_those_of_the_record(tmp_path, card):
    store = store_of(tmp_path, ["happy", "sad", "neutral", "happy"] * 5)
    found = made(store, card, some_answers(20))
    said, record = document.figures.summary(found.result(), True), report.record(found.result())
    assert said["Truth among the first two"] == f"{record['top2'] * 100:.1f} %"
    assert said["Baseline"] == "50.0 %, always happy" and metrics.baseline(found.result().truth) == 0.5
    assert said["Left out"] == "nothing" and said["Faces found"] == "100.0 %, 20 of 20"
