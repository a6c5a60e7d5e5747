"""The loopback page as a person uses it: it fits, it can be read by everybody, its buttons give files."""

import json
import wave
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.callpage import accessible, laid_out
from tests.browser.loopback import check_report
from tests.qa.page import RUN_TIMEOUT_MS, compare_with, loopback, report_of, unfold

pytestmark = pytest.mark.browser

CHECKS = "environment,gateway_view,round_trip,ttfab,frame_age,soak"


async def downloaded(page: Page, button: str, directory: Path) -> Path:
    """What a button gives."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name=button, exact=True).click()
    found = await download.value
    path = directory / found.suggested_filename
    await found.save_as(path)
    return path


def earlier_than(report: dict[str, Any]) -> dict[str, Any]:
    """An earlier run: the environment failed, sound was faster by all that its budget allows, there was no soak."""
    checks = {check["id"]: check for check in report["checks"] if check["id"] != "soak"}
    numbers = checks["round_trip"]["numbers"]
    faster_ms = numbers["delay_ms"] - report["budgets"]["round_trip.delay_ms"]["warn"]
    otherwise = {
        "environment": checks["environment"] | {"verdict": "FAIL"},
        "round_trip": checks["round_trip"] | {"numbers": numbers | {"delay_ms": faster_ms}},
    }
    return report | {"checks": list((checks | otherwise).values())}


async def test_nothing_can_be_run_before_the_gateway_has_answered(tmp_path: Path) -> None:
    """Its buttons are disabled until then, and stay so when it does not: a sentence says what to do. Where it has
    answered they can be pressed."""
    buttons = [*("Run all", "Run chosen", "Stop"), *("JSON", "JUnit", "Markdown"), "TTFAB (CSV)", "Sound (WAV)"]
    async with loopback(tmp_path) as page:
        await expect(page.get_by_role("button", name="Run all")).to_be_enabled()  # or its first request is the one held
        held: list[Route] = []
        await page.route("**/v1/client-config", lambda route: held.append(route))
        async with page.expect_request("**/v1/client-config"):
            await page.reload()
        await expect(page.locator("#checks > li")).not_to_have_count(0)
        for name in buttons:
            await expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
        assert await accessible(page) == []
        assert await laid_out(page) == []
        await held[0].abort()
        await expect(page.locator("#gateway")).to_have_text("This gateway cannot be tested now")
        await expect(page.locator("#notice")).to_have_text(
            "The gateway cannot be reached. Look whether this device is online, then try again."
        )
        await expect(page.get_by_role("button", name="Run all")).to_be_disabled()
        assert "cannot be reached" in await page.evaluate("() => window.__report.problem")
        assert await laid_out(page) == []
        await page.unroute("**/v1/client-config")
        await page.reload()
        await expect(page.get_by_role("button", name="Run all")).to_be_enabled()
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled()


async def test_the_page_after_a_run(tmp_path: Path) -> None:
    """Charts with tables, every export a file of its kind, a comparison; nothing cut or covered at any size, nothing
    that axe-core objects to in either scheme, no complaint of the browser."""
    async with loopback(tmp_path, f"?run={CHECKS}&length=short") as page:
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        report = await report_of(page)
        check_report(report)
        await unfold(page)
        assert await page.locator(".chart svg").count() >= 5
        assert await page.locator(".chart").count() == await page.locator(".chart details table").count()
        assert await page.get_by_role("img", name="the very JPEG").is_visible()

        saved = await downloaded(page, "JSON", tmp_path)
        assert json.loads(saved.read_text(encoding="utf-8")) == report
        junit = ElementTree.parse(await downloaded(page, "JUnit", tmp_path)).getroot()
        assert [case.get("name") for case in junit] == CHECKS.split(",")
        ticket = (await downloaded(page, "Markdown", tmp_path)).read_text(encoding="utf-8")
        assert ticket.startswith(f"# Loopback: {report['verdict']}\n")
        table = (await downloaded(page, "TTFAB (CSV)", tmp_path)).read_text(encoding="utf-8").splitlines()
        assert (table[0].split(",")[:2], len(table)) == (["scene", "ttfab_ms"], 7)
        with wave.open(str(await downloaded(page, "Sound (WAV)", tmp_path))) as sound:
            heard = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
            assert heard.size > 5 * sound.getframerate()
            assert np.abs(heard).max() > 1000
        with zipfile.ZipFile(await downloaded(page, "Frames (ZIP)", tmp_path)) as archive:
            assert archive.testzip() is None
            assert all(archive.read(name).startswith(b"\xff\xd8") for name in archive.namelist())
            assert archive.namelist()

        await compare_with(page, saved)
        better = page.locator("#check-environment .compared")
        await expect(better).to_have_text("As in that run.")
        saved.write_text(json.dumps(earlier_than(report)), encoding="utf-8")
        await compare_with(page, saved)
        await expect(better).to_have_attribute("data-change", "better")
        await expect(better).to_have_text("Better: was FAIL.")
        slower = page.locator("#check-round_trip .compared")
        await expect(slower).to_have_attribute("data-change", "worse")
        await expect(slower).to_contain_text("(worse)")
        await expect(page.locator("#check-soak .compared")).to_have_text("Not in that run.")
        assert await laid_out(page) == []
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await accessible(page) == []
        assert complaints == []


async def test_budgets_are_edited_kept_saved_reset_and_loaded(tmp_path: Path) -> None:
    """And a limit that was edited decides; a file that is none is refused in words, and changes nothing."""
    async with loopback(tmp_path) as page:
        await expect(page.locator("#gateway")).to_contain_text("Gateway")
        await page.get_by_label("Length").select_option("short")
        await page.evaluate("() => document.querySelectorAll('[id^=choose-]').forEach((one) => (one.checked = false))")
        await page.get_by_label("Choose Camera").check()
        await page.locator("details.panel > summary").click()
        limit = page.get_by_label("camera.fps fail")
        usual = await limit.input_value()
        await limit.fill("1000")
        await limit.blur()
        await page.get_by_role("button", name="Run chosen").click()
        camera = page.locator("#check-camera")
        await expect(camera).to_have_attribute("data-verdict", "FAIL", timeout=RUN_TIMEOUT_MS)
        await expect(camera.locator(".reason")).to_contain_text("(budget: at least 1000 fps)")

        saved = await downloaded(page, "Save", tmp_path)
        assert json.loads(saved.read_text(encoding="utf-8"))["budgets"]["camera.fps"]["fail"] == 1000
        await page.reload()
        await page.locator("details.panel > summary").click()
        await expect(limit).to_have_value("1000")
        await page.get_by_role("button", name="Reset").click()
        await expect(limit).to_have_value(usual)
        await page.get_by_label("Load").set_input_files(saved)
        await expect(limit).to_have_value("1000")
        saved.write_text("[]", encoding="utf-8")
        await page.get_by_label("Load").set_input_files(saved)
        await expect(page.locator("#notice")).to_contain_text("These budgets cannot be used")
        await expect(limit).to_have_value("1000")


async def test_a_run_can_be_stopped(tmp_path: Path) -> None:
    """What ran keeps its verdict, the rest is skipped and says why; then there can be another run."""
    async with loopback(tmp_path, "?run=environment,round_trip,soak&length=long") as page:
        await expect(page.locator("#check-round_trip")).to_have_attribute(
            "data-verdict", "RUNNING", timeout=RUN_TIMEOUT_MS
        )
        await page.get_by_role("button", name="Stop").click()
        report = await report_of(page)
        check_report(report)
        verdicts = {check["id"]: (check["verdict"], check["reason"]) for check in report["checks"]}
        assert verdicts.pop("environment")[0] in ("PASS", "WARN")
        assert verdicts == {
            "round_trip": ("SKIP", "The run was stopped during it."),
            "soak": ("SKIP", "The run was stopped before it."),
        }
        await expect(page.get_by_role("button", name="Run all")).to_be_enabled()
