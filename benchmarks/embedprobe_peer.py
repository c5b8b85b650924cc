"""What embedprobe, the nearest public tool, says of the model whose fault the README shows, on the same texts.

    pip install --target peer --no-deps embedprobe pandas matplotlib umap-learn
    PYTHONPATH=peer python -m benchmarks.embedprobe_peer

It gets the English documents of mini@demo and their Chinese translations, and looks for each translation among the
Chinese documents alone.
"""

from __future__ import annotations

from importlib.metadata import version

import pandas as pd
from embedprobe.probe import probe

import isoglot
from benchmarks import measuring


def main() -> None:
    documents = isoglot.load_collection("mini@demo").documents
    texts = {(document.content_id, document.language): document.text for document in documents}
    pairs = [
        {"en": text, "zh": texts[content, "zh"], "topic": content.partition("-")[0]}
        for (content, language), text in texts.items()
        if language == "en"
    ]
    model = str(isoglot.model_path("e5-small-q4"))
    report = probe([model], pd.DataFrame(pairs), src_col="en", tgt_col="zh", levels=(0, 1), show_progress=False)
    (found,) = report.models
    record = {
        "embedprobe": version("embedprobe"),
        "pairs": len(pairs),
        "verdict": found.level0["metrics"]["verdict"],
        "recall@1": found.level1["metrics"]["recall@1"],
    }
    print(record)
    measuring.write("embedprobe_peer", record)


if __name__ == "__main__":
    main()
