"""README.md of a transform: what it is, when not to use it, and the lines that apply it without isoglot."""

from __future__ import annotations

from isoglot.transforms.transform import Transform


def readme(transform: Transform) -> str:
    """Return the text of a transform's README.md, whose code has only the steps that it needs."""
    record = transform.record
    counts = "; ".join(
        f"{sum(languages.values())} {'documents' if role == 'document' else 'queries'}"
        for role, languages in record.counts.items()
    )
    return f"""# A transform of {record.model}

It takes the language out of vectors of `{record.model}` ({record.dimension} dimensions), so that documents rank by
meaning and not by language. Method: `{record.method}`. Fitted on {counts}, in {", ".join(record.languages)}
({record.data or "vectors without their texts"}). {_LANGUAGE[record.needs_language]}

Change every document's vector once, and every query's vector before each search. Vectors of another model, or changed
ones beside unchanged ones, give nonsense. Similarities are lower afterwards: set cut-offs anew.

In isoglot: `isoglot apply THIS_FOLDER vectors:DIR -o CHANGED`, or audit `MODEL+THIS_FOLDER`; in Python
`isoglot.Transform.load("THIS_FOLDER").documents(vectors, languages)`. Without isoglot:

```python
{_python(transform)}
```

```typescript
{_typescript(transform)}
```

Made by isoglot {record.isoglot}.
"""


_LANGUAGE = {
    True: "The language of each text has to be known, that of queries too; of an unknown one, leave it out.",
    False: "No language has to be known.",
}


def _python(transform: Transform) -> str:
    steps = ["v = v / np.linalg.norm(v)"]
    if transform.matrix is not None:
        steps.append('v = t["matrix"] @ v')
    if transform.reader is not None:
        reads = transform.record.reads
        steps += [
            'scores = t["reader"][:, :-1] @ v + t["reader"][:, -1]',
            "p = np.exp(scores - scores.max())",
            f'v = v - (p / p.sum() @ t["means"] if role in {reads!r} else {_OFFSET})',
        ]
    else:
        steps.append(f"v = v - {_OFFSET}")
    if transform.directions is not None:
        steps.append('v = v - v @ t["directions"][at].T @ t["directions"][at]')
    body = "\n    ".join(steps)
    return f"""import json

import numpy as np
from safetensors.numpy import load_file

t = load_file("transform.safetensors")
languages = json.load(open("transform.json"))["languages"]

def change(v, role, language=None):  # role: "query" or "document"
    at = languages.index(language) if language in languages else len(languages)
    {body}
    return v / np.linalg.norm(v)"""


_OFFSET = 't["offsets"][("query", "document").index(role), at]'


def _typescript(transform: Transform) -> str:
    steps = ["let y = unit(v);"]
    if transform.matrix is not None:
        steps.append("y = t.matrix.map((row) => dot(row, y));")
    if transform.reader is not None:
        roles = ", ".join(f'"{role}"' for role in transform.record.reads)
        steps += [
            "const scores = t.reader.map((row) => dot(row, [...y, 1]));",
            "const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));",
            "const total = powers.reduce((a, b) => a + b);",
            "const read = y.map((_, i) => powers.reduce((sum, p, c) => sum + (p / total) * t.means[c][i], 0));",
            f"const offset = [{roles}].includes(role) ? read : {_TS_OFFSET};",
        ]
    else:
        steps.append(f"const offset = {_TS_OFFSET};")
    steps.append("y = y.map((x, i) => x - offset[i]);")
    if transform.directions is not None:
        steps += [
            "const inside = t.directions[at].map((b) => dot(b, y));",
            "y = y.map((x, i) => x - inside.reduce((sum, c, r) => sum + c * t.directions[at][r][i], 0));",
        ]
    body = "\n  ".join(steps)
    return f"""// t: the arrays of transform.safetensors as nested lists, languages: those of transform.json
const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const unit = (a: number[]) => a.map((x) => x / Math.sqrt(dot(a, a)));

function change(v: number[], role: "query" | "document", language?: string): number[] {{
  const at = languages.includes(language) ? languages.indexOf(language) : languages.length;
  {body}
  return unit(y);
}}"""


_TS_OFFSET = 't.offsets[role === "query" ? 0 : 1][at]'
