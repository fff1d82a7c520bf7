"""Which processes ask teachers at the moment: each holds the lock of a file of its own, which the kernel drops with the
process, however it ends. So the dead are told from the living without a clock."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from zoo.lock import locked


class Asker:
    """This process, as the others see it. Its file lists the models that it asks, a line each."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid4().hex
        self._path = folder / self.name
        # One that tidies up may have this file for a moment, between its making and its locking here.
        file = locked(self._path, wait=True)
        assert file
        self._file = file

    def asks(self, model: str) -> None:
        self._file.write(f"{model}\n".encode())
        self._file.flush()

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def dead(folder: Path, name: str) -> bool:
    """Whether the asker of that name has ended; its file is then gone too."""
    file = locked(folder / name, wait=False)
    if file is None:
        return False
    with file:
        (folder / name).unlink()
    return True


def dead_ones(folder: Path) -> list[str]:
    """The askers whose files still told of them, and no longer do."""
    return [p.name for p in folder.glob("*") if dead(folder, p.name)]


def models_asked(folder: Path) -> set[str]:
    """The models that living processes ask."""
    models: set[str] = set()
    for path in folder.glob("*"):
        if not dead(folder, path.name):
            try:
                models |= set(path.read_text(encoding="utf-8").splitlines())
            except FileNotFoundError:  # it has just ended
                continue
    return models
