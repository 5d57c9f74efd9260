"""The pages: every command is documented and its examples are valid, every link and make target exists."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from page_commands import MAIN, UsageError, blocks_of, parse_call, words_of
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.command_groups import GROUPS
from weighbridge.report.latency_charts import TITLES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("README.md"),
    ]
)
COMMANDS = ROOT / "docs" / "commands.md"


def _code(page: Path) -> list[str]:
    """Return the lines of a page's code blocks, with continued lines joined."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^ {4}\S.*\n)+", page.read_text(), re.MULTILINE)
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def _calls(page: Path) -> list[str]:
    return [line for line in _code(page) if line.startswith("weighbridge ")]


def _parse(line: str) -> str:
    return parse_call(words_of(line)[1:])


def test_the_page_of_commands_has_each_once_and_no_other() -> None:
    headings = re.findall(r"^### (\S+)$", COMMANDS.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(MAIN.commands)
    help_text = CliRunner().invoke(cli.app, ["--help-all"]).output
    listed = re.findall(r"^  ([a-z][a-z-]+)  ", help_text.partition("Options:")[0], re.MULTILINE)
    assert headings == listed, "the page has the commands in the order of `weighbridge --help-all`"


def test_the_groups_have_each_command_once_and_no_other() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(MAIN.commands), "add it to cli/command_groups.py"
    headings = re.findall(r"^## (\S+)$", COMMANDS.read_text(), re.MULTILINE)
    assert headings == [group.partition(",")[0] for group in GROUPS]


def test_each_command_s_section_has_an_explanation_and_an_example_of_it() -> None:
    for section in COMMANDS.read_text().split("\n### ")[1:]:
        name, text = section.split("\n", 1)
        assert re.match(r"\n[A-Z][^\n]{20,}", text), f"{name} has no explanation"
        [example] = re.findall(r"^```\n(weighbridge .*)\n```$", text, re.MULTILINE)
        assert shlex.split(example)[1] == name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_in_a_page_is_one_that_the_program_takes(page: Path) -> None:
    for line in _calls(page):
        try:
            _parse(line)
        except (UsageError, KeyError) as error:
            pytest.fail(f"{page.name}: {line}: {getattr(error, 'message', error)}")


def test_every_example_in_a_help_is_one_that_the_program_takes() -> None:
    lines = [line for command in MAIN.commands.values() for line in _examples(command)]
    assert len(lines) > 10
    for line in lines:
        _parse(line[line.index("weighbridge ") :].strip(")").partition(" | ")[0])


def _examples(command: Any) -> list[str]:
    below = [line for each in getattr(command, "commands", {}).values() for line in _examples(each)]
    return [*below, *(line.strip() for line in (command.epilog or "").splitlines() if "weighbridge" in line)]


@pytest.mark.parametrize(
    "line",
    [
        "weighbridge gate --logs x",
        "weighbridge gat --help",
        "weighbridge summary --result x",
        "weighbridge history --x",
    ],
)
def test_a_wrong_call_would_be_noticed(line: str) -> None:
    with pytest.raises((UsageError, KeyError)):
        _parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_quotes_of_a_file_stands_in_it(page: Path) -> None:
    for name, quoted in re.findall(r"^From `([^`\n]+)`:\n\n```\w*\n(.*?)^```", page.read_text(), re.M | re.S):
        assert quoted in (ROOT / name).read_text(), f"{page.name} quotes {name} wrongly"


def test_the_readme_s_table_has_the_numbers_of_the_round() -> None:
    table = (ROOT / "README.md").read_text().partition("| rule of round v6.0 |")[2]
    round_ = load_round("v6.0")
    server = round_.scenarios["server"]
    assert server.limits.latency is not None
    for text in (
        f"F1 >= {round_.metrics['f1'].floor}",
        f"p{100 * server.limits.latency.percentile:g} <= {server.limits.latency.limit_s:g} s",
        f"minimum duration ({server.min_duration_s:g} s)",
        f"all {round_.samples:,} samples",
    ):
        assert text in table


def test_the_page_on_reports_has_the_figures_of_the_report() -> None:
    page = (ROOT / "docs" / "reading-a-report.md").read_text()
    table = re.findall(r"^\| ([^|]+) \|", page.partition("## Figures")[2].partition("## ")[0], re.MULTILINE)
    charts = "".join(
        path.read_text() for path in (ROOT / "src" / "weighbridge" / "report").glob("*charts.py")
    )
    titles = re.findall(r'title = f"{[^}]*}: ([^"]+)"|title=f"{[^}]*}: ([^"]+)"', charts)
    written = [text for pair in titles for text in pair if text and not text.startswith("{")]
    assert sorted(table[2:]) == sorted([*written, *(text for of in TITLES.values() for text in of)])


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


def test_every_page_is_in_the_site_s_navigation() -> None:
    listed = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    missing = {page.name for page in (ROOT / "docs").glob("*.md")} - listed
    assert not missing, f"add them to 'nav' in mkdocs.yml: {sorted(missing)}"


def test_the_readmes_of_all_languages_have_the_same_commands_links_and_headings() -> None:
    texts = [(ROOT / name).read_text() for name in ("README.md", "README.ko.md")]
    english, korean = (
        [
            (block.dry, block.code, *(" ".join(words_of(command)) for command in block.commands))
            for block in blocks_of(text, "README")
        ]
        for text in texts
    )
    assert english == korean
    assert len(english) > 3
    levels, links, spans = (
        [re.findall(pattern, text, re.MULTILINE) for text in texts]
        for pattern in (r"^(#+) ", r"\]\(([\w./-]+)\)", r"`([^`\n]+)`")
    )
    assert levels[0] == levels[1]
    assert set(links[0]) - {"README.ko.md"} == set(links[1]) - {"README.md"}
    assert set(spans[0]) == set(spans[1])


def test_the_settings_beside_the_reference_s_flags_exist() -> None:
    page = (ROOT / "docs" / "from-the-reference.md").read_text()
    named = re.findall(r"`((?:artifacts|client|requests|scenarios|server)\.[\w.]+)", page)
    assert len(named) > 20
    schema = json.loads((ROOT / "src" / "weighbridge" / "schemas" / "config.schema.json").read_text())
    for name in named:
        place = schema
        for key in name.split("."):
            place = place.get("properties", {}).get(key) or place.get("additionalProperties")
            assert place, f"there is no setting {name}"
            parts = (place, *place.get("anyOf", ()))
            place = next(
                (schema["$defs"][part["$ref"].split("/")[-1]] for part in parts if "$ref" in part), place
            )


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            linked = (page.parent / path) if path else page
            assert linked.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in _anchors(linked), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_source_path_in_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text() if page.name != "CHANGELOG.md" else ""
    code = "\n".join([*_code(page), *re.findall(r"`([^`\n]+)`", text)])
    assert set(re.findall(r"\bmake ([a-z][\w.-]*)", code)) <= targets
    for name in re.findall(
        r"\b(?:src|workflow|profiles|tests|bench|envs|requirements|docs)/[\w./-]*\w", code
    ):
        if not re.search(r"\b[A-Z]{3,}\b", name):  # a placeholder
            assert (ROOT / name).exists(), f"{page.name}: {name}"
