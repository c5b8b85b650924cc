"""What is a question by its form, and how far rows' queries lie from a user's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from isoglot.alignment.query_distance import QueryDistance, query_distances
from isoglot.corpora.sources import load_collection
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.registry import as_retriever
from isoglot.training_data.question_form import ends_as_question, is_question
from isoglot.training_data.row import Row, write_rows
from isoglot.training_data.statistics import QuestionCount, count_questions
from tests.command_line import isoglot

HEADINGS = [
    ("en", "Installing Debian GNU/Linux"),
    ("en", "The ? wildcard"),
    ("en", "page.php?id=3"),
    ("en", "Inserting, editing; saving"),
    ("de", "Dokumente öffnen und speichern"),
    ("fr", "Modification d'un en-tête"),
    ("es", "Configuración de la impresora"),
    ("ru", "Создание таблиц"),
    ("zh", "插入图片"),
    ("ja", "印刷の設定"),
    ("ko", "프린터 설정"),
    ("hi", "प्रिंटर की सेटिंग"),
    ("ar", "من الملف إلى الطابعة"),
    ("th", "เส้นไหมและผ้าไหมไทย"),
    ("th", "ไฟล์ใด ๆ ในโฟลเดอร์"),
    ("th", "อย่างไรก็ตาม"),
    ("km", "ការដំឡើងម៉ាស៊ីនបោះពុម្ព"),
    ("lo", "ການຕັ້ງຄ່າ"),
    ("my", "ပုံနှိပ်စက် ဆက်တင်များ"),
    ("el", "Άνοιγμα αρχείων"),
]
QUESTIONS = [
    ("en", "where does the Nile end"),
    ("en", 'What does "apt" do?”'),
    ("de", "wie hoch ist der Kilimandscharo"),
    ("es", "¿Qué es Debian"),
    ("el", "Τι είναι το Debian;"),
    ("el", "Τι είναι το Debian\u037e"),
    ("fr", "À quoi sert apt ?"),
    ("zh", "黑麦面包怎么做"),
    ("zh-TW", "什麼是 Debian"),
    ("ja", "Debianとは何ですか"),
    ("ko", "데비안이란 무엇입니까"),
    ("hi", "नील नदी कहाँ खत्म होती है"),
    ("ar", "أين ينتهي نهر النيل؟"),
    ("fa", "دبیان چیست"),
    ("hy", "Ի՞նչ է Դեբիանը"),
    ("am", "ደቢያን ምንድን ነው፧"),
    ("th", "แม่น้ำไนล์ไหลไปสิ้นสุดที่ไหน"),
    ("lo", "ແມ່ນ້ຳໄນລ໌ໄຫຼໄປໃສ"),
    ("km", "តើទន្លេនីលបញ្ចប់នៅកន្លែងណា"),
    ("my", "နိုင်းမြစ် ဘယ်မှာဆုံးသလဲ။"),
]


@pytest.mark.parametrize(("language", "text"), HEADINGS)
def test_headings_are_no_questions(language: str, text: str) -> None:
    assert not is_question(text, language)


@pytest.mark.parametrize(("language", "text"), QUESTIONS)
def test_questions_are_known_by_their_mark_or_their_word(language: str, text: str) -> None:
    assert is_question(text, language)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_questions_of_mini_are_questions_in_all_its_languages(split: str) -> None:
    queries = load_collection(f"mini@{split}").queries
    total = Counter(query.language for query in queries)
    asked = Counter(query.language for query in queries if is_question(query.text, query.language))
    ended = Counter(query.language for query in queries if ends_as_question(query.text, query.language))
    for language, count in total.items():
        assert asked[language] >= 0.97 * count, language
        assert ended[language] == count, language


def test_how_a_question_ends_depends_on_its_language() -> None:
    good = [
        ("el", "Τι είναι αυτό;"),
        ("zh", "这是什么？"),
        ("fa", "این چیست؟"),
        ("th", "นี่คืออะไร"),
        ("ja", "何ですか。"),
    ]
    bad = [
        ("en", "What is this;"),
        ("zh", "这是什么"),
        ("de", "Was ist das"),
        ("ja", "これは何"),
        ("en", "What? Nothing."),
    ]
    assert all(ends_as_question(text, language) for language, text in good)
    assert not any(ends_as_question(text, language) for language, text in bad)


def test_questions_are_counted_by_source() -> None:
    rows = [
        Row("a", {"en": "What is rye?", "de": "Roggen"}, {"en": "x"}, "help"),
        Row("b", {"en": "Wheat"}, {"en": "y"}, "help"),
        Row("c", {"th": "นี่คืออะไร"}, {"th": "z"}),
    ]
    counts = count_questions(rows)
    assert counts == {
        "help": QuestionCount(queries=3, questions=1),
        "not stated": QuestionCount(queries=1, questions=1),
    }
    assert counts["help"].share == pytest.approx(1 / 3)


class Planted:
    """Encodes ``LANGUAGE KIND NUMBER`` as a point of a language, moved by its kind, with a little noise."""

    def encode(self, texts: list[str], role: str, languages: list[str], **options: bool) -> Vectors:
        assert role == "query"
        generator = np.random.default_rng(len(texts))
        vectors = generator.normal(0, 0.01, (len(texts), 4))
        for vector, text in zip(vectors, texts, strict=True):
            language, kind, _ = text.split()
            vector += {"en": [1, 0, 0, 0], "de": [0, 1, 0, 0]}[language]
            vector += {"same": [0, 0, 0, 0], "half": [0, 0, 0.7071, 0], "far": [0, 0, 2, 0]}[kind]
        return vectors.astype(np.float32)

    def signature(self, role: str) -> str:
        return role


def distances(folder: Path, kind: str, languages: tuple[str, ...] = ("en", "de")) -> dict[str, QueryDistance]:
    rows = [Row(f"c{i}", {tag: f"{tag} same {i}" for tag in ("en", "de")}, {"en": "x"}) for i in range(40)]
    lines = [{"text": f"{tag} {kind} {i}", "lang": tag} for tag in languages for i in range(30)]
    (folder / "asked.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return query_distances(rows, folder / "asked.jsonl", Planted())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected", "meaning"),
    [
        ("same", 0.0, "% of the way to another language"),
        ("half", 0.7071, "50% of the way to another language"),
        ("far", 2.0, "as far as another language"),
    ],
)
def test_distances_are_those_of_the_means_beside_halves_and_languages(
    tmp_path: Path, kind: str, expected: float, meaning: str
) -> None:
    for distance in distances(tmp_path, kind).values():
        assert (distance.rows, distance.questions) == (40, 30)
        assert distance.distance == pytest.approx(expected, abs=0.01)
        assert distance.languages == pytest.approx(2**0.5, abs=0.01)
        assert 0 < distance.halves < 0.02
        assert meaning in distance.meaning or distance.meaning == "no further than chance"


def test_another_language_of_the_rows_is_the_yardstick_where_questions_are_in_one(tmp_path: Path) -> None:
    only = distances(tmp_path, "half", ("de",))
    assert list(only) == ["de"]
    assert only["de"].languages == pytest.approx(2**0.5, abs=0.01)


def test_too_few_questions_are_reported(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("What is rye?\n" * 30)
    with pytest.raises(IsoglotError, match="no language has 10 questions here and 10 queries in the rows"):
        query_distances([Row("a", {"en": "x"}, {"en": "y"})], tmp_path / "few.txt", Planted())  # type: ignore[arg-type]
    with pytest.raises(IsoglotError, match="bm25: encodes no texts"):
        query_distances([], tmp_path / "few.txt", as_retriever("bm25"))


def test_data_check_says_what_rows_ask_and_how_far_it_is_from_your_questions(tiny_model: Path, tmp_path: Path) -> None:
    mini = load_collection("mini@test")
    by_language = {tag: [query for query in mini.queries if query.language == tag] for tag in ("en", "de")}
    write_rows(
        tmp_path / "rows.jsonl",
        [Row(query.query_id, {tag: query.text}, {tag: "x" * 40}) for tag in by_language for query in by_language[tag]],
    )
    (tmp_path / "asked.txt").write_text("\n".join(query.text for query in by_language["de"]), encoding="utf-8")
    command = ("data", "check", tmp_path / "rows.jsonl", "--queries", tmp_path / "asked.txt")
    shown = isoglot(*command, "-m", tiny_model)
    assert "What the rows ask" in shown.stdout, shown.stderr
    assert "calibrate on your own" in shown.stdout
    found = json.loads(isoglot(*command, "-m", tiny_model, "--json").stdout)
    assert found["questions"] == {"not stated": {"queries": 320, "questions": 320, "share": 1.0}}
    assert found["distances"]["de"]["distance"] == pytest.approx(0, abs=1e-6)
    assert found["distances"]["de"]["languages"] > found["distances"]["de"]["halves"] > 0
    assert json.loads(isoglot("data", "check", tmp_path / "rows.jsonl", "--json").stdout)["distances"] == {}
    refused = isoglot(*command)
    assert refused.returncode == 2
    assert "--queries and --model go together" in refused.stderr


def test_data_check_takes_a_source_as_its_help_says() -> None:
    found = json.loads(isoglot("data", "check", "mini@demo-train", "--json").stdout)
    assert (found["rows"], found["passed"]) == (40, 40)
    assert found["questions"]["mini@demo-train"] == {"queries": 320, "questions": 320, "share": 1.0}
