"""Splits: nobody and no picture in two of them, classes divided by the ratios, whatever the order."""

import hashlib
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.dataset import splits
from fer_core.errors import BadInput


def picture(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


samples = st.lists(
    st.tuples(
        st.integers(0, 40).map(picture),
        st.sampled_from(["happy", "sad", "fear", None]),
        st.sampled_from([None, None, "", *"ABCDEF"]),
        st.sampled_from([None, None, None, "train", "validation", "test", "none"]),
    ),
    max_size=60,
)


@given(samples, st.sampled_from([(60, 20, 20), (1, 1, 1), (1, 0, 0), (0, 0.5, 0.5)]))
def test_no_picture_and_nobody_is_in_two_splits(rows, ratios):
    columns = list(zip(*rows, strict=True)) or [()] * 4
    images, labels, subjects, _ = columns
    found = splits.assign(images, labels, subjects, ratios=ratios)
    assert len(found) == len(rows) and set(found) <= set(splits.SPLITS)
    allowed = {split for split, ratio in zip(splits.SPLITS, ratios, strict=True) if ratio}
    assert set(found) <= allowed
    for keys in (images, subjects):
        seen = defaultdict(set)
        for key, split in zip(keys, found, strict=True):
            if key:
                seen[key].add(split)
        assert all(len(several) == 1 for several in seen.values())


@given(samples, st.randoms())
def test_the_order_of_the_samples_does_not_matter(rows, random):
    numbered = list(enumerate(rows))
    random.shuffle(numbered)
    there = splits.assign(*[[row[k] for row in rows] for k in range(3)])
    back = splits.assign(*[[row[k] for _, row in numbered] for k in range(3)])
    assert [there[number] for number, _ in numbered] == back


@given(samples)
def test_what_is_fixed_stays_and_draws_its_group_along(rows):
    images, labels, subjects, fixed = list(zip(*rows, strict=True)) or [()] * 4
    found = splits.assign(images, labels, subjects, given=fixed)
    for row, split in enumerate(fixed):
        if split is not None:
            assert found[row] == split
            continue
        near = {
            fixed[k]
            for k in range(len(rows))
            if fixed[k] not in (None, "none")
            and (images[k] == images[row] or subjects[row] and subjects[k] == subjects[row])
        }
        if len(near) == 1 and sum(bool(s) for s in subjects) == 0:
            assert {found[row]} == near
        if "train" in near:
            assert found[row] == "train"


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["happy", "sad", "fear"])), min_size=1, max_size=300
    ),
    st.sampled_from([(60, 20, 20), (80, 10, 10), (1, 1, 1)]),
)
def test_classes_are_divided_by_the_ratios(groups, ratios):
    """Of samples on their own each split gets its share to within one or two, of groups to within a few."""
    images, labels = [], []
    for number, (size, label) in enumerate(groups):
        images += [picture(number)] * size
        labels += [label] * size
    found = splits.assign(images, labels, ratios=ratios)
    largest = max(size for size, _ in groups)
    for label, count in Counter(labels).items():
        have = Counter(split for split, own in zip(found, labels, strict=True) if own == label)
        for split, ratio in zip(splits.SPLITS, ratios, strict=True):
            assert abs(have[split] - count * ratio / sum(ratios)) <= 2 * largest + 1, (label, split, have)


def test_a_split_of_a_hundred_by_hand():
    images = [picture(k) for k in range(100)]
    found = splits.assign(images, ["happy"] * 50 + ["sad"] * 50)
    counts = Counter(zip(found, ["happy"] * 50 + ["sad"] * 50, strict=True))
    assert counts == {
        (s, c): n for s, n in zip(splits.SPLITS, (30, 10, 10), strict=True) for c in ("happy", "sad")
    }


def test_ten_people_are_divided_six_two_two():
    subjects = [f"person {k % 10}" for k in range(210)]
    found = splits.assign([picture(k) for k in range(210)], [str(k % 7) for k in range(210)], subjects)
    people = Counter(split for split, _ in set(zip(found, subjects, strict=True)))
    assert people == {"train": 6, "validation": 2, "test": 2}


def test_people_and_pictures_join_by_way_of_others():
    """A and B are on the same picture, so all of A's and B's pictures are one group."""
    found = splits.assign(list("pqqr"), ["happy"] * 4, ["A", "A", "B", "B"], ratios=(1, 1, 1))
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    "ratios", [(60, 40), (0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)]
)
def test_ratios_that_are_none(ratios):
    with pytest.raises(BadInput, match="three shares.*Received: ratios"):
        splits.assign(["p"], ["happy"], ratios=ratios)
