"""The prompt's extractor against a stand-in of the reference: it reads what running the stand-in returns.

The stand-in is imported here, and only here, to have the truth to compare with.
"""

import hashlib
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.qwen3_vl.prompt import Prompt
from weighbridge.benchmarks.qwen3_vl.reference_prompt import extract, extract_official
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of

PLACEHOLDERS = {
    "product_title": "@TITLE@",
    "product_description": "@DESC@",
    "potential_product_categories": "@CATS@",
}
SAMPLE = dict(PLACEHOLDERS)

SCHEMA = '''"""Stand-in."""
from __future__ import annotations
from pathlib import Path
from pydantic import BaseModel, ConfigDict

Path("{tripwire}").touch()


class DocumentedModel(BaseModel):
    """A base with settings of its own."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")
    """Not a field."""


class Unrelated(DocumentedModel):
    category: float
    """Not this one."""


class Answer(DocumentedModel):
    """Form of an ansewr, with a slip.

    And a second paragraph,
        indented.
    """

    category: str
    """The path of a thing, e.g.,
    "Dings & Bums > Töpfe > {{Deckel}}".
    Levels are divided by " > ", backslashes \\\\ and \\t tabs.
    """

    weight: float

    is_old: bool
    """True if olld."""
'''

TASK = """from __future__ import annotations
import json
from {schema} import Answer


class Task:
    @staticmethod
    def formulate_loaded_sample(sample, *, guided=False):
        raise NotImplementedError


class Things(Task):
    @staticmethod
    def formulate_loaded_sample(sample, *, guided=False):
        picture = "never looked at"
        messages = [
            {{
                "role": "system",
                "content": f\"\"\"Look at the thing, pleas.
Braces {{{{"a": {{{{}}}}}}}} stay, so do \\"quotes\\", 中文, emoji 🧲 and a tab\\t.
```json
{{json.dumps(Answer.model_json_schema(), indent=2)}}
```
\"\"\",
            }},
            {{
                "role": "user",
                "content": [
                    {{
                        "type": "text",
                        "text": f\"\"\"Title: {{sample['product_title']}}
```
{{sample['product_description']}}
```
{{sample["potential_product_categories"]}} {{{{literal}}}}
\"\"\"
                        f"joined to {{sample['product_title']}}" " and more\\n",
                    }},
                    {{"type": "image_url", "image_url": {{"url": f"data:image/{{picture}};base64,x"}}}},
                ],
            }},
        ]
        return messages, {{"type": "json_schema", "json_schema": {{"name": "x", "strict": True}}}}
"""


_NUMBERS = itertools.count()


def load(name: str, source: str, folder: Path) -> ModuleType:
    # A file of its own for each source: Python and pydantic cache what they read by name and time.
    file = folder / f"{name}-{next(_NUMBERS)}.py"
    file.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run_for_truth(task: str, schema: str, folder: Path) -> Prompt:
    try:
        load("standin_schema", schema, folder)
        messages, _ = load("standin_task", task, folder).Things.formulate_loaded_sample(SAMPLE)
    finally:
        sys.modules.pop("standin_schema", None)
        sys.modules.pop("standin_task", None)
    return Prompt(system=messages[0]["content"], user=messages[1]["content"][0]["text"])


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, str]:
    tripwire = tmp_path / "tripwire"
    return (
        TASK.format(schema="standin_schema"),
        SCHEMA.replace("{tripwire}", str(tripwire)).replace("{{", "{").replace("}}", "}"),
    )


def test_the_extracted_prompt_equals_that_of_the_running_code(
    tmp_path: Path, sources: tuple[str, str]
) -> None:
    task, schema = sources
    prompt = extract(task, schema)
    assert not (tmp_path / "tripwire").exists(), "the reference was run"
    truth = run_for_truth(task, schema, tmp_path)
    assert (tmp_path / "tripwire").exists()
    assert prompt == truth
    at_run_time = load("standin_schema", schema, tmp_path).Answer.model_json_schema()
    assert json.dumps(prompt.answer_schema()) == json.dumps(at_run_time)
    assert 'Braces {"a": {}} stay' in prompt.system
    assert "ansewr" in prompt.system
    assert '"additionalProperties": false' in prompt.system
    assert prompt.user.count("@TITLE@") == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    system=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    user=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    docstring=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    class_docstring=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)
