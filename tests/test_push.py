"""`isoglot push` and model cards, against a hub on this machine that speaks the real endpoints."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from huggingface_hub.repocard import metadata_load
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.card import FolderFacts, folder_facts, model_card, without_folders
from isoglot.alignment.record import BaseRecord, read_record, to_json
from isoglot.corpora.sources import hub_dataset
from isoglot.encoders.cards import ModelCardFacts, card_facts
from isoglot.encoders.models import BUNDLED
from isoglot.encoders.sentence_transformer import load_model
from isoglot.platform.hub import reachable
from isoglot.platform.version import HOMEPAGE
from tests.command_line import Done
from tests.command_line import isoglot as run
from tests.hub_server import OTHERS_TOKEN, TOKEN, Hub, running_hub, use_in_this_process

TEXTS = ["the train leaves at nine", "aus mehl wasser und salz wird brot"]


@pytest.fixture(scope="module")
def calibrated(
    tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A tiny model aligned with center and audited on a development split."""
    folder = tmp_path_factory.mktemp("push")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOGLOT_CACHE", str(folder / "cache"))
        aligned = isoglot.align(
            str(tiny_model), "center", small_collection, folder / "aligned", dev=small_collection, max_loss=100
        )
        isoglot.audit(str(aligned), small_collection, output=folder / "audit")
        yield aligned


