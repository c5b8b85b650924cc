"""Print ndcg@10 in pools where English has many documents and another language few, for models and balances.

    python -m benchmarks.unequal_pools COLLECTION SHARE NAME=MODEL[,BALANCE] ...
    python -m benchmarks.unequal_pools debian-faq 0.1 base=e5-small-q4 scaled=e5-small-q4,scaled

Each other language X of the collection has SHARE of the contents, drawn at random three times, and at least 3. In one
pool these contents are in English too ("both"); in the other they are in X alone and all others in English alone. Means
over languages and draws.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from isoglot import Collection, audit
from isoglot.corpora.sources import load_collection
from isoglot.encoders.sentence_transformer import load_encoder

DRAWS = 3
CASES = [(asked, case) for asked in ("English", "X") for case in ("in both", "only in X", "only in English")]


def pools(collection: Collection, english: str, other: str, share: float) -> Iterator[tuple[str, Collection]]:
    """Yield a name and a collection of two languages: with the answers of X in English too, and without."""
    contents = {tag: {d.content_id for d in collection.documents if d.language == tag} for tag in (english, other)}
    shared = sorted(contents[english] & contents[other])
    if len(shared) < 30:
        return
    for draw in range(DRAWS):
        few = set(random.Random(draw).sample(shared, max(3, round(share * len(shared)))))
        for both in (True, False):
            documents = [
                d
                for d in collection.documents
                if (d.language == other and d.content_id in few)
                or (d.language == english and (both or d.content_id not in few))
            ]
            kept = {d.content_id for d in documents}
            queries = [
                q
                for q in collection.queries
                if q.language in (english, other)
                and kept.issuperset(golds := collection.golds[q.query_id])
                and (not both or few.issuperset(golds))
            ]
            for name, wanted in (("in both", both), ("only in X", not both), ("only in English", not both)):
                asked = [q for q in queries if (collection.golds[q.query_id][0] in few) == (name != "only in English")]
                if wanted and asked:
                    yield name, replace(collection, documents=documents, queries=asked)


def main() -> None:
    """Print the table in Markdown."""
    collection, share = load_collection(sys.argv[1]), float(sys.argv[2])
    english = next(tag for tag in collection.languages if tag in ("en", "eng_Latn"))
    print("| | " + " | ".join(f"{asked} asks, {case}" for asked, case in CASES) + " |\n|---|" + "---|" * len(CASES))
    for argument in sys.argv[3:]:
        name, _, spec = argument.partition("=")
        model, _, balance = spec.partition(",")
        encoder = load_encoder(model)
        values: dict[tuple[str, str], list[float]] = defaultdict(list)
        for other in collection.languages:
            for case, pool in pools(collection, english, other, share) if other != english else ():
                result = audit(
                    encoder,
                    pool,
                    pools=[[english, other]],
                    scenarios=["multi"],
                    measures=["ndcg@10"],
                    balance=balance or "none",
                )
                for cell in result.scenarios:
                    asked = "English" if cell.query_language in ("en", "eng_Latn") else "X"
                    values[asked, case].append(cell.measures["ndcg@10"].mean)
        print(f"| {name} | " + " | ".join(f"{fmean(values[key]):.1f}" for key in CASES) + " |", flush=True)


if __name__ == "__main__":
    main()
