"""What a launcher does: the same command several times, each told its rank; and torchrun itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def place(rank: int, size: int, port: int) -> dict[str, str]:
    """What a launcher tells the process of that rank."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip


def launch(arguments: Sequence[str], size: int) -> list[subprocess.Popen[str]]:
    """`python ARGUMENTS` as so many processes that nobody watches over."""
    port = free_port()
    return [_start([sys.executable, *arguments], place(rank, size, port)) for rank in range(size)]


def torchrun(arguments: Sequence[str], size: int) -> subprocess.Popen[str]:
    """`torchrun --nproc_per_node SIZE ARGUMENTS`."""
    port = str(free_port())
    command = ["--nproc_per_node", str(size), "--master_addr", "127.0.0.1", "--master_port", port, *arguments]
    return _start([sys.executable, "-m", "torch.distributed.run", *command], {})


def _start(command: list[str], told: dict[str, str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **told}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
