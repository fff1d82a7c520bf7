"""Tokens a second of a local teacher: transformers in batches, and llama.cpp in float16 and q8_0 with 1, 4 and 8 slots.

    python tests/bench/local_teacher.py --base FOLDER [--count 16] [--tokens 64] [--slots 1 4 8] [--only q8_0]

Every engine is asked the same: to explain passages of the packaged sample. Each is loaded and asked once before the clock
starts.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from zoo.library import load_domain
from zoo.run import threads
from zoo.teachers import Request, Teacher
from zoo.teachers.llama import LlamaTeacher, Served
from zoo.teachers.local import BATCH, LocalTeacher
from zoo.weights import resolve_base
from zoo.weights.to_gguf import write_f16

PASSAGE = 900  # characters


def requests(count: int, tokens: int) -> list[Request]:
    """About passages of the sample, none twice."""
    texts = [p.read_text(encoding="utf-8") for p in sorted((load_domain("medical").folder / "sample").glob("*.md"))]
    passages = [t[at : at + PASSAGE] for t in texts for at in range(0, len(t) - PASSAGE, PASSAGE)]
    if len(passages) < count + 1:
        raise SystemExit(f"the sample has {len(passages)} passages, of which one is kept for warming up")
    said = "Explain in a long paragraph, step by step, what this passage says.\n\n"
    return [Request(({"role": "user", "content": said + p},), tokens) for p in passages[: count + 1]]


def q8_0(source: Path, into: Path) -> Path:
    """The same file with its matrices in eight bits."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quantize

    reader = GGUFReader(str(source))
    writer = GGUFWriter(str(into), "llama")
    for f in reader.fields.values():
        if not f.name.startswith("GGUF.") and f.name not in ("general.architecture", "general.file_type"):
            inner = f.types[-1] if f.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(f.name, f.contents(), f.types[0], sub_type=inner)
    for tensor in reader.tensors:
        if len(tensor.shape) == 1:
            writer.add_tensor(tensor.name, tensor.data)
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, quantize(tensor.data.astype("float32"), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return into


async def measured(teacher: Teacher, asked: list[Request]) -> tuple[float, int, int]:
    """Seconds, tokens read and tokens written."""
    try:
        await teacher.ask(asked[0])
        began = time.monotonic()
        answers = await asyncio.gather(*(teacher.ask(r) for r in asked[1:]))
        seconds = time.monotonic() - began
    finally:
        await teacher.close()
    return seconds, sum(a.tokens_in for a in answers), sum(a.tokens_out for a in answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--only", nargs="+", default=["transformers", "f16", "q8_0"])
    o = parser.parse_args()
    asked = requests(o.count, o.tokens)
    with tempfile.TemporaryDirectory() as scratch:
        weights = resolve_base(o.base, Path(scratch), offline=True)
        files: dict[str, Path] = {}
        if {"f16", "q8_0"} & set(o.only):
            files["f16"] = Path(scratch) / "f16.gguf"
            write_f16(weights.folder, files["f16"])
        if "q8_0" in o.only:
            files["q8_0"] = q8_0(files["f16"], Path(scratch) / "q8_0.gguf")

        def llama(kind: str, slots: int) -> Teacher:
            return LlamaTeacher(lambda: files[kind], kind, kind, Served(slots, 4096, threads()), o.tokens)

        engines: list[tuple[str, Any]] = []
        if "transformers" in o.only:
            engines.append((f"transformers, batches of {BATCH}", lambda: LocalTeacher(weights, o.tokens, 0)))
        for kind in ("f16", "q8_0"):
            if kind in o.only:
                engines += [(f"llama.cpp {kind}, {n} slots", lambda k=kind, n=n: llama(k, n)) for n in o.slots]
        for name, make in engines:

            async def once(make: Any = make) -> tuple[float, int, int]:
                return await measured(make(), asked)

            seconds, read, wrote = asyncio.run(once())
            sys.stdout.write(
                f"{name}: {wrote / seconds:.0f} tokens/s written ({wrote} in {seconds:.1f} s, after {read} read)\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
