"""A headless Chromium, installed from Debian's packages if it is missing and that is possible."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromedriver")
PACKAGES = ("chromium", "chromium-driver")


class Browser:
    """A browser that shows one page at a time."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def look(self, page: Path, *, width: int, scheme: str) -> None:
        """Open a file in a window of this width in pixels, light or dark, and open all folded parts."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self._driver.get(page.as_uri())
        self.ask("for (const each of document.querySelectorAll('details')) each.open = true")

    def ask(self, script: str) -> Any:
        """Run a script in the page, and return its result."""
        return self._driver.execute_script(script)

    def complaints(self) -> list[str]:
        """Return the console's messages since the last call."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return the addresses that the page requested since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [message["params"]["request"]["url"] for message in sent]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start a browser, and stop it in the end; skip the test if none can be installed."""
    if any(shutil.which(name) is None for name in PROGRAMS):
        done = subprocess.run([ROOT / ".ci" / "apt-install", *PACKAGES], check=False)
        if done.returncode != 0:
            pytest.skip(f"the packages {', '.join(PACKAGES)} cannot be installed here")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Without a path of the driver, selenium would download one.
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
