"""`mars data pack` and `mars data unpack`: from one machine to another."""

import os
import shlex

import pytest

from mars_lib.check import InputError
from mars_lib.experiments import recipe_fonts
from tests.cli.test_cli import mars
from tests.data.soundfont_bank import tone, two_banks, write_bank


def test_the_commands_carry_the_recipe_to_another_machine(tmp_path, monkeypatch):
    banks = two_banks(tmp_path / "fonts")
    monkeypatch.delenv("MARS_SOUNDFONTS", raising=False)
    archive, out = tmp_path / "fonts.zip", tmp_path / "new folder"
    monkeypatch.setattr(recipe_fonts, "FOLDER", tmp_path / "fonts")
    status, _, err = mars("data", "pack", archive)
    assert status == 1 and "FluidR3_GM.sf2, MuseScore_General_Full.sf2 not found; apt-get" in err
    banks[0].rename(banks[0].with_name("FluidR3_GM.sf2"))
    status, said, err = mars("data", "pack", archive)
    assert status == 0 and "warning: MuseScore_General_Full.sf2 is not found" in err
    assert "FluidR3_GM: 0.1 MB, packed 0.0 MB" in said and "TimGM6mb" not in said
    archive.unlink()
    banks[1].rename(banks[1].with_name("MuseScore_General_Full.sf2"))
    more = write_bank(tmp_path / "more.sf2", [tone()], [{}])
    status, said, err = mars("data", "pack", archive, "--soundfont", more)
    assert status == 0 and err == "" and f"{archive}: 0." in said

    monkeypatch.setattr(recipe_fonts, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(InputError, match="not found"):
        recipe_fonts.recipe_fonts()
    status, said, err = mars("data", "unpack", archive, out)
    assert status == 0, err
    (word, line) = shlex.split(said)
    assert word == "export" and line.startswith("MARS_SOUNDFONTS=")
    monkeypatch.setenv(*line.split("="))
    fonts = {font.name: font.path for font in recipe_fonts.recipe_fonts()}
    for name in (*recipe_fonts.PACKAGED, "more"):
        assert fonts[name] == out / f"{name}.sf2"


def test_a_folder_that_a_list_of_paths_cannot_name(tmp_path):
    status, _, err = mars("data", "unpack", "fonts.zip", tmp_path / f"a{os.pathsep}b")
    assert status == 1 and "MARS_SOUNDFONTS; give another folder" in err
