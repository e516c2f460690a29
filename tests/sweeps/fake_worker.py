"""A worker that speaks the protocol but trains nothing: it counts 5 evaluations.

It keeps its place in a file, as a checkpoint does. FAKE_SECONDS: per evaluation.
FAKE_CRASH: "always", or "once" for an exception in each trial's first attempt.
"""

import math
import os
import pathlib
import sys
import threading
import time
from multiprocessing.connection import Connection

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from research.sweeps.contract import Outcome  # noqa: E402

EVALUATIONS = 5


def objective(rate: float, evaluation: int) -> float:
    """Is best at a rate of 0.01, and grows with the evaluations."""
    return 1 / (1 + abs(math.log10(rate) + 2)) - 0.5 / evaluation


def train(trial, connection) -> Outcome:
    """Goes through the evaluations, from the place where the last attempt was."""
    place = pathlib.Path(trial.folder) / "place"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    done = int(place.read_text()) if place.exists() else 0
    rate = trial.configs[0]["optimizer"]["learning_rate"]
    mode = os.environ.get("FAKE_CRASH", "")
    if mode == "always" or (mode == "once" and trial.attempt == 1):
        return Outcome("failed", reason="OSError: planted")
    if mode == "nan" and rate > 0.01:
        return Outcome("diverged", reason="the loss became nan at step 3")
    if done:  # its report may have been lost
        connection.send(("evaluation", done, objective(rate, done)))
        connection.recv()
    for evaluation in range(done + 1, EVALUATIONS + 1):
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        place.with_suffix(".new").write_text(str(evaluation))
        place.with_suffix(".new").replace(place)
        connection.send(("evaluation", evaluation, objective(rate, evaluation)))
        word = connection.recv()
        if word != "go":
            state = "pruned" if word == "prune" else "stopped"
            return Outcome(state, steps=evaluation, seconds=0.1)
    value = objective(rate, EVALUATIONS)
    return Outcome("complete", (value,), steps=EVALUATIONS, seconds=0.1)


def main(pipe: int, lifeline: int) -> None:
    """Serves until the connection or the parent ends."""
    end = threading.Thread(
        target=lambda: (os.read(lifeline, 1), os._exit(137)), daemon=True
    )
    end.start()
    connection = Connection(pipe)
    connection.send("ready")
    try:
        while True:
            _, trial = connection.recv()
            connection.send(("done", train(trial, connection)))
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
