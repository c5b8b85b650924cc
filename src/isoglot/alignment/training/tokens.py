"""Distances of the token states of two translations: what the paper (arXiv 2604.05684) names as future work.

Pure functions of states and masks. A mask says which tokens count: padding must be left out, and special tokens and the
prompt should be, since they say nothing about the content.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs


def max_similarity_distance(first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> Tensor:
    """1 - the mean of both directions' mean over tokens of the best cosine similarity among the other's tokens.

    The directions are precision and recall of BERTScore (arXiv 1904.09675, without its token weights), or the mean of
    ColBERT's sum (arXiv 2004.12832). 0 if and only if each token state is parallel to one of the other text; how often
    it occurs does not matter.

    Args:
        first: Token states, (b, s, d).
        first_mask: Nonzero where a token counts, (b, s).
        second: Token states of the same contents in another language, (b, t, d).
        second_mask: Nonzero where a token counts, (b, t).

    Returns:
        A scalar in [0, 2], the mean over pairs.

    Raises:
        IsoglotError: No token of a text counts.
    """
    similarities, first_mask, second_mask = _cosines(first, first_mask, second, second_mask)
    similarities = similarities.masked_fill(~(first_mask[:, :, None] & second_mask[:, None, :]), -2)  # below any cosine
    directions = [
        (similarities.amax(dim=other_axis) * mask).sum(dim=1) / mask.sum(dim=1)
        for other_axis, mask in ((2, first_mask), (1, second_mask))
    ]
    return 1 - torch.stack(directions).mean()


def transport_distance(
    first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor, *, regularisation: float = 0.1
) -> Tensor:
    """Entropic optimal transport between the tokens of two texts, each token of a text with the same mass.

    min over plans P of <P, C> + regularisation KL(P || a b^T), with C = 1 - cosine similarity, a and b uniform (Cuturi
    2013, arXiv 1306.0895; solved by the package POT for all pairs at once, in the log domain). The plan is computed
    without a gradient and then held fixed: at the optimum that is the exact gradient (envelope theorem), and no
    iteration has to be kept. Unlike `max_similarity_distance` it counts how often a state occurs, and because of the
    regularisation it is above 0 between equal texts too.

    Args:
        first: Token states, (b, s, d).
        first_mask: Nonzero where a token counts, (b, s).
        second: Token states of the same contents in another language, (b, t, d).
        second_mask: Nonzero where a token counts, (b, t).
        regularisation: Weight of the divergence, above 0, in units of cost. The lower it is, the more iterations the
            solver needs; it stops after 200.

    Returns:
        A scalar in [0, 2], the mean over pairs.

    Raises:
        IsoglotError: No token of a text counts, the regularisation is not above 0, or POT is not installed.
    """
    if not regularisation > 0:
        raise IsoglotError(f"the regularisation of optimal transport is {regularisation}; it must be above 0")
    with needs("optimal transport", "token"):
        from ot.batch import solve_batch  # type: ignore[import-untyped]
    similarities, *masks = _cosines(first, first_mask, second, second_mask)
    cost = 1 - similarities
    mass, other_mass = (mask.to(cost) / mask.sum(dim=1, keepdim=True) for mask in masks)
    pairs = masks[0][:, :, None] & masks[1][:, None, :]
    closed = cost.detach().masked_fill(~pairs, 1000 * regularisation)  # the solver's start would see masked tokens
    plan: Tensor = solve_batch(
        closed, regularisation, mass, other_mass, method="log_sinkhorn", max_iter=200, grad="detach"
    ).plan
    divergence = torch.xlogy(plan, plan * pairs.sum(dim=(1, 2), keepdim=True))  # a b^T is 1 / the number of pairs
    return (plan * cost + regularisation * divergence).sum(dim=(1, 2)).mean()


def _cosines(first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cosine similarities, (b, s, t), and both masks as booleans."""
    first_mask, second_mask = first_mask.bool(), second_mask.bool()
    if not (first_mask.any(dim=1) & second_mask.any(dim=1)).all():
        raise IsoglotError("a text has no token besides prompt and special tokens; is the maximal length too small?")
    similarities = functional.normalize(first, dim=2) @ functional.normalize(second, dim=2).transpose(1, 2)
    return similarities, first_mask, second_mask
