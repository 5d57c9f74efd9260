"""What a person reads when the hub does not play along: one sentence with the place and the remedy."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import COMMIT, REPO, TREE, Fault, Hub, serving
from huggingface_hub.utils import _http

from weighbridge.artifacts import download
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.resolve import resolve
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}
GATED = Fault(status=403, headers={"X-Error-Code": "GatedRepo"})
UNKNOWN_REPO = Fault(status=404, headers={"X-Error-Code": "RepoNotFound"})

PIN = Artifact(repo=REPO, revision=COMMIT)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(dict(FILES))) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name in ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        # The pauses of the client and ours between attempts are left out; the attempts are not.
        monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))
        monkeypatch.setattr(download, "_PAUSES_S", (0.01,) * 6)
        yield hub


def refusal(tmp_path: Path, kind: ArtifactKind = ArtifactKind.MODEL, revision: str = COMMIT) -> str:
    with pytest.raises(SetupError) as caught:
        resolve(Artifact(repo=REPO, revision=revision), kind, tmp_path / "into", tmp_path / "proof.json")
    assert not (tmp_path / "proof.json").exists()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{kind} {REPO}: ")
    return message


@pytest.mark.parametrize(
    ("fault", "token", "says"),
    [
        (Fault(status=401), None, "does not exist or is not public; check the name on PAGE, or set HF_TOKEN"),
        (Fault(status=401), "hf_old", "HF_TOKEN is not valid on HUB, or PAGE does not exist"),
        (GATED, None, "access is restricted; accept the conditions on PAGE and set HF_TOKEN"),
        (
            GATED,
            "hf_mine",
            "HF_TOKEN does not open it; accept the conditions on PAGE with the token's account",
        ),
        (Fault(status=403), "hf_mine", "HF_TOKEN does not open it; accept the conditions on PAGE"),
        (UNKNOWN_REPO, None, "PAGE does not exist; correct its repo"),
        (Fault(status=404), None, "does not exist; check HF_ENDPOINT"),
        (Fault(status=418), None, "HUB answers 418 to /.*; check HF_ENDPOINT"),
    ],
)
@pytest.mark.parametrize("where", [TREE, "model.safetensors"], ids=["listing", "file"])
def test_a_refusal_is_one_sentence_and_is_not_tried_again(
    tmp_path: Path,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    fault: Fault,
    token: str | None,
    says: str,
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.always[where] = fault
    message = refusal(tmp_path)
    assert re.search(says.replace("PAGE", f"{hub.url}/{REPO}").replace("HUB", hub.url), message), message
    assert token is None or token not in message
    assert hub.count(where) == 1


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            429,
            "limits the rate of requests .* run the same command again later, what is already here is kept",
        ),
        (500, r"fails \(500\); run the same command again later"),
        (503, r"fails \(503\); run the same command again later"),
    ],
)
@pytest.mark.parametrize("where", [TREE, "model.safetensors"], ids=["listing", "file"])
def test_a_passing_failure_is_waited_out_and_a_lasting_one_is_said(
    tmp_path: Path, hub: Hub, where: str, status: int, says: str
) -> None:
    hub.always[where] = Fault(status=status)
    assert re.search(says, refusal(tmp_path))
    assert hub.count(where) >= 5

    del hub.always[where]
    hub.next[where] += [Fault(status=status)] * 3
    resolve(PIN, ArtifactKind.MODEL, tmp_path / "into", tmp_path / "proof.json")
    assert (tmp_path / "into" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_the_variable_of_a_refused_token_is_named(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGFACE_HUB_TOKEN", "hf_old")
    hub.always[TREE] = GATED
    assert "HUGGINGFACE_HUB_TOKEN does not open it" in refusal(tmp_path)


def test_an_unknown_commit_is_named(tmp_path: Path, hub: Hub) -> None:
    assert f"{hub.url} does not know the commit {'f' * 40}" in refusal(tmp_path, revision="f" * 40)


def test_the_page_of_a_dataset_is_its_own(tmp_path: Path, hub: Hub) -> None:
    hub.always[TREE] = GATED
    assert f"{hub.url}/datasets/{REPO}" in refusal(tmp_path, kind=ArtifactKind.DATASET)


@pytest.mark.parametrize("page", [b"<html>Please log in</html>", b'[{"type": "file"}]', b'{"error": 1}'])
def test_an_endpoint_that_is_no_hub_is_named(tmp_path: Path, hub: Hub, page: bytes) -> None:
    hub.always[TREE] = Fault(says=page)
    assert f"{hub.url} does not answer as a hub does; check HF_ENDPOINT" in refusal(tmp_path)


@pytest.mark.parametrize("path", ["../escaped.bin", "/tmp/escaped.bin"])
def test_a_hub_cannot_write_outside_the_folder(tmp_path: Path, hub: Hub, path: str) -> None:
    hub.files[path] = b"x"
    with pytest.raises(SetupError, match="outside of its folder"):
        resolve(
            PIN,
            ArtifactKind.MODEL,
            tmp_path / "into",
            tmp_path / "proof.json",
        )
    assert {seen.path for seen in hub.seen} == {TREE}


def test_a_name_that_is_no_repository_is_an_input_error(tmp_path: Path, hub: Hub) -> None:
    artifact = Artifact(repo="not/a/repo", revision=COMMIT)
    with pytest.raises(InputError, match=r"artifacts\.model\.repo is 'not/a/repo'; write it as owner/name"):
        resolve(artifact, ArtifactKind.MODEL, tmp_path / "into", tmp_path / "proof.json")


def test_no_network_is_one_sentence(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    caplog.set_level("INFO", "weighbridge")
    message = refusal(tmp_path)
    assert "asking the hub for the files of http://127.0.0.1:9/" in caplog.text
    assert "no answer from http://127.0.0.1:9 (" in message
    assert "check the network, proxy and HF_ENDPOINT, which may name a mirror, or give the path" in message
    assert "Retrying" not in caplog.text


def test_a_network_lost_midway_keeps_what_is_here(tmp_path: Path, hub: Hub) -> None:
    hub.always["model.safetensors"] = Fault(cut_after=0)
    assert "no answer from" in refusal(tmp_path)
    assert (tmp_path / "into" / "config.json").read_bytes() == FILES["config.json"]


def test_offline_mode_is_named_and_ends_with_code_3(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    artifact = PIN.model_dump_json()
    command = [sys.executable, "-c", "from weighbridge.cli import main; main()", "fetch", "--kind", "model"]
    command += ["--artifact", artifact, "--into", str(tmp_path / "into"), "--proof", str(tmp_path / "p.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"model {REPO}: HF_HUB_OFFLINE forbids to fetch it; unset it" in done.stderr.splitlines()[-1]
    assert not hub.seen


def test_a_model_without_weights_is_refused_after_fetching(tmp_path: Path, hub: Hub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(SetupError, match="a model folder without weights"):
        resolve(
            PIN,
            ArtifactKind.MODEL,
            tmp_path / "into",
            tmp_path / "proof.json",
        )
    assert not (tmp_path / "proof.json").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "into").write_text("a file")
    with pytest.raises(SetupError, match="cannot be made"):
        resolve(
            PIN,
            ArtifactKind.MODEL,
            tmp_path / "into",
            tmp_path / "proof.json",
        )
