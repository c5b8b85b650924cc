"""The runs that pictures show: vectors of a collection, and scores of one question in a pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

import isoglot
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.arrays import Bools, Floats, Ints, Vectors
from isoglot.ranking.balance import SCALED_K, Balance, usual_scores


@dataclass(frozen=True)
class Scores:
    """What one question scores with each of n documents.

    Attributes:
        scores: (n,) cosines.
        languages: (n,) the documents' languages.
        relevant: (n,) whether a document is relevant to the question.
    """

    scores: Floats
    languages: np.ndarray
    relevant: Bools

    @cached_property
    def usual(self) -> dict[str, float]:
        """Language -> the score that is usual for its documents, as the balance ``scaled`` estimates it."""
        tags = sorted(set(self.languages.tolist()))
        groups = [self.scores[self.languages == tag] for tag in tags]
        best = [np.sort(group)[::-1][None, :SCALED_K] for group in groups]
        totals = np.array([[group.sum() for group in groups]])
        sizes = np.array([len(group) for group in groups])
        usual = usual_scores(best, totals, sizes, Balance("scaled"))[0]
        return dict(zip(tags, usual.tolist(), strict=True))

    @property
    def scaled(self) -> Floats:
        """(n,) the scores less what is usual for each document's language."""
        return np.asarray(self.scores - np.array([self.usual[tag] for tag in self.languages]))

    def order(self, *, scaled: bool = False) -> list[tuple[str, bool]]:
        """Return the language of each document, best first, and whether it is relevant."""
        best_first = np.argsort(-(self.scaled if scaled else self.scores), kind="stable")
        return [(str(self.languages[place]), bool(self.relevant[place])) for place in best_first]

    def ranks(self, *, scaled: bool = False) -> dict[str, int]:
        """Return the rank of the relevant document of each language, best first."""
        return {tag: rank for rank, (tag, relevant) in enumerate(self.order(scaled=scaled), 1) if relevant}


@dataclass(frozen=True)
class Similarities:
    """The cosines of all questions with all documents of a space.

    Attributes:
        cosines: (relevant, in the question's language) -> the cosines of such pairs.
        wrong: How often, from 0 to 1, an unrelated document in the question's language is more similar to the question
            than a relevant document in another language.
    """

    cosines: dict[tuple[bool, bool], Floats]
    wrong: float


@dataclass(frozen=True)
class Space:
    """Where a model puts the documents and the questions of a collection.

    Attributes:
        documents: (n, d) unit vectors.
        document_languages: (n,) tags.
        contents: (n,) content ids, which translations share.
        questions: (q, d) unit vectors.
        question_languages: (q,) tags.
        golds: (q,) the content id of the documents that are relevant to each question.
    """

    documents: Vectors
    document_languages: np.ndarray
    contents: np.ndarray
    questions: Vectors
    question_languages: np.ndarray
    golds: np.ndarray

    def calibrated(self, *, with_questions: bool = False) -> Space:
        """Return the space after a calibration that is fitted on its documents, and on its questions if wanted."""
        documents, queries = self.document_languages.tolist(), self.question_languages.tolist()
        asked = (self.questions, queries) if with_questions else (None, None)
        transform = isoglot.Transform.fit(self.documents, documents, *asked)
        return replace(
            self,
            documents=transform.documents(self.documents, documents),
            questions=transform.queries(self.questions, queries),
        )

    def pool(self, *tags: str) -> Space:
        """Return the documents and questions in some languages."""
        documents, questions = np.isin(self.document_languages, tags), np.isin(self.question_languages, tags)
        return Space(
            self.documents[documents],
            self.document_languages[documents],
            self.contents[documents],
            self.questions[questions],
            self.question_languages[questions],
            self.golds[questions],
        )

    def scores(self, gold: str, language: str) -> Scores:
        """Score all documents for the question in a language whose relevant documents have a content id."""
        (question,) = np.flatnonzero((self.golds == gold) & (self.question_languages == language))
        return Scores(self.documents @ self.questions[question], self.document_languages, self.contents == gold)

    def similarities(self) -> Similarities:
        """Compare every question with every document."""
        cosines = self.questions @ self.documents.T
        relevant = self.golds[:, None] == self.contents
        same = self.question_languages[:, None] == self.document_languages
        kinds = {(one, other): (relevant == one) & (same == other) for one in (True, False) for other in (True, False)}
        wrong = [
            np.mean(row[wanted][:, None] < row[unrelated])
            for row, wanted, unrelated in zip(cosines, kinds[True, False], kinds[False, True], strict=True)
        ]
        return Similarities({kind: cosines[chosen] for kind, chosen in kinds.items()}, float(np.mean(wrong)))

    def places(self, tag: str) -> Ints:
        """Return the positions of a language's documents, sorted by content id."""
        places = np.flatnonzero(self.document_languages == tag)
        return places[np.argsort(self.contents[places])]


def encoded(model: str, data: str) -> Space:
    """Encode a collection; vectors come from the cache where they are known."""
    collection, encoder = isoglot.load_collection(data), load_encoder(model)
    documents, queries = collection.documents, collection.queries
    document_languages, query_languages = ([text.language for text in texts] for texts in (documents, queries))
    return Space(
        encoder.encode([document.text for document in documents], "document", document_languages),
        np.array(document_languages),
        np.array([document.content_id for document in documents]),
        encoder.encode([query.text for query in queries], "query", query_languages),
        np.array(query_languages),
        np.array([collection.golds[query.query_id][0] for query in queries]),
    )
