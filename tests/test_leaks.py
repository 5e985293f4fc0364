"""The same picture in two splits."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.dataset import leaks


def frame_of(rows: list[tuple[str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["image", "split"])
    return frame.assign(sample=range(1, len(frame) + 1))


def test_a_leak_by_hand():
    frame = frame_of(
        [("a", "train"), ("a", "train"), ("a", "validation"), ("b", "train"), ("b", "test")]
        + [("c", "validation"), ("c", "test"), ("d", "train"), ("d", "none"), ("e", "test"), ("e", "test")]
    )
    report = leaks.leaks(frame)
    assert [(leak.splits, leak.images, leak.rows) for leak in report.leaks] == [
        (("train", "validation"), ("a",), (2, 1)),
        (("train", "test"), ("b",), (1, 1)),
        (("validation", "test"), ("c",), (1, 1)),
    ]
    assert report and report.dropped == 4
    assert leaks.leak_free(frame)["sample"].tolist() == [3, 5, 7, 8, 9, 10, 11]


def test_a_picture_in_all_three_stays_in_test_only():
    frame = frame_of([("a", "train"), ("a", "validation"), ("a", "test")])
    assert leaks.leak_free(frame)["split"].tolist() == ["test"]


def test_no_leak():
    report = leaks.leaks(frame_of([("a", "train"), ("a", "train"), ("b", "test")]))
    assert not report and report.dropped == 0
    assert not leaks.leaks(frame_of([]))


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["train", "validation", "test", "none"])),
    max_size=30,
)


@settings(deadline=None)
@given(ROWS)
def test_what_is_left_has_no_leak_and_all_of_test(rows):
    frame = frame_of(rows)
    free = leaks.leak_free(frame)
    assert not leaks.leaks(free)
    assert len(frame) - len(free) == leaks.leaks(frame).dropped
    for split in ("test", "none"):
        assert (free["split"] == split).sum() == (frame["split"] == split).sum()
    assert set(free["image"]) == set(frame["image"]), "every picture is still somewhere"


GROUPS = {"b": "a", "a": "a"}


def test_near_copies_leak_like_exact_ones():
    frame = frame_of([("a", "train"), ("b", "test"), ("c", "train"), ("c", "validation"), ("d", "train")])
    assert [leak.images for leak in leaks.leaks(frame).leaks] == [("c",)]
    report = leaks.leaks(frame, GROUPS)
    assert [(leak.splits, leak.images, leak.rows) for leak in report.leaks] == [
        (("train", "validation"), ("c",), (1, 1)),
        (("train", "test"), ("a", "b"), (1, 1)),
    ]
    assert report.dropped == 2
    assert leaks.leak_free(frame, GROUPS)["sample"].tolist() == [2, 4, 5]
    assert not leaks.leaks(leaks.leak_free(frame, GROUPS), GROUPS)


def test_a_picture_was_trained_on_if_a_copy_of_it_was():
    frame = frame_of([("a", "train"), ("b", "test"), ("c", "test"), ("d", "none")])
    assert leaks.trained_on(frame) == {"a"}
    assert leaks.trained_on(frame, GROUPS) == {"a", "b"}
    assert leaks.trained_on(frame, {}) == {"a"}


@settings(deadline=None)
@given(ROWS, st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("ab")))
def test_no_near_copy_is_left_either(rows, groups):
    frame = frame_of(rows)
    free = leaks.leak_free(frame, groups)
    assert not leaks.leaks(free, groups) and not leaks.leaks(free)
    assert (free["split"] == "test").sum() == (frame["split"] == "test").sum()
