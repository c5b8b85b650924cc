"""The checks that make training rows trustworthy: what fails one is dropped and counted.

A cell is what a row has in one language: its query, its document, or both. A fault in a cell drops the cell; a fault in
the English cell drops the row, since the other languages are translations of it; so does a fault of the whole content.
All thresholds are isoglot's own; docs/reference/training-rows.md lists them.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import differing_language
from isoglot.platform.text import normalized
from isoglot.training_data.overlap import (
    IDEOGRAPHS,
    LETTERS,
    WORDS,
    EightGrams,
    gram_length,
    near_duplicates,
    tokens,
    unspaced,
)
from isoglot.training_data.row import Row

CHECKS = {
    "contamination": "shares 8 words in a row with an evaluation collection",
    "length": "query or document is too short or too long",
    "markup": "markup, entities or broken characters are left over",
    "query-in-document": "the document contains the query word by word",
    "untranslated": "the query, or much of the document, is still English",
    "language": "the document is in another language than stated",
    "length-ratio": "much longer or shorter than translations into this language are",
    "numbers": "most numbers of the English document are missing",
    "names": "most names and codes of the English document are missing",
    "duplicate": "the same query or document as in another row",
    "content": "another document than an earlier row of the same content",
    "near-duplicate": "nearly the same English document as another row",
    "alone": "no translation is left",
}
"""Name -> what a finding of this check means."""

QUERY_CHARACTERS = (2, 300)
DOCUMENT_CHARACTERS = (20, 20_000)
"""Fewest and most characters. In scripts without spaces the fewest are a third of it, the most a third in Chinese and
Japanese and two thirds in Thai, Lao, Khmer and Burmese."""

NEAR_DUPLICATE = 0.8
"""The Jaccard similarity of 5-word shingles from which two documents are the same content."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault of a row or a cell.

    Attributes:
        check: Name of the check, one of `CHECKS`.
        content_id: Content id of the row.
        source: Source of the row.
        language: Language of the cell; empty where the whole row is meant.
        detail: The fault itself: the text, number or name that gave it away; may be empty.
    """

    check: str
    content_id: str
    source: str
    language: str
    detail: str


def check_rows(rows: Sequence[Row], against: Mapping[str, EightGrams] | None = None) -> tuple[list[Row], list[Finding]]:
    """Return the rows that pass all checks, without the cells that do not, in the same order; and all findings.

    Args:
        rows: Rows in any order; of duplicates the first one stays.
        against: Name of an evaluation collection -> its n-grams, which no row may share.
    """
    findings: list[Finding] = []
    rows = _without_contaminated(rows, against or {}, findings)
    bounds = {language: _ratio_bounds(ratios) for language, ratios in _length_ratios(rows).items()}
    rows = [checked for row in rows if (checked := _without_faulty_cells(row, bounds, findings))]
    rows = _without_duplicates(rows, findings)
    return _without_near_duplicates(rows, findings), findings


def count_findings(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings each check has: all of `CHECKS`, in their order."""
    counts = Counter(finding.check for finding in findings)
    return {check: counts[check] for check in CHECKS}


def require_no_findings(name: str, findings: Sequence[Finding]) -> None:
    """Do nothing if there are no findings.

    Raises:
        IsoglotError: There are; the message says how many there are in `name`, and names the first.
    """
    if findings:
        first = findings[0]
        where = f"{first.content_id} {first.language}".strip()
        detail = first.detail or CHECKS[first.check]
        raise IsoglotError(f"{name}: {len(findings)} findings, the first: {first.check} in {where}: {detail}")


def _finding(check: str, row: Row, language: str, detail: str) -> Finding:
    return Finding(check=check, content_id=row.content_id, source=row.source, language=language, detail=detail)


# Rows


def _without_contaminated(rows: Sequence[Row], against: Mapping[str, EightGrams], findings: list[Finding]) -> list[Row]:
    every = EightGrams.joined(against.values())  # one look-up for each text
    kept = []
    for row in rows:
        text = next(filter(every.overlaps, (*row.query.values(), *row.document.values())), None)
        if text is None:
            kept.append(row)
        else:
            name = next(name for name, grams in against.items() if grams.overlaps(text))
            findings.append(_finding("contamination", row, "", f"{name}: {against[name].shared(text)}"))
    return kept


