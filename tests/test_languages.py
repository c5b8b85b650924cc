"""Language tags of every spelling, and detection."""

from __future__ import annotations

import unicodedata

import langcodes
import pytest
from langcodes import language_distance

from isoglot import IsoglotError
from isoglot.platform import languages
from isoglot.platform.languages import (
    canonical,
    closest,
    detect,
    detectable,
    differing_language,
    english_name,
    names_no_language,
)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("zh", "zh"),
        ("zho_Hans", "zh"),
        ("zh-CN", "zh"),
        ("cmn", "zh"),
        ("zho_Hant", "zh-TW"),
        ("zh-TW", "zh-TW"),
        ("arb_Arab", "ar"),
        ("eng_Latn", "en"),
        ("EN", "en"),
        (" de ", "de"),
        ("en_GB", "en-GB"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt-PT"),
        ("iw", "he"),
        ("\tin\n", "id"),
        ("ZHO-HANS", "zh"),
        ("pes_Arab", "fa"),
        ("srp_Cyrl", "sr"),
        ("sr-Latn", "sr-Latn"),
        ("tam_Taml", "ta"),
        ("nb", "no"),
        ("nob_Latn", "no"),
        ("nor", "no"),
        ("nb-NO", "no"),
        ("nn", "nn"),
        ("arz", "arz"),
        ("als_Latn", "sq"),
        ("zsm_Latn", "ms"),
        ("zh-cmn", "zh"),
    ],
)
def test_every_spelling_gives_one_tag(tag: str, expected: str) -> None:
    assert canonical(tag) == expected
    assert canonical(expected) == expected


ONE_SCRIPT = """acm_Arab acq_Arab aeb_Arab ajp_Arab amh_Ethi apc_Arab ars_Arab ary_Arab arz_Arab asm_Beng awa_Deva
    azb_Arab bak_Cyrl bho_Deva bod_Tibt ckb_Arab cmn_Hani crh_Latn dzo_Tibt hye_Armn jpn_Hira jpn_Jpan kor_Hang kor_Kore
    lzh_Hani mni_Beng nan_Hani pbt_Arab rmy_Latn shn_Mymr snd_Arab tzm_Tfng uig_Arab urd_Aran wuu_Hani ydd_Hebr yue_Hani
    yue_Hant zho_Hani"""


@pytest.mark.parametrize("tag", ONE_SCRIPT.split())
def test_the_script_that_a_language_has_says_nothing_more(tag: str) -> None:
    """As FLORES, Belebele and GlotLID write it."""
    assert canonical(tag) == canonical(tag[:3])


@pytest.mark.parametrize(
    "tag", ["ace-Arab", "ar-Latn", "azb-Latn", "crh-Cyrl", "hi-Latn", "ks-Deva", "taq-Tfng", "sr-Latn"]
)
def test_another_script_is_kept(tag: str) -> None:
    assert canonical(tag) == tag


def test_southern_pashto_is_the_pashto_of_flores() -> None:
    assert canonical("pbt_Arab") == canonical("ps") == "ps"


SAY_NONE = [
    "und",
    "und_Latn",
    "mul",
    "mis",
    "zxx_Zxxx",
    "art",
    "root",
    "qaa",
    "qtz-Latn",
    "x-dialect",
    "Unknown",
    "N/A",
    "un",
]


@pytest.mark.parametrize("tag", SAY_NONE)
def test_what_says_that_there_is_no_language_is_none(tag: str) -> None:
    assert names_no_language(tag)
    assert languages.known(tag) is None


@pytest.mark.parametrize("tag", ["quy", "uk", "na", "nan", "art-lojban", "", " "])
def test_a_language_or_nothing_does_not_say_that_there_is_none(tag: str) -> None:
    assert not names_no_language(tag)


@pytest.mark.parametrize("tag", ["", "xx", "klingon", "mul", "und", "english", "123"])
def test_what_is_no_language_is_told_with_an_example(tag: str) -> None:
    with pytest.raises(IsoglotError, match="BCP-47"):
        canonical(tag)


def test_closest_takes_a_near_variety_and_nothing_else() -> None:
    assert closest("pt", frozenset({"pt-PT", "en"})) == "pt-PT"
    assert closest("en-GB", frozenset({"en"})) == "en"
    assert closest("ja", frozenset({"en", "zh"})) is None


@pytest.mark.parametrize(
    ("tag", "neighbour"), [("eu", "es"), ("ca", "es"), ("br", "fr"), ("uk", "ru"), ("zh-TW", "zh")]
)
def test_a_language_is_not_treated_as_the_one_its_readers_know_too(tag: str, neighbour: str) -> None:
    assert closest(tag, frozenset({neighbour, "en"})) is None


def test_closest_of_nothing_is_nothing() -> None:
    assert closest("de", frozenset()) is None
    with pytest.raises(IsoglotError, match="unknown language 'klingon'"):
        closest("klingon", frozenset({"en"}))


def test_detection_on_short_questions() -> None:
    texts = {
        "en": "Where does the river begin?",
        "de": "Wo entspringt der Fluss?",
        "zh": "这条河从哪里发源？",
        "ar": "من أين ينبع هذا النهر؟",
        "th": "แม่น้ำสายนี้เริ่มต้นที่ไหน",
        "hi": "यह नदी कहाँ से निकलती है?",
        "ru": "Где начинается эта река?",
        "es": "¿Dónde nace este río?",
    }
    assert detect(texts.values()) == list(texts)


