"""Settings and rounds out of all bounds, and secrets in settings: refused in one sentence."""

import json
from pathlib import Path

import pytest
import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.fingerprint import JobSettings
from weighbridge.config.settings import portable_settings
from weighbridge.core.errors import InputError

URLS = ["h:abc", "http://h:abc", "http://[::1", "http://h:99999", "http://h:0", "http://a..b", "http://h/?x"]
URLS += [
    "http://h#x",
    "http://h\\x",
    "http://",
    "http://[1.2.3.4]",
    "http://u:word@h",
    "http://h\n",
    "ftp://h",
]
BAD_SECTIONS: list[dict[str, object]] = [
    *({"server": {"model_name": "m", "endpoints": [url]}} for url in URLS),
    {"server": {"model_name": "m", "replicas": 10**9}},
    {"server": {"model_name": "m", "replicas": True}},
    {"server": {"model_name": "m", "startup_timeout_s": 1e300}},
    {"server": {"model_name": "m", "warmup_requests": -1}},
    {"server": {"model_name": ""}},
    {"server": [], "client": {}},
    {"client": {"workers": 257}},
    {"client": {"connections": 2.0}},
    {"client": {"request_timeout_s": "inf"}},
    {"search": {"tolerance": "nan"}},
    {"search": {"max_probes": 10**9}},
    {"target_qps": -1},
    {"target_qps": True},
    {"user_conf": {"min_duration": 2**63}},
    {"requests": {"sampling": {"temperature": "nan"}}},
    {"requests": {"stream": 1}},
]


@pytest.mark.parametrize("section", BAD_SECTIONS, ids=str)
def test_a_setting_out_of_bounds(section: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        JobSettings.of(json.dumps(section))
    assert "\n" not in str(caught.value)


def test_a_section_beside_one_that_is_no_object() -> None:
    with pytest.raises(InputError, match="'server' is no object"):
        JobSettings.of('{"server": []}', server="{}")


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000", "https://node_1.a-b:80/v1", "http://10.0.0.1", "http://h."]
)
def test_addresses_of_servers(url: str) -> None:
    section = {"server": {"model_name": "m", "endpoints": [url]}}
    assert JobSettings.of(json.dumps(section)).required_server().endpoints == (url,)


BAD_ROUNDS = [
    "name: ../../etc",
    "name: ''",
    "client: ../x",
    "client: a/b",
    "category: ../x",
    "benchmark: ../x",
    "splits: [../x]",
    "splits: []",
    "samples: 0",
    "samples: -1",
    "samples: 2.0",
    "samples: true",
    f"samples: {10**400}",
    "max_tokens: 0",
    "loadgen: {model: 'a b'}",
    'loadgen: {model: "x\\n*.Server.min_duration = 1"}',
    "loadgen: {versions: [../x]}",
    "loadgen: {seeds: {qsl: -1}}",
    f"loadgen: {{seeds: {{qsl: {2**64}}}}}",
    "metrics: {f1: {floor: .nan}}",
    "metrics: {f1: {floor: 'inf'}}",
    "metrics: {f1: {floor: true}}",
    "metrics: {f1: {floor: 2}}",
    "metrics: {f1: {reference_sd: -1}}",
    "metrics: {../f1: {floor: 1}}",
    "scenarios: {../x: {folder: X}}",
    "scenarios: {server: {folder: ../..}}",
    "scenarios: {server: {loadgen_model: a/b}}",
    "scenarios: {server: {min_duration_s: 1e300}}",
    "scenarios: {server: {min_duration_s: 0}}",
    "scenarios: {server: {min_query_count: 1.0}}",
    "scenarios: {server: {limits: {latency: {limit_s: 1, percentile: 1.5}}}}",
    "scenarios: {server: {limits: {latency: {limit_s: 12, percentile: 0}}}}",
    "scenarios: {server: {limits: {latency: {limit_s: -1}}}}",
    "scenarios: {server: {runs: {../x: {mode: accuracy, compliance_test: TEST06}}}}",
    "one_of: [../x]",
    "closed: {model: {files: {../../x.json: {a: 1}}}}",
    "closed: {model: {repo: ''}}",
    "prompt: {system: 12}",
    "samples: 5\nsamples: 6",
    "submittable: 1",
]


