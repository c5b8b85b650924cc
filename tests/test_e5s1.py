"""The E5S1 reader, on blocks and files small enough to be worked out by hand."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest

from isoglot.encoders.bundled.e5s1 import dequantise, read
from isoglot.platform.errors import InputError

# One block with the scale 0.5. The bytes 0x10, 0x21, ... have the low halves 0 to 15 and the high halves 1 to 15, 0,
# so that weights 0 to 15 are -4, -3.5 ... 3.5 and weights 16 to 31 the same from -3.5 on, ending with -4.
BLOCK = struct.pack("<e", 0.5) + bytes(((low + 1) % 16) << 4 | low for low in range(16))
WEIGHTS = [-4 + 0.5 * n for n in range(16)] + [-3.5 + 0.5 * n for n in range(15)] + [-4]


def small_file(magic: bytes = b"E5S1", version: int = 1, block: int = 32, kind: int = 1) -> bytes:
    """A file with two pieces, two normalised characters, and one tensor of each type."""
    head = magic + struct.pack("<I7if", version, 4, 2, 1, 8, 9, 16, 2, 1e-12)
    head += struct.pack("<6iQ", block, 2, 0, 2, 1, 3, 4)
    head += struct.pack("<3I2f", 0, 3, 4, -1.5, -2.5) + "▁".encode() + b"a"
    table = struct.pack("<IBII", ord("½"), 2, ord("1"), ord("2")) + struct.pack("<IB", 0x200B, 0)
    head += struct.pack("<iI", 2, len(table)) + table + struct.pack("<i", 2)
    start = len(head) + 2 * (2 + 1 + 21)
    head += struct.pack("<H", 1) + b"f" + struct.pack("<BIQQ", 0, 3, start, 12)
    head += struct.pack("<H", 1) + b"q" + struct.pack("<BIQQ", kind, 32, start + 12, 18)
    return head + struct.pack("<3f", 1.0, 2.0, -3.0) + BLOCK


def test_a_block_becomes_half_minus_eight_times_scale_with_the_low_halves_first() -> None:
    weights = dequantise(BLOCK + BLOCK)
    assert weights.dtype == np.float32
    assert weights.tolist() == WEIGHTS * 2


def test_every_part_of_a_small_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.bin"
    path.write_bytes(small_file())
    model = read(path)
    assert (model.hidden, model.layers, model.heads, model.feed_forward) == (4, 2, 1, 8)
    assert (model.vocabulary, model.positions, model.token_types) == (9, 16, 2)
    assert (model.bos, model.eos, model.pad, model.unknown) == (0, 2, 1, 3)
    assert model.epsilon == pytest.approx(1e-12)
    assert model.pieces == [("▁", -1.5), ("a", -2.5)]
    assert model.normalisation == {"½": "12", "\u200b": ""}
    assert model.tensors["f"].tolist() == [1.0, 2.0, -3.0]
    assert model.tensors["q"].tolist() == WEIGHTS


def test_a_file_cut_short_anywhere_is_one_clear_error(tmp_path: Path) -> None:
    whole = small_file()
    path = tmp_path / "cut.bin"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.bin: "):
            read(path)


def test_a_damaged_byte_is_one_clear_error_or_another_number(tmp_path: Path) -> None:
    whole = small_file()
    path = tmp_path / "damaged.bin"
    for position in range(len(whole)):
        for damage in (0x80, 0xFF):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ damage]) + whole[position + 1 :])
            with contextlib.suppress(InputError):
                read(path)


def test_a_tensor_that_runs_past_the_end_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(small_file()[:-1])
    with pytest.raises(InputError, match=r"not a whole E5S1 file: a part of 18 bytes at \d+ does not"):
        read(path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (small_file(magic=b"GGUF"), 'begins with .*GGUF.*, an E5S1 file with "E5S1"'),
        (small_file(version=2), "version 2 with blocks of 32"),
        (small_file(block=64), "version 1 with blocks of 64"),
        (small_file(kind=7), "tensor q of type 7 has 32 weights in 18 bytes"),
        (small_file(kind=0), "tensor q of type 0 has 32 weights in 18 bytes"),
        (b"", "begins with"),
    ],
)
def test_another_kind_of_file_is_refused_with_what_was_found(tmp_path: Path, file: bytes, message: str) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(file)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"none\.bin: cannot read: No such file") as caught:
        read(tmp_path / "none.bin")
    assert type(caught.value).__name__ == "IsoglotError"
