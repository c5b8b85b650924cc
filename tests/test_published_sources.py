"""The collections that the field compares on, in small copies of the layouts in which they are published."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoglot import Collection, IsoglotError, load_collection
from isoglot.corpora.sources.shared_questions import content_ids
from tests import command_line

TEXTS = {
    "en": [
        "The cat sleeps on the sofa in the kitchen.",
        "Snow fell on the road in May.",
        "A red car passes the house.",
    ],
    "de": [
        "Die Katze schläft auf dem Sofa in der Küche.",
        "Im Mai fiel Schnee auf die Straße.",
        "Ein rotes Auto fährt vor",
    ],
    "es": [
        "El gato duerme en el sofá de la cocina.",
        "La nieve cayó en mayo en la calle.",
        "Un coche rojo pasa la casa",
    ],
    "fas": ["گربه روی مبل آشپزخانه خوابیده است.", "در ماه مه برف روی جاده بارید.", "یک ماشین قرمز از خانه می‌گذرد."],
    "rus": ["Кошка спит на диване в кухне.", "В мае на дорогу выпал снег.", "Красная машина проезжает мимо дома."],
    "zho": ["猫在厨房的沙发上睡觉。", "五月里雪落在路上。", "一辆红色的车经过房子。"],
}
QUESTIONS = {
    "en": ["Where does the cat sleep?", "When did snow fall?", "Which colour has the car?"],
    "de": ["Wo schläft die Katze?", "Wann fiel Schnee?", "Welche Farbe hat das Auto?"],
    "es": ["¿Dónde duerme el gato?", "¿Cuándo cayó la nieve?", "¿De qué color es el coche?"],
    "fas": ["گربه کجا می‌خوابد؟", "کی برف بارید؟", "ماشین چه رنگی است؟"],
    "rus": ["Где спит кошка?", "Когда выпал снег?", "Какого цвета машина?"],
    "zho": ["猫在哪里睡觉？", "什么时候下雪？", "车是什么颜色？"],
}


def jsonl(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")


def texts_of(collection: Collection, content: str) -> dict[str, str]:
    return {document.language: document.text for document in collection.documents if document.content_id == content}


def found_by(collection: Collection, text: str) -> set[str]:
    """The texts of the documents that answer a question."""
    query = next(query for query in collection.queries if query.text == text)
    golds = collection.golds[query.query_id]
    return {document.text for document in collection.documents if document.content_id in golds}


def mlqa(folder: Path, *, as_parquet: bool = False) -> None:
    """Two paragraphs in English, of which German has the first alone; Spanish has one paragraph with both questions."""
    asked = {"en": {0: [0], 1: [1]}, "de": {0: [0]}, "es": {0: [0, 1]}}
    for language, paragraphs in asked.items():
        entries = [
            {
                "context": TEXTS[language][paragraph],
                "qas": [{"id": f"q{number}", "question": QUESTIONS[language][number]} for number in numbers],
            }
            for paragraph, numbers in paragraphs.items()
        ]
        if as_parquet:
            file = folder / f"MLQA.{language}.{language}" / "test-00000-of-00001.parquet"
            file.parent.mkdir(parents=True)
            rows = [{**question, "context": entry["context"]} for entry in entries for question in entry["qas"]]  # type: ignore[dict-item]
            pq.write_table(pa.Table.from_pylist(rows), file)
        else:
            file = folder / "test" / f"test-context-{language}-question-{language}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"data": [{"paragraphs": entries}]}))
    (folder / "test").mkdir(exist_ok=True)
    (folder / "test" / "test-context-en-question-de.json").write_text("is not read")


@pytest.mark.parametrize("as_parquet", [False, True])
def test_mlqa_is_one_pool_whose_questions_are_answered_in_every_language_that_has_them(
    tmp_path: Path, as_parquet: bool
) -> None:
    mlqa(tmp_path, as_parquet=as_parquet)
    found = load_collection(f"mlqa:{tmp_path}")
    assert found.name == "mlqa@test"
    assert sorted((document.language, document.text) for document in found.documents) == sorted(
        [("en", TEXTS["en"][0]), ("en", TEXTS["en"][1]), ("de", TEXTS["de"][0]), ("es", TEXTS["es"][0])]
    )
    assert sorted((query.query_id, query.language) for query in found.queries) == [
        *(("q0", tag) for tag in ("de", "en", "es")),
        *(("q1", tag) for tag in ("en", "es")),
    ]
    both = {TEXTS["en"][0], TEXTS["de"][0], TEXTS["es"][0]}
    assert found_by(found, QUESTIONS["de"][0]) == both
    assert found_by(found, QUESTIONS["es"][1]) == {TEXTS["en"][1], TEXTS["es"][0]}
    contents = {document.text: document.content_id for document in found.documents}
    assert contents[TEXTS["en"][0]] == contents[TEXTS["de"][0]]  # they have the same question, Spanish has another too
    assert len(set(contents.values())) == 3


def test_documents_with_the_same_questions_are_one_content_unless_a_language_has_two_of_them() -> None:
    one, other, both = ("en", 1), ("de", 2), ("es", 3)
    assert content_ids({one: {"a"}, other: {"a"}, both: {"a", "b"}}) == {one: "c00000", other: "c00000", both: "c00001"}
    twice = content_ids({one: {"a"}, other: {"a"}, ("en", 4): {"a"}})
    assert len(set(twice.values())) == 3
    unasked = content_ids({one: set(), other: set()})
    assert len(set(unasked.values())) == 2


def multieup(folder: Path) -> None:
    """Two debates with titles in English and German, the first with speeches in three languages."""
    titles = {"title_EN": QUESTIONS["en"], "title_DE": QUESTIONS["de"]}
    speeches = [("en", 0, 0), ("de", 0, 0), ("es", 0, 0), ("en", 1, 1), ("es", 1, None), ("de", 2, 1)]
    rows = [
        {
            "did": f"d{number}",
            "TEXT": TEXTS[language][text],
            "LANGUAGE": language.upper(),
            "qid_EN": "" if debate is None else f"{debate}#en",
            **{name: "" if debate is None else texts[debate] for name, texts in titles.items()},
        }
        for number, (language, text, debate) in enumerate(speeches)
    ]
    rows += [{**rows[0], "did": ""}, {**rows[0], "did": "d9", "TEXT": ""}]
    with (folder / "clean_all_with_did_qid.MEP.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_speeches_of_a_debate_are_relevant_to_its_titles(tmp_path: Path) -> None:
    multieup(tmp_path)
    found = load_collection(f"multieup:{tmp_path}")
    assert sorted((query.query_id, query.language) for query in found.queries) == [
        (debate, tag) for debate in ("0", "1") for tag in ("de", "en")
    ]
    assert found.golds == {"0": ("d0", "d1", "d2"), "1": ("d3", "d5")}
    assert [document.language for document in found.documents] == ["en", "de", "es", "en", "es", "de"]
    assert found.notes[-1] == (
        "left out: rows without an id: 1, first in clean_all_with_did_qid.MEP.csv:8; documents without text (field "
        "'text' or 'title'): 1, first in clean_all_with_did_qid.MEP.csv:9; judgements of documents that the corpus "
        "lacks: 2, first in clean_all_with_did_qid.MEP.csv:9"
    )
    with pytest.raises(IsoglotError, match=r"MEP.csv:8: --strict refuses rows without an id"):
        load_collection(f"multieup:{tmp_path}", strict=True)


def xrag(folder: Path, **changes: Any) -> None:
    """A question in German and Spanish with the same articles, and one of two languages."""
    common = {"en_question": QUESTIONS["en"][0], "articles": [TEXTS["en"][0], TEXTS["en"][2]], "is_support": [1, 0]}
    rows: list[dict[str, Any]] = [
        {"id": 1, "language": "de", "question": QUESTIONS["de"][0], **common},
        {"id": 2, "language": "es", "question": QUESTIONS["es"][0], **common},
        {
            "id": 3,
            "language": "de",
            "question": QUESTIONS["de"][1],
            "en_question": QUESTIONS["en"][1],
            "articles": [TEXTS["en"][1], TEXTS["de"][1], TEXTS["en"][0]],
            "is_support": [1, 1, 0],
        },
    ]
    jsonl(folder / "xrag.test.jsonl.gz", [*rows[:2], {**rows[2], **changes}])


def test_xrag_pools_the_articles_of_all_questions(tmp_path: Path) -> None:
    xrag(tmp_path)
    found = load_collection(f"xrag:{tmp_path}")
    assert [(document.language, document.text) for document in found.documents] == [
        ("en", TEXTS["en"][0]),
        ("en", TEXTS["en"][2]),
        ("en", TEXTS["en"][1]),
        ("de", TEXTS["de"][1]),
    ]
    versions = [query.language for query in found.queries if query.query_id == found.queries[0].query_id]
    assert sorted(versions) == ["de", "en", "es"]
    assert found_by(found, QUESTIONS["es"][0]) == {TEXTS["en"][0]}
    assert found_by(found, QUESTIONS["de"][1]) == {TEXTS["en"][1], TEXTS["de"][1]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"articles": "one"}, r"xrag.test.jsonl.gz:3: field 'articles' is missing or no list of texts"),
        ({"is_support": [1]}, r":3: field 'is_support' is missing or not 0 or 1 for each of 'articles'"),
        ({"is_support": [1, 2, 0]}, r":3: field 'is_support' is missing or not 0 or 1"),
        ({"language": "klingon"}, r":3: unknown language 'klingon'"),
        ({"question": ""}, r":3: field 'question' is empty"),
    ],
)
def test_faults_of_xrag_are_told(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    xrag(tmp_path, **changes)
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"xrag:{tmp_path}")


def neuclir(folder: Path) -> None:
    for language in ("fas", "rus", "zho"):
        rows = [
            {"id": f"{language}-{number}", "title": "", "text": text, "url": "x", "time": "2020"}
            for number, text in enumerate(TEXTS[language])
        ]
        jsonl(folder / "data" / f"{language}-00000-of-00001.jsonl.gz", rows)
        jsonl(folder / "data" / f"{language}-mt-eng-00000-of-00001.jsonl.gz", rows)
    for language in ("eng", "fas", "rus", "zho"):
        texts = QUESTIONS["en" if language == "eng" else language]
        lines(folder / "data" / f"news.{language}.tsv", *(f"{200 + n}\t{text}" for n, text in enumerate(texts)))
    judged = [f"{200 + number} {tag} {tag}-{number} 3" for number in (0, 1) for tag in ("fas", "rus", "zho")]
    lines(folder / "data" / "qrels.mlir.gains.txt", *judged, "200 rus rus-2 0", "201 rus rus-7 1")


def test_neuclir_asks_in_english_and_in_its_own_languages(tmp_path: Path) -> None:
    neuclir(tmp_path)
    found = load_collection(f"neuclir:{tmp_path}")
    assert len(found.documents) == 9
    assert found.golds == {
        str(200 + number): tuple(f"{tag}-{number}" for tag in ("fas", "rus", "zho")) for number in (0, 1)
    }
    assert sorted(query.language for query in found.queries if query.query_id == "200") == ["en", "fa", "ru", "zh"]
    assert found.named("fa") == "fas"
    assert found.notes[-1].endswith("judgements of documents that the corpus lacks: 1, first in qrels.mlir.gains.txt:8")


def miracl(folder: Path) -> None:
    for language in ("de", "en"):
        corpus = [{"docid": f"1#{number}", "title": "T", "text": text} for number, text in enumerate(TEXTS[language])]
        jsonl(folder / f"miracl-corpus-v1.0-{language}" / "docs-0.jsonl.gz", corpus[:2])
        jsonl(folder / f"miracl-corpus-v1.0-{language}" / "docs-1.jsonl.gz", corpus[2:])
        name = f"miracl-v1.0-{language}"
        lines(
            folder / name / "topics" / f"topics.{name}-dev.tsv",
            *(f"{number}\t{text}" for number, text in enumerate(QUESTIONS[language][:2])),
        )
        lines(folder / name / "qrels" / f"qrels.{name}-dev.tsv", "0\tQ0\t1#0\t1", "1\tQ0\t1#1\t1", "0\tQ0\t1#2\t0")


def test_miracl_has_its_own_questions_and_paragraphs_in_each_language(tmp_path: Path) -> None:
    miracl(tmp_path)
    found = load_collection(f"miracl:{tmp_path}")
    assert len(found.documents) == 6
    assert found.golds == {f"{tag}:{number}": (f"{tag}:1#{number}",) for tag in ("de", "en") for number in (0, 1)}
    assert {document.language for document in found.documents} == {"de", "en"}
    assert found.documents[0].text.startswith("T ")


def mlir(folder: Path, variant: str = "MMLIR") -> Path:
    """A benchmark as SHIFT's scripts write it: objects keyed by ids, question ids behind their language in MMLIR."""
    inside = folder / variant / "XQuAD_test"
    languages = ("de", "en") if variant == "MMLIR" else ("en",)
    corpus = [{f"{tag}_{n}": {"text": text, "lang": tag}} for tag in ("de", "en") for n, text in enumerate(TEXTS[tag])]
    jsonl(inside / "corpus.jsonl", corpus)
    prefix = {tag: f"{tag}_" if variant == "MMLIR" else "" for tag in languages}
    stated = [{"lang": tag} if variant == "MMLIR" else {} for tag in languages]
    jsonl(
        inside / "queries.jsonl",
        [
            {"_id": f"{prefix[tag]}q{n}", "text": text, **lang}
            for tag, lang in zip(languages, stated, strict=True)
            for n, text in enumerate(QUESTIONS[tag])
        ],
    )
    jsonl(
        inside / "qrels.jsonl",
        [{f"{prefix[tag]}q{n}": {f"de_{n}": 1, f"en_{n}": 1}} for tag in languages for n in range(3)],
    )
    return inside