def _without_near_duplicates(rows: list[Row], findings: list[Finding]) -> list[Row]:
    english = [i for i, row in enumerate(rows) if "en" in row.document]
    originals = near_duplicates([rows[i].document["en"] for i in english], NEAR_DUPLICATE)
    dropped = set()
    for i, original in zip(english, originals, strict=True):
        row, first = rows[i], rows[english[original]]
        if row.content_id != first.content_id:
            dropped.add(i)
            findings.append(_finding("near-duplicate", row, "", first.content_id))
    return [row for i, row in enumerate(rows) if i not in dropped]


def _without_duplicates(rows: list[Row], findings: list[Finding]) -> list[Row]:
    """Drop cells whose query, or whose document under another content id, an earlier row has in that language.

    So are cells in which an earlier row has another document for the content.
    """
    owners: dict[tuple[str, str, str], str] = {}
    documents: dict[tuple[str, str], tuple[str, str, str]] = {}
    kept = []
    for row in rows:
        faulty = []
        for language in row.languages:
            texts = {
                role: (role, language, _plain(versions[language]))
                for role, versions in (("query", row.query), ("document", row.document))
                if language in versions
            }
            document = texts.get("document")
            earlier = {role: owners[text] for role, text in texts.items() if text in owners}
            if earlier.get("document") == row.content_id:  # a content may have several questions
                del earlier["document"]
            if earlier:
                faulty.append(language)
                detail = ", ".join(f"{role} of {owner}" for role, owner in earlier.items())
                findings.append(_finding("duplicate", row, language, detail))
            elif document and documents.setdefault((row.content_id, language), document) != document:
                faulty.append(language)
                findings.append(_finding("content", row, language, ""))
            else:
                owners.update(dict.fromkeys(texts.values(), row.content_id))
        kept.append(_without_cells(row, faulty, findings))
    return [row for row in kept if row]


def _without_cells(row: Row, languages: Sequence[str], findings: list[Finding]) -> Row | None:
    """Return the row without its cells in `languages`; None if nothing useful is left."""
    if not languages:
        return row
    if "en" in languages:
        return None
    left = row.keep({*row.query, *row.document} - set(languages))
    if len(left.languages) < 2:
        findings.append(_finding("alone", row, "", ""))
        return None
    return left


# Cells


def _without_faulty_cells(row: Row, bounds: Mapping[str, tuple[float, float]], findings: list[Finding]) -> Row | None:
    faulty = []
    for language in row.languages:
        fault = next(_faults(row, language, bounds), None)
        if fault:
            faulty.append(language)
            findings.append(_finding(fault[0], row, language, fault[1]))
    return _without_cells(row, faulty, findings)


def _faults(row: Row, language: str, bounds: Mapping[str, tuple[float, float]]) -> Iterator[tuple[str, str]]:
    """Yield (check, detail) of each fault in a cell."""
    query, document = row.query.get(language, ""), row.document.get(language, "")
    for check, fault_in_cell in _CELL_CHECKS.items():
        if detail := fault_in_cell(language, query, document):
            yield check, detail
    english_query, english = row.query.get("en", ""), row.document.get("en", "")
    if language == "en":
        return
    if query and _is_english_query(query, english_query):
        yield "untranslated", "the query is the English one"
    if not document or not english:
        return
    for check, fault_in_translation in _TRANSLATION_CHECKS.items():
        if detail := fault_in_translation(document, english):
            yield check, detail
    ratio, (low, high) = math.log(len(document) / len(english)), bounds[language]
    if not low <= ratio <= high:
        yield (
            "length-ratio",
            f"{math.exp(ratio):.2f} of the English, not {math.exp(low):.2f} to {math.exp(high):.2f}",
        )


def _length_fault(language: str, query: str, document: str) -> str:
    for name, text, (least, most) in (("query", query, QUERY_CHARACTERS), ("document", document, DOCUMENT_CHARACTERS)):
        length = gram_length(text)
        fewest = least if length == WORDS else least / 3
        greatest = most / {WORDS: 1, IDEOGRAPHS: 3, LETTERS: 1.5}[length]
        if text and not fewest <= len(text.strip()) <= greatest:
            return f"{name} of {len(text.strip())} characters"
    return ""


