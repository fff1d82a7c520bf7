"""No test reaches the network or the user's own folders."""

from __future__ import annotations

import os

import pytest

# Set before any library reads them.
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", TQDM_DISABLE="1"
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as cores: more threads than one each would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "ZOO_DOMAINS", "ZOO_WORKSPACE"):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    monkeypatch.setenv("ZOO_WORKSPACE", str(home / "workspace"))