def test_translations_in_mlir_benchmarks_are_joined(tmp_path: Path) -> None:
    inside = mlir(tmp_path)
    found = load_collection(f"mlir-benchmarks:{tmp_path}@XQuAD_test")
    assert sorted((query.query_id, query.language) for query in found.queries) == [
        (f"q{n}", tag) for n in range(3) for tag in ("de", "en")
    ]
    assert texts_of(found, found.golds["q1"][0]) == {"de": TEXTS["de"][1], "en": TEXTS["en"][1]}
    assert load_collection(f"mlir-benchmarks:{inside}").fingerprint == found.fingerprint


def test_a_variant_of_mlir_benchmarks_has_the_language_of_its_questions_in_its_name(tmp_path: Path) -> None:
    mlir(tmp_path, "MLIR-en")
    found = load_collection(f"mlir-benchmarks:{tmp_path}@MLIR-en.XQuAD_test")
    assert {query.language for query in found.queries} == {"en"}
    assert found_by(found, QUESTIONS["en"][2]) == {TEXTS["de"][2], TEXTS["en"][2]}


@pytest.mark.parametrize(
    ("file", "row", "message"),
    [
        ("corpus", {"x": "no object"}, r"corpus.jsonl:7: field 'x' is str, not an object"),
        ("corpus", {"x": {"text": "a b", "lang": ["en"]}}, r"corpus.jsonl:7: field 'lang' is list, not text"),
        ("corpus", {"x": {"text": "a b", "lang": "klingon"}}, r"corpus.jsonl:7: unknown language 'klingon'"),
        (
            "corpus",
            {"de_0": {"text": "again", "lang": "de"}},
            r"corpus.jsonl:7: --strict refuses documents with the id",
        ),
        ("queries", {"text": "a"}, r"queries.jsonl:7: field '_id' is missing or no text"),
        ("qrels", {"de_q0": {"de_0": "x"}}, r"qrels.jsonl:7: the relevance 'x' is no number"),
        ("qrels", {"de_q0": {"de_9": 1}}, r"qrels.jsonl:7: --strict refuses judgements of documents"),
    ],
)
def test_faults_of_mlir_benchmarks_are_told(tmp_path: Path, file: str, row: Any, message: str) -> None:
    inside = mlir(tmp_path)
    with (inside / f"{file}.jsonl").open("a") as opened:
        opened.write(json.dumps(row) + "\n")
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"mlir-benchmarks:{inside}", strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("TEXT", "SPEECH"), r"MEP.csv:1: has no column 'TEXT'; expected are did, TEXT"),
        (lambda text: text.replace("title_", "head_"), r"MEP.csv: has no queries"),
        (lambda text: text.replace(",EN,", ",klingon,", 1), r"MEP.csv:2: unknown language 'klingon'"),
        (lambda text: text + "a,b,c,d,e,f,g\n", r"MEP.csv:10: has 7 fields, more than the header's 6"),
    ],
)
def test_faults_of_multieup_are_told(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    multieup(tmp_path)
    file = tmp_path / "clean_all_with_did_qid.MEP.csv"
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"multieup:{tmp_path}")


