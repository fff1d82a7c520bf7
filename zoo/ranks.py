"""One command as several processes of a launcher such as torchrun: rank 0 runs it, the others only train with it.

They wait for what rank 0 sends, take part in it, and end with it. Without a launcher nothing is imported or waited for.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from zoo.console import say
from zoo.errors import RequestError, ZooError, first_line
from zoo.unexpected import sentence

R = TypeVar("R")
JOIN = timedelta(minutes=2)  # within this all processes of a launcher have started and found each other
WAIT = timedelta(days=365)  # for rank 0, whose other steps may take any time; one that is gone is noticed at once
_PLACE = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_SHARDED = ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG")


@dataclass(frozen=True)
class Ranks:
    """Which process this is, of how many, of which so many are on this machine."""

    rank: int = 0
    size: int = 1
    local: int = 1


class Task(Protocol):
    """What rank 0 sends to the others: plain data, since it is pickled."""

    def follow(self) -> None:
        """Takes part in it, as a rank other than 0."""


@dataclass(frozen=True)
class _End:
    result: Any


class Parted(ZooError):
    """Another process is gone."""


_joined: Ranks | None = None
_parted = False


def led(work: Callable[[], R]) -> R:
    """What `work` returns. Rank 0 alone does it; the others take part in what it sends them, and return the same.

    Where rank 0 fails the others exit with 1, and say nothing of it. Raises RequestError where the processes that the
    launcher promised do not come together.
    """
    global _joined, _parted
    if _joined is None:
        _joined = _join()
    if _joined.size == 1:
        return work()
    if _parted:
        raise ZooError("The processes of this launcher have parted after an error; start the command anew.")
    if _joined.rank:
        return _follow(_joined)  # type: ignore[no-any-return]
    _parted = True
    result = work()
    send(_End(result))
    _parted = False
    return result


def taking_part() -> Ranks:
    """The processes that came together. Raises RequestError where a launcher promised several, and this is one alone."""
    if _joined is None and _promised() > 1:
        raise RequestError(
            f"A launcher promised {_promised()} processes, and this one runs by itself; start `zoo train`, one of its "
            "steps or `zoo.train` with the launcher."
        )
    return _joined or Ranks()


def send(task: Task | _End) -> None:
    """To every other rank; rank 0 alone sends."""
    from torch import distributed

    with together():
        distributed.broadcast_object_list([task], src=0)


@contextmanager
def together() -> Iterator[None]:
    """What all processes do at once. Raises Parted where one of them is gone."""
    try:
        yield
    except RuntimeError as e:
        raise Parted(
            f"Another process of the launcher has ended ({first_line(e)}); what it or the launcher says is why, and the "
            "same command goes on from the last checkpoint."
        ) from e


def _follow(ranks: Ranks) -> Any:
    try:
        while not isinstance(task := _receive(), _End):
            task.follow()
        return task.result
    except (Parted, KeyboardInterrupt):  # the process that ended first has said why
        sys.exit(1)
    except Exception as e:
        said = str(e) if isinstance(e, ZooError) else sentence(e)
        say(f"zoo: process {ranks.rank} of {ranks.size}: {said}")
        sys.exit(1)


def _receive() -> Any:
    from torch import distributed

    box: list[Any] = [None]
    with together():
        distributed.broadcast_object_list(box, src=0)
    return box[0]


def _promised() -> int:
    """How many processes the launcher says there are, 1 where there is none. Raises RequestError where it cannot be kept."""
    found = os.environ.get("WORLD_SIZE", "")
    if not found:
        # What `accelerate launch` leaves where it was asked for several processes and starts one, as it does on CPUs.
        if {"MASTER_ADDR", "ACCELERATE_MIXED_PRECISION"} <= os.environ.keys() and "RANK" not in os.environ:
            raise RequestError(
                "accelerate launch was asked for several processes and has started one; start them with "
                "`torchrun --nproc_per_node N -m zoo ...`."
            )
        return 1
    if not found.isdecimal() or int(found) < 1:
        raise RequestError(f"WORLD_SIZE is {found!r}, which is no number of processes; unset it, or use torchrun.")
    if int(found) == 1:
        return 1
    if missing := [n for n in _PLACE if not os.environ.get(n)]:
        raise RequestError(
            f"WORLD_SIZE promises {found} processes, but {missing[0]} is not set, so that they cannot find each other; "
            "start them with torchrun, or unset WORLD_SIZE."
        )
    return int(found)


def _join() -> Ranks:
    size = _promised()
    if "WORLD_SIZE" not in os.environ:
        return Ranks()
    for kind in _SHARDED:
        if os.environ.get(f"ACCELERATE_USE_{kind}", "").lower() in {"1", "true"}:
            raise RequestError(
                f"The launcher was set to {kind}, and every process of a training has the whole base; start them with "
                "torchrun, or with accelerate launch --multi_gpu."
            )
    found = Ranks()
    if size > 1:
        local = int(os.environ.get("LOCAL_WORLD_SIZE") or size)
        _own_gpu(int(os.environ["LOCAL_RANK"]))
        found = Ranks(_connect(size), size, local)
    # What is not training is one process's work, and the recipe decides how training is done: from here on the
    # libraries are to see no launcher.
    for name in [n for n in os.environ if n.startswith("ACCELERATE_") and n != "ACCELERATE_USE_CPU"]:
        del os.environ[name]
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    return found


def _own_gpu(local: int) -> None:
    """Leaves this process one GPU in sight, before CUDA counts them: all that asks for `cuda` then finds its own."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible is not None else [str(n) for n in range(local + 1)]
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true"} or names == [""]:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    if local >= len(names):
        raise RequestError(
            f"CUDA_VISIBLE_DEVICES names {len(names)} GPUs, and the launcher has started more processes on this machine; "
            f"start as many as there are GPUs (--nproc_per_node {len(names)})."
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = names[local]


def _connect(size: int) -> int:
    """This process's rank, once all `size` are connected. Raises RequestError where they are fewer, or not alike."""
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    rank = int(os.environ["RANK"])
    try:
        store = next(rendezvous("env://", timeout=JOIN))[0]
        store.set(f"zoo/{rank}", "here")
        store.wait([f"zoo/{n}" for n in range(size)], JOIN)
    except (RuntimeError, ValueError, OSError) as e:
        raise RequestError(
            f"The launcher promised {size} processes, and they did not come together within {JOIN.seconds} s "
            f"({first_line(e)}); start all of them at once, with torchrun."
        ) from e
    with together():
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=WAIT)
        # Its threads must not outlive the interpreter, which would abort the process.
        atexit.register(distributed.destroy_process_group)
        gpus: list[Any] = [None] * size
        distributed.all_gather_object(gpus, torch.cuda.is_available())
    if len(set(gpus)) > 1:
        raise RequestError(
            f"Of {size} processes {gpus.count(True)} have a GPU of their own; start as many on each machine as it has GPUs."
        )
    return rank
