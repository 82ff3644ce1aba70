"""What comes in and goes out: names and devices, shapes and types, files."""

import numpy as np
import pytest
import torch

import mars_lib
from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.inference import system
from mars_lib.io import assets


def test_every_kind_of_numbers_gives_the_same_estimate(shipped, example):
    mixture = torch.stack([example[0], 0.5 * example[0]])[:, :9_000]
    wanted = shipped.separate(mixture, 16_000, text="harp")
    given = mixture.double().requires_grad_()
    found = shipped.separate(given, 16_000.0, text="harp")
    assert found.dtype == torch.float64 and not found.requires_grad
    assert torch.allclose(found.float(), wanted, atol=1e-5)
    array = mixture.numpy()
    for given in (array.astype(">f8"), array[:, ::-1].copy()[:, ::-1]):
        found = shipped.separate(given, np.int64(16_000), text="harp")
        assert isinstance(found, np.ndarray) and found.dtype == np.dtype(given.dtype.type)
        assert np.allclose(found, wanted.numpy(), atol=1e-5)
    query = shipped.query(text="harp").double().requires_grad_()
    assert torch.allclose(
        shipped.separate_queries(mixture, 16_000, query[None])[0], wanted, atol=1e-5
    )


def test_arrays_are_queries_as_tensors_are(shipped, generator):
    picture, sound = (
        torch.rand(3, 224, 224, generator=generator),
        torch.rand(16_000, generator=generator) - 0.5,
    )
    for tensor, array in (
        ({"image": picture}, {"image": picture.double().numpy()}),
        ({"audio": (sound, 16_000)}, {"audio": (sound.numpy(), 16_000)}),
        ({"audio": (sound, 16_000)}, {"audio": (sound.clone().requires_grad_(), 16_000)}),
    ):
        assert torch.allclose(shipped.query(**tensor), shipped.query(**array), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_estimate_has_the_type_of_its_mixture(shipped, example, dtype):
    given = example[0][:9_000].to(dtype)
    found = shipped.separate(given, 16_000, text="harp")
    assert found.dtype == dtype and found.device == given.device
    wanted = shipped.separate(given.float(), 16_000, text="harp")
    assert torch.allclose(found.float(), wanted, atol=2e-3)


def test_batches_of_waveforms_are_separated_one_by_one(shipped, example):
    mixture, (first, second) = example
    batch = torch.stack([torch.stack([mixture, first]), torch.stack([second, mixture])])
    batch = batch[..., :20_000]
    queries = torch.stack([shipped.query(text=name) for name in ("trumpet", "harp")])
    found = shipped.separate_queries(batch, 16_000, queries, batch_size=3)
    assert found.shape == (2, 2, 2, 20_000)
    for b in range(2):
        alone = shipped.separate(batch[b], 16_000, text="harp")
        assert torch.allclose(found[1, b], alone, atol=1e-5)
    array = shipped.separate(batch.numpy(), 16_000, text="harp")
    assert isinstance(array, np.ndarray) and np.allclose(array, found[1].numpy(), atol=1e-5)


@pytest.mark.parametrize("overlap", [0.25, 0.75])
def test_another_overlap_separates_as_well(shipped, example, overlap):
    mixture, references = example
    estimate = shipped.separate(
        mixture.repeat(3), 16_000, text="trumpet", overlap=overlap, batch_size=2
    )
    reference = references[0].repeat(3)
    gained = si_sdr(estimate=estimate, reference=reference)
    assert gained > si_sdr(estimate=mixture.repeat(3), reference=reference) + 5


def test_a_file_gives_what_its_samples_give(shipped, sound_file, tmp_path):
    source = sound_file(seconds=2, rate=22_050, channels=2)
    out = tmp_path / "out.flac"
    written = shipped.separate_file(
        source, out, text="violin", negative_text="piano", overlap=0.25, progress=False
    )
    samples, rate = waveform.load(source)
    wanted = shipped.separate(samples, rate, text="violin", negative_text="piano", overlap=0.25)
    found, found_rate = waveform.load(out)
    assert written == [out] and found_rate == rate
    assert torch.allclose(found, wanted, atol=1e-3)


def test_several_texts_give_several_files(shipped, sound_file, tmp_path, capsys):
    written = shipped.separate_file(
        str(sound_file()), str(tmp_path / "o.wav"), text=["violin", "piano"], progress=False
    )
    assert written == [tmp_path / "o-violin.wav", tmp_path / "o-piano.wav"]
    assert all(path.is_file() for path in written) and not capsys.readouterr().err
    with pytest.raises(InputError, match="is input and output at once"):
        shipped.separate_file(written[0], written[0], text="harp")
    sound, picture = torch.rand(9_000) - 0.5, torch.rand(3, 224, 224)
    given = {"audio": (sound, 16_000), "image": picture, "negative_audio": (sound, 16_000)}
    assert shipped.separate_file(written[0], tmp_path / "q.wav", **given, progress=False)
    with pytest.raises(InputError, match="is input and output at once"):
        shipped.separate_file(written[0], written[1], audio=written[1])


def test_pretrained_separators_are_loaded_by_name():
    assert mars_lib.available() == ["pathwise-small", "separator-small"]
    for name in mars_lib.available():
        loaded = mars_lib.load(name, "cpu")
        assert loaded.name == name and loaded.device == torch.device("cpu")
        assert loaded.sample_rate == 16_000 and loaded.to("cpu") is loaded
        assert len(loaded.classes) == 35 and "violin" in loaded.classes


def test_a_file_may_be_named_as_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(assets.checkpoint("separator-small").read_bytes())
    assert mars_lib.load("mine", "cpu").name == "mine"


def test_a_device_may_be_a_torch_device(monkeypatch, shipped):
    monkeypatch.setattr(system, "load_encoder", lambda *_: shipped.encoder)
    assert (
        next(mars_lib.load(device=torch.device("cpu")).separator.parameters()).device.type == "cpu"
    )
    with pytest.raises(InputError, match="device: is 'None'"):
        mars_lib.load(device=None)


def test_devices_that_are_not_there():
    if torch.cuda.is_available():
        assert mars_lib.load(device="cuda") is not None
    else:
        with pytest.raises(InputError, match="cuda is not there"):
            mars_lib.load(device="cuda")
    with pytest.raises(InputError, match="use cpu, cuda, mps or auto"):
        mars_lib.load(device="toaster")
