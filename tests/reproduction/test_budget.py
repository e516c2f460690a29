import signal
import time

import pytest

from research.reproduction import budget


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m5s", 5405)]
)
def test_times(text, seconds):
    assert budget.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "0m", "3x", "m", "-5m", "1.5h"])
def test_what_is_no_time_is_one_sentence(text):
    with pytest.raises(ValueError) as error:
        budget.seconds(text)
    assert str(error.value) == (
        f"--budget must be a time such as 90s, 30m or 1h30m, got {text!r}"
    )


def test_no_budget_never_ends():
    deadline = budget.Deadline(None)
    assert not deadline.past and deadline.left() is None
    with deadline.stopping():
        pass


def test_it_waits_until_training_can_stop_and_then_asks_once(monkeypatch):
    monkeypatch.setattr(budget, "_RETRY", 0.02)
    heard = []
    deadline = budget.Deadline(0.01)
    with deadline.stopping():
        time.sleep(0.1)  # the default handler would have ended the process
        assert deadline.past
        old = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
        try:
            time.sleep(0.1)
        finally:
            signal.signal(signal.SIGTERM, old)
    assert heard == [1]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
