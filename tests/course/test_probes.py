"""Problems whose best policy is known: the objective finds it, from true rewards alone."""

from dataclasses import replace

import pytest

from mars_lib.course.probes import PROBES, learn


def distance(proposal, best):
    return (proposal - best).abs().max().item()


@pytest.mark.parametrize("name", PROBES)
def test_the_policy_reaches_the_known_best(name, generator):
    probe = PROBES[name]
    proposals = learn(probe, generator)
    assert (proposals[0] == 0.5).all() and len(proposals) == 101
    assert distance(proposals[-1], probe.best) < 0.1


@pytest.mark.parametrize("name", PROBES)
def test_a_reward_with_the_sign_turned_moves_it_the_other_way(name, generator):
    probe = PROBES[name]
    turned = replace(probe, reward=lambda mask: -probe.reward(mask))
    assert distance(learn(turned, generator)[-1], 1 - probe.best) < 0.1


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("control", ["frozen", "shuffled"])
def test_a_frozen_policy_and_a_shuffled_reward_do_not_get_there(name, control, generator):
    proposals = learn(PROBES[name], generator, control=control)
    assert distance(proposals[-1], PROBES[name].best) > 0.3
    if control == "frozen":
        assert (proposals == 0.5).all()
