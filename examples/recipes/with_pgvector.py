"""Scaled search in pgvector: one statement, with a filtered search for each language, less what is usual for it."""

import numpy as np
import psycopg

MEANS = "CREATE TABLE language_means AS SELECT language, avg(embedding) AS mean FROM passages GROUP BY language"

SEARCH = """
WITH nearest AS (
    SELECT m.language, m.mean, p.id, p.score, row_number() OVER (PARTITION BY m.language ORDER BY p.score DESC) AS rank
    FROM language_means AS m CROSS JOIN LATERAL (
        SELECT id, 1 - (embedding <=> %(query)s::vector) AS score FROM passages WHERE language = m.language
        ORDER BY embedding <=> %(query)s::vector LIMIT greatest(%(limit)s, %(k)s)
    ) AS p
)
SELECT score - %(weight)s * avg(score) FILTER (WHERE rank <= %(k)s) OVER (PARTITION BY language)
             + (1 - %(weight)s) * (mean <#> %(query)s::vector) AS scaled, id  -- <#> is the inner product, negated
FROM nearest ORDER BY scaled DESC LIMIT %(limit)s
"""


def scaled_search(
    connection: psycopg.Connection, query: np.ndarray, limit: int = 10, k: int = 5, weight: float = 0.7
) -> list[tuple[float, str]]:
    """The scaled scores and ids of the first `limit` passages."""
    return connection.execute(
        SEARCH, {"query": str(query.tolist()), "limit": limit, "k": k, "weight": weight}
    ).fetchall()
