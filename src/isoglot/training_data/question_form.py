"""Whether a text is a question, by its form: its mark, or else a question word (docs/reference/training-rows.md)."""

from __future__ import annotations

import re
from functools import cache

from isoglot.platform.text import normalized

UNMARKED = frozenset({"bo", "dz", "km", "lo", "my", "th"})
"""Languages that write questions without a question mark."""

_CLOSING = r"[\s\"'`”’»」』)\]*_.!]*"
_MARKED = re.compile(rf"[¿？؟፧՞]|\w[\"'`”’»」』)\]]*\?(?=\s)|\?{_CLOSING}$")
"""A question mark as no URL, code or wildcard has it: of other scripts anywhere, else behind a word or at the end."""
_MARKED_IN_GREEK = re.compile(rf"(?<=\S)\s?;(?=\s|{_CLOSING}$)")
_ENDS = re.compile(rf"[?？؟፧]{_CLOSING}$")

_WORDS = {
    "ar": r"^(هل|متى|أين|لماذا|كيف|كم|ماذا|ما هو|ما هي|من هو|من هي)\b",
    "de": r"^(wer|was|wann|wo|warum|wieso|welche[rsnm]?|wie|woher|wohin|wozu)\b",
    "en": r"^(who|whose|what|when|where|why|which|how)\b",
    "es": r"^(qué|quién|quiénes|cuándo|dónde|cómo|cuál|cuáles|cuánt[oa]s?|por qué)\b",
    "fa": r"^(آیا|چه|چرا|چگونه|چطور|کجا|کدام)\b|(چیست|کیست|کجاست)$",
    "fr": r"^(qui|que|quoi|quand|où|pourquoi|comment|quel|quelle|quels|quelles|combien|est-ce|qu['’]est-ce)\b",
    "hi": r"\b(क्या|कौन|कब|कहाँ|कहां|क्यों|कैसे|कितने|कितनी|कितना|किस|किसने|किसके|किन)(?!\w)",
    "id": r"^(apa|apakah|siapa|kapan|di ?mana|mengapa|kenapa|bagaimana|berapa)\b",
    "it": r"^(chi|che|cosa|quando|dove|perché|come|quale|quali|quant[oie])\b",
    "ja": r"なぜ|どうして|どうやって|何ですか|(です|ます|せん|した|何|の)か$",
    "km": r"តើ|ឬទេ|អ្នកណា|ហេតុអ្វី|ប៉ុន្មាន",
    "ko": r"^(왜|어떻게|누가|무엇|언제|어디|어느|무슨|어떤)|(까|나요|가요)$",
    "lo": r"ຫຍັງ|ໃຜ|ເມື່ອໃດ|ແນວໃດ|ເທົ່າໃດ|(ບໍ່|ບໍ|ໃສ)$",
    "my": r"(သလား|သနည်း|လား|လဲ)$",
    "pt": r"^(o que|quem|quando|onde|por que|como|qual|quais|quant[oa]s?)\b",
    "ru": r"^(кто|что|где|когда|почему|зачем|как|как(ой|ая|ое|ие)|сколько|чей|куда|откуда)\b",
    "th": r"อะไร|ใคร|ไหน(?! ?ๆ)|ใด(?! ?ๆ)|เมื่อไร|เมื่อไหร่|อย่างไร(?!ก็)|ยังไง|ทำไม|กี่|เท่าไร|เท่าไหร่|(ไหม|หรือไม่|หรือเปล่า)$",
    "tr": r"^(kim|ne|nasıl|neden|niçin|nerede|hangi|kaç)\b|\b(nedir|kimdir|m[iıuü]|m[iıuü]d[iıuü]r|nerede|ne zaman)$",
    "vi": r"^(ai|tại sao|vì sao|làm sao|làm thế nào|khi nào)\b|\b(không|gì|nào|đâu|sao|ai|bao nhiêu|bao giờ)$",
    "zh": r"什[么麼]|怎[么麼]|怎样|[为為](何|什)|如何|[谁誰]|哪|多少|何时|[吗嗎呢]$",
}
"""Language -> words by which a question is known that was typed without a mark, where they stand in one."""


def is_question(text: str, language: str) -> bool:
    """Return whether a text asks: by a question mark, or else by a question word where its language has it.

    A title such as "How to print" counts as a question, since people type it as one.

    Args:
        text: A query.
        language: Its canonical tag; where isoglot has no question words of a language, only marks count.
    """
    plain, code = normalized(text).strip(), language.split("-")[0]
    if _MARKED.search(plain) or (code == "el" and _MARKED_IN_GREEK.search(plain)):
        return True
    words = _words(code)
    return words is not None and words.search(plain.casefold().rstrip(" .。။!")) is not None


def ends_as_question(text: str, language: str) -> bool:
    """Return whether a text ends as a written question does in the language with this canonical tag."""
    plain, code = normalized(text).strip(), language.split("-")[0]
    return (
        code in UNMARKED
        or _ENDS.search(plain) is not None
        or (code == "el" and plain.endswith(";"))
        or (code == "hy" and "՞" in plain)
        or (code == "ja" and plain.rstrip("。").endswith("か"))
    )


@cache
def _words(code: str) -> re.Pattern[str] | None:
    """Return the pattern of a language's question words, normalized as texts are; None: it has none."""
    return re.compile(normalized(_WORDS[code])) if code in _WORDS else None
