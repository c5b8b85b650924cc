"""SentencePiece's compiled normalisation table, made from a plain table of characters."""

from __future__ import annotations

import struct
import sys
import unicodedata

import numpy as np


def compile_charsmap(table: dict[str, str]) -> bytes:
    """Compile a table of replacements into the format that ``tokenizers.normalizers.Precompiled`` reads.

    The format is the byte length of a trie, the trie, and the results, each ended by a NUL byte. The trie is a double
    array (Aoe, 1989) over the UTF-8 bytes of the keys: every node has a base, and its child for a byte is the cell
    ``base ^ byte``. A cell of 32 bits holds that byte (bits 0 to 7), whether a key ends there (bit 8), and its
    position XOR its base (from bit 10 on). Where a key ends, the cell at the base holds the start of its result
    (bit 31 is set). Each inner node has 256 cells to itself here: that takes more room than a packed trie, but saves
    the search for free cells.

    Args:
        table: The replacement of each key. No key begins with another one, and there are at most 8,000 inner nodes.
    """
    keys = {key.encode(): text.encode() + b"\0" for key, text in table.items()}
    inner = sorted({key[:length] for key in keys for length in range(len(key))})
    bases = {node: 256 * number for number, node in enumerate(inner)}
    end = 256 * len(inner)
    bases.update({key: end + number for number, key in enumerate(keys)})
    cells = np.zeros(end + -(-len(keys) // 256) * 256, np.uint32)

    for node, base in bases.items():
        if node:
            position = bases[node[:-1]] ^ node[-1]
            cells[position] = (position ^ base) << 10 | (node in keys) << 8 | node[-1]
    result_start = 0
    for key, result in keys.items():
        cells[bases[key]] = 1 << 31 | result_start
        result_start += len(result)
    return struct.pack("<I", cells.nbytes) + cells.astype("<u4").tobytes() + b"".join(keys.values())


def with_compositions(table: dict[str, str]) -> dict[str, str]:
    """Add to a table of single characters the letters with a combining mark that SentencePiece composes.

    SentencePiece's NFKC rules compose a letter and a mark ("e" and U+0301 become "é") if the letter itself is kept
    and composed and mark are a whole decomposition. ``Precompiled`` looks up a letter with its marks only if they
    take less than 6 bytes, so that longer rules (most Indic and all Hangul ones) are never applied and are left out.
    """
    marks: dict[str, list[str]] = {}
    for character, text in table.items():
        marks.setdefault(text, []).append(character)

    compositions = {}
    for composed in map(chr, range(sys.maxunicode + 1)):
        decomposed = unicodedata.normalize("NFD", composed)
        if len(decomposed) != 2 or unicodedata.normalize("NFC", decomposed) != composed:
            continue
        letter, mark = decomposed[0], decomposed[1]
        for variant in [mark, *marks.get(mark, [])]:
            if letter not in table and len((letter + variant).encode()) < 6:
                compositions[letter + variant] = composed
    return table | compositions