@pytest.mark.parametrize("changes", BAD_ROUNDS)
def test_a_round_out_of_bounds(tmp_path: Path, changes: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: v6.0\n{changes}\n")
    with pytest.raises(InputError, match=f"^{path}") as caught:
        load_round(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["extends: ../x", "extends: [v6.0]", "extends: x\n", f"extends: {'x' * 300}", "", "[]", "x"]
)
def test_a_round_that_extends_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        load_round(str(path))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml", "a\0b", "a\0.yaml", "../v6.0", "@", ""])
def test_a_name_that_no_round_has(name: str) -> None:
    with pytest.raises(InputError):
        load_round(name)


# None of these is a secret of anybody.
SECRETS = [
    "hf_" + "aB3" * 11,
    "sk-" + "x1" * 20,
    "nvapi-" + "Z9" * 20,
    "ghp_" + "q7" * 18,
    "AKIA" + "A2" * 8,
    "Bearer abcdefgh12345678",
    "https://me:pass-w0rd@host/x",
    "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
    '{"aws_secret_access_key": "abcdefgh"}',
]
PLACES: list[tuple[str, object]] = [
    ("server", {"env": {"HARMLESS": "%"}}),
    ("server", {"args": ["--harmless=%"]}),
    ("server", {"model_name": "%"}),
    ("server", {"endpoints": ["http://h/%"]}),
    ("client", {"api_key_env": "%"}),
    ("submission", {"measurements": {"notes": "%"}}),
    ("artifacts", {"reference": {"repo": "%"}}),
]


def _filled(value: object, secret: str) -> object:
    if isinstance(value, dict):
        return {key: _filled(inner, secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, secret) for inner in value]
    return str(value).replace("%", secret)


def _with(root: Path, section: str, change: object) -> dict[str, object]:
    settings = yaml.safe_load((root / "config.yaml").read_text())
    assert isinstance(change, dict)
    settings[section] = {**settings.get(section, {}), **change}
    return settings  # type: ignore[no-any-return]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("section", "change"), PLACES, ids=str)
def test_a_secret_in_a_setting_is_refused_and_not_repeated(
    root: Path, section: str, change: object, secret: str
) -> None:
    settings = _with(root, section, _filled(change, secret))
    with pytest.raises(InputError, match="what looks like a secret") as caught:
        portable_settings(settings, root)
    assert secret not in str(caught.value)
    assert "\n" not in str(caught.value)
    if section in ("server", "client"):
        with pytest.raises(InputError, match="what looks like a secret") as caught:
            JobSettings.of(json.dumps({section: _filled(change, secret)}))
        assert secret not in str(caught.value)


@pytest.mark.parametrize("name", ["HF_TOKEN", "MY_API_KEY", "AWS_ACCESS_KEY_ID", "X_SECRET", "PGPASSWORD"])
def test_a_variable_named_like_a_secret_is_refused(root: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"sets {name} to what looks like a secret.*export {name} instead"):
        portable_settings(_with(root, "server", {"env": {name: "sesame-open"}}), root)


@pytest.mark.parametrize("variables", [["HF_TOKEN=sesame-open"], "HOME=/me HF_TOKEN=sesame-open"])
def test_variables_that_are_no_mapping_are_not_repeated_either(root: Path, variables: object) -> None:
    with pytest.raises(InputError, match="sets HF_TOKEN to what looks like a secret") as caught:
        portable_settings(_with(root, "server", {"env": variables}), root)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--some-key=sesame-open"],
        ["--auth-token=sesame-open"],
        ["--api-key", "sesame-open"],
        ["--api-key sesame-open"],
        "--enforce-eager --api-key sesame-open",
    ],
)
def test_an_argument_named_like_a_secret_is_refused(root: Path, arguments: object) -> None:
    with pytest.raises(InputError, match="what looks like a secret") as caught:
        portable_settings(_with(root, "server", {"args": arguments}), root)
    assert "sesame" not in str(caught.value)


def test_what_only_sounds_like_a_secret_is_taken(root: Path) -> None:
    harmless: dict[str, object] = {
        "env": {
            "TOKENIZERS_PARALLELISM": "false",
            "VLLM_SHARED_EXPERTS_STREAM_TOKEN_THRESHOLD": "256",
            "HF_TOKEN_PATH": "/home/me/token",
            "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE": "163840",
        },
        "args": ["--max-num-batched-tokens=8192", "--ssl-keyfile=/etc/key.pem", "--task-sk=1", "--key=3"],
    }
    assert portable_settings(_with(root, "server", harmless), root).server.env == harmless["env"]


def test_a_secret_in_a_wrong_place_is_not_shown(root: Path) -> None:
    wrong = _with(root, "client", {"api_key_env": "no name but a passphrase"})
    with pytest.raises(InputError) as caught:
        portable_settings(wrong, root)
    assert "client.api_key_env" in str(caught.value)
