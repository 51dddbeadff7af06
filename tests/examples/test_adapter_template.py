"""The adapter template is installed as a stranger's package is, found by its name, and conforms."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil

import pytest

OPEN = """
import sys
from autocard import AutocardError, Engine

table = {
    "adapter": sys.argv[1], "credential": "invented-secret-0123456789",
    "base_url": "https://api.paperplane.example",
}
settings = {
    "store": "sqlite:///shop.db", "keyring": "file:shop.keyring",
    "platforms": {"planes": table}, "channels": {"post": table},
    "skus": {"gift-50": {"format": "paperplane"}},
}
assert "autocard_paperplane" not in sys.modules
try:
    with Engine.open(settings, create=True) as engine:
        report = engine.cards.add("gift-50", ["plane-7kqx-m2wp", "GLIDER-1"], provenance="test")
        print([(item.name, item.ok) for item in engine.check().items], report.added)
except AutocardError as error:
    print(type(error).__name__, error)
"""
BUILDERS = ("pip", "hatchling")


@pytest.fixture(name="project", scope="module")
def _project(examples, tmp_path_factory):
    """Return a copy of the template: what is built and run leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp("project") / "adapter_template"
    shutil.copytree(
        examples / "adapter_template", copy, ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    return copy


@pytest.fixture(name="installed", scope="module")
def _installed(project, run, tmp_path_factory):
    """Return a folder into which the template was built and installed."""
    missing = [name for name in BUILDERS if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("AUTOCARD_REQUIRE_SERVERS") != "1":
        pytest.skip(f"building a package needs {' and '.join(missing)}")
    target = tmp_path_factory.mktemp("installed") / "packages"
    done = run(
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--target", target, project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(name="opened")
def _opened(run, tmp_path):
    """Return what is printed by a process that opens an engine on the adapter *name*."""

    def opened(*path, name="paperplane"):
        done = run("-W", "error", "-c", OPEN, name, path=path, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return opened


@pytest.fixture(name="copied")
def _copied(installed, tmp_path):
    """Return a copy of the installed package, to be spoilt."""
    return shutil.copytree(installed, tmp_path / "copied")


def test_it_is_found_by_its_name(installed, opened):
    """An engine whose configuration names it opens with platform, channel and card format."""
    said = opened(installed)
    assert "('platform planes', True)" in said
    assert "('channel post', True)" in said
    assert said.endswith("] 1"), "the card format took one card and refused the other"


def test_it_passes_its_own_suites(installed, project, run):
    """Every conformance suite passes for the installed package, warnings being errors."""
    done = run(
        "-m", "pytest", "-p", "no:cacheprovider", "-v", "tests", path=[installed], folder=project
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for suite in ("test_platform", "test_channel", "test_card_format"):
        passed = re.findall(rf"tests/{suite}\.py::TestPaperplane::\S+ PASSED", done.stdout)
        assert len(passed) >= 10, f"{suite}: only {len(passed)} tests of the suite ran"
    assert "exempt" not in done.stdout


def test_a_broken_package_is_named(copied, opened):
    """A package that cannot be imported is `AdapterBroken`, and the error says whose it is."""
    (copied / "autocard_paperplane" / "__init__.py").write_text("import paperplane_sdk\n")
    said = opened(copied)
    assert said.startswith("AdapterBroken ")
    assert "autocard-paperplane 1.0.0" in said
    assert "paperplane_sdk" in said


def test_a_misspelt_hook_is_named(copied, opened):
    """A hook that does not exist is `AdapterBroken`, and the right name is proposed."""
    module = copied / "autocard_paperplane" / "__init__.py"
    module.write_text(
        module.read_text("utf-8").replace("def autocard_register", "def autocard_registr")
    )
    said = opened(copied)
    assert said.startswith("AdapterBroken ")
    assert "autocard-paperplane 1.0.0" in said
    assert "'autocard_register'" in said


def test_two_packages_of_one_name_are_named(installed, opened, tmp_path):
    """A second distribution that claims the name is `AdapterConflict`, which names both."""
    other = tmp_path / "other" / "autocard_glider-2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: autocard-glider\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[autocard]\npaperplane = autocard_glider\n")
    said = opened(installed, other.parent)
    assert said.startswith("AdapterConflict ")
    assert "autocard-glider 2.0" in said
    assert "autocard-paperplane 1.0.0" in said


def test_a_misspelt_name_is_corrected(installed, opened):
    """A name that nobody offers is `AdapterNotFound` with the close one that is installed."""
    said = opened(installed, name="paperplan")
    assert said.startswith("AdapterNotFound ")
    assert "paperplane" in said


def test_without_the_package_the_name_is_not_found(opened):
    """Where the package is not installed, the error says to install it."""
    said = opened()
    assert said.startswith("AdapterNotFound ")
    assert "'paperplane'" in said
    assert "install" in said
