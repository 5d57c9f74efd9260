"""The load client over TLS: the system's certificates decide, and bodies of any size arrive."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from driving import run_against
from endpoint import Endpoint, answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt".split(),
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("padding", [10, 3_000_000])
def test_answers_arrive_over_tls(
    certificate: Path, padding: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    with Endpoint(
        lambda sample: answer(f"ü {sample} " + "x" * padding), tls=server_side(certificate)
    ) as endpoint:
        run = run_against([endpoint], tmp_path, 20, padding=padding, connections=4)
    assert run.report.failed == {}
    assert 4 <= endpoint.connections < 10  # used for several requests, also where the machine is busy
    assert run.answers == {sample: f"ü {sample} {'x' * padding}".encode() for sample in range(20)}


def test_an_unknown_certificate_is_refused(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with Endpoint(lambda _: answer("x"), tls=server_side(certificate)) as endpoint:
        run = run_against([endpoint], tmp_path, 20)
    assert run.report.failed == {"connect": 20}
    assert all("certificate verify failed" in str(error["evidence"]) for error in run.errors)
    assert endpoint.seen == []
