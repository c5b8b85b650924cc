"""An origin for tests of builds: bread in English, German and Chinese."""

# ruff: noqa: E501
from __future__ import annotations

from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from isoglot.training_data.origins import Origin
from isoglot.training_data.row import Row

BAKERY = Origin(name="bakery", summary="bread", licence="CC0-1.0", module="tests.bakery")
CLOSED = Origin(name="closed", summary="nothing", licence="CC0-1.0", module="tests.closed")

GRAINS = [
    ("rye", "Roggen", "黑麦", "grows on poor soils and gives a dark and heavy loaf", "wächst auf kargen Böden und ergibt einen dunklen, schweren Laib", "生长在贫瘠的土壤上,做出的面包又黑又重"),
    ("wheat", "Weizen", "小麦", "is ground to white flour, from which most rolls are made", "wird zu weißem Mehl gemahlen, aus dem die meisten Brötchen sind", "被磨成白面粉,大多数小面包都是用它做的"),
    ("oats", "Hafer", "燕麦", "are rolled flat and eaten with milk early in the morning", "wird flach gewalzt und früh am Morgen mit Milch gegessen", "被压成片,清晨和牛奶一起吃"),
    ("barley", "Gerste", "大麦", "is malted and brewed more often than it is ever baked", "wird öfter gemälzt und gebraut als jemals gebacken", "用来发芽酿造的时候比用来烤的时候多"),
    ("maize", "Mais", "玉米", "came over the ocean and is cooked as a yellow porridge", "kam über den Ozean und wird als gelber Brei gekocht", "从大洋彼岸传来,煮成黄色的粥"),
]  # fmt: skip
QUERY = {"en": "What of {}?", "de": "Was ist mit {}?", "zh": "{}怎么样?"}


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Return a row for each grain; the German of the last one contains markup."""
    downloads.used.add(Package("test:bakery", "1.0", 1000))
    grains = []
    for english, german, chinese, en, de, zh in GRAINS:
        query = {tag: QUERY[tag].format(name) for tag, name in (("en", english), ("de", german), ("zh", chinese))}
        document = {"en": f"This grain {en}.", "de": f"Dieses Korn {de}.", "zh": f"这种谷物{zh}。"}
        row = Row(f"bakery:{english}", query, document, "bakery", "CC0-1.0", {"en": "original", "de": "human"})
        grains.append(row if languages is None else row.keep({"en", *languages}))
    if grains and "de" in grains[-1].document:
        grains[-1].document["de"] += " <b>"
    return grains


def closed(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Raise the error of an origin that cannot be read."""
    raise SourceMissingError("the archive has no such package")
