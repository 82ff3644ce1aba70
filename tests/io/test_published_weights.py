"""Published weights: fetched from a server of our own, whole or not at all, and read without
running anything.
"""

import hashlib
import pickle
import shutil
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.io import published_weights
from mars_lib.io.published_weights import PublishedFile, download, fingerprint, load, verify


@pytest.fixture
def content(tmp_path):
    """Bytes of a small .pth file."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "a.weight": torch.randn(300, 300, generator=generator),
        "b": torch.arange(3),
        "c": torch.ones(2).half(),
    }
    torch.save(tensors, tmp_path / "made.pth")
    return (tmp_path / "made.pth").read_bytes()


def published(content, url="http://127.0.0.1:9/tiny.pth"):
    return PublishedFile(
        "tiny", url, len(content), hashlib.sha256(content).hexdigest(), "CC-BY-NC 4.0"
    )


@contextmanager
def serving(content, ranges=True, stop_after=None, status=200):
    """A server on this machine; `asked` holds the Range of every request. Breaks off after
    `stop_after` bytes.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and ranges else 0
            self.send_response(status if status != 200 else 206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][:stop_after])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tiny.pth", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_download_says_what_it_is_and_is_checked(content, tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    with serving(content) as (url, asked):
        path = download(published(content, url), folder)
        assert path.read_bytes() == content and names(folder) == ["tiny.pth"] and asked == [None]
        said = capsys.readouterr().out
        assert (
            published_weights.size(len(content)) in said and "CC-BY-NC 4.0" in said and url in said
        )
        # What is there is checked and not fetched again.
        assert download(published(content, url), folder, progress=False) == path and len(asked) == 1
        assert capsys.readouterr().out == ""
        path.write_bytes(content[:-1])
        with pytest.raises(
            InputError, match="truncated or of another model .*; remove them and fetch them"
        ):
            download(published(content, url), folder)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(content, tmp_path, ranges):
    with (
        serving(content, stop_after=100_000) as (url, _),
        pytest.raises(
            InputError, match=r"connection broke off.*100.00 kB of .* is there; .*run again"
        ),
    ):
        download(published(content, url), tmp_path / "w", progress=False)
    assert names(tmp_path / "w") == ["tiny.pth.part"]
    with serving(content, ranges) as (url, asked):
        path = download(published(content, url), tmp_path / "w", progress=False)
    assert asked == ["bytes=100000-"]
    assert path.read_bytes() == content and names(tmp_path / "w") == ["tiny.pth"]


def test_a_whole_part_is_not_fetched_again(content, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "tiny.pth.part").write_bytes(content)
    assert download(published(content), tmp_path / "w", progress=False).read_bytes() == content


def test_other_bytes_are_refused_and_removed(content, tmp_path):
    wrong = bytes([content[0] ^ 1]) + content[1:]
    with serving(wrong) as (url, _), pytest.raises(InputError, match="served another file"):
        download(published(content, url), tmp_path / "w", progress=False)
    assert names(tmp_path / "w") == []
    with (
        serving(content + b"more") as (url, _),
        pytest.raises(InputError, match=r"serves 3\d\d,\d{3} bytes, not 3"),
    ):
        download(published(content, url), tmp_path / "w", progress=False)
    assert names(tmp_path / "w") == []


def test_no_network_no_room_no_such_file(content, tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/tiny.pth"
        with pytest.raises(
            InputError, match="could not be fetched to .*refused.*nothing of .*check network"
        ):
            download(published(content, url), tmp_path / "w")
    with (
        serving(content, status=404) as (url, _),
        pytest.raises(InputError, match="404: Not Found"),
    ):
        download(published(content, url), tmp_path / "w")
    assert names(tmp_path / "w") == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be fetched to"):
        download(published(content), tmp_path / "file" / "w")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(InputError, match="has no room for 3"):
        download(published(content), tmp_path / "w")


@pytest.fixture
def file(content, tmp_path):
    path = tmp_path / "w" / "tiny.pth"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def test_a_pth_becomes_safetensors_once(content, file, monkeypatch):
    first = load(file, published(content))
    assert names(file.parent) == ["tiny.pth", "tiny.safetensors"]
    monkeypatch.setattr(
        published_weights, "_unpickle", lambda _: pytest.fail("the pickle was read again")
    )
    for path in (file, file.with_suffix(".safetensors")):
        again = load(path, published(content))
        assert first.keys() == again.keys() and all(torch.equal(first[k], again[k]) for k in first)
        assert [t.dtype for t in again.values()] == [first[k].dtype for k in again]
    monkeypatch.undo()
    # Damaged, or made from other weights: made again.
    converted = file.with_suffix(".safetensors")
    whole = converted.read_bytes()
    converted.unlink()  # tensors above lie in it
    converted.write_bytes(whole[:100])
    assert (
        torch.equal(load(file, published(content))["a.weight"], first["a.weight"])
        and converted.read_bytes() == whole
    )
    with pytest.raises(InputError, match="damaged or of another model"):
        load(file, replace(published(content), sha256="0" * 64))


def test_weights_that_are_missing_truncated_or_others_are_named(content, file, tmp_path):
    for path in (tmp_path / "none.pth", tmp_path / "none.safetensors"):
        with pytest.raises(
            InputError, match=r"none.*are not there; fetch them with .*fetch-imagebind.*CC-BY-NC"
        ):
            load(path, published(content))
    file.write_bytes(content[:-10])
    with pytest.raises(
        InputError,
        match=r"truncated or of another model \(36\d,\d{3} bytes, tiny.pth has 36\d,\d{3}\)",
    ):
        verify(file, published(content))
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match="damaged or of another model .SHA-256"):
        load(file, published(content))
    assert names(file.parent) == ["tiny.pth"]


class Harm:
    """What a pickle may hold: a call of anything."""

    def __reduce__(self):
        return (pytest.fail, ("code in the file was run",))


def test_even_a_checked_file_runs_nothing(tmp_path):
    path = tmp_path / "tiny.pth"
    for write in (
        lambda: torch.save({"a": Harm()}, path),
        lambda: path.write_bytes(pickle.dumps(Harm(), protocol=2)),
    ):
        write()
        with pytest.raises(InputError, match="cannot be read as tensors"):
            load(path, published(path.read_bytes()))
    assert names(tmp_path) == ["tiny.pth"]


def test_fingerprints_tell_weights_apart():
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    first = fingerprint(layer)
    assert fingerprint(layer) == first and len(first) == 64
    seen = {first, fingerprint(torch.nn.ModuleList(layer).bfloat16()), fingerprint(layer.float())}
    with torch.no_grad():
        layer[0].weight[0, 0] += 1
    assert len(seen | {fingerprint(layer)}) == 4
