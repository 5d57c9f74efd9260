"""What a person reads when MLCommons' storage does not play along: one sentence, with the remedy."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import FOLDER, TREE, URI, Fault, Hub, serving

from weighbridge.artifacts import download
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.resolve import resolve
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}
PIN = Artifact(source="mlcommons", uri=URI)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(dict(FILES), storage=True)) as storage:
        monkeypatch.setenv("MLCOMMONS_ENDPOINT", storage.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("MLCOMMONS_ACCESS_TOKEN", raising=False)
        monkeypatch.setattr(download, "_PAUSES_S", (0.01,) * 6)
        yield storage


def refusal(tmp_path: Path) -> str:
    with pytest.raises(SetupError) as caught:
        resolve(PIN, ArtifactKind.MODEL, tmp_path / "into", tmp_path / "proof.json")
    assert not (tmp_path / "proof.json").exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


LOGIN = {"Location": "https://mlcommons.cloudflareaccess.com/cdn-cgi/access/login"}


@pytest.mark.parametrize("fault", [Fault(status=302, headers=LOGIN), Fault(status=403), Fault(status=401)])
@pytest.mark.parametrize("where", [URI, TREE, "model.safetensors"])
@pytest.mark.parametrize("token", [None, "old"])
def test_a_guarded_artifact_says_how_to_get_in(
    tmp_path: Path,
    storage: Hub,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    fault: Fault,
    token: str | None,
) -> None:
    storage.always[where] = fault
    if token:
        monkeypatch.setenv("MLCOMMONS_ACCESS_TOKEN", token)
    message = refusal(tmp_path)
    place = f"{storage.url}/metadata/{URI}"
    assert f"cloudflared access token --app={place}" in message
    says = "MLCOMMONS_ACCESS_TOKEN does not open it" if token else "access is restricted (Cloudflare Access"
    assert message.startswith(f"model {URI}: {says}")
    assert storage.count(where) <= 1


@pytest.mark.parametrize(
    ("where", "fault", "says"),
    [
        (URI, Fault(status=404), f"/metadata/{URI} does not exist; correct its uri"),
        (TREE, Fault(status=404), r"\.md5 does not exist; what .* names is incomplete"),
        ("model.safetensors", Fault(status=404), "model.safetensors does not exist; what .* is incomplete"),
        (URI, Fault(status=418), f"answers 418 to .*/{URI}; check MLCOMMONS_ENDPOINT"),
        (
            URI,
            Fault(says=b"<html>Please log in</html>"),
            "names '<html>Please log in</html>', which is no folder",
        ),
        (URI, Fault(says=b"https://example.com/data"), "which is no folder of mlcommons-storage.org"),
        (URI, Fault(says=b"http://inference.mlcommons-storage.org/data"), "which is no folder of"),
        (URI, Fault(says=b""), "which is no folder of"),
        (
            TREE,
            Fault(says=b"<html>Please log in</html>"),
            "has the line '<html>Please log in</html>', which is",
        ),
        (TREE, Fault(says=b"\n"), "the list of files beside .* is empty"),
        (TREE, Fault(says=b"0" * 32 + b"  ../escaped.bin"), "lists '../escaped.bin', outside of its folder"),
        (TREE, Fault(says=b"0" * 32 + b"  /tmp/escaped.bin"), "outside of its folder"),
        (TREE, Fault(says=(b"0" * 32 + b"  a.bin\n") * 2), "lists 'a.bin' twice"),
    ],
)
def test_a_storage_that_is_not_as_expected_is_one_sentence(
    tmp_path: Path, storage: Hub, where: str, fault: Fault, says: str
) -> None:
    storage.always[where] = fault
    message = refusal(tmp_path)
    assert re.search(says, message), message
    assert storage.count(where) <= 1


@pytest.mark.parametrize(
    ("status", "says"),
    [(429, "limits the rate of requests"), (500, r"fails \(500\)"), (503, r"fails \(503\)")],
)
@pytest.mark.parametrize("where", [URI, TREE, "model.safetensors"])
def test_a_passing_failure_is_waited_out_and_a_lasting_one_is_said(
    tmp_path: Path, storage: Hub, where: str, status: int, says: str
) -> None:
    storage.always[where] = Fault(status=status)
    assert re.search(f"{says}.*run the same command again later", refusal(tmp_path))
    del storage.always[where]
    storage.next[where] += [Fault(status=status)] * 3
    resolve(PIN, ArtifactKind.MODEL, tmp_path / "into", tmp_path / "proof.json")
    assert (tmp_path / "into" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_storage_that_does_not_answer_is_named(
    tmp_path: Path, storage: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCOMMONS_ENDPOINT", "http://127.0.0.1:9")
    assert re.search(
        "no answer from http://127.0.0.1:9/metadata/.*; check the network, proxy and", refusal(tmp_path)
    )


def test_what_is_asked_is_the_list_and_each_files_size(tmp_path: Path, storage: Hub) -> None:
    resolve(PIN, ArtifactKind.MODEL, tmp_path / "into", tmp_path / "proof.json")
    heads = [f"HEAD {FOLDER}/{name}" for name in FILES]
    assert sorted(storage.asked_before) == sorted([f"GET metadata/{URI}", *heads])


@pytest.mark.parametrize(
    "values",
    [
        {"source": "mlcommons"},
        {"uri": URI},
        {"source": "mlcommons", "uri": "../x.uri"},
        {"source": "mlcommons", "uri": "x.md5"},
        {"source": "mlcommons", "uri": "https://example.com/metadata/x.uri"},
        {"source": "mlcommons", "uri": "http://inference.mlcommons-storage.org/metadata/x.uri"},
        {"source": "mlcommons", "uri": "https://mlcommons-storage.org.example.com/x.uri"},
        {"source": "mlcommons", "uri": URI, "synthetic": 4},
    ],
)
def test_settings_that_name_no_file_of_the_storage_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"uri|synthetic"):
        Artifact.parse(values, "artifacts.dataset")


@pytest.mark.parametrize("uri", [URI, "https://llama3-1.mlcommons-storage.org/metadata/a-model.uri"])
def test_a_uri_of_any_host_of_the_storage_is_taken(uri: str) -> None:
    assert Artifact.parse({"source": "mlcommons", "uri": uri}, "artifacts.model").uri == uri