@example(system="", user="", docstring="0", class_docstring="\x85")
@example(system="", user="", docstring="\x85", class_docstring=" ")
def test_any_string_literal_is_read_as_python_reads_it(
    tmp_path: Path, system: str, user: str, docstring: str, class_docstring: str
) -> None:
    def literal(text: str) -> str:
        return ascii(text).replace("{", "{{").replace("}", "}}")

    schema = (
        "from pydantic import BaseModel, ConfigDict\n"
        "class Base(BaseModel):\n"
        "    model_config = ConfigDict(use_attribute_docstrings=True, extra='forbid')\n"
        f"class Answer(Base):\n    {class_docstring!a}\n    category: str\n    {docstring!a}\n"
    )
    task = (
        "import json\nfrom standin_schema import Answer\nclass Things:\n"
        "    def formulate_loaded_sample(sample):\n"
        f"        return [{{'role': 'system', 'content': f{literal(system)}\n"
        "                 f'{json.dumps(Answer.model_json_schema(), indent=2)}'},\n"
        "                {'role': 'user', 'content': [{'type': 'text', 'text':\n"
        f"                 f{literal(user)} f'{{sample[\"product_title\"]}}'}}]}}], None\n"
    )
    truth = run_for_truth(task, schema, tmp_path)
    assert extract(task, schema) == truth


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("def formulate_loaded_sample", "def formulate", "no formulate_loaded_sample builds"),
        (
            "sample['product_title']",
            "sample['product_picture']",
            r"sample\['product_picture'\].* no known column",
        ),
        ("sample['product_title']", "evil()", r"evil\(\)"),
        ("sample['product_title']}", "sample['product_title']!r}", "not text with plain fields"),
        ("json.dumps(Answer", "json.dumps(Missing", "which is no schema"),
        ("indent=2", "indent=2, sort_keys=True", "which is no schema"),
        ('"type": "text"', '"type": "words"', "no part of type text"),
        ("messages = [", "messages = [[", "cannot be read"),
        ("weight: float", "weight: list[Unrelated]", "no plain field"),
        ("weight: float", "weight: float = 1.0", "no plain field"),
    ],
)
def test_a_reference_of_another_structure_is_refused(
    sources: tuple[str, str], old: str, new: str, says: str
) -> None:
    task, schema = sources
    assert old in task + schema
    with pytest.raises(SetupError, match=says) as caught:
        extract(task.replace(old, new), schema.replace(old, new))
    assert "\n" not in str(caught.value)


PACKAGE = Path("multimodal/qwen3-vl/src/mlperf_inf_mm_q3vl")


@pytest.fixture
def proven(tmp_path: Path, sources: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Proof:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "reference"
    (folder / PACKAGE).mkdir(parents=True)
    for name, source in zip(("task.py", "schema.py"), sources, strict=True):
        (folder / PACKAGE / name).write_text(source, encoding="utf-8")
    manifest = describe(folder)
    return Proof(
        kind=ArtifactKind.REFERENCE,
        folder=folder,
        repo="some/where",
        revision="0" * 40,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )


def pins_of(prompt: Prompt) -> dict[str, str]:
    system, user = (hashlib.sha256(text.encode()).hexdigest() for text in (prompt.system, prompt.user))
    return {"system": system, "user": user}


def test_a_prompt_with_the_pinned_hash_is_written(
    tmp_path: Path, proven: Proof, sources: tuple[str, str]
) -> None:
    expected = extract(*sources)
    out = tmp_path / "prompt.json"
    assert extract_official(proven, pins_of(expected), out) == expected
    assert json.loads(out.read_text(encoding="utf-8")) == expected.model_dump()


@pytest.mark.parametrize(("field", "name"), [("system", "system message"), ("user", "user text")])
def test_a_prompt_of_another_hash_is_refused(
    tmp_path: Path, proven: Proof, sources: tuple[str, str], field: str, name: str
) -> None:
    expected = extract(*sources)
    other = expected.model_copy(update={field: getattr(expected, field) + " "})
    out = tmp_path / "prompt.json"
    with pytest.raises(InputError, match=f"the {name} has sha256 .* but the round pins"):
        extract_official(proven, pins_of(other), out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["task.py", "schema.py"])
def test_a_source_changed_since_its_proof_is_refused(tmp_path: Path, proven: Proof, name: str) -> None:
    file = proven.folder / PACKAGE / name
    before = sha256_of(file)
    file.write_text(file.read_text() + "\n")
    assert sha256_of(file) != before
    pins = {"system": "0" * 64, "user": "0" * 64}
    with pytest.raises(SetupError, match=f"{name}: missing or changed since"):
        extract_official(proven, pins, tmp_path / "prompt.json")
