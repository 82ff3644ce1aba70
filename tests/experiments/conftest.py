import pytest

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.training.method import OMNISEP
from tests.experiments.systems import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    ours = (
        "omnisep-0",
        "omnisep-1",
        "pathwise-0",
        "pathwise-one-stage-0",
        "pathwise-not-aligned-0",
        "si-sdr-0",
        "si-sdr-sampled-0",
    )
    for method, name in (*((OMNISEP, name) for name in ours), (AUDIOSEP, "audiosep-0")):
        save(folder, method, name, config.smoke())
    return folder