_MARKUP = re.compile(
    r"</?(?:p|b|i|a|br|div|span|emph|li|ul|ol|table|tr|td|th|img|code|pre|h[1-6]|strong|em|tt|font|script|style)\b[^<>]*>"
    r"|&(?:amp|lt|gt|quot|nbsp|apos|#\d+|#x[0-9a-f]+);|\]\(|\[\[|\{\{|```|\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f]",
    re.IGNORECASE,
)


def _markup_fault(language: str, query: str, document: str) -> str:
    match = _MARKUP.search(f"{query}\n{document}")
    return match[0][:60] if match else ""


def _containment_fault(language: str, query: str, document: str) -> str:
    """Return the query if it stands in the document and is longer than a name, which the document must contain."""
    plain = _plain(query)
    long_enough = len(plain) >= 8 if unspaced(plain) else plain.count(" ") >= 2
    return query if long_enough and plain in _plain(document) else ""


def _language_fault(language: str, query: str, document: str) -> str:
    return differing_language(document, language) or ""


def _is_english_query(query: str, english_query: str) -> bool:
    """Return whether the query is the English one; of one or two words it may be a name, the same everywhere."""
    return _plain(query) == _plain(english_query) and len(re.findall(r"[^\W\d_]{2,}", english_query)) >= 3


def _untranslated_fault(document: str, english: str) -> str:
    grams, english_grams = _four_grams(document), set(_four_grams(english))
    share = sum(gram in english_grams for gram in grams) / max(1, len(grams))
    return f"{100 * share:.0f}% of its word 4-grams are the English ones" if share > 0.3 else ""


def _numbers_fault(document: str, english: str) -> str:
    wanted, present = set(_numbers(english)), _numbers(document)
    digits = "".join(present)
    missing = sorted(number for number in wanted - set(present) if number not in digits)
    return " ".join(missing[:5]) if len(missing) >= 2 and len(missing) > len(wanted) / 2 else ""


def _names_fault(document: str, english: str) -> str:
    words = re.findall(r"[A-Za-z][\w+.-]*\w", english)
    names = {word for word in words if re.search(r".[A-Z]|\d|_", word) and not word.isupper()}  # ROUND is translated
    folded = document.casefold()
    missing = sorted(name for name in names if name.casefold() not in folded)
    return " ".join(missing[:5]) if len(missing) >= 3 and len(missing) > 2 * len(names) / 3 else ""


_CELL_CHECKS: dict[str, Callable[[str, str, str], str]] = {
    "length": _length_fault,
    "markup": _markup_fault,
    "query-in-document": _containment_fault,
    "language": _language_fault,
}
"""Check -> function of language, query and document that returns the fault, empty if there is none."""

_TRANSLATION_CHECKS: dict[str, Callable[[str, str], str]] = {
    "untranslated": _untranslated_fault,
    "numbers": _numbers_fault,
    "names": _names_fault,
}
"""Check -> function of a document and the English one that returns the fault, empty if there is none."""


# Parts


def _length_ratios(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Language -> log ratios of the length of its documents to the English ones."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "en" in row.document:
            for language, text in row.document.items():
                ratios[language].append(math.log(len(text) / len(row.document["en"])))
    return ratios


def _ratio_bounds(ratios: Sequence[float]) -> tuple[float, float]:
    """Bounds of the log ratio: 4 robust standard deviations around its median, at least a factor of 1.5.

    Fewer than 20 ratios are too few for a deviation; then the bounds are a factor of 4.
    """
    middle = statistics.median(ratios)
    if len(ratios) < 20:
        return middle - math.log(4), middle + math.log(4)
    deviation = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
    reach = max(4 * deviation, math.log(1.5))
    return middle - reach, middle + reach


def _plain(text: str) -> str:
    return " ".join(normalized(text).casefold().split())


def _four_grams(text: str) -> list[tuple[str, ...]]:
    words = tokens(text)
    return list(zip(*(words[start:] for start in range(4)), strict=False))


def _numbers(text: str) -> list[str]:
    return [str(int(digits)) for digits in re.findall(r"\d{2,18}", text)]
