"""Loss functions of the alignment methods: pure functions of vectors, so that each can be checked by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from isoglot.alignment.options import JsdNceOptions, NceOptions


def root_jsd(first: Tensor, second: Tensor, *, temperature: float = 1.0, eps: float = JsdNceOptions.eps) -> Tensor:
    """Mean over contents of sqrt(JSD(softmax(first / temperature) || softmax(second / temperature)) + eps).

    The softmax runs over a vector's dimensions; logarithms are natural, so JSD is in [0, log 2]. The paper (arXiv
    2604.05684, L_JSD) adds eps outside the root; here it is inside, because the root's gradient is unbounded at 0.

    Args:
        first: Vectors, (b, d).
        second: Vectors of the same contents in another language, (b, d).
        temperature: Temperature of the softmax; the paper does not say which it used.
        eps: A constant that keeps the gradient finite where the two agree.

    Returns:
        A scalar in [sqrt(eps), sqrt(log 2 + eps)].
    """
    log_p = functional.log_softmax(first / temperature, dim=1)
    log_q = functional.log_softmax(second / temperature, dim=1)
    log_m = torch.logaddexp(log_p, log_q) - torch.log(log_p.new_tensor(2.0))
    divergence = 0.5 * (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(dim=1)
    return torch.sqrt(divergence.clamp_min(0) + eps).mean()


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float = NceOptions.temperature,
    negatives: Sequence[Tensor] = (),
) -> Tensor:
    """InfoNCE with cosine similarity: anchor i has positive i and all other positives as negatives (arXiv 1807.03748).

    Args:
        anchors: Vectors, (b, d), each of another content.
        positives: Vectors, (b, d).
        temperature: Temperature of the similarities; the paper (arXiv 2604.05684, L_NCE) does not say which it used.
        negatives: Further vectors, (b, d) each, whose row i is a negative of anchor i alone.

    Returns:
        A scalar, at least 0.
    """
    anchors = functional.normalize(anchors, dim=1)
    with_positives = anchors @ functional.normalize(positives, dim=1).T
    similarities = torch.cat([with_positives, *_pair_similarities(anchors, negatives)], dim=1)
    return functional.cross_entropy(similarities / temperature, torch.arange(len(anchors), device=anchors.device))


def multi_positive_nce(
    queries: Sequence[Tensor],
    documents: Sequence[Tensor],
    *,
    temperature: float = NceOptions.temperature,
    negatives: Sequence[Tensor] = (),
) -> Tensor:
    """InfoNCE from each version of a query to each version of its document, against the documents of other contents.

    For every pair of a query version and a document version: -log(e^s+ / (e^s+ + sum of e^s over all versions of the
    other contents' documents)), with s the cosine similarity over the temperature; the other versions of the pair's
    document are left out of the sum. The result is the mean over contents and pairs. With one version of each it is
    `info_nce`.

    Args:
        queries: Versions of the queries, (b, d) each; row i of all is one content.
        documents: Versions of the documents, (b, d) each.
        temperature: Temperature of the similarities.
        negatives: Further vectors, (b, d) each, whose row i is a negative of content i alone.

    Returns:
        A scalar, at least 0.
    """
    count = len(queries[0])
    all_documents = functional.normalize(torch.cat(list(documents)), dim=1)
    is_positive = torch.eye(count, dtype=torch.bool, device=all_documents.device).repeat(1, len(documents))
    losses = []
    for query in queries:
        query = functional.normalize(query, dim=1)
        scores = query @ all_documents.T / temperature
        mined = (similarities / temperature for similarities in _pair_similarities(query, negatives))
        wrong = torch.cat([scores.masked_fill(is_positive, -torch.inf), *mined], 1)
        for positive in scores[is_positive].view(count, len(documents)).T:
            losses.append(torch.logsumexp(torch.cat([positive[:, None], wrong], dim=1), dim=1) - positive)
    return torch.stack(losses).mean()


def _pair_similarities(anchors: Tensor, others: Sequence[Tensor]) -> list[Tensor]:
    """For each of `others`, the cosine similarity of its row i and row i of unit `anchors`, (b, 1)."""
    return [(anchors * functional.normalize(other, dim=1)).sum(dim=1, keepdim=True) for other in others]


def cosine_distance(students: Tensor, teachers: Tensor) -> Tensor:
    """Mean over rows of 1 - cos(student, teacher), in [0, 2], for (b, d) tensors."""
    return (1 - functional.cosine_similarity(students, teachers, dim=1)).mean()
