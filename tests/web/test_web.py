"""The web client: its modules in Node, and what its files promise without one."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.lifecycle import EndReason

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "web"
MODULES = sorted((WEB / "js").glob("*.js"))
STREAM = sorted((WEB / "js/stream").glob("*.js"))  # loaded by a call that needs them
PAGE = (WEB / "index.html").read_text(encoding="utf-8")
NODE_TIMEOUT_S = 180  # they need 3 s; a machine may be busy

# What a client of this page, a person or a test, looks for by name.
BUTTONS = ["Mute", "Camera", "Flip", "Start call", "End"]
ELEMENTS = {
    "self-view": "video",
    "voice": "audio",
    "captions": "ol",
    "state": "p",
    "last-frame": "img",
    "last-frame-age": "span",
}


class Elements(HTMLParser):
    """The elements of a page: tag, attributes, and the text directly or deeper inside."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and collect its text until it ends."""
        text: list[str] = []
        self.found.append((tag, dict(attrs), text))
        self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has no inside."""
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element of this name, and what was left open inside it."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text belongs to every element around it."""
        for _, text in self._open:
            text.append(data)


def test_modules() -> None:
    """The modules do what their tests in Node say."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Node is missing: the modules of the page are not tested")
        pytest.skip("install Node 20 or newer: apt-get install nodejs")
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    run = subprocess.run(
        [node, "--test", "--test-reporter=spec", *tests],
        capture_output=True,
        text=True,
        timeout=NODE_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_button_has_its_name() -> None:
    """The five buttons are there under the names a person and a screen reader know them by, and no label changes."""
    buttons = [(attributes, "".join(text).strip()) for tag, attributes, text in Elements(PAGE).found if tag == "button"]
    names = [name for _, name in buttons]
    assert [name for name in names if name in BUTTONS] == BUTTONS
    assert all(attributes.get("type") in ("button", "submit") for attributes, _ in buttons)
    toggles = [name for attributes, name in buttons if "aria-pressed" in attributes]
    assert toggles == ["Mute", "Camera"]


@pytest.mark.parametrize(("identifier", "tag"), ELEMENTS.items())
def test_every_element_is_there(identifier: str, tag: str) -> None:
    """What the modules and the tests of the page look for by id exists once, as the right element."""
    assert [found for found, attributes, _ in Elements(PAGE).found if attributes.get("id") == identifier] == [tag]


def camel_case(identifier: str) -> str:
    """As elements.js names the element of an id."""
    return re.sub(r"-(\w)", lambda found: found[1].upper(), identifier)


def test_modules_use_elements_that_exist() -> None:
    """Each element that a module of the page names has its id in the page."""
    ids = {camel_case(attributes["id"] or "") for _, attributes, _ in Elements(PAGE).found if "id" in attributes}
    used = set[str]()
    for path in (WEB / "js").glob("page*.js"):
        source = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"(?:#elements|\be)\.(\w+)", source))
        for names in re.findall(r"const \{([^}]+)\} = this\.#elements;", source):
            used |= {name.split(":")[0].strip() for name in names.split(",")}
    assert {"state", "start", "lastFrame", "eventsFilter"} <= used
    assert used <= ids


def test_every_module_is_loaded_at_once() -> None:
    """The page names all its modules, so that a phone asks for them together and not one after the other."""
    elements = Elements(PAGE).found
    named = [attributes["href"] for _, attributes, _ in elements if attributes.get("rel") == "modulepreload"]
    assert sorted(named) == sorted(f"/js/{path.name}" for path in MODULES if path.name != "main.js")


@pytest.mark.parametrize("path", sorted(path for path in WEB.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_nothing_from_another_site(path: Path) -> None:
    """No file refers to another site; the name of the SVG namespace is no reference."""
    text = path.read_text(encoding="utf-8", errors="replace").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://", text)
    assert not re.search(r"""(?:src|href|url|from|import)\s*[=(]?\s*["']?//""", text)


def test_every_end_has_a_next_step() -> None:
    """For each way in which the gateway ends a call, the page has an advice of its own."""
    advice = (WEB / "js/failures.js").read_text(encoding="utf-8")
    assert [reason for reason in EndReason if f"\n  {reason.value}: " not in advice] == []


def test_nothing_inline() -> None:
    """The page works under a content security policy that allows neither inline scripts nor inline styles."""
    for tag, attributes, text in Elements(PAGE).found:
        assert tag != "style"
        assert tag != "script" or ("src" in attributes and not "".join(text).strip())
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_references_of_the_page_exist() -> None:
    """Every file the page asks for is one the gateway can serve."""
    elements = Elements(PAGE).found
    wanted = [attributes.get("src") or attributes.get("href") for tag, attributes, _ in elements if tag != "use"]
    paths = [path for path in wanted if path is not None]
    assert {"/favicon.svg", "/js/main.js", "/style.css"} <= set(paths)
    assert all((WEB / path.removeprefix("/")).is_file() for path in paths)
    symbols = {attributes["id"] for tag, attributes, _ in elements if tag == "symbol"}
    drawn = {(attributes["href"] or "").removeprefix("#") for tag, attributes, _ in elements if tag == "use"}
    assert drawn == symbols


@pytest.mark.parametrize("path", MODULES + STREAM, ids=lambda path: path.name)
def test_imports_exist(path: Path) -> None:
    """Every module that is imported, also in a type, is a file next to the one that imports it, or above."""
    source = path.read_text(encoding="utf-8")
    imported = re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", source)
    assert all(
        (path.parent / name).is_file() and name.startswith("./" if path in MODULES else ".") for name in imported
    )


@pytest.mark.parametrize("path", MODULES + STREAM, ids=lambda path: path.name)
def test_module_says_what_it_owns(path: Path) -> None:
    """Each module starts with what it owns, what it must not know, and its invariant."""
    head = path.read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0]
    words = " ".join(line.removeprefix("//").strip() for line in head.splitlines())
    assert words.startswith("Owns ")
    assert "must not" in words
    assert "Invariant: " in words


def test_every_module_is_used() -> None:
    """Nothing lies about: from the page's script, every module is reached."""
    reached, waiting = set[str](), ["main.js"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            source = (WEB / "js" / name).read_text(encoding="utf-8")
            waiting += re.findall(r"""from "\./([^"]+)";""", source)
    assert reached == {path.name for path in MODULES}


def test_modules_of_the_stream_are_used_and_come_late() -> None:
    """No call pays for them that does not need them: one function imports them; from there, each is reached."""
    sources = {path: path.read_text(encoding="utf-8") for path in MODULES + STREAM}
    early = [path.name for path in MODULES if re.search(r"""from ["']\./stream/""", sources[path])]
    assert early == []
    assert [path.name for path in MODULES if 'import("./stream/stream.js"),' in sources[path]] == ["gateway-client.js"]
    reached, waiting = set[str](), ["stream.js", "microphone-worklet.js", "voice-worklet.js"]
    assert '["microphone", "voice"]' in sources[WEB / "js/stream/stream.js"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += re.findall(r"""from "\./([^"]+)";""", sources[WEB / "js/stream" / name])
    assert reached == {path.name for path in STREAM}
