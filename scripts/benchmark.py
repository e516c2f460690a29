"""Measures training and inference as ratios against PyTorch, all in one run.

  pip install 'menagerie[peers]'
  python scripts/benchmark.py                      LeNet and MLP on MNIST-sized images
  python scripts/benchmark.py --models=resnet50,resnet50_predict8,vit_s16,resnet20
  python scripts/benchmark.py --models=autoencoder,conv_autoencoder,vae
  python scripts/benchmark.py --models=unet,unet_mnist,dcgan,stylegan2
  python scripts/benchmark.py --models=lenet --rounds=7 --json
  python scripts/benchmark.py --models=lstm_ptb,bahdanau,gpt_char,bert_predict1
  python scripts/benchmark.py --models=gpt2,gpt2_generate1
  python scripts/benchmark.py --models=centernet,centernet_predict,dlinear,patchtst
  python scripts/benchmark.py --models=gpt2 --contenders=step_bfloat16,eager_bfloat16

Contenders, each in a process of its own that waits while the others run, in turns:
  loop       our whole training loop: data, metrics, log, a checkpoint every 100 steps
  step       our bare compiled step (training or logits) on one batch
  native     the same with the operations of JAX and Flax (config.model.kernels=native)
  dataloader PyTorch eager fed by its DataLoader, as in its own MNIST example, or as
             the authors' scripts read windows of a series (dlinear, patchtst)
  eager      PyTorch eager, all examples in memory as float tensors
  fused      the same with the optimizer's fused form
  compiled   the same with torch.compile
  ..._nhwc   the same with channels-last memory
  hoisted    eager, what a decoder's loop need not do moved out of it (bahdanau)
  librosa    its log-mel spectrograms, against ours (log_mel)
  transformers   its `generate`, greedy (gpt2_generate1, gpt2_generate8)
Same model, batch, optimizer (SGD with momentum; AdamW for vit, gpt and audio_cnn, Adam
for bahdanau, centernet, unet, the autoencoders, games and forecasters, plain SGD for
lstm_ptb), float32 and threads. With `_bfloat16` behind a contender's name its matrices
multiply rounded: ours by config.train.matmul_precision=BF16_BF16_F32, PyTorch's by
autocast. A ratio is the median over the rounds of the two speeds in one round: read
ratios, not times. "of CPU" is the ratio of processor time, which other programs disturb
less.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import json
import statistics
import subprocess
import tempfile
import time

from scripts import app
from scripts.peers import work

_DEFAULT = "lenet,mlp"


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--models", default=_DEFAULT, help=", ".join(work.WORK))
    parser.add_argument("--contenders", help="comma-separated; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    parser.add_argument("--contender", help="for this script itself: model/contender")
    options = parser.parse_args(argv)
    if options.contender:
        _serve(*options.contender.split("/"))
        return
    with app.one_sentence_errors():
        names = _chosen("model", options.models.split(","), work.WORK)
        asked = options.contenders.split(",") if options.contenders else []
        contenders = {}
        for name in names:
            usual = work.WORK[name].contenders
            legal = (*usual, *(each + work.ROUNDED for each in usual))
            contenders[name] = _chosen("contender", asked, legal) or list(usual)
        if options.rounds < 1:
            raise ValueError(
                f"--rounds must be at least 1, got {options.rounds}; use 5"
            )
        results = {}
        for name in names:
            results[name] = measure(name, contenders[name], options.rounds)
            _show(name, results[name])
    if options.json:
        print(json.dumps(results))


def _chosen(what: str, names: list[str], legal) -> list[str]:
    from research import lookup

    for name in names:
        if name not in legal:
            raise ValueError(lookup.unknown(what, name, legal))
    return names


def _round_products(contender: str) -> None:
    """Has this process multiply matrices of numbers rounded to bfloat16."""
    if contender in work.OURS:
        import jax

        jax.config.update("jax_default_matmul_precision", "BF16_BF16_F32")
    else:
        import torch

        torch.autocast("cpu", torch.bfloat16).__enter__()  # as long as the process


def measure(name: str, contenders: list[str], rounds: int) -> dict:
    """Runs the contenders of a workload in turns.

    Returns:
      contender -> {"speed": examples per second, "cpu": processor seconds per
      example}, each a list of one value per round.
    """
    item = work.WORK[name]
    results = {each: {"speed": [], "cpu": []} for each in contenders}
    workers = {each: _worker(f"{name}/{each}") for each in contenders}
    try:
        for turn in range(rounds + 1):
            for each, worker in workers.items():
                steps = item.steps if turn else max(2, item.steps // 10)
                seconds, cpu = _ask(worker, steps)
                if turn:  # the first warms up
                    results[each]["speed"].append(item.batch * steps / seconds)
                    results[each]["cpu"].append(cpu / (item.batch * steps))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return results


def _worker(name: str) -> subprocess.Popen:
    errors = tempfile.TemporaryFile("w+")
    worker = subprocess.Popen(
        [sys.executable, __file__, f"--contender={name}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    worker.errors = errors
    return worker


def _ask(worker: subprocess.Popen, steps: int) -> tuple[float, float]:
    """Has a worker make some steps; returns their seconds and processor seconds."""
    try:
        worker.stdin.write(f"{steps}\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass
    for line in worker.stdout:
        if line.startswith("seconds "):
            seconds, cpu = map(float, line.split()[1:])
            return seconds, cpu
    worker.wait()
    worker.errors.seek(0)
    *_, last = ["nothing said", *worker.errors.read().strip().splitlines()]
    raise ValueError(
        f"the contender {worker.args[-1].split('=')[1]} could not run ({last[:200]}); "
        "PyTorch comes with pip install 'menagerie[peers]', or leave it out with "
        "--contenders"
    )


def _serve(name: str, contender: str) -> None:
    if contender.endswith(work.ROUNDED):
        contender = contender.removesuffix(work.ROUNDED)
        _round_products(contender)
    run = _prepare(name, contender)
    for line in sys.stdin:
        began = time.process_time()
        seconds = run(int(line))
        print(f"seconds {seconds} {time.process_time() - began}", flush=True)


def _prepare(name: str, contender: str):
    item = work.WORK[name]
    if item.pairs:
        from scripts.peers import translation

        return translation.prepare(item, contender)
    if item.samples:
        from scripts.peers import sounds

        return sounds.prepare(item, contender)
    if item.model == "gpt":
        from scripts.peers import gpt

        return gpt.prepare(item, contender)
    if item.model == "bert":
        from scripts.peers import bert

        return bert.prepare(item, contender)
    if item.model == "unet":
        from scripts.peers import diffusion

        return diffusion.prepare(item, contender)
    if item.task == "adversarial":
        from scripts.peers import games

        return games.prepare(item, contender)
    if item.objects:
        from scripts.peers import detection

        return detection.prepare(item, contender)
    if item.horizon:
        from scripts.peers import forecasting

        return forecasting.prepare(item, contender)
    if item.window:
        from scripts.peers import language

        return language.prepare(item, contender)
    if contender not in work.OURS:
        from scripts.peers import pytorch

        return pytorch.prepare(name, item, contender)
    from scripts.peers import ours

    if contender == "loop":
        return ours.prepare_loop(item)
    kernels = "native" if contender == "native" else "auto"
    prepare = ours.prepare_step if item.train else ours.prepare_prediction
    return prepare(item, kernels)


def _show(name: str, results: dict) -> None:
    item = work.WORK[name]
    first = next(iter(results))
    what = "training" if item.train else "inference"
    print(
        f"{name}: {item.model}/{item.variant}, {what}, batch {item.batch}: "
        f"examples per second (median), {first} over it"
    )
    for each, values in results.items():
        line = f"  {each:17s} {statistics.median(values['speed']):10,.4g}"
        if each != first:
            ratios = _ratios(results[first]["speed"], values["speed"])
            line += f"   {statistics.median(ratios):5.2f}x"
            line += f"  ({min(ratios):.2f}-{max(ratios):.2f})"
            cpu = _ratios(values["cpu"], results[first]["cpu"])
            line += f"   {statistics.median(cpu):5.2f}x of CPU"
        print(line, flush=True)


def _ratios(above: list[float], below: list[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


if __name__ == "__main__":
    app.run(main)
