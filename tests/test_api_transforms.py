"""A model behind an API is aligned by a transform: the numbers are those of the aligned model folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import isoglot
from isoglot import Collection
from isoglot.indexing.store import Index
from isoglot.indexing.update import update_index
from isoglot.retrievers.providers import PROVIDERS
from isoglot.serving.app import create_app
from isoglot.serving.settings import Settings
from tests.command_line import isoglot as command
from tests.embedding_protocols import PROTOCOLS, speaking
from tests.serving_index import Running

MODEL = "e5-small-q4"


def write_collection(folder: Path, contents: int = 15) -> None:
    """Some contents of mini in English and Chinese, as a folder in BEIR's form."""
    collection = isoglot.load_collection("mini@demo")
    chosen = set(sorted({document.content_id for document in collection.documents})[:contents])
    documents = [d for d in collection.documents if d.content_id in chosen and d.language in ("en", "zh")]
    queries = [
        q for q in collection.queries if chosen.issuperset(collection.golds[q.query_id]) and q.language in ("en", "zh")
    ]
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": f"{d.content_id}.{d.language}", "content_id": d.content_id, "lang": d.language, "text": d.text}
        for d in documents
    ]
    asked = [{"_id": f"{q.query_id}.{q.language}", "lang": q.language, "text": q.text} for q in queries]
    judged = [
        f"{q.query_id}.{q.language}\t{content}.{language}\t1"
        for q in queries
        for content in collection.golds[q.query_id]
        for language in ("en", "zh")
    ]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8")


@pytest.fixture
def cache_with_model(bundled_model: Path, own_cache: Path) -> None:
    """A cache of the test's own that holds the bundled model, whose conversion takes seconds, and no vectors."""
    (own_cache / "models").mkdir(parents=True)
    (own_cache / "models" / bundled_model.name).symlink_to(bundled_model, target_is_directory=True)


@pytest.mark.slow
@pytest.mark.usefixtures("cache_with_model")
def test_align_apply_and_audit_of_an_api_give_the_numbers_of_the_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_collection(tmp_path / "data")
    update_index("data/corpus.jsonl", tmp_path / "index", [MODEL])
    index = Index(tmp_path / "index")
    encoders = {MODEL: index.load_encoder(MODEL)}

    def audited(*named: str) -> dict[tuple[str, str | None], dict[str, float]]:
        found = command("audit", *named, "--data", "folder:data", "--pool", "en,zh", "--json")
        assert found.returncode == 0, found.stderr
        assert "to send" not in found.stderr  # the guard of `align` sent all of them
        return {
            (scenario["scenario"], scenario["query_language"]): {
                measure: value["mean"] for measure, value in scenario["measures"].items()
            }
            for scenario in json.loads(found.stdout)["scenarios"]
        }

    def done(*arguments: str) -> None:
        found = command(*arguments)
        assert found.returncode == 0, found.stderr

    aligning = ("--data", "data/corpus.jsonl", "--dev", "folder:data")
    with Running(create_app(index, encoders, Settings())) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        done("align", f"openai:{MODEL}", *aligning, "-o", "transform")
        done("align", MODEL, *aligning, "-o", "folder")
        before, of_api, of_folder = (
            audited(name) for name in (f"openai:{MODEL}", f"openai:{MODEL}+transform", "folder")
        )
        done("index", "data/corpus.jsonl", "-o", "changed-index", "-m", f"openai:{MODEL}+transform")
        of_index = audited("--index", "changed-index")
    done("encode", "folder:data", "-m", MODEL, "-o", "vectors", "--dtype", "float16")
    done("apply", "transform", "vectors:vectors", "-o", "changed")
    of_vectors = audited("vectors:changed")
    assert before.keys() == of_api.keys() == of_folder.keys() == of_index.keys() == of_vectors.keys()
    for scenario, measures in of_folder.items():
        assert of_api[scenario] == pytest.approx(measures, abs=1e-6)
        assert of_index[scenario] == pytest.approx(measures, abs=1e-6)
        assert of_vectors[scenario] == pytest.approx(measures, abs=2)  # float16 may swap two neighbours
    assert of_api["multi", "zh"]["complete@10"] > before["multi", "zh"]["complete@10"] + 50


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_is_aligned_and_audited_with_vectors_that_are_kept(
    provider: str, small_collection: Collection, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server gives: here counts of letters, in the documented form of each provider."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PROVIDERS[provider].key_variable, raising=False)
    corpus = [
        {"_id": f"{d.content_id}.{d.language}", "lang": d.language, "text": d.text} for d in small_collection.documents
    ]
    Path("corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    name = f"{provider}:{PROTOCOLS[provider].model}"

    def letters(text: str) -> list[float]:
        return [1.0 + text.count(letter) for letter in "abcdefgh"]

    with speaking(provider, letters, monkeypatch=monkeypatch) as server:
        assert command("align", name, "--data", "corpus.jsonl", "--dev", "none", "-o", "transform").returncode == 0
        sent = len(server.bodies)
        before = isoglot.audit(name, small_collection)
        after = isoglot.audit(f"{name}+transform", small_collection)
        later = [text for request in server.bodies[sent:] for text in PROTOCOLS[provider].texts(request)]
    assert after.model.name == f"{name}+transform"
    assert after.to_json() != before.to_json()
    assert len(later) == len(set(later)) == len(small_collection.queries)  # the documents are kept