@pytest.fixture
def folder(calibrated: Path, tmp_path: Path) -> Path:
    """A copy of the aligned model, for a test that changes it."""
    return Path(shutil.copytree(calibrated, tmp_path / "aligned"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An empty hub, which huggingface_hub uses within this process too."""
    with running_hub() as hub:
        use_in_this_process(hub, monkeypatch, tmp_path)
        yield hub
    reachable.cache_clear()


def push(*arguments: object, environment: Mapping[str, str] | None = None) -> Done:
    """Run ``isoglot push`` and check that neither output shows a token."""
    done = run("push", *arguments, environment={"HF_HUB_OFFLINE": "0", **(environment or {})})
    assert "ttt" not in done.stdout + done.stderr
    return done


def last_line(done: Done) -> str:
    assert done.returncode == 2, done.stderr
    return done.stderr.strip().splitlines()[-1]


def metadata(hub: Hub, name: str = "me/model") -> dict[str, Any]:
    data: dict[str, Any] = ModelCard(hub.files(name)["README.md"].decode()).data.to_dict()
    return data


def test_a_pushed_model_arrives_and_its_address_is_printed(calibrated: Path, hub: Hub) -> None:
    done = push(calibrated, "me/model", "--message", "first")
    assert (done.returncode, done.stdout) == (0, f"{hub.url}/me/model\n"), done.stderr
    assert "sending" in done.stderr
    assert "everyone sees it; next: isoglot audit me/model" in done.stderr
    sent = hub.files("me/model")
    for path in sorted(calibrated.rglob("*")):
        name = path.relative_to(calibrated).as_posix()
        if path.is_file() and not name.startswith("development/") and name not in ("README.md", "isoglot.json"):
            assert sent[name] == path.read_bytes(), name
    assert not [name for name in sent if name.startswith("development/")]
    assert b"PATH_OF_THIS_FOLDER" not in sent["README.md"]
    assert b'SentenceTransformer("me/model", trust_remote_code=True)' in sent["README.md"]
    assert hub.repositories["me/model"].messages == ["initial commit", "first"]
    assert "PUT /lfs/" in "\n".join(hub.requests)


@pytest.mark.slow
def test_a_pushed_model_is_loaded_from_the_hub_and_gives_the_same_vectors(
    calibrated: Path, small_collection: Collection, hub: Hub, own_cache: Path
) -> None:
    assert isoglot.push(calibrated, "model", audits=[calibrated.with_name("audit")]) == f"{hub.url}/me/model"
    loaded = SentenceTransformer("me/model", trust_remote_code=True, device="cpu")
    expected = load_model(str(calibrated), device="cpu")
    assert np.array_equal(loaded.encode_document(TEXTS), expected.encode_document(TEXTS))
    assert np.array_equal(loaded.encode_query(TEXTS, language="de"), expected.encode_query(TEXTS, language="de"))
    audited = isoglot.audit("me/model", small_collection)
    before = isoglot.Audit.load(calibrated.with_name("audit"))
    assert audited.model.fingerprint == before.model.fingerprint
    assert json.loads(audited.to_json())["scenarios"] == json.loads(before.to_json())["scenarios"]
    done = run(
        "audit", "me/model", "--data", "mini@demo", "--pool", "en,de", "--limit", 4, environment={"HF_HUB_OFFLINE": "0"}
    )
    assert "German questions among" in done.stdout, done.stderr


@pytest.mark.slow
def test_mteb_reads_the_card_of_a_pushed_model(calibrated: Path, hub: Hub) -> None:
    from mteb.models import ModelMeta

    isoglot.push(calibrated, "model")
    meta = ModelMeta.from_hub("me/model")
    assert (meta.license, meta.framework) == (None, ["Sentence Transformers"])
    assert meta.languages == ["deu-Latn", "eng-Latn", "rus-Cyrl"]


def test_a_model_is_pushed_again_and_what_has_arrived_is_not_sent_again(folder: Path, hub: Hub) -> None:
    hub.fail("POST .*/commit/main", 0)
    cut = push(folder, "me/model")
    assert "check HF_ENDPOINT and the network, and run the same command again" in last_line(cut)
    assert sum(request.startswith("PUT") for request in hub.requests) == len(hub.large_files) == 2
    assert set(hub.files("me/model")) == {".gitattributes"}
    assert push(folder, "me/model").returncode == 0
    assert sum(request.startswith("PUT") for request in hub.requests) == 2
    assert push(folder, "me/model").returncode == 0
    assert len(hub.repositories["me/model"].commits) == 2


def test_a_pull_request_and_a_branch_leave_the_main_branch_as_it_is(calibrated: Path, hub: Hub) -> None:
    push(calibrated, "me/model", "--revision", "v2", "--private")
    assert set(hub.files("me/model")) == {".gitattributes"}
    assert "model.safetensors" in hub.files("me/model", "v2")
    assert hub.repositories["me/model"].private
    hub.repositories["me/model"].private = False
    done = push(calibrated, "me/model", "--create-pr", environment={"HF_TOKEN": OTHERS_TOKEN})
    assert done.stdout == f"{hub.url}/me/model/discussions/1\n", done.stderr
    assert set(hub.files("me/model")) == {".gitattributes"}
    assert "model.safetensors" in hub.files("me/model", "refs/pr/1")
    both = push(calibrated, "me/model", "--create-pr", "--revision", "v2")
    assert "pass one" in last_line(both)


def test_a_repository_keeps_who_sees_it(calibrated: Path, hub: Hub) -> None:
    assert "only its owner sees it" in push(calibrated, "me/model", "--private").stderr
    assert push(calibrated, "me/model").returncode == 0
    assert hub.repositories["me/model"].private
    assert "me/model: exists and is private; change that in its settings" in last_line(
        push(calibrated, "me/model", "--public")
    )


def test_a_dry_run_lists_files_and_metadata_and_sends_nothing(calibrated: Path, hub: Hub) -> None:
    shown = push(calibrated, "me/model", "--dry-run", environment={"HF_TOKEN": ""})
    assert shown.returncode == 0, shown.stderr
    assert "model.safetensors" in shown.stdout
    assert "library_name: sentence-transformers\n" in shown.stdout
    assert "model-index: 15 results" in shown.stdout
    listed = json.loads(push(calibrated, "me/model", "--dry-run", "--json").stdout)
    sizes = {entry["path"]: entry["bytes"] for entry in listed["files"]}
    assert sizes["model.safetensors"] == (calibrated / "model.safetensors").stat().st_size
    assert listed["metadata"]["model-index"][0]["name"] == "me/model"
    assert hub.requests == []


def test_json_says_what_was_sent_and_where_it_is(calibrated: Path, hub: Hub) -> None:
    sent = json.loads(push(calibrated, "model", "--json").stdout)
    commit = hub.repositories["me/model"].branches["main"]
    assert (sent["name"], sent["commit"], sent["private"]) == ("me/model", commit, False)
    assert sent["address"] == f"{hub.url}/me/model"


def test_results_of_audits_are_added_to_the_card_once(calibrated: Path, hub: Hub) -> None:
    audit = calibrated.with_name("audit")
    push(calibrated, "me/model")
    without = metadata(hub)
    push(calibrated, "me/model", "--audit", audit)
    card = ModelCard(hub.files("me/model")["README.md"].decode())
    assert without["model-index"][0]["name"] == "me/model"
    assert "## Audit on small" in card.text
    assert "### multi: every document" in card.text
    values = {(r.dataset_type, r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results}
    found = isoglot.Audit.load(audit)
    for result in found.scenarios:
        measures = {"multi": "complete@10", "mono-same": "ndcg@10", "control": "ndcg@10"}
        measure = measures.get(result.scenario)
        config = f"{'+'.join(result.pool_languages)}.{result.query_language}"
        keys = [k for k in values if k[0].startswith(f"isoglot-small-{result.scenario}-") and k[1] == config]
        assert measure is None or [values[k] for k in keys if k[2] == measure.replace("@", "_at_")] == pytest.approx(
            [result.measures[measure].mean / 100]
        )
    assert len(values) == len(card.data.eval_results)


def test_what_a_user_wrote_into_the_card_is_sent(folder: Path, hub: Hub) -> None:
    card = ModelCard.load(folder / "README.md")
    card.data.license = "apache-2.0"
    card.data.extra = {"a": 1}
    card.text += "\nMade for our help desk.\n"
    card.save(folder / "README.md")
    assert push(folder, "me/model").returncode == 0
    assert metadata(hub)["license"] == "apache-2.0"
    assert metadata(hub)["extra"] == {"a": 1}
    assert b"Made for our help desk." in hub.files("me/model")["README.md"]


def test_names_of_folders_stay_on_this_machine(calibrated: Path, tiny_model: Path, hub: Hub) -> None:
    push(calibrated, "me/model")
    record = read_record(calibrated)
    assert record is not None
    assert record.base.name == str(tiny_model)
    sent = hub.files("me/model")
    assert json.loads(sent["isoglot.json"])["base"]["name"] == tiny_model.name
    for path in ("isoglot.json", "README.md"):
        assert str(tiny_model.parent) not in sent[path].decode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/me/secret/corpus.jsonl, held out", "corpus.jsonl, held out"),
        ("folder:/home/me/secret@dev", "folder:secret@dev"),
        (r"C:\secret\model", "model"),
        ("../models/base/", "base"),
        ("intfloat/multilingual-e5-small", "intfloat/multilingual-e5-small"),
        ("hub:owner/name@test", "hub:owner/name@test"),
        ("mini@train", "mini@train"),
    ],
)
def test_a_name_loses_its_folders(name: str, shown: str) -> None:
    assert without_folders(name) == shown


def unmake(folder: Path) -> None:
    (folder / "isoglot.json").unlink()


def fail_guard(folder: Path) -> None:
    record = read_record(folder)
    assert record is not None
    assert record.verdict is not None
    lost = msgspec.structs.replace(record.verdict, mean=-20.0, low=-25.0, high=-15.0, max_loss=1.0)
    (folder / "isoglot.json").write_text(to_json(msgspec.structs.replace(record, verdict=lost)))


@pytest.mark.parametrize(
    ("change", "message"),
    [(unmake, "was not made by isoglot align"), (fail_guard, "failed the guard: mono-same ndcg@10 changed by -20.00")],
)
def test_a_model_that_isoglot_did_not_make_or_the_guard_failed_is_pushed_by_force(
    change: Any, message: str, folder: Path, hub: Hub
) -> None:
    change(folder)
    refused = last_line(push(folder, "me/model"))
    assert message in refused
    assert "pass --force" in refused
    assert hub.requests == []
    assert push(folder, "me/model", "--force").returncode == 0
    assert "model.safetensors" in hub.files("me/model")


def add_pickle(folder: Path) -> None:
    (folder / "notes").write_bytes(pickle.dumps({"a": 1}))


def add_torch(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")


def break_card(folder: Path) -> None:
    (folder / "README.md").write_text("---\n a: [\n---\n")


def become_seeds(folder: Path) -> None:
    (folder / "seeds.json").write_text("{}")


def become_transform(folder: Path) -> None:
    (folder / "transform.json").write_text("{}")


def break_record(folder: Path) -> None:
    (folder / "isoglot.json").write_text("{")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_pickle, "notes: is a pickle, which can run code"),
        (add_torch, "pytorch_model.bin: is a pickle"),
        (break_card, "README.md: cannot be read as a model card"),
        (become_seeds, "push one of them, such as"),
        (become_transform, "is a transform of vectors"),
        (break_record, "isoglot.json: is damaged"),
        (lambda folder: (folder / "modules.json").unlink(), "has no modules.json"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_what_may_not_be_pushed_is_refused_in_one_line(change: Any, message: str, folder: Path, hub: Hub) -> None:
    change(folder)
    done = push(folder, "me/model", "--force")
    assert message in last_line(done)
    assert len(done.stderr.strip().splitlines()) == 1
    assert hub.requests == []


def test_a_wrong_name_and_an_audit_of_another_model_are_refused(
    calibrated: Path, tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path, hub: Hub
) -> None:
    for name in ("a/b/c", "me/mo del", "-x", "me/x.git", ""):
        assert "is no name on the hub, such as OWNER/NAME" in last_line(push("--", calibrated, name))
    isoglot.audit(str(tiny_model), small_collection, output=tmp_path / "other")
    assert "is an audit of another model" in last_line(push(calibrated, "me/model", "--audit", tmp_path / "other"))
    balanced = replace(isoglot.Audit.load(calibrated.with_name("audit")), balance="scaled")
    with pytest.raises(IsoglotError, match="is an audit with --balance scaled"):
        isoglot.push(calibrated, "me/model", audits=[balanced])
    assert "cannot read" in last_line(push(calibrated, "me/model", "--audit", tmp_path / "none"))
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "set HF_TOKEN, or run `hf auth login`"),
        ("hf_\x1bttt", "has characters that no token has"),
        ("hf_" + "t" * 9, "answers 401 (Invalid credentials in Authorization header); the token is not valid"),
        (OTHERS_TOKEN, "answers 403 (You don't have the rights"),
    ],
)
def test_a_missing_or_wrong_token_is_said_and_never_shown(token: str, message: str, calibrated: Path, hub: Hub) -> None:
    assert message in last_line(push(calibrated, "me/model", environment={"HF_TOKEN": token}))
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("pattern", "status", "message"),
    [
        ("repos/create", 429, "answers 429 (by the script); it asks for fewer requests; wait 7 s, then run the same"),
        ("repos/create", 503, "answers 503 (by the script); that is the hub's fault"),
        ("repos/create", 0, "run the same command again, which sends only what has not arrived"),
        ("GET /api/models/me/model", 404, "answers 404 (by the script); there is no such model or branch"),
        ("commit/main", 409, "answers 409 (by the script); it has changed meanwhile; run the same command again"),
        ("commit/main", 413, "answers 413 (by the script); nothing was changed there"),
        ("lfs/objects/batch", 403, "answers 403 (by the script); the token may not write there"),
        ("PUT /lfs", 400, "answers 400 (Error while uploading"),
    ],
)
def test_what_the_hub_refuses_is_one_line_that_says_what_to_do(
    pattern: str, status: int, message: str, calibrated: Path, hub: Hub
) -> None:
    hub.fail(pattern, status, times=9, Retry_After="7")
    assert message in last_line(push(calibrated, "me/model"))
    assert all(set(repository.commits) for repository in hub.repositories.values())


def test_a_hub_that_is_not_there_and_metadata_that_it_refuses(folder: Path, hub: Hub) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        assert "http://127.0.0.1:9: " in last_line(push(folder, "me/model"))
    card = ModelCard.load(folder / "README.md")
    card.data.license = "no such licence"
    card.save(folder / "README.md")
    assert 'Invalid metadata in README.md. - "license" is no such licence' in last_line(push(folder, "me/model"))


def test_offline_nothing_is_sent(calibrated: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set, so nothing is sent" in last_line(push(calibrated, "me/model"))


def test_python_raises_what_the_command_prints(calibrated: Path, hub: Hub) -> None:
    with pytest.raises(IsoglotError, match="no name on the hub"):
        isoglot.push(calibrated, "a/b/c")
    hub.fail("repos/create", 503)
    with pytest.raises(IsoglotError, match="answers 503"):
        isoglot.push(calibrated, "me/model", private=True)


def test_a_card_says_what_the_hub_and_mteb_read(calibrated: Path, small_collection: Collection) -> None:
    card = ModelCard.load(calibrated / "README.md")
    data = metadata_load(calibrated / "README.md")
    assert data is not None
    assert (data["library_name"], data["pipeline_tag"]) == ("sentence-transformers", "sentence-similarity")
    assert data["language"] == ["de", "en", "ru"]
    assert {"isoglot", "mteb"} <= set(data["tags"])
    assert "base_model" not in data  # a folder without a name on the hub
    assert "license" not in data
    results = card.data.eval_results
    assert {result.dataset_type.rpartition("-")[0] for result in results} == {
        f"isoglot-small-{scenario}" for scenario in ("multi", "mono-same", "control")
    }
    for text in (
        "## How to use it",
        "Without it the model detects the language",
        "Before and after, with 95% intervals",
    ):
        assert text in card.text


def test_the_card_of_a_bundled_base_names_its_licence_and_its_base_on_the_hub(calibrated: Path) -> None:
    record = read_record(calibrated)
    assert record is not None
    bundled = msgspec.structs.replace(
        record,
        base=BaseRecord("e5-small-q4", "f" * 64),
        data=msgspec.structs.replace(record.data, name="hub:owner/texts@train", languages=["en", "zh-TW", "pt-PT"]),
        needs_language=False,
        method="jsd-nce",
    )
    card = ModelCard(model_card(bundled, FolderFacts()))
    data = card.data.to_dict()
    assert (data["license"], data["base_model"]) == ("mit", "intfloat/multilingual-e5-small")
    assert (data["base_model_relation"], data["datasets"]) == ("finetune", ["owner/texts"])
    assert data["language"] == ["en", "pt", "zh"]
    assert "mteb" not in data["tags"]
    assert "trust_remote_code" not in card.text
    assert "arxiv.org/abs/2604.05684" in card.text


def test_hostile_names_stay_text_in_card_and_metadata(calibrated: Path) -> None:
    record = read_record(calibrated)
    assert record is not None
    hostile = 'a"\n---\n- {b: [c}\n# <script>alert(1)</script> [x](javascript:y)'
    files = folder_facts(calibrated)
    assert files.audits is not None
    named = msgspec.structs.replace(
        record,
        base=BaseRecord(hostile, "f" * 64),
        data=msgspec.structs.replace(record.data, name=hostile, licences=[hostile]),
        summary=hostile,
    )
    card = ModelCard(model_card(named, files))
    assert card.data.eval_results[0].dataset_type.startswith("isoglot-small-")
    assert "\n---" not in card.text.split("## How to use it")[0]
    assert "<script" not in card.text
    assert "](javascript" not in card.text.replace("\\](", "")


def test_a_model_whose_modules_are_isoglots_is_loaded_with_its_code(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    soft = isoglot.align(str(tiny_model), "soft-center", small_collection, tmp_path / "soft", dev="none")
    erased = isoglot.align(str(tiny_model), "leace", small_collection, tmp_path / "leace", dev="none")
    assert "trust_remote_code=True)" in (soft / "README.md").read_text()
    assert "pip install isoglot\n" in (soft / "README.md").read_text()
    assert "language=" not in (soft / "README.md").read_text()
    assert "pip install sentence-transformers\n" in (erased / "README.md").read_text()
    assert "trust_remote_code" not in (erased / "README.md").read_text()
    assert ModelCard.load(erased / "README.md").data.eval_results is None


def test_a_licence_is_read_from_the_bundled_models_and_from_cards(tmp_path: Path) -> None:
    for name in BUNDLED:
        assert card_facts(name) == ModelCardFacts(licence="MIT", hub_name="intfloat/multilingual-e5-small")
    assert card_facts("cross-encoder:e5-small-q4").licence == "MIT"
    (tmp_path / "README.md").write_text(
        "---\nlicense: other\nlicense_name: ours\nlicense_link: https://l\nbase_model: [owner/base, b]\n---\n"
    )
    expected = ModelCardFacts(licence="other", licence_name="ours", licence_link="https://l", hub_name="owner/base")
    assert card_facts(str(tmp_path)) == expected
    for damaged in ("---\nlicense: [\n---\n", "---\n- a\n---\n", "no metadata", "---\nlicense: 3\n---\n"):
        (tmp_path / "README.md").write_text(damaged)
        assert card_facts(str(tmp_path)) == ModelCardFacts()
    assert card_facts("owner/not-in-the-cache") == ModelCardFacts(hub_name="owner/not-in-the-cache")
    assert card_facts("a + b").licence is None


def test_sources_name_their_data_sets_on_the_hub() -> None:
    assert hub_dataset("hub:owner/name@test") == "owner/name"
    assert hub_dataset("xquad") == "google/xquad"
    assert [hub_dataset(spec) for spec in ("xquad:DIR", "mini@train", "rows.jsonl", "folder:x")] == [None] * 4


def test_the_homepage_is_that_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Homepage"] == HOMEPAGE
    assert TOKEN.startswith("hf_")
