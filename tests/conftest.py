"""What several test files need: a tiny model, a tiny parallel collection, and the evaluation data if it is there."""

from __future__ import annotations

import gc
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from isoglot import Collection, Document, Query
from tests.browser import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("any machine", deadline=None)  # how busy a machine is decides no test
settings.load_profile("any machine")
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the most dear tests first, so that workers which get whole files end at the same time."""
    dear = Counter(item.path for item in items if any(map(item.get_closest_marker, ("slow", "process", "browser"))))
    items.sort(key=lambda item: -dear[item.path])


def pytest_collection_finish() -> None:
    """Keep the imported modules out of garbage collections: each training starts one, which took most of its time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _threads_stay() -> Iterator[None]:
    """Give torch its threads back after a command that was told how many to use."""
    before = torch_threads()
    yield
    if before is not None and torch_threads() != before:
        sys.modules["torch"].set_num_threads(before)


def torch_threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_num_threads()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """Also where the tests run in the background of a shell, which has them and their children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with XQuAD and Belebele; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data with XQuAD and Belebele is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_berts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two random BERTs of 2 layers and 32 dimensions over characters."""
    from tests.tiny_models import save_bert

    folder = tmp_path_factory.mktemp("berts")
    return save_bert(folder / "one"), save_bert(folder / "two", seed=1)


@pytest.fixture(scope="session")
def tiny_model(tiny_berts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder with a random BERT, mean pooling and a Normalize; see `tests.tiny_models`."""
    from tests.tiny_models import save_model

    return save_model("normalized", tiny_berts, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def bundled_model() -> Path:
    """The folder of e5-small-q4 in the user's cache."""
    from isoglot.encoders.bundled.e5_small_q4 import model_folder

    return model_folder()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the test's own."""
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def small_collection() -> Collection:
    """Six contents with a question each, in English, German and Russian."""
    texts = {
        "bread": (
            "flour water and salt become bread",
            "aus mehl wasser und salz wird brot",
            "из муки воды и соли хлеб",
        ),
        "train": ("the train leaves at nine", "der zug fährt um neun ab", "поезд отходит в девять"),
        "snow": ("snow covers the mountain road", "schnee bedeckt die bergstraße", "снег покрыл горную дорогу"),
        "piano": ("she tunes the old piano", "sie stimmt das alte klavier", "она настраивает старое пианино"),
        "garden": ("tomatoes grow in the garden", "im garten wachsen tomaten", "в саду растут помидоры"),
        "letter": ("the letter came too late", "der brief kam zu spät", "письмо пришло слишком поздно"),
    }
    languages = ("en", "de", "ru")
    documents = [
        Document(c, tag, text) for c, found in texts.items() for tag, text in zip(languages, found, strict=True)
    ]
    queries = [
        Query(f"q-{c}", tag, f"{text}?")
        for c, found in texts.items()
        for tag, text in zip(languages, found, strict=True)
    ]
    return Collection("small", documents, queries, {f"q-{content}": (content,) for content in texts})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for tests marked with `browser` and `needs_chromium`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()
