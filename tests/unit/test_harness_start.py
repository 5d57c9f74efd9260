"""The start of lm-evaluation-harness: where it is missing, and what of the environment it may change."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from weighbridge.core.errors import SetupError
from weighbridge.quality import harness_start
from weighbridge.quality.harness_start import check_harness, harness_versions, import_harness


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="needs an environment without the harness")
def test_another_environment_is_told_which_one_has_the_harness() -> None:
    with pytest.raises(SetupError, match=r"not installed; run `make setup-quality`.*\.venv-quality"):
        check_harness()
    with pytest.raises(SetupError, match="make setup-quality"):
        import_harness()
    assert "lm_eval" not in harness_versions()


def test_variables_are_set_for_the_imports_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started afterwards would inherit them, and be another one than that of the runs."""
    (tmp_path / "looks_at_variables.py").write_text(
        "import os\n"
        "SEEN = {name: os.environ.get(name, '') for name in ('HF_HUB_OFFLINE', 'HF_HOME')}\n"
        "os.environ['SET_BY_AN_IMPORT'] = '1'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(harness_start, "HARNESS", "looks_at_variables")
    monkeypatch.setattr(harness_start, "_IMPORTED", ("looks_at_variables",))
    monkeypatch.setenv("HF_HOME", "of the user")
    before = dict(os.environ)
    import_harness()
    assert dict(os.environ) == before
    import looks_at_variables  # type: ignore[import-not-found]

    assert looks_at_variables.SEEN["HF_HUB_OFFLINE"] == "1"
    assert Path(looks_at_variables.SEEN["HF_HOME"]).parent.name.startswith("weighbridge-mmlu-")


def test_a_harness_that_lacks_a_library_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacks_a_library.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(harness_start, "HARNESS", "lacks_a_library")
    monkeypatch.setattr(harness_start, "_IMPORTED", ("lacks_a_library",))
    with pytest.raises(SetupError, match=r"cannot be imported \(No .* 'no_such_library'\); run `make"):
        import_harness()