def test_faults_of_topics_and_judgements_are_told(tmp_path: Path) -> None:
    neuclir(tmp_path / "neuclir")
    miracl(tmp_path / "miracl")
    topics = tmp_path / "miracl" / "miracl-v1.0-de" / "topics" / "topics.miracl-v1.0-de-dev.tsv"
    lines(topics, "0 no tab")
    with pytest.raises(IsoglotError, match=r"topics.miracl-v1.0-de-dev.tsv:1: has no tab"):
        load_collection(f"miracl:{tmp_path / 'miracl'}")
    with pytest.raises(IsoglotError, match=r"topics.miracl-v1.0-de-train.tsv: no such file"):
        load_collection(f"miracl:{tmp_path / 'miracl'}@train")
    lines(tmp_path / "neuclir" / "data" / "qrels.mlir.gains.txt", "200 rus")
    with pytest.raises(IsoglotError, match=r"qrels.mlir.gains.txt:1: has 2 fields"):
        load_collection(f"neuclir:{tmp_path / 'neuclir'}")


COPIES = [
    ("mlqa", mlqa, ""),
    ("multieup", multieup, ""),
    ("xrag", xrag, ""),
    ("neuclir", neuclir, ""),
    ("miracl", miracl, ""),
    ("mlir-benchmarks", mlir, "@XQuAD_test"),
]


