"""Mirrors a run to Weights & Biases; it may fail, and training goes on."""

import functools
import logging
import pathlib

from research.training import workdir


def _never_stops_training(method):
    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        if self.run is None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # a mirror, whatever its fault, is not the run
            logging.warning("W&B failed and is switched off for this run: %s", error)
            self.run = None

    return guarded


class WandbMirror:
    """One W&B run per run directory; its id is stored, so resuming continues it."""

    def __init__(self, settings, config, name, folder: pathlib.Path, active=True):
        """Starts the mirror, or does nothing where `settings.mode` is "disabled".

        Args:
          settings: the group `config.wandb`.
          config: the whole resolved config, as plain values.
          name: of the run.
          folder: the run directory; W&B's own files go there as well.
          active: False on every process but the first.
        """
        self.run = None
        if settings.mode == "disabled" or not active:
            return
        try:
            import wandb  # takes 0.6 s and is needed by few

            file = folder / "wandb.json"
            known = workdir.read_json(file)["id"] if file.exists() else None
            self.run = wandb.init(
                mode=settings.mode,
                project=settings.project,
                group=settings.group or None,
                tags=list(settings.tags),
                id=known,
                resume="allow" if settings.mode == "online" else None,
                name=name,
                config=config,
                dir=str(folder),
            )
            workdir.write_json(file, {"id": self.run.id})
        except Exception as error:  # no key, no server, no package: the run is ours
            logging.warning("W&B is switched off for this run: %s", error)
            self.run = None

    @_never_stops_training
    def log(self, row: dict) -> None:
        """Sends one row of metrics.jsonl."""
        self.run.log({k: v for k, v in row.items() if k != "step"}, step=row["step"])

    @_never_stops_training
    def image(self, name: str, path: pathlib.Path, step: int) -> None:
        """Sends a picture file."""
        import wandb

        self.run.log({name: wandb.Image(str(path))}, step=step)

    @_never_stops_training
    def close(self, exit_code: int = 0) -> None:
        """Ends the run; 0 means that it was completed."""
        self.run.finish(exit_code=exit_code)
