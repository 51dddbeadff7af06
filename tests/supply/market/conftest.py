"""A store that is made once and copied: making one takes longer than most of these tests."""

from __future__ import annotations

import shutil

import pytest

from autocard import Engine


@pytest.fixture(name="template", scope="session")
def _template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("market")
    table = {"store": f"sqlite:///{folder}/shop.db", "keyring": f"file:{folder}/shop.keyring"}
    Engine.open(table, create=True).close()
    return folder


@pytest.fixture(name="folder")
def _folder(template, tmp_path):
    """Give a folder with an empty store and its keyring."""
    folder = tmp_path / "shop"
    shutil.copytree(template, folder)
    return folder
