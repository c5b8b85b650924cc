"""The checks that make training rows trustworthy: what fails one is dropped and counted.

A cell is what a row has in one language: its query, its document, or both. What is wrong with a cell drops the cell,
with an English cell the row (the other languages are translations of it); what is wrong with a content drops the row.
All thresholds are isoglot's own; docs/data.md says why they are what they are.
"""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import detectable, likelihoods
from isoglot.training_data.overlap import EightGrams, near_duplicates, tokens, unspaced
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
    "near-duplicate": "nearly the same English document as another row",
    "alone": "no translation is left",
}
"""Name -> what a finding of it means."""

QUERY_CHARACTERS = (2, 300)
DOCUMENT_CHARACTERS = (20, 20_000)
NEAR_DUPLICATE = 0.8
"""The Jaccard similarity of 5-word shingles from which two documents are the same content."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a row or a cell.

    Attributes:
        check: A name out of `CHECKS`.
        content_id: Of the row.
        source: Of the row.
        language: Of the cell; empty where the whole row is meant.
        detail: What was found.
    """

    check: str
    content_id: str
    source: str
    language: str
    detail: str


def check_rows(rows: Sequence[Row], against: Mapping[str, EightGrams] | None = None) -> tuple[list[Row], list[Finding]]:
    """What of `rows` passes all checks, in the same order, and what was found in the rest.

    Args:
        rows: In any order; of duplicates the first one stays.
        against: Name -> the n-grams of an evaluation collection that no row may share.
    """
    findings: list[Finding] = []
    rows = _contaminated(rows, against or {}, findings)
    ratios = _length_ratios(rows)
    bounds = {language: _bounds(values) for language, values in ratios.items()}
    rows = [checked for row in rows if (checked := _checked_cells(row, bounds, findings))]
    rows = _duplicates(rows, findings)
    return _near_duplicates(rows, findings), findings


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Check -> how often it found something; all of `CHECKS`, in their order."""
    found = Counter(finding.check for finding in findings)
    return {name: found[name] for name in CHECKS}


def none_found(name: str, findings: Sequence[Finding]) -> None:
    """Do nothing if there are no findings.

    Raises:
        IsoglotError: There are; it tells how many in `name`, and the first.
    """
    if findings:
        first = findings[0]
        where = f"{first.content_id} {first.language}".strip()
        raise IsoglotError(
            f"{name}: {len(findings)} findings, the first: {first.check} in {where}: {first.detail or 'see above'}"
        )


# Rows


def _contaminated(rows: Sequence[Row], against: Mapping[str, EightGrams], findings: list[Finding]) -> list[Row]:
    anything = EightGrams(frozenset().union(*(grams.hashes for grams in against.values())))  # looks once at each text
    kept = []
    for row in rows:
        text = next(filter(anything.overlaps, (*row.query.values(), *row.document.values())), None)
        if text is None:
            kept.append(row)
        else:
            name = next(name for name, grams in against.items() if grams.overlaps(text))
            detail = f"{name}: {against[name].shared(text)}"
            findings.append(Finding("contamination", row.content_id, row.source, "", detail))
    return kept


def _near_duplicates(rows: list[Row], findings: list[Finding]) -> list[Row]:
    english = [at for at, row in enumerate(rows) if "en" in row.document]
    first = near_duplicates([rows[at].document["en"] for at in english], NEAR_DUPLICATE)
    dropped = set()
    for at, original in zip(english, first, strict=True):
        if english[original] != at and rows[english[original]].content_id != rows[at].content_id:
            dropped.add(at)
            findings.append(
                Finding("near-duplicate", rows[at].content_id, rows[at].source, "", rows[english[original]].content_id)
            )
    return [row for at, row in enumerate(rows) if at not in dropped]


def _duplicates(rows: list[Row], findings: list[Finding]) -> list[Row]:
    """Without cells whose query, or whose document under another content id, an earlier row has in that language."""
    seen: dict[tuple[str, str, str], str] = {}
    kept = []
    for row in rows:
        bad = []
        for language in row.languages:
            texts = {
                role: (role, language, _plain(versions[language]))
                for role, versions in (("query", row.query), ("document", row.document))
                if language in versions
            }
            earlier = {role: seen[text] for role, text in texts.items() if text in seen}
            if earlier.get("document") == row.content_id:  # a content may have several questions
                del earlier["document"]
            if earlier:
                bad.append(language)
                what = ", ".join(f"{role} of {owner}" for role, owner in earlier.items())
                findings.append(Finding("duplicate", row.content_id, row.source, language, what))
            else:
                seen.update(dict.fromkeys(texts.values(), row.content_id))
        kept.append(_without(row, bad, findings))
    return [row for row in kept if row]


def _without(row: Row, bad: Sequence[str], findings: list[Finding]) -> Row | None:
    """The row without the cells in `bad`; None if nothing useful is left."""
    if not bad:
        return row
    if "en" in bad:
        return None
    left = row.keep({*row.query, *row.document} - set(bad))
    if len(left.languages) < 2:
        findings.append(Finding("alone", row.content_id, row.source, "", ""))
        return None
    return left


# Cells


def _checked_cells(row: Row, bounds: Mapping[str, tuple[float, float]], findings: list[Finding]) -> Row | None:
    bad = []
    for language in row.languages:
        fault = next(_faults(row, language, bounds), None)
        if fault:
            bad.append(language)
            findings.append(Finding(fault[0], row.content_id, row.source, language, fault[1]))
    return _without(row, bad, findings)


def _faults(row: Row, language: str, bounds: Mapping[str, tuple[float, float]]) -> Iterator[tuple[str, str]]:
    """(check, detail) of what is wrong with a cell."""
    query, document = row.query.get(language, ""), row.document.get(language, "")
    for check, look in _CELL_CHECKS.items():
        if detail := look(language, query, document):
            yield check, detail
    english_query, english = row.query.get("en", ""), row.document.get("en", "")
    if language == "en":
        return
    if query and _same(query, english_query):
        yield "untranslated", "the query is the English one"
    if not document or not english:
        return
    for check, compare in _TRANSLATION_CHECKS.items():
        if detail := compare(document, english):
            yield check, detail
    ratio, (low, high) = math.log(len(document) / len(english)), bounds[language]
    if not low <= ratio <= high:
        yield (
            "length-ratio",
            f"{math.exp(ratio):.2f} of the English, not {math.exp(low):.2f} to {math.exp(high):.2f}",
        )


def _length(language: str, query: str, document: str) -> str:
    for name, text, (least, most) in (("query", query, QUERY_CHARACTERS), ("document", document, DOCUMENT_CHARACTERS)):
        wide = 3 if unspaced(text) else 1  # a character of Chinese says what three of English do
        if text and not least / wide <= len(text.strip()) <= most / wide:
            return f"{name} of {len(text.strip())} characters"
    return ""


_MARKUP = re.compile(
    r"</?(?:p|b|i|a|br|div|span|emph|li|ul|ol|table|tr|td|th|img|code|pre|h[1-6]|strong|em|tt|font|script|style)\b[^<>]*>"
    r"|&(?:amp|lt|gt|quot|nbsp|apos|#\d+|#x[0-9a-f]+);|\]\(|\[\[|\{\{|```|\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f]",
    re.IGNORECASE,
)


def _markup(language: str, query: str, document: str) -> str:
    found = _MARKUP.search(f"{query}\n{document}")
    return found[0][:60] if found else ""


def _contained(language: str, query: str, document: str) -> str:
    """A query of one or two words is a name that any document about it must contain."""
    asked = _plain(query)
    long_enough = len(asked) >= 8 if unspaced(asked) else asked.count(" ") >= 2
    return query if long_enough and asked in _plain(document) else ""


def _language(language: str, query: str, document: str) -> str:
    """Of close languages (Slovak and Czech, Danish and Norwegian) the detector is never sure; of English it is."""
    base = language.split("-")[0]  # the detector knows no scripts and territories
    if not document or base not in detectable():
        return ""
    found = likelihoods(document)
    likeliest = next(iter(found), base)
    unsure = likeliest != "en" and found.get(base, 0) >= 0.05
    return "" if likeliest == base or unsure else likeliest


def _same(query: str, english_query: str) -> bool:
    """A query of one or two words may be a name, which is the same everywhere."""
    return _plain(query) == _plain(english_query) and len(re.findall(r"[^\W\d_]{2,}", english_query)) >= 3


def _untranslated(document: str, english: str) -> str:
    grams, theirs = _four_grams(document), set(_four_grams(english))
    share = sum(gram in theirs for gram in grams) / max(1, len(grams))
    return f"{100 * share:.0f}% of its word 4-grams are the English ones" if share > 0.3 else ""


def _numbers(document: str, english: str) -> str:
    wanted, there = _number_runs(english), _number_runs(document)
    digits = "".join(there)
    missing = sorted(run for run in set(wanted) - set(there) if run not in digits)
    return f"{' '.join(missing[:5])}" if len(missing) >= 2 and len(missing) > len(set(wanted)) / 2 else ""


def _names(document: str, english: str) -> str:
    words = re.findall(r"[A-Za-z][\w+.-]*\w", english)
    names = {word for word in words if re.search(r".[A-Z]|\d|_", word) and not word.isupper()}  # ROUND is translated
    folded = document.casefold()
    missing = sorted(name for name in names if name.casefold() not in folded)
    return f"{' '.join(missing[:5])}" if len(missing) >= 3 and len(missing) > 2 * len(names) / 3 else ""


_CELL_CHECKS: dict[str, Callable[[str, str, str], str]] = {
    "length": _length,
    "markup": _markup,
    "query-in-document": _contained,
    "language": _language,
}
_TRANSLATION_CHECKS: dict[str, Callable[[str, str], str]] = {
    "untranslated": _untranslated,
    "numbers": _numbers,
    "names": _names,
}


# Parts


def _length_ratios(rows: Sequence[Row]) -> dict[str, list[float]]:
    ratios: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "en" in row.document:
            for language, text in row.document.items():
                ratios[language].append(math.log(len(text) / len(row.document["en"])))
    return ratios


def _bounds(ratios: Sequence[float]) -> tuple[float, float]:
    """Four robust standard deviations around the median log ratio, at least a factor of 1.5; 4 where data are few."""
    middle = statistics.median(ratios)
    if len(ratios) < 20:
        return middle - math.log(4), middle + math.log(4)
    deviation = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
    reach = max(4 * deviation, math.log(1.5))
    return middle - reach, middle + reach


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _four_grams(text: str) -> list[tuple[str, ...]]:
    words = tokens(text)
    return list(zip(*(words[start:] for start in range(4)), strict=False))


def _number_runs(text: str) -> list[str]:
    return [str(int(run)) for run in re.findall(r"\d{2,18}", text)]
