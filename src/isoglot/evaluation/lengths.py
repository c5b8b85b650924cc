"""How long the texts of each language are for a model, how many of them it cut, and how many it knows no word of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import regex  # type: ignore[import-untyped]

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.arrays import Ints
from isoglot.platform.languages import english_name, known
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import CountsTokens, Retriever, used_documents, used_queries

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
    """How long texts of one language are for a model.

    Attributes:
        texts: Number of texts.
        cut: How many of them are longer than the model's limit, so that it did not see their ends.
        tokens_per_word: Mean number of tokens that a word becomes, without prompt and special tokens; None where no
            text has a word. For scripts without spaces between words see `word_count`.
    """

    texts: int
    cut: int
    tokens_per_word: float | None


class TextLengths(msgspec.Struct, frozen=True, kw_only=True):
    """How long texts of one role are for a model.

    Attributes:
        limit: Number of tokens at which they are cut, including the prompt and special tokens; None: at none.
        by_language: Language -> how long its texts are.
    """

    limit: int | None
    by_language: dict[str, LanguageLengths]


def text_lengths(collection: Collection, pools: Sequence[Pool], retriever: Retriever) -> dict[str, TextLengths]:
    """Measure all texts of some pools: role (``query``, ``document``) -> their lengths.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        retriever: What is audited; nothing is returned for one that is not `CountsTokens`.
    """
    if not isinstance(retriever, CountsTokens):
        return {}
    queries = [collection.queries[at] for at in used_queries(pools)]
    documents = [collection.documents[at] for at in used_documents(pools)]
    measured = {
        "query": _lengths(collection, queries, retriever, "query"),
        "document": _lengths(collection, documents, retriever, "document"),
    }
    return {role: lengths for role, lengths in measured.items() if lengths is not None}


def cut_notes(lengths: Mapping[str, TextLengths]) -> tuple[str, ...]:
    """Say of which languages how many texts were cut: a sentence for each role in which some were."""
    counts = {
        role: {tag: (found.cut, found.texts) for tag, found in measured.by_language.items()}
        for role, measured in lengths.items()
    }
    return tuple(
        f"{_shares(counts[role], kinds)} are longer than the model's {lengths[role].limit} tokens and "
        "were cut: it does not see their ends, and a language that is cut more looks buried."
        for role, kinds in KINDS.items()
        if any(cut for cut, _ in counts.get(role, {}).values())
    )


def zero_notes(collection: Collection, pools: Sequence[Pool], zero: Mapping[str, Ints]) -> tuple[str, ...]:
    """Say of which languages how many texts have no vector: a sentence for each role in which some have none.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        zero: Role -> positions of the texts whose vectors are zero.
    """
    texts = {
        "document": (collection.documents, used_documents(pools)),
        "query": (collection.queries, used_queries(pools)),
    }
    notes = []
    for role, (items, used) in texts.items():
        if len(positions := zero.get(role, ())):
            languages = Counter(items[at].language for at in used)
            without = Counter(items[at].language for at in positions)
            counts = {collection.named(tag): (without[tag], number) for tag, number in languages.items()}
            notes.append(
                f"{_shares(counts, KINDS[role])} have no vector, since the model knows no word of them: they score 0 "
                f"with every {'question' if role == 'document' else 'document'}."
            )
    return tuple(notes)


def word_count(text: str) -> float:
    """Return about how many words a text has: runs of letters, marks and digits between other characters.

    In scripts without spaces between words 2 ideographs or kana, or 4 letters of Thai, Lao, Khmer or Burmese, count as
    a word (isoglot's own).
    """
    spaced, ideographs, letters = (len(pattern.findall(text)) for pattern in (_WORD, _IDEOGRAPH, _LETTER))
    return spaced + ideographs / IDEOGRAPHS_OF_A_WORD + letters / LETTERS_OF_A_WORD


def _lengths(
    collection: Collection, items: Sequence[Query | Document], counter: CountsTokens, role: str
) -> TextLengths | None:
    counted = counter.count_tokens(["", *(item.text for item in items)], role)
    if counted is None:
        return None
    around, *counts = counted.tokens
    tokens, words, cut = defaultdict[str, list[int]](list), defaultdict[str, float](float), defaultdict[str, int](int)
    for item, count in zip(items, counts, strict=True):
        tokens[item.language].append(count - around)
        words[item.language] += word_count(item.text)
        cut[item.language] += counted.limit is not None and count > counted.limit
    by_language = {
        collection.named(language): LanguageLengths(
            texts=len(tokens[language]),
            cut=cut[language],
            tokens_per_word=round(sum(tokens[language]) / words[language], 3) if words[language] else None,
        )
        for language in collection.languages
        if language in tokens
    }
    return TextLengths(limit=counted.limit, by_language=by_language)


def _shares(by_language: Mapping[str, tuple[int, int]], kinds: str) -> str:
    """How many texts of each language, the most first: ``6 of 6 Chinese documents and 0 of 6 English ones``.

    Of many languages only the first are named.
    """
    ordered = sorted(by_language.items(), key=lambda item: -item[1][0] / item[1][1])
    named = ordered if len(ordered) <= MOST_NAMED else ordered[: MOST_NAMED - 1]
    names = [f"{count} of {texts} {english_name(known(tag) or tag)}" for tag, (count, texts) in named]
    parts = [f"{name} {'ones' if number else kinds}" for number, name in enumerate(names)]
    if rest := [counts for _, counts in ordered[len(named) :]]:
        count, texts = map(sum, zip(*rest, strict=True))
        parts.append(f"{count} of {texts} in {len(rest)} other languages")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
