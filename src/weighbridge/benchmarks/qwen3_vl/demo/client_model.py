"""Make the model's folder for rounds of the official endpoints client: the same weights, another template.

Run as `.venv/bin/python demo/client_model.py`. The client has a prompt of its own, four times as long as the
demo's. The model was not trained on it, and no setting changes it. So the template puts the demo's system
message in place of the client's, and the demo's user text around the values between the client's fences.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

DEMO = Path(__file__).parent
MODEL, CLIENT_MODEL = DEMO / "model", DEMO / "client-model"
TEMPLATE = "chat_template.jinja"
# The pieces between fences are, from the second on: title, text, description, text, candidates as JSON. The
# first line of a fenced piece names its language.
VALUES = {
    "@TITLE@": "pieces[1][5:-1]",
    "@DESC@": "pieces[3][5:-1]",
    "@CATS@": """pieces[5][5:-1] | replace('"', "'")""",
}
MACRO = """\
{{%- macro of_demo(role, text) -%}}
{{%- set pieces = text.split('```') -%}}
{{%- if role == 'system' -%}}
{{{{- {system} -}}}}
{{%- elif pieces | length == 7 -%}}
{{{{- {user} -}}}}
{{%- else -%}}
{{{{- text -}}}}
{{%- endif -%}}
{{%- endmacro -%}}
"""
TEXTS = ("message.content", "part.text")


def client_template(template: str, prompt: dict[str, str]) -> str:
    """Return a chat template that turns the official client's messages into the demo's.

    Args:
        template: The model's own chat template.
        prompt: The demo's texts, `system` and `user`.
    """
    user = json.dumps(prompt["user"])
    for placeholder, value in VALUES.items():
        user = user.replace(placeholder, f'" ~ ({value}) ~ "')
    for text in TEXTS:
        assert template.count(f"{{{{- {text} }}}}") == 1, f"the template says {text} in another way"
        template = template.replace(f"{{{{- {text} }}}}", f"{{{{- of_demo(message.role, {text}) }}}}")
    return MACRO.format(system=json.dumps(prompt["system"]), user=user) + template


def main() -> None:
    """Write the template, and link all other files of the model."""
    prompt = json.loads((DEMO / "prompt.json").read_text(encoding="utf-8"))
    CLIENT_MODEL.mkdir(exist_ok=True)
    for old in CLIENT_MODEL.iterdir():
        old.unlink()
    for file in MODEL.iterdir():
        if file.name != TEMPLATE:
            (CLIENT_MODEL / file.name).symlink_to(os.path.relpath(file, CLIENT_MODEL))
    template = (MODEL / TEMPLATE).read_text(encoding="utf-8")
    (CLIENT_MODEL / TEMPLATE).write_text(client_template(template, prompt), encoding="utf-8")


if __name__ == "__main__":
    main()
