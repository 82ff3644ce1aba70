"""What the runs of notebooks share."""

import os

import pytest


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Kernels start in an empty folder, and every connection but to this machine is refused.

    They inherit the environment, and so import this module before all else.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet" / "sitecustomize.py").write_text(
        "import socket\n"
        "connect = socket.socket.connect\n"
        "def local_only(self, address):\n"
        "    here = self.family == socket.AF_UNIX\n"
        "    if not here and address[0] not in ('127.0.0.1', 'localhost', '::1'):\n"
        "        raise OSError('this test has no network')\n"
        "    return connect(self, address)\n"
        "socket.socket.connect = local_only\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "quiet"), prepend=os.pathsep)
