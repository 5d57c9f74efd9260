"""The prompt of the official endpoints client: its extractor against a stand-in that runs, and its bodies."""

import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from weighbridge.benchmarks.qwen3_vl.client_prompt import extract
from weighbridge.benchmarks.qwen3_vl.prompt import CLIENT_PLACEHOLDERS, Prompt
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.core.errors import InputError, SetupError
from weighbridge.requests.encoding import envelope

METADATA = '''"""Stand-in."""
from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")

    category: str
    """A docstring that is no description here."""

    is_old: bool
    """Nor this one."""
'''
PRESETS = '''"""Stand-in."""
import json


class Formatter:
    def process_row(self, row):
        title = row.get("product_title", "")
        description = row.get("product_description", "")
        candidates = row.get("potential_product_categories", "[]")
        rendered = json.dumps(Answer.model_json_schema(), indent=2)
        system = f"""Look, pleas. {{"a": 1}}
{rendered}
"""
        text = f"""T: {title}
{description} {title}
```{candidates}```
"""
        parts: list = [{"type": "text", "text": text}]
        if row.get("picture"):
            parts.append({"type": "image_url"})
        row["system"] = system
        row["prompt"] = parts
        return row
'''
PNG = io.BytesIO()
Image.new("RGB", (4, 4)).save(PNG, format="PNG")
CLIENT = Prompt(system="Classify.", user="@TITLE@|@DESC@|@CATS_JSON@")


def _run(source: str, folder: Path) -> ModuleType:
    file = folder / "standin_client.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("standin_client", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_extracted_prompt_equals_that_of_the_running_client(tmp_path: Path) -> None:
    row = _run(METADATA + PRESETS, tmp_path).Formatter().process_row(dict(CLIENT_PLACEHOLDERS))
    prompt = extract(PRESETS, METADATA)
    assert prompt == Prompt(system=row["system"], user=row["prompt"][0]["text"])
    assert prompt.of_client
    assert '"description": "What is answered."' in prompt.system
    assert "docstring" not in prompt.system


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("def process_row", "def process", "no process_row formats a row"),
        ('get("product_title", "")', 'get("product_name", "")', "product_name.* no known column"),
        ("title = row", "title = '' or row", "no known column"),
        ("{description}", "{description!r}", "not text with plain fields"),
        ('row["system"] = system', 'row["system"] = system; system = system + "."', "assigned several times"),
        ("Answer.model_json_schema", "Missing.model_json_schema", "which is no schema"),
        ("class Formatter:", "class Formatter", "cannot be read"),
    ],
)
def test_a_client_of_another_structure_is_refused(old: str, new: str, says: str) -> None:
    assert old in PRESETS
    with pytest.raises(SetupError, match=says) as caught:
        extract(PRESETS.replace(old, new), METADATA)
    assert "\n" not in str(caught.value)


def test_bodies_around_the_clients_prompt_have_its_fields_in_its_order() -> None:
    task = ProductCatalogue(CLIENT)
    settings = RequestSettings(sampling=Sampling(max_tokens=150))
    before, after = envelope(task, "served", settings)
    assert before + "[]" + after == '{"model":"served","messages":[],"max_completion_tokens":150}'
    streamed = settings.model_copy(update={"stream": True})
    assert envelope(task, "served", streamed)[1] == (
        ',"max_completion_tokens":150,"stream":true,"stream_options":{"include_usage":true}}'
    )
    with pytest.raises(InputError, match="no guided decoding"):
        envelope(task, "served", settings.model_copy(update={"guided_decoding": True}))


def test_candidates_are_json_and_the_placeholder_of_the_reference_is_text() -> None:
    row = {
        "product_title": "Töpfe @CATS@ @CATS_JSON@",
        "product_description": "d",
        "potential_product_categories": ["Töpfe", 'a "b"'],
        "product_image": {"bytes": PNG.getvalue()},
    }
    content = ProductCatalogue(CLIENT).prompt_of(row, RequestSettings())[1]["content"]
    assert content[0]["text"] == "Töpfe @CATS@ @CATS_JSON@|d|" + json.dumps(["Töpfe", 'a "b"'])
    assert content[1]["image_url"]["url"].startswith("data:image/PNG;base64,")
