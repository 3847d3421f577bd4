"""A stream is a hint: it wakes, it is never believed, and one that is silent is found out."""

from __future__ import annotations

from threading import Thread

from commenda.venues import Hints

DESK = "binance_usdm:desk"


def test_what_happened_is_taken_once_by_whoever_asks() -> None:
    hints = Hints()
    hints.opened(DESK)
    for _ in range(3):
        hints.happened(DESK)
    assert hints.take() == {DESK}
    assert hints.take() == set()


def test_whoever_waits_is_woken() -> None:
    hints = Hints()
    woken: list[bool] = []
    waiting = Thread(target=lambda: woken.append(hints.wait(60)))
    waiting.start()
    while waiting.is_alive():
        hints.happened(DESK)
        waiting.join(0.01)
    assert woken == [True]
    assert hints.wait(0) is False


def test_an_open_stream_that_told_nothing_of_what_was_found_is_opened_anew() -> None:
    """Found once it can still be on its way; at the next reading it has been silent."""
    hints = Hints()
    hints.opened(DESK)
    hints.read(DESK, found=True)  # from before it was opened
    hints.read(DESK, found=True)
    assert hints.take_deaf() == set()
    hints.read(DESK, found=False)
    assert hints.take_deaf() == {DESK}
    assert hints.take_deaf() == set()


def test_a_stream_that_tells_late_is_not_deaf() -> None:
    hints = Hints()
    hints.opened(DESK)
    hints.read(DESK, found=False)
    hints.read(DESK, found=True)
    hints.happened(DESK)
    hints.read(DESK, found=False)
    assert hints.take_deaf() == set()


def test_a_stream_that_has_nothing_to_tell_is_not_deaf() -> None:
    hints = Hints()
    hints.opened(DESK)
    for _ in range(5):
        hints.read(DESK, found=False)
    assert hints.take_deaf() == set()
    assert not Hints().ears


def test_one_that_is_lost_is_not_deaf_and_says_why() -> None:
    hints = Hints()
    hints.opened(DESK)
    hints.lost(DESK, "closed (1006)")
    for _ in range(3):
        hints.read(DESK, found=True)
    assert hints.take_deaf() == set()
    assert (hints.ears[DESK].is_open, hints.ears[DESK].why) == (False, "closed (1006)")
