"""Training curves as TensorBoard reads them, written while a model trains: `tensorboard --logdir` on a workspace shows them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from zoo.artifact import EVENTS
from zoo.training.batches import Layout

if TYPE_CHECKING:
    from zoo.training.trainer import Watch


_FLUSH_S = 2.0


class EventFile:
    """One file of events in `tensorboard/` of an artifact. `part` tells it from others of the same second. With `start`,
    events of earlier files from that step on count no longer."""

    def __init__(self, artifact: Path, part: str, start: int | None = None) -> None:
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.record_writer import RecordWriter

        folder = artifact / EVENTS
        folder.mkdir(exist_ok=True)
        # The library's own names hold the host's, which is nobody else's business.
        self._writer = RecordWriter(str(folder / f"events.out.tfevents.{int(time.time()):010d}.{part}"))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if start is not None:
            log = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=start, session_log=log))
        self.flush()

    def add(self, step: int, values: dict[str, float]) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        self._write(Event(wall_time=time.time(), step=step, summary=summary))
        # The library's flush waits for the disk.
        if time.monotonic() - self._flushed > _FLUSH_S:
            self.flush()

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())

    def flush(self) -> None:
        self._writer.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._writer.close()


class Curves(TrainerCallback):  # type: ignore[misc]
    """Writes each step's loss, learning rate, tokens so far and tokens/s, and the validation loss where it is taken.

    A run that goes on from a checkpoint writes the steps after it again; those of the killed run no longer count.
    """

    def __init__(self, artifact: Path, layout: Layout, watch: Watch) -> None:
        self.artifact, self.layout, self.watch = artifact, layout, watch
        self._file: EventFile | None = None
        self._tokens, self._seconds = 0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        step = state.global_step
        self._file = EventFile(self.artifact, f"from-{step + 1}", start=step + 1)
        self._tokens, self._seconds = self.layout.tokens[step - 1] if step else 0, self.watch.seconds

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if self._file is None:
            return
        if "eval_loss" in logs:
            self._file.add(state.global_step, {"validation_loss": logs["eval_loss"]})
        if "loss" in logs:
            tokens, seconds = self.layout.tokens[state.global_step - 1], self.watch.seconds
            speed = (tokens - self._tokens) / max(seconds - self._seconds, 1e-9)
            values = {"loss": logs["loss"], "learning_rate": logs["learning_rate"], "tokens": tokens}
            self._file.add(state.global_step, {**values, "tokens_per_second": speed})
            self._tokens, self._seconds = tokens, seconds
        if control.should_save:
            # A run that goes on from this checkpoint writes nothing of the steps before it.
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()


def write_measured(artifact: Path, measured: dict[int, dict[str, float]]) -> None:
    """What was measured before and after a training, by step; of an earlier try at it nothing is left."""
    part = "measured"
    for old in (artifact / EVENTS).glob(f"*.{part}"):
        old.unlink()
    file = EventFile(artifact, part)
    for step, values in measured.items():
        file.add(step, values)
    file.close()
