import math

import pytest
import torch
from scipy import stats
from torch.distributions import Beta, kl_divergence

from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.policy import BetaMaskPolicy, kappa_at


@pytest.fixture
def proposal(generator):
    p = torch.rand(2, 2, 7, 10, generator=generator)
    p[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    return p


def as_torch(policy):
    p, k = policy.mode.double(), policy.kappa
    return Beta(1 + k * p, 1 + k * (1 - p))


def test_eq_2_by_hand():
    # P = 0.25, kappa = 8: Beta(3, 7), whose density is 9! / (2! 6!) M^2 (1 - M)^6.
    policy = BetaMaskPolicy(torch.full((1, 1, 1, 1), 0.25, dtype=torch.float64), kappa=8)
    action = torch.full((1, 1, 1, 1, 1), 0.3, dtype=torch.float64)
    density = math.factorial(9) / math.factorial(2) / math.factorial(6) * 0.3**2 * 0.7**6
    assert policy.log_prob(action).item() == pytest.approx(math.log(density), abs=1e-12)
    assert policy.mode.item() == 0.25 and policy.mean.item() == pytest.approx(3 / 10)


@pytest.mark.parametrize("kappa", [0.5, 9.0, 99.0])
def test_the_mode_is_the_proposal(proposal, kappa):
    policy = BetaMaskPolicy(proposal, kappa)
    assert torch.equal(policy.mode, proposal)
    at_mode = policy.log_prob(proposal[None])
    for step in (-0.02, 0.02):
        moved = (proposal + step).clamp(0, 1)
        # On the edge of [0, 1] there is no way out: compare the bins that did move.
        changed = (moved - proposal).abs() > 1e-3
        assert (at_mode > policy.log_prob(moved[None]))[0][changed].all()


def test_the_mean_leaks_20_8_decibels_where_the_proposal_is_0():
    policy = BetaMaskPolicy(torch.tensor([[[[0.0, 1.0]]]]), kappa=9)
    leak, kept = policy.mean.flatten().tolist()
    assert 20 * math.log10(leak) == pytest.approx(20 * math.log10(1 / 11), abs=1e-5)
    assert round(20 * math.log10(leak), 1) == -20.8
    assert kept == pytest.approx(1 - 1 / 11) and policy.mode.flatten().tolist() == [0.0, 1.0]


def test_samples_have_the_policys_mean_and_law(proposal, generator):
    policy = BetaMaskPolicy(proposal)
    actions = policy.sample(generator, 2_000)
    assert actions.shape == (2_000, *proposal.shape) and actions.dtype == torch.float32
    assert 0 < actions.min() and actions.max() < 1
    error = as_torch(policy).stddev / 2_000**0.5
    # 280 means: the largest of as many normal deviations stays below 4.5.
    assert ((actions.double().mean(dim=0) - policy.mean).abs() < 4.5 * error).all()
    # A score has mean 0 only where samples and log_prob share one law.
    surprise = -policy.log_prob(actions)
    spread = surprise.std(dim=0) / 2_000**0.5
    assert ((surprise.mean(dim=0) - policy.entropy()).abs() < 4.5 * spread).all()


def test_a_generator_repeats_itself(proposal):
    policy = BetaMaskPolicy(proposal)
    one, same, other = (policy.sample(torch.Generator().manual_seed(seed), 2) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_antithetic_samples_mirror_each_other_in_probability(proposal, generator):
    policy = BetaMaskPolicy(proposal)
    actions = policy.sample(generator, 6, antithetic=True).double()
    p = proposal.double().numpy()
    u = torch.from_numpy(stats.beta(1 + 9 * p, 1 + 9 * (1 - p)).cdf(actions.numpy()))
    assert torch.allclose(u[:3] + u[3:], torch.ones_like(u[:3]), atol=2e-3)


def test_samples_are_differentiable_by_the_proposal(proposal, generator):
    proposal.requires_grad_()
    BetaMaskPolicy(proposal).sample(generator, 500).mean(dim=0).sum().backward()
    # The mean is (1 + 9 P) / 11, so its slope is 9/11 everywhere.
    assert proposal.grad.mean().item() == pytest.approx(9 / 11, abs=0.01)
    assert (proposal.grad > 0.6).all()


@pytest.mark.parametrize("patch", [1, 4])
@pytest.mark.parametrize("kappa", [0.5, 9.0, 99.0])
def test_methods_statistics_and_torch_agree(proposal, generator, patch, kappa):
    proposal = proposal.double()
    new = BetaMaskPolicy(proposal, kappa, patch)
    old = BetaMaskPolicy((0.9 * proposal + 0.02), kappa, patch)
    action = old.sample(generator, 3).double()
    fused = new.statistics(action, old)
    methods = new.log_prob(action), new.entropy(), new.kl(old)
    inside = action.clamp(1e-6, 1 - 1e-6)
    his, before = as_torch(new), as_torch(old)
    torchs = his.log_prob(inside), his.entropy(), kl_divergence(his, before)
    for a, b, c in zip(fused, methods, torchs):
        assert a.shape == b.shape == c.shape
        assert torch.allclose(a, b, atol=1e-9) and torch.allclose(b, c, atol=1e-9)
    assert (fused[2] >= -1e-12).all() and new.kl(new).abs().max() < 1e-12


def test_entropy_is_largest_at_one_half():
    entropy = BetaMaskPolicy(torch.linspace(0, 1, 11).reshape(1, 1, 1, 11)).entropy().flatten()
    assert entropy.argmax() == 5 and (entropy <= 0).all()
    assert torch.allclose(entropy, entropy.flip(0), atol=1e-5)
    assert [round(entropy[i].item(), 2) for i in (0, 5)] == [-1.40, -0.52]


def test_bfloat16_proposals_and_actions_are_computed_in_float32(proposal, generator):
    half = proposal.bfloat16()
    wide = BetaMaskPolicy(half.float())
    with torch.autocast("cpu", torch.bfloat16):
        policy = BetaMaskPolicy(half)
        action = policy.sample(generator, 2)
        values = policy.log_prob(action), policy.entropy(), policy.kl(policy)
    expected = wide.log_prob(action), wide.entropy(), wide.kl(wide)
    for a, b in zip(values, expected):
        assert a.dtype == torch.float32 and torch.equal(a, b)
    # 0.999 is 1 in bfloat16; its density must stay finite.
    assert torch.isfinite(policy.log_prob(torch.full_like(half, 0.999)[None])).all()


@pytest.mark.parametrize("patch", [2, 4, 16])
def test_the_mode_of_a_patch_policy_gives_the_proposal_back(proposal, patch):
    policy = BetaMaskPolicy(proposal, patch=patch)
    assert policy.mode.shape == (2, 2, math.ceil(7 / patch), math.ceil(10 / patch))
    assert torch.allclose(policy.mask(policy.mode), proposal, atol=2e-6)
    assert policy.mode[0, 1, 0, 0].item() == pytest.approx(
        proposal[0, 1, :patch, :patch].mean().item()
    )


def test_a_patch_on_the_edge_counts_its_bins_as_they_are(proposal):
    mode = BetaMaskPolicy(proposal, patch=4).mode
    assert mode[1, 1, 1, 2].item() == pytest.approx(proposal[1, 1, 4:, 8:].mean().item())


def test_patch_actions_move_whole_patches_and_stay_masks(proposal, generator):
    proposal = proposal.clamp(0.05, 0.95)
    policy = BetaMaskPolicy(proposal, patch=4)
    action = policy.sample(generator, 3)
    assert action.shape == (3, 2, 2, 2, 3)
    mask = policy.mask(action)
    assert mask.shape == (3, *proposal.shape) and 0 <= mask.min() and mask.max() <= 1
    # A patch that is drawn above its mean rises as a whole.
    up = (action > policy.mode).repeat_interleave(4, -2).repeat_interleave(4, -1)[..., :7, :10]
    assert torch.equal(mask > proposal, up)
    assert BetaMaskPolicy(proposal).mask(mask) is mask
    proposal.requires_grad_()
    policy = BetaMaskPolicy(proposal, patch=4)
    policy.mask(policy.sample(generator)).sum().backward()
    assert torch.isfinite(proposal.grad).all() and (proposal.grad != 0).any()


def test_kappa_schedules():
    def kappas(*arguments):
        return [kappa_at(step, 5, *arguments) for step in range(7)]

    assert kappas(9.0, 40.0, "constant") == [9.0] * 7
    assert kappas(9.0, 49.0, "linear") == [9.0, 19.0, 29.0, 39.0, 49.0, 49.0, 49.0]
    # 0.5 - 0.5 cos(pi / 4) = 0.146 of 40, rounded to a half.
    assert kappas(9.0, 49.0, "cosine") == [9.0, 15.0, 29.0, 43.0, 49.0, 49.0, 49.0]
    assert kappas(49.0, 9.0, "linear")[:5] == [49.0, 39.0, 29.0, 19.0, 9.0]
    assert kappa_at(0, 1, 9.0, 49.0, "linear") == 9.0
    with pytest.raises(InputError, match="kappa schedule: is 'steps'"):
        kappa_at(0, 5, 9.0, 9.0, "steps")


@pytest.mark.parametrize("kappa", [0, -1.0, float("nan"), float("inf"), "9", None])
def test_kappa_must_be_above_0(proposal, kappa):
    with pytest.raises(InputError, match="kappa: is"):
        BetaMaskPolicy(proposal, kappa)


def test_bad_proposals_patches_and_counts(proposal, generator):
    with pytest.raises(InputError, match="proposal: has shape"):
        BetaMaskPolicy(proposal[0])
    for patch in (0, 1.5, "2"):
        with pytest.raises(InputError, match=f"patch: is {patch!r}"):
            BetaMaskPolicy(proposal, patch=patch)
    for wrong, problem in (
        (proposal * float("nan"), "holds NaN"), (proposal + 1, "holds values from 1"),
        (torch.zeros_like(proposal).long(), "holds int64"), (proposal.tolist(), "is a list"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"proposal: {problem}"):
            BetaMaskPolicy(wrong)
    for count, antithetic in ((0, False), (3, True), (-2, True)):
        with pytest.raises(InputError, match=f"samples: are {count}"):
            BetaMaskPolicy(proposal).sample(generator, count, antithetic)


def test_statistics_refuse_gradients_other_policies_and_other_shapes(proposal, generator):
    policy = BetaMaskPolicy(proposal)
    action = policy.sample(generator)
    with pytest.raises(InputError, match="action: carries a gradient"):
        policy.statistics(action.clone().requires_grad_(), policy)
    with pytest.raises(InputError, match="old policy: carries a gradient"):
        policy.statistics(action, BetaMaskPolicy(proposal.clone().requires_grad_()))
    with pytest.raises(InputError, match="action: has shape"):
        policy.statistics(action.transpose(-1, -2), policy)
    with pytest.raises(InputError, match="old policy: has shape"):
        policy.kl(BetaMaskPolicy(proposal[:1]))
    for other in (BetaMaskPolicy(proposal, kappa=10), BetaMaskPolicy(proposal, patch=2)):
        for compare in (policy.kl, lambda old: policy.statistics(action, old)):
            with pytest.raises(InputError, match="compare policies of one kappa and one patch"):
                compare(other)


def test_policy_configurations_that_make_no_sense():
    for name, value in (
        ("kappa", 0.0),
        ("kappa_end", -1.0),
        ("clip_range", 0.0),
        ("clip_range", 1.0),
        ("group_size", 0),
        ("patch", 0),
        ("lag", -1),
        ("ratio", "pixel"),
        ("reduction", "max"),
        ("kappa_schedule", "steps"),
    ):
        with pytest.raises(InputError, match="is"):
            PolicyConfig(**{name: value})
