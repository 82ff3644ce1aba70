"""Files of weights that others publish: fetched when asked for, checked, kept as safetensors.

Nothing is fetched unasked.
"""

import hashlib
import http.client
import importlib.util
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from tqdm.std import tqdm

from mars_lib.check import InputError, fail
from mars_lib.io import checkpoint

BLOCK = 1 << 20
PARTIAL = 206  # HTTP: the range that was asked for
TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class PublishedFile:
    """One file that somebody publishes.

    Attributes:
        kind: what the converted file calls itself (see `mars_lib.io.checkpoint`).
        url: its address.
        size: in bytes.
        sha256: of its bytes, in hexadecimal.
        licence: in a few words.
    """

    kind: str
    url: str
    size: int
    sha256: str
    licence: str

    @property
    def name(self) -> str:
        """The last part of the address.

        >>> PublishedFile("imagebind", "https://example.org/a/huge.pth", 1, "", "").name
        'huge.pth'
        """
        return self.url.rpartition("/")[2]


def download(published: PublishedFile, folder: str | Path, progress: bool = True) -> Path:
    """Fetch a published file into a folder, and return its path.

    Nothing in this package calls this unasked. An interrupted download stays beside the target as
    `NAME.part` and goes on from there; the file gets its own name once size and SHA-256 are right.
    A file that is there already is checked, not fetched again.

    Args:
        published: the file.
        folder: where it goes.
        progress: whether to print size, licence and address, and to show how far it is.

    Raises:
        InputError: without a network, for a full disk, an address that serves something else, and
            a file of that name which is another one.
    """
    folder = Path(folder)
    path, part = folder / published.name, folder / f"{published.name}.part"
    if path.exists():
        verify(path, published)
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.is_file() else 0
        if shutil.disk_usage(folder).free < published.size - have:
            missing = size(published.size - have)
            fail(str(folder), f"has no room for {missing}", "choose another disk")
        if progress:
            about = f"{size(published.size)}, licence {published.licence}, from {published.url}"
            print(f"{published.name}: {about}")
        # Not `atomic.writing`: a part is meant to outlive what broke it off.
        if have < published.size:
            _fetch(published, part, have, progress)
    except (http.client.HTTPException, OSError) as error:
        # Every failure of a network or a disk; an answer such as "404 Not Found" is one of them.
        had = size(part.stat().st_size) if part.is_file() else "nothing"
        fail(
            published.url,
            f"could not be fetched to {folder} ({error}); {had} of {size(published.size)} is there",
            "check network and disk and run again, which goes on from there, "
            "or put the file there yourself",
        )
    try:
        verify(part, published)
    except InputError:
        # Going on from wrong bytes can never end well.
        part.unlink()
        fail(
            published.url,
            "served another file than the published one; it was removed",
            "fetch it again",
        )
    part.replace(path)
    return path


def _fetch(published: PublishedFile, part: Path, have: int, progress: bool) -> None:
    """Append to `part` what is missing; a server that knows no ranges sends all of it again."""
    request = urllib.request.Request(
        published.url, headers={"Range": f"bytes={have}-"} if have else {}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        have = have if response.status == PARTIAL else 0
        total = have + int(response.headers.get("Content-Length", published.size - have))
        if total != published.size:
            fail(
                published.url,
                f"serves {total:,} bytes, not {published.size:,}",
                "it is another file: update mars_lib",
            )
        bar = tqdm(
            total=published.size,
            initial=have,
            desc=published.name,
            unit="B",
            unit_scale=True,
            disable=not progress,
        )
        with bar, part.open("ab" if have else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
    if part.stat().st_size < published.size:
        raise ConnectionError("the connection broke off")


def verify(path: str | Path, published: PublishedFile) -> None:
    """Raise `InputError` unless a file is the published one.

    Compares its size first, then its SHA-256 (seconds for gigabytes).
    """
    path = Path(path)
    _there(path, published)
    remedy, found = f"remove them and {_how(published)}", path.stat().st_size
    if found != published.size:
        sizes = f"{found:,} bytes, {published.name} has {published.size:,}"
        fail(f"weights {path}", f"are truncated or of another model ({sizes})", remedy)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != published.sha256:
        fail(f"weights {path}", f"are damaged or of another model (SHA-256 {digest})", remedy)


def _there(path: Path, published: PublishedFile) -> None:
    if not path.is_file():
        fail(f"weights {path}", "are not there", _how(published))


def _how(published: PublishedFile) -> str:
    about = f"{size(published.size)}, {published.licence}"
    return f"fetch them with `mars data fetch-imagebind FOLDER` ({about})"


def load(path: str | Path, published: PublishedFile) -> dict[str, torch.Tensor]:
    """Load tensors by name from a published .pth file, or from the .safetensors made of it.

    The .pth is checked and then read by PyTorch's restricted unpickler, once: beside it a
    .safetensors stays, of the same size, and is read from then on; the .pth may go.

    Args:
        path: the .pth or the .safetensors.
        published: the file that it should be.

    Raises:
        InputError: for weights that are missing, truncated, damaged or of another model.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        _there(path, published)
        return checkpoint.load(path, published.kind).tensors
    converted = path.with_suffix(".safetensors")
    if converted.is_file():
        try:
            saved = checkpoint.load(converted, published.kind)
            if saved.meta["sha256"] == published.sha256:
                return saved.tensors
        except InputError:
            pass  # damaged: made again
    verify(path, published)
    meta = {
        "kind": published.kind,
        "sha256": published.sha256,
        "licence": published.licence,
        "source": published.url,
    }
    checkpoint.save(converted, _unpickle(path), meta)
    # Read back, because these tensors lie in the file and take no memory until they are used.
    return checkpoint.load(converted, published.kind).tensors


def _unpickle(path: Path) -> dict[str, torch.Tensor]:
    """Read a pickle, with the unpickler that knows tensors and nothing that could run.

    No other place in the package reads one.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError) as error:
        fail(f"weights {path}", f"cannot be read as tensors ({error})", "give the published file")


def fingerprint(module: torch.nn.Module) -> str:
    """Return the SHA-256, in hexadecimal, of a module's weights as they are, and of their names.

    It tells apart what was made with other weights. `mars_lib.training.run_folder.digest` does so
    for tensors whose precision does not count.
    """
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        # As bytes, because NumPy knows no bfloat16.
        numbers = tensor.detach().cpu().flatten().view(torch.uint8).numpy()
        digest.update(name.encode() + numbers.tobytes())
    return digest.hexdigest()


def size(count: int) -> str:
    """Write a number of bytes for people, in powers of ten.

    >>> size(4_803_584_173), size(1_200)
    ('4.80 GB', '1.20 kB')
    """
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.2f} {unit}"
    return f"{count} B"


def packaged(package: str, file: str) -> Path | None:
    """A file inside an installed Python package, which is looked for and not run; None if none."""
    spec = importlib.util.find_spec(package)
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / file
    return path if path is not None and path.is_file() else None


def state_dict(path: Path, sha256: str, remedy: str) -> dict[str, torch.Tensor]:
    """The tensors of a published PyTorch file, once its SHA-256 is right.

    Read by the unpickler that runs nothing. Raises `InputError` for another file.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            fail(f"weights {path}", "are not the published ones", remedy)
    return torch.load(path, map_location="cpu", weights_only=True)
