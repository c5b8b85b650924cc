"""An index on object storage, spoken to over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from isoglot import Index, IsoglotError
from isoglot.indexing.update import delete_documents, update_index
from tests.command_line import isoglot
from tests.indexing import numbered, use_hash_encoders, vector_of, write_jsonl


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)  # which would tell each request
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="search")
    yield "s3://search"
    server.stop()


@pytest.mark.slow
def test_an_index_is_made_changed_and_searched(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hash_encoders(monkeypatch)
    corpus = write_jsonl(tmp_path / "corpus.jsonl", numbered(30))
    update_index(corpus, f"{bucket}/index", ["base"])
    delete_documents(f"{bucket}/index", ["d7"])
    index = Index(f"{bucket}/index")
    vector = vector_of("base first document number 7")
    assert len(index) == 29
    assert "d7" not in [hit.passage.document_id for hit in index.search_vector(vector, model="base", k=29)]
    changes = update_index(corpus, f"{bucket}/index", ["base"])
    assert (changes.added, changes.unchanged) == (1, 29)
    assert index.search_vector(vector, model="base", k=1)[0].passage.document_id == "d7"


def test_a_bucket_or_an_index_that_does_not_exist_is_reported_in_one_line(bucket: str) -> None:
    with pytest.raises(IsoglotError, match=r"^s3://no-such/index: cannot be reached: The specified bucket does not"):
        Index("s3://no-such/index")
    found = isoglot("serve", f"{bucket}/none")
    assert found.returncode == 2
    assert found.stderr.startswith(f"isoglot: {bucket}/none: no index here")
