"""Means of languages: estimated from few or many vectors, and shrunk towards what all languages have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from isoglot.platform.arrays import Floats, Vectors


def shrunk_means(vectors: Mapping[str, Vectors], prior: Mapping[str, Floats] | None = None) -> dict[str, Floats]:
    """Estimate each language's mean from its vectors, shrunk as `shrink` does.

    Args:
        vectors: Language -> (n, d) vectors of its texts; n may be 0 where there is a prior.
        prior: Language -> (d,) its centre; None: the mean of the languages' means is the centre of all.

    Returns:
        Language -> (d,) its mean; for every language of `vectors`.
    """
    means: dict[str, Floats] = {
        tag: found.mean(axis=0, dtype=np.float64) for tag, found in vectors.items() if len(found)
    }
    counts = {tag: len(found) for tag, found in vectors.items()}
    squares = sum(float(((vectors[tag] - mean) ** 2).sum()) for tag, mean in means.items())
    within = _within_variance(squares, means, counts)
    if prior is None:
        # The mean of the means has used up one of them.
        return shrink(means, counts, within, dict.fromkeys(vectors, centre_of(means)), len(means) - 1)
    return shrink(means, counts, within, prior, len(means))


def means_of_sums(sums: Mapping[str, Floats], counts: Mapping[str, int]) -> dict[str, Floats]:
    """Do what `shrunk_means` does, from the sums and the numbers of unit vectors.

    Args:
        sums: Language -> (d,) the sum of its vectors, whose lengths are 1.
        counts: Language -> the number of its vectors, at least 1.

    Returns:
        Language -> (d,) its mean.
    """
    means: dict[str, Floats] = {tag: total / counts[tag] for tag, total in sums.items()}
    squares = sum(counts[tag] * (1 - float(mean @ mean)) for tag, mean in means.items())
    within = _within_variance(squares, means, counts)
    return shrink(means, counts, within, dict.fromkeys(means, centre_of(means)), len(means) - 1)


def centre_of(means: Mapping[str, Floats]) -> Floats:
    """The mean of the languages' means, (d,)."""
    centre: Floats = np.mean(list(means.values()), axis=0)
    return centre


def shrink(
    means: Mapping[str, Floats], counts: Mapping[str, int], within: float, centres: Mapping[str, Floats], free: int
) -> dict[str, Floats]:
    """Estimate each language's mean by empirical Bayes, so that a handful of texts does no harm.

    A language's mean of n vectors is a noisy look at its true mean, which itself lies around a centre. With the
    variance s of vectors around their language's mean and the variance t of true means around their centres, which
    is estimated here, the estimate is centre + n / (n + s / t) (mean - centre) (James and Stein 1961; Morris 1983).

    Args:
        means: Language -> (d,) the mean of its vectors.
        counts: Language -> the number of its vectors.
        within: s, summed over dimensions.
        centres: Language -> (d,) its centre; a language without a mean gets it as its estimate.
        free: How many of the means say something of t; 0: none, and a single language gets its centre.

    Returns:
        Language -> (d,) the estimate; for every language of `centres`.
    """
    if not free:
        return dict(centres)
    noise = within * float(np.mean([1 / counts[tag] for tag in means]))
    between = max(sum(float(((means[tag] - centres[tag]) ** 2).sum()) for tag in means) / free - noise, 0.0)
    return {
        tag: centre + _weight(counts.get(tag, 0), within, between) * (means.get(tag, centre) - centre)
        for tag, centre in centres.items()
    }


def query_means(queries: Mapping[str, Vectors], document_means: Mapping[str, Floats]) -> dict[str, Floats]:
    """Estimate the mean of each language's queries, also of languages in which few or none are known.

    The centre of a language's query mean is the mean of all query means, moved as the language's documents are moved
    from theirs: languages lie alike for both roles.

    Args:
        queries: Language -> (n, d) vectors of its queries; n may be 0, but not for all languages.
        document_means: Language -> (d,) mean of its documents.

    Returns:
        Language -> (d,) the mean of its queries; for every language of `document_means` and `queries`.
    """
    tags = sorted({*queries, *document_means})
    known = [tag for tag in tags if tag in queries and len(queries[tag])]
    common = np.mean([queries[tag].mean(axis=0, dtype=np.float64) for tag in known], axis=0)
    placed = [document_means[tag] for tag in known if tag in document_means]
    around = np.mean(placed or list(document_means.values()), axis=0)
    prior = {tag: common + (document_means.get(tag, around) - around) for tag in tags}
    nothing = np.empty((0, len(common)), dtype=np.float32)
    return shrunk_means({tag: queries.get(tag, nothing) for tag in tags}, prior)


def centers(
    documents: Mapping[str, Vectors], queries: Mapping[str, Vectors]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Estimate what `center` subtracts from vectors of a corpus, by language, however few there are.

    Args:
        documents: Language -> (n, d) vectors of its documents.
        queries: Language -> (n, d) vectors of its queries; without any, documents stand in for them.

    Returns:
        Language -> (d,) the mean of its queries, and that of its documents; each for every language of either.
    """
    known = shrunk_means(documents)
    of_queries = query_means(queries, known) if any(map(len, queries.values())) else known
    centre = centre_of(known)
    return of_queries, {tag: known.get(tag, centre) for tag in of_queries}


def linear_discriminant(classes: Sequence[Vectors], means: Floats) -> tuple[Floats, Floats]:
    """Fit the posterior over classes of Gaussians with one covariance and equal priors: softmax(W z + b).

    The covariance is shrunk as by Ledoit and Wolf (2004), since texts are few and dimensions many.

    Args:
        classes: The (n, d) vectors of each of the c classes; n may be 0.
        means: The means of the classes, (c, d).

    Returns:
        W, (c, d), and b, (c,).
    """
    from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped]

    centered = [vectors - vectors.mean(axis=0, dtype=np.float64) for vectors in classes if len(vectors)]
    covariance, _ = ledoit_wolf(np.concatenate(centered), assume_centered=True)
    weight = np.linalg.solve(covariance, means.T).T
    return weight, -0.5 * (weight * means).sum(axis=1)


def _within_variance(squares: float, means: Mapping[str, Floats], counts: Mapping[str, int]) -> float:
    """The pooled variance of vectors around their language's mean, summed over dimensions.

    Args:
        squares: The sum of the squared distances of all vectors from their language's mean.
        means: Language -> the mean of its vectors.
        counts: Language -> the number of its vectors.
    """
    free = sum(counts[tag] for tag in means) - len(means)
    variance = squares / free if free else 1 - float((centre_of(means) ** 2).sum())  # of unit vectors, one a language
    return max(variance, 0.0)


def _weight(count: int, within: float, between: float) -> float:
    """How much of a language's own mean counts against its centre, from 0 to 1."""
    return 0.0 if count == 0 or between == 0 else count / (count + within / between)
