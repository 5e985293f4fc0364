"""The camera doctor: from what the browser says to what a person can do."""

import itertools

import pytest

from pages._shared import doctor
from pages._shared.doctor import Facts, Wait


@pytest.mark.parametrize(
    ("facts", "wait", "wrong"),
    [
        (Facts(secure=False, failure="TypeError"), Wait(), doctor.INSECURE),
        (Facts(permission="denied"), Wait(), doctor.REFUSED),
        (Facts(permission="prompt", failure="NotAllowedError"), Wait(), doctor.REFUSED),
        (Facts(cameras=0), Wait(), doctor.NO_CAMERA),
        (Facts(cameras=1, failure="NotFoundError"), Wait(), doctor.NO_CAMERA),
        (Facts(permission="granted", cameras=1, failure="NotReadableError"), Wait(), doctor.IN_USE),
        (Facts(cameras=0, ended=True), Wait(next=60), doctor.GONE),
        (Facts(permission="granted", cameras=1), Wait(first=11), doctor.NO_ROUTE),
        (Facts(permission="granted", cameras=1), Wait(next=5), doctor.STILL),
        (Facts(), Wait(), None),
        (Facts(permission="prompt", cameras=1), Wait(first=9, next=3), None),
    ],
)
def test_each_trouble_has_its_own_words(facts, wait, wrong):
    assert doctor.diagnose(facts, wait, here=False) == wrong


def test_without_a_way_a_visitor_of_a_server_hears_of_turn_and_one_at_home_does_not():
    there = doctor.diagnose(Facts(), Wait(first=60), here=False)
    here = doctor.diagnose(Facts(), Wait(first=60), here=True)
    assert there
    assert here
    assert "TURN" in there.remedy
    assert "TURN" not in here.remedy


def test_every_finding_says_something_of_its_own_and_something_to_do():
    findings = [value for value in vars(doctor).values() if isinstance(value, doctor.Finding)]
    assert len(findings) == 8
    for one, other in itertools.combinations(findings, 2):
        assert one.wrong != other.wrong
        assert one.remedy != other.remedy


def test_a_browser_that_says_nothing_is_not_accused():
    assert doctor.read({}) == Facts()
    assert doctor.diagnose(doctor.read({"cameras": None, "permission": None}), Wait(), here=True) is None
    said = {"secure": False, "permission": "denied", "cameras": 2, "failure": "AbortError", "ended": True}
    assert doctor.read(said) == Facts(False, "denied", 2, "AbortError", True)
