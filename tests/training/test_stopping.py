from __future__ import annotations

import signal
import threading

import pytest

from metricpose.training.stopping import stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_acts(number):
    told = []
    before = signal.signal(number, lambda *_: told.append("acted"))
    try:
        with stop_signals() as received:
            signal.raise_signal(number)
            assert received == [number]
            assert told == []
            signal.raise_signal(number)
            assert received == [number]
            assert told == ["acted"]
        signal.raise_signal(number)
        assert told == ["acted", "acted"]
    finally:
        signal.signal(number, before)


def test_a_thread_beside_the_main_one_notes_nothing():
    found = []

    def work():
        with stop_signals() as received:
            found.append(received)

    handler = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[]]
    assert signal.getsignal(signal.SIGTERM) is handler
