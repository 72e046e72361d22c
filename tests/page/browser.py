"""A page as a browser shows it, with everything that went wrong on it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

#: Names of Chromium: Debian's, Ubuntu's, and those of Google's own packages.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Addresses, as the browser resolves them, of everything that a page shows, loads or leads to.
_ADDRESSES = """() => [...document.querySelectorAll("[href], [src]")].map(one => one.href || one.src)"""

#: Sources of images that the browser cannot draw. Images that load late are loaded first.
_BROKEN_IMAGES = """async () => {
  const broken = await Promise.all([...document.images].map(async image => {
    image.loading = "eager";
    try { await image.decode(); return null; } catch { return image.src; }
  }));
  return broken.filter(source => source !== null);
}"""


def find_chromium() -> str:
    """Return the path of Chromium: the one that CHROMIUM names, or the first of its usual names."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "Chromium is not installed: `apt-get install chromium`, or name its program in CHROMIUM."
    return found


@dataclass
class Visit:
    """A page that is open in the browser."""

    page: Page
    folder: Path
    """Everything that the page shows or leads to must lie here."""
    messages: list[str] = field(default_factory=list)
    """Every message in the browser's console, and every error of a script."""
    failed: list[str] = field(default_factory=list)
    """Addresses of requests that failed, or that left the disk."""

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self.failed.append(request.url))
        self.page.on("request", self._note_outside)

    def _note_outside(self, request) -> None:
        if urlsplit(request.url).scheme not in ("file", "data", "blob"):
            self.failed.append(request.url)

    def unresolved(self) -> list[str]:
        """Return every link, anchor and image that does not resolve within the folder."""
        return [*filter(self._is_lost, self.page.evaluate(_ADDRESSES)), *self.page.evaluate(_BROKEN_IMAGES)]

    def _is_lost(self, address: str) -> bool:
        scheme, _, path, _, anchor = urlsplit(address)
        if scheme in ("data", "blob"):
            return False
        file = Path(unquote(path))
        if scheme != "file" or not file.is_file() or not file.is_relative_to(self.folder):
            return True
        if file == Path(unquote(urlsplit(self.page.url).path)):
            # Scripts may have made the element.
            return bool(anchor) and not self.page.evaluate("id => document.getElementById(id)", unquote(anchor))
        return bool(anchor) and f' id="{unquote(anchor)}"' not in file.read_text(encoding="utf-8")

    def overflow(self) -> float:
        """Return by how many pixels the page is wider than the window. It then scrolls sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def barriers(self) -> list[str]:
        """Return the serious and critical faults of accessibility that axe finds, with the elements that have them."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{fault['help']}: {', '.join(str(node['target'][0]) for node in fault['nodes'])}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]

    def check(self) -> None:
        """Check that nothing went wrong so far, and that everything resolves."""
        assert (self.messages, self.failed, self.unresolved()) == ([], [], [])


def visits(browser: Browser, screenshots: Path | None) -> Iterator:
    """Yield a function that opens a file; see the fixture `visit`. Close all pages at the end."""
    contexts = []

    def visit(file: Path, folder: Path | None = None, *, width: int = 1200, dark: bool = False) -> Visit:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        opened = Visit(context.new_page(), (folder or file.parent).resolve())
        opened.page.goto(file.resolve().as_uri())
        if screenshots:
            screenshots.mkdir(parents=True, exist_ok=True)
            opened.page.screenshot(path=screenshots / f"{file.stem}_{width}_{scheme}.png", full_page=True)
        return opened

    yield visit
    for context in contexts:
        context.close()