@pytest.mark.parametrize(("name", "write", "split"), COPIES)
def test_every_copy_can_be_audited(tmp_path: Path, name: str, write: Callable[[Path], Any], split: str) -> None:
    write(tmp_path)
    done = command_line.isoglot("audit", "bm25", "--data", f"{name}:{tmp_path}{split}", "-q")
    assert done.returncode == 0, done.stderr
    assert "documents in" in done.stdout


@pytest.mark.parametrize(("name", "split"), [(name, split) for name, _, split in COPIES])
def test_an_empty_folder_is_told_in_one_line(tmp_path: Path, name: str, split: str) -> None:
    done = command_line.isoglot("audit", "bm25", "--data", f"{name}:{tmp_path}{split}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr


@pytest.mark.parametrize("name", [name for name, _, _ in COPIES])
def test_a_split_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(IsoglotError, match=r"split 'moon'|no such benchmark|miracl-v1.0-XX"):
        load_collection(f"{name}:{tmp_path}@moon")


DATA_SETS = {
    "mlqa": "google/xtreme",
    "multieup": "unimelb-nlp/MultiEup-v2",
    "xrag": "AmazonScience/XRAG",
    "neuclir": "neuclir/bench",
    "mlir-benchmarks": "yjoonjang/mlir-benchmarks",
}


@pytest.mark.parametrize(("name", "write", "split"), [copy for copy in COPIES if copy[0] in DATA_SETS])
def test_files_in_the_cache_of_the_hub_are_found_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[..., Any], split: str
) -> None:
    import datasets
    from huggingface_hub import constants

    from isoglot.corpora.sources import neuclir as source

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")
    monkeypatch.setattr(source, "CORPUS_NAME", str(hard_negatives(tmp_path / "mteb")))
    repository = tmp_path / "cache" / f"datasets--{DATA_SETS[name].replace('/', '--')}"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    lines(repository / "refs" / "main", "c0ffee")
    (repository / "refs" / "main").write_text("c0ffee")
    write(snapshot, **({"as_parquet": True} if name == "mlqa" else {}))
    if name == "xrag":
        file = snapshot / "xrag.test.jsonl"
        file.write_bytes(gzip.decompress(file.with_name("xrag.test.jsonl.gz").read_bytes()))
    local, found = load_collection(f"{name}:{snapshot}{split}"), load_collection(f"{name}{split}")
    if name == "neuclir":  # of the topics, the documents' own alone
        assert found.golds == {"200": local.golds["200"]}
        assert sorted(query.language for query in found.queries) == ["en", "fa", "ru", "zh"]
        assert found.notes == local.notes[:1]
    else:
        assert found.fingerprint == local.fingerprint


def hard_negatives(folder: Path) -> Path:
    """What mteb keeps of NeuCLIR: documents and topics of each language, here with the topic 200 alone."""
    card = ""
    for tag in ("fas", "rus", "zho"):
        content = {
            "corpus": [{"_id": f"{tag}-{n}", "title": "", "text": text} for n, text in enumerate(TEXTS[tag])],
            "queries": [{"_id": "200", "text": QUESTIONS[tag][0]}],
        }
        for role, rows in content.items():
            file = folder / f"{tag}-{role}" / "test.parquet"
            file.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(rows), file)
            card += (
                f"- config_name: {tag}-{role}\n  data_files:\n  - split: test\n    path: {tag}-{role}/test.parquet\n"
            )
    lines(folder / "README.md", "---", "configs:", card + "---")
    return folder
