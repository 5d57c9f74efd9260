"""Complete the site that mkdocs builds: pages from outside docs/, generated ones, links, search from a disk.

README.md is the first page. A link to any other file of the repository leads to a page that shows that file,
and one to a JSON Schema to the generated page about it. The build fails if a page would fetch from a network.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify
from reference_pages import GENERATED, with_options  # mkdocs adds the folder of a hook to the path
from rooms import drawing, imports, room_imports

ROOT = Path(__file__).parents[1]
DEMOS = "src/weighbridge/benchmarks"
# Pages from outside docs/, by their place in the repository.
OUTSIDE = {
    "README.md": "index.md",
    "README.ko.md": "ko.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    f"{DEMOS}/qwen3_vl/demo/README.md": "demo-qwen3-vl.md",
    f"{DEMOS}/llama3_1_8b/demo/README.md": "demo-llama.md",
}
# What a reader of the site finds in place of a file.
INSTEAD = {name: page for page, (_, sources) in GENERATED.items() for name in sources}
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^ *(`{3,}|~{3,})[^\n]*\n.*?^ *\1 *$", re.MULTILINE | re.DOTALL)
# A script, image, font or style that a page would fetch from elsewhere. Links that a reader follows are none.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*|<link\b[^>]*href=[\"']?(?:https?:)?//[^>]*"
)
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".json": "json",
    ".smk": "python",
    ".toml": "toml",
    ".cff": "yaml",
}
WORKER = "assets/worker.js"


def source_of(src_uri: str) -> str:
    """Return the place in the repository of a page."""
    return next((name for name, page in OUTSIDE.items() if page == src_uri), f"docs/{src_uri}")


def page_of(path: str) -> str:
    """Return the page that shows a file or folder of the repository."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path in INSTEAD:
        return INSTEAD[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # mkdocs leaves out what begins with a dot.
    return "files/" + re.sub(r"(^|/)[.]", r"\1dot-", path.strip("/")) + ".md"


def relinked(markdown: str, src_uri: str) -> str:
    """Return a page's text with links to files of the repository turned into links to the site's pages."""
    folder, here = posixpath.dirname(source_of(src_uri)), posixpath.dirname(src_uri)

    def turn(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if not path or re.match(r"\w+:", path):
            return match[0]
        target = posixpath.normpath(posixpath.join(folder, path))
        if not (ROOT / target).exists():
            return match[0]  # a page that this hook made, or a broken link, which mkdocs then reports
        return match[1] + posixpath.relpath(page_of(target), here or ".") + mark + anchor + match[3]

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(turn, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(turn, markdown[end:])])


def linked_files(pages: dict[str, str]) -> set[str]:
    """Return the files and folders of the repository that pages link to and that have no page yet."""
    found = set()
    for src_uri, markdown in pages.items():
        for match in LINK.finditer(FENCE.sub("", markdown)):
            path = match[2].partition("#")[0]
            if path and not re.match(r"\w+:", path):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(source_of(src_uri)), path))
                if (ROOT / target).exists() and page_of(target).startswith("files/"):
                    found.add(target)
    return found


def shown_file(path: str) -> str:
    """Return a page that shows a file, or lists a folder."""
    file = ROOT / path
    head = f"---\nhide: [navigation]\nsearch: {{exclude: true}}\n---\n\n# {path}\n\n"
    if file.is_dir():
        names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in file.iterdir())
        return (
            head
            + "In this folder:\n\n"
            + "".join(f"- `{name}`\n" for name in names if name != "__pycache__/")
        )
    fence = "`" * (1 + max(3, *(len(run) for run in re.findall("`+", file.read_text())), 3))
    return f"{head}{fence}{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}{fence}\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Let pages on a disk search by a script of our own, and headings in any writing have an anchor."""
    config.extra["polyfills"] = [WORKER]
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, the generated ones, and a page for each linked file."""
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    added = {page: (ROOT / name).read_text() for name, page in OUTSIDE.items()}
    added["changelog.md"] = "---\nsearch: {exclude: true}\n---\n\n" + added["changelog.md"]
    added |= {page: write() for page, (write, _) in GENERATED.items()}
    for path in linked_files(pages | added):
        added[page_of(path)] = shown_file(path)
    for src_uri, text in added.items():
        files.append(File.generated(config, src_uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links, add the options of each command, and draw the diagram of the rooms."""
    src_uri = page.file.src_uri
    if src_uri == "commands.md":
        markdown = with_options(markdown)
    if src_uri == "architecture.md":
        markdown = re.sub(
            r"^```mermaid\n.*?^```\n",
            lambda _: drawing(room_imports(imports())),
            markdown,
            flags=re.MULTILINE | re.DOTALL,
        )
    return relinked(markdown, src_uri)


def on_post_build(config: MkDocsConfig) -> None:
    """Write the script that lets pages on a disk search, and refuse pages that fetch from a network."""
    site = Path(config.site_dir)
    [search] = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    (site / WORKER).write_text(worker_script(search.read_text()))
    for path in sorted(site.rglob("*.html")):
        if found := FETCHED.search(path.read_text()):
            raise PluginError(f"{path.relative_to(site)} fetches from a network: {found[0][:200]}")


def worker_script(code: str) -> str:
    """Return a script that starts the search's worker from its text where the page is a file.

    Browsers refuse a worker from a file's path.
    """
    return f"""if (location.protocol === "file:") {{
  const code = {json.dumps(code).replace("</", "<" + chr(92) + "/")};
  const FromFile = window.Worker;
  window.Worker = class extends FromFile {{
    constructor() {{
      super(URL.createObjectURL(new Blob([code], {{type: "text/javascript"}})));
    }}
  }};
}}
"""
