"""sentence-transformers with its ONNX backend, in a separate environment, because optimum needs an older transformers.

    python -m venv onnx && onnx/bin/pip install 'sentence-transformers[onnx]'
    ISOGLOT_ONNX_PYTHON=onnx/bin/python python -m benchmarks encoding

That interpreter runs this file with MODEL TEXTS FOLDER. For each name of `VARIANTS` on standard input it encodes the
texts with that variant, saves FOLDER/NAME.npy and answers with the name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

VARIANTS = {"float32": "model.onnx", "int8": "model_quint8_avx2.onnx"}
"""File of each variant, as sentence-transformers names it."""


@contextmanager
def peers(model: str, texts: list[str]) -> Iterator[dict[str, Callable[[], Any]]]:
    """Yield ways to encode the texts, by name; none if ``ISOGLOT_ONNX_PYTHON`` is not set."""
    interpreter = os.environ.get("ISOGLOT_ONNX_PYTHON")
    if not interpreter:
        yield {}
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        command = [interpreter, __file__, model, str(folder / "texts.json"), name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield {
                f"sentence-transformers, ONNX, {variant}": partial(_ask, process, variant, folder)
                for variant in VARIANTS
            }
            assert process.stdin
            process.stdin.close()


def _ask(process: subprocess.Popen[str], variant: str, folder: Path) -> Any:
    assert process.stdin
    assert process.stdout
    print(variant, file=process.stdin, flush=True)
    if process.stdout.readline().strip() != variant:
        raise RuntimeError(f"the ONNX peer does not answer to {variant}")
    return np.load(folder / f"{variant}.npy")


def _rename_classes(model: Path) -> None:
    """Rename the classes in a model folder to what sentence-transformers 5 and transformers 4 call them."""
    for name in ("tokenizer_config.json", "modules.json"):
        text = (model / name).read_text(encoding="utf-8").replace("TokenizersBackend", "PreTrainedTokenizerFast")
        text = re.sub(r"sentence_transformers\.[\w.]+\.(\w+)", r"sentence_transformers.models.\1", text)
        (model / name).write_text(text, encoding="utf-8")


def _serve(model: str, texts: Path, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    answers, sys.stdout = sys.stdout, sys.stderr  # so that libraries cannot print between answers
    path = str(shutil.copytree(model, folder / "model"))
    _rename_classes(folder / "model")

    def load(**options: Any) -> Any:
        return SentenceTransformer(path, backend="onnx", model_kwargs={"provider": "CPUExecutionProvider", **options})

    exported = load(export=True)
    exported.save_pretrained(path)
    export_dynamic_quantized_onnx_model(exported, "avx2", path)
    ways = {variant: load(file_name=f"onnx/{name}") for variant, name in VARIANTS.items()}
    contents = json.loads(texts.read_text(encoding="utf-8"))
    for line in sys.stdin:
        variant = line.strip()
        np.save(folder / f"{variant}.npy", ways[variant].encode(contents, normalize_embeddings=True))
        print(variant, file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
