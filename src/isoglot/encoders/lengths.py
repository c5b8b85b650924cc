"""How long the texts of each language are for a model, and how many of them it cut: what no vector can make good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import regex  # type: ignore[import-untyped]

from isoglot.platform.languages import english_name, known

IDEOGRAPHS_OF_A_WORD, LETTERS_OF_A_WORD = 2, 4
"""How many characters count as a word where no spaces stand between words: in Chinese and Japanese; and in Thai, Lao,
Khmer and Burmese."""

KINDS = {"document": "documents", "query": "questions"}
"""What notes call the texts of a role."""

MOST_NAMED = 6
"""The most languages that a note names one by one."""

_IDEOGRAPHS, _LETTERS = r"\p{Han}\p{Hiragana}\p{Katakana}ー", r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_IDEOGRAPH, _LETTER = regex.compile(f"[{_IDEOGRAPHS}]"), regex.compile(f"[{_LETTERS}]")
_WORD = regex.compile(rf"[\p{{L}}\p{{M}}\p{{N}}--[{_IDEOGRAPHS}{_LETTERS}]]+", regex.V1)


class LanguageLengths(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of the texts of one language.

    Attributes:
        texts: Number of texts.
        cut: Number of texts that are longer than the model's limit, so that it did not see their ends.
        tokens_per_word: Mean number of tokens of a word, without prompt and special tokens; None where no text has a
            word.
    """

    texts: int
    cut: int
    tokens_per_word: float | None


class TextLengths(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of the texts of one role.

    Attributes:
        limit: Number of tokens at which texts are cut, with prompt and special tokens; None: they are not cut.
        by_language: Language -> lengths of its texts.
    """

    limit: int | None
    by_language: dict[str, LanguageLengths]


class LengthSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over texts of one language, which can be added.

    Attributes:
        texts: As `LanguageLengths.texts`.
        cut: As `LanguageLengths.cut`.
        tokens: Number of their tokens, without prompt and special tokens.
        words: Number of their words; see `word_count`.
    """

    texts: int
    cut: int
    tokens: int
    words: float

    @classmethod
    def total(cls, parts: Iterable[LengthSums]) -> LengthSums:
        """Add sums."""
        texts, cut, tokens, words = (sum(column) for column in zip(*map(msgspec.structs.astuple, parts), strict=True))
        return cls(texts=texts, cut=cut, tokens=tokens, words=words)

    def means(self) -> LanguageLengths:
        """The lengths that these are the sums of."""
        mean = round(self.tokens / self.words, 3) if self.words else None
        return LanguageLengths(texts=self.texts, cut=self.cut, tokens_per_word=mean)


def length_sums(
    texts: Sequence[str], languages: Sequence[str], tokens: Sequence[int], around: int, limit: int | None
) -> dict[str, LengthSums]:
    """Sum up the lengths of texts: language -> its sums.

    Args:
        texts: n texts.
        languages: Their languages.
        tokens: Number of tokens of each, including the prompt and special tokens.
        around: Number of tokens of the prompt and special tokens.
        limit: Number of tokens at which texts are cut; None: at none.
    """
    of_language: dict[str, list[LengthSums]] = defaultdict(list)
    for text, language, count in zip(texts, languages, tokens, strict=True):
        is_cut = int(limit is not None and count > limit)
        of_language[language].append(LengthSums(texts=1, cut=is_cut, tokens=count - around, words=word_count(text)))
    return {language: LengthSums.total(parts) for language, parts in of_language.items()}


def cut_notes(lengths: Mapping[str, TextLengths]) -> tuple[str, ...]:
    """Say of which languages how many texts were cut: a sentence for each role in which some were."""
    counts = {
        role: {tag: (found.cut, found.texts) for tag, found in measured.by_language.items()}
        for role, measured in lengths.items()
    }
    return tuple(
        f"{shares(counts[role], kinds)} are longer than the model's {lengths[role].limit} tokens and "
        "were cut: it does not see their ends, and a language that is cut more looks buried."
        for role, kinds in KINDS.items()
        if any(cut for cut, _ in counts.get(role, {}).values())
    )


def word_count(text: str) -> float:
    """Return about how many words a text has: runs of letters, marks and digits between other characters.

    In scripts without spaces between words 2 ideographs or kana, or 4 letters of Thai, Lao, Khmer or Burmese, count as
    a word (isoglot's own).
    """
    spaced, ideographs, letters = (len(pattern.findall(text)) for pattern in (_WORD, _IDEOGRAPH, _LETTER))
    return spaced + ideographs / IDEOGRAPHS_OF_A_WORD + letters / LETTERS_OF_A_WORD


def shares(by_language: Mapping[str, tuple[int, int]], kinds: str) -> str:
    """Say how many texts of each language are concerned: ``6 of 6 Chinese documents and 0 of 6 English ones``.

    The most come first; of many languages only the first are named.

    Args:
        by_language: Language -> how many of its texts are concerned, and how many there are.
        kinds: What the texts are, in the plural.
    """
    ordered = sorted(by_language.items(), key=lambda item: -item[1][0] / item[1][1])
    named = ordered if len(ordered) <= MOST_NAMED else ordered[: MOST_NAMED - 1]
    names = [f"{count} of {texts} {english_name(known(tag) or tag)}" for tag, (count, texts) in named]
    parts = [f"{name} {'ones' if number else kinds}" for number, name in enumerate(names)]
    if rest := [counts for _, counts in ordered[len(named) :]]:
        count, texts = map(sum, zip(*rest, strict=True))
        parts.append(f"{count} of {texts} in {len(rest)} other languages")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
