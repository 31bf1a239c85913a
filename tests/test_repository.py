"""The files round the code: what the image takes is there, pins are pins, no file names a registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.config import load

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")
FOLDERS = ("bot", "adapters", "tests", "benchmarks", "docs", ".ci")


def kept_files() -> Iterator[Path]:
    """The repository's own text files, also where there is no git."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name != "config.toml")
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not {"__pycache__", "results"} & set(path.parts):
                yield path


# -- the image

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def last(name: str) -> str:
    return [rest for word, rest in instructions() if word == name][-1]


def copied() -> list[str]:
    """What the image takes from this folder."""
    copies = [rest.split() for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    return [source for *sources, _ in copies for source in sources]


def environment() -> dict[str, str]:
    pairs = [pair for name, rest in instructions() if name == "ENV" for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def test_the_image_starts_slim_and_ends_without_root() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert all(re.fullmatch(r"python:3\.1[123]-slim", base) for base in bases)
    names = [name for name, _ in instructions()]
    assert last("USER") not in ("root", "0")
    assert f"--uid {last('USER')}" in last("RUN")
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))


def test_everything_that_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*", "nothing gets in but what is named"
    for source in copied():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_the_image_keeps_its_data_in_the_volume_and_listens_outside() -> None:
    variables = {name: value for name, value in environment().items() if name.startswith("THREADREEL_")}
    settings = load(None, {**variables, "THREADREEL_PROVIDERS__SANDBOX__KIND": "sandbox"})
    assert last("VOLUME") == "/data"
    assert str(settings.media.folder).startswith("/data/")
    assert settings.store.url.startswith("sqlite:////data/")
    assert (settings.http.host, str(settings.http.port)) == ("0.0.0.0", last("EXPOSE"))
    assert json.loads(last("CMD")) == ["threadreel", "run", "-c", "/data/config.toml"]
    assert last("STOPSIGNAL") == "SIGTERM"


def test_every_install_in_the_image_is_pinned_or_without_dependencies() -> None:
    commands = [command for name, rest in instructions() if name == "RUN" for command in rest.split("&&")]
    installs = [command for command in commands if re.search(r"pip (install|wheel)", command)]
    assert len(installs) == 4
    assert all("--require-hashes" in command or "--no-deps" in command for command in installs)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_images_health_check_asks_the_server(status: int, healthy: bool) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    options, _, command = last("HEALTHCHECK").partition(" CMD ")
    assert "--timeout" in options
    python, *arguments = json.loads(command)
    assert python == "python"
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        variables = {"THREADREEL_HTTP__PORT": str(server.server_port), "PATH": os.environ["PATH"]}
        done = subprocess.run([sys.executable, *arguments], env=variables, capture_output=True, check=False)
        server.shutdown()
    assert (done.returncode == 0) is healthy


def test_the_project_builds_from_what_the_image_copies_and_holds_its_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    build = "import hatchling.build; print(hatchling.build.build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(source / done.stdout.split()[-1]) as wheel:
        inside = set(wheel.namelist())
    data = [path for folder in ("bot", "adapters") for path in (ROOT / folder).rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(ROOT)) for path in data if "__pycache__" not in path.parts}
    assert wanted <= inside
    assert {"adapters/words/en.toml", "adapters/words/catalogue/zh.toml"} <= inside
    assert any(fnmatch(name, "*.dist-info/entry_points.txt") for name in inside)


# -- dependencies


def pins(name: str) -> dict[str, str]:
    """name and marker -> the whole entry."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {line.partition(" --hash")[0].strip(): " ".join(line.split()) for line in lines}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_with_hashes_and_hold_no_addresses(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()
    for pin, entry in pins(name).items():
        assert re.match(r"[a-z0-9][a-z0-9.-]*(\[[a-z,-]+\])?==\S+( ; .+)?$", pin), pin
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), pin
        assert not entry.startswith("-")


def test_the_same_version_is_pinned_everywhere() -> None:
    everything = pins("requirements-dev.txt")
    assert set(pins("requirements-build.txt").items()) <= set(everything.items())
    assert set(pins("requirements.txt")) <= set(everything)


def test_every_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = {re.split(r"[\[=]", pin)[0] for pin in pins("requirements.txt")}
    wanted = {re.split(r"[\[<>=]", dependency)[0] for dependency in project["project"]["dependencies"]}
    assert {name.replace(".", "-") for name in wanted} <= pinned
    built_by = {re.split(r"[<>=]", dependency)[0] for dependency in project["dependency-groups"]["build"]}
    assert built_by <= {re.split(r"[\[=]", pin)[0] for pin in pins("requirements-build.txt")}


def test_no_file_names_a_package_registry() -> None:
    # Written in halves, so that this file doesn't name them either.
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "ghcr" + ".io"]
    hosts += ["docker" + ".io", "docker" + ".com", "jsdelivr" + ".net", "unpkg" + ".com", "crates" + ".io"]
    for path in kept_files():
        text = path.read_bytes().decode("utf-8", "ignore")
        assert not [host for host in hosts if host in text], path


# -- make and .ci


def test_the_makefile_has_what_it_promises() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)^([a-z]+):", text))
    assert {"setup", "demo", "test", "check", "bench", "format"} <= targets
    for target in ("setup", "demo", "test", "check", "bench", "format"):
        assert re.search(rf"(?m)^# make {target} ", text), f"{target} isn't told at the top"


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_takes_no_python_that_doesnt_run_or_is_too_old(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()

    def python(name: str, script: str) -> None:
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)

    def made() -> subprocess.CompletedProcess[str]:
        make = [str(shutil.which("make")), "SHELL=/bin/sh", ".venv/bin/python"]
        variables = {"PATH": str(tools)}
        return subprocess.run(make, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    python("python3.13", "echo 'a shim for nothing' >&2; exit 127")
    python("python3", "exit 1")
    refused = made()
    assert refused.returncode != 0
    assert "needs Python 3.11 or newer" in refused.stderr
    python("python3.11", f'[ "$1" = -c ] && exec {sys.executable} "$@"; echo "made with $0 $*"')
    assert "made with" in (done := made()).stdout, done.stderr
    assert "python3.11 -m venv --clear .venv" in done.stdout


def test_ci_runs_what_make_check_runs_and_skips_no_browser() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "export THREADREEL_REQUIRE_CHROMIUM=1" in text
    assert text.rstrip().endswith("make check")
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize(("demanded", "code"), [("", 0), ("1", 4)])
def test_without_chromium_browser_tests_are_skipped_aloud_or_refused(
    tmp_path: Path, demanded: str, code: int
) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  browser: drives the page\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.browser\ndef test_a(chromium): ...\ndef test_b(): ...\n"
    )
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    variables = {"PATH": str(tmp_path), "THREADREEL_REQUIRE_CHROMIUM": demanded}
    done = subprocess.run(run, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    if demanded:
        assert "Chromium is not installed" in done.stderr
    else:
        assert "Chromium is not installed: 1 browser test was skipped." in done.stdout
        assert "1 passed, 1 skipped" in done.stdout


# -- papers


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.strip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply" in text


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"(?m)^## \[(.+)\]", text)[:2] == ["Unreleased", version]