def test_serbian_is_in_one_of_its_scripts() -> None:
    texts = {
        "Voz za obalu polazi u sedam sati uveče i stiže ujutru u devet.": "sr-Latn",
        "Воз за обалу полази у седам сати увече и стиже ујутру у девет.": "sr",
    }
    assert detect(texts) == list(texts.values())
    assert detect(texts, frozenset({"sr", "en"})) == ["sr", "sr"]


def test_chinese_characters_without_kana_are_chinese() -> None:
    texts = {
        "野马队的总经理是谁？": "zh",
        "雪豹生活在中亚的山区。": "zh",
        "東京大学はどこにありますか。": "ja",
        "カシミヤとは": "ja",
    }
    assert detect(texts) == list(texts.values())


def test_a_short_text_is_taken_for_a_language_that_is_expected_not_for_its_neighbour() -> None:
    text = "森林大火怎样帮助巨杉繁衍后代？"
    assert detect([text], frozenset({"en", "zh"})) == ["zh"]
    assert detect(["これは日本語の文です"], frozenset({"en", "zh"})) == ["ja"]


def test_text_without_letters_has_no_language() -> None:
    assert detect(["", "12:30 - 14:00", "two\nlines of English text"]) == [None, None, "en"]


def test_names() -> None:
    assert english_name("zh") == "Chinese"


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("gsw", "Dr Chatz isch uf em Dach und luegt zum Fänschter use, wo mir am Zmorge hocked."),
        ("no", "Elven renner ut i fjorden, og om våren stiger vannet når snøen smelter i fjellet."),
    ],
)
def test_labels_of_the_detector_are_read_by_their_own_meaning(tag: str, text: str) -> None:
    assert detect([text]) == [tag]


def test_languages_that_the_detector_knows_include_the_rarest() -> None:
    assert {"ug", "yue", "gn", "gsw", "egl", "no"} <= detectable()


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("ko", unicodedata.normalize("NFD", "이 강은 어디에서 시작됩니까?")),
        ("vi", unicodedata.normalize("NFD", "Con sông này bắt nguồn từ đâu?")),
        ("ar", "مِنْ أَيْنَ يَنْبُعُ هٰذَا النَّهْرُ؟"),
        ("ar", "يـنـبـع هـذا الـنـهـر مـن الـجـبـال"),
        ("ar", "بِسْمِ ٱللَّهِ ٱلرَّحْمَـٰنِ ٱلرَّحِيمِ ٱلْحَمْدُ لِلَّهِ رَبِّ ٱلْعَـٰلَمِينَ"),
        ("en", "Ｗｈｅｒｅ　ｄｏｅｓ　ｔｈｅ　ｒｉｖｅｒ　ｂｅｇｉｎ？"),
        ("en", "𝐖𝐡𝐞𝐫𝐞 𝐝𝐨𝐞𝐬 𝐭𝐡𝐞 𝐫𝐢𝐯𝐞𝐫 𝐛𝐞𝐠𝐢𝐧?"),
        ("ja", "ｶｼﾐﾔﾄﾊ ﾅﾝﾃﾞｽｶ"),
        ("en", "\u2060".join("Where does the river begin?")),
        ("en", "Where\u200bdoes\u200bthe\u200briver\u200bbegin?"),
        ("de", "Wo ent\u00adspr\u00adin\u00adgt d\u00ader Fl\u00adus\u00ads?"),
        ("zh", "缺少哪种营养素会让水手在长达数月的航行中牙龈出血？"),
    ],
)
def test_equivalent_texts_have_one_language(tag: str, text: str) -> None:
    assert detect([text]) == [tag]


@pytest.mark.parametrize(
    ("stated", "text", "other"),
    [
        ("en", "灯芯把油吸到火焰处，灯就发光。", "zh"),
        ("zh", "Frogs lay their eggs in ponds in early spring.", "en"),
        ("zh-TW", "灯芯把油吸到火焰处，灯就发光。", None),
        ("sr-Latn", "Voz za obalu polazi u sedam sati uveče i stiže ujutru u devet.", None),
        ("bs", "Gljive rastu u šumi nakon kiše, a djeca ih skupljaju u košare.", None),
        ("sk", "Vlak na pobrežie odchádza o siedmej hodine večer.", None),
        ("sk", "Vlak na pobřeží odjíždí v sedm hodin večer.", "cs"),
        ("no", "Toget til kysten afgår klokken syv om aftenen.", None),
        ("xh", "Frogs lay their eggs in ponds in early spring.", None),
        ("und", "Frogs lay their eggs in ponds in early spring.", None),
        ("de", "12:30 - 14:00", None),
    ],
)
def test_a_text_differs_from_its_label_only_where_the_detector_is_sure(
    stated: str, text: str, other: str | None
) -> None:
    assert differing_language(text, stated) == other


def test_a_long_tag_is_refused_and_named_by_its_beginning() -> None:
    with pytest.raises(IsoglotError, match=r"^unknown language 'en-x-a{25}…': a tag has at most 100 characters$"):
        canonical("en-x-" + "a" * 900_000)


def test_caches_stay_small_however_many_tags_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "_KEPT", 500)
    tags = [f"en-x-{number:06}" for number in range(2_000)]
    assert [canonical(tag) for tag in tags] == tags
    assert [closest(tag, frozenset({"en"})) for tag in tags[-700:]] == ["en"] * 700
    kept = (langcodes.Language._PARSE_CACHE, langcodes.Language._INSTANCES, language_distance._DISTANCE_CACHE)
    assert max(map(len, kept)) < 1_000
    for cached in (canonical, languages.known, closest):
        assert cached.cache_info().maxsize == 10_000
