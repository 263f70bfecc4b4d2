"""Every model that conf/model names, composed as a run composes it, at every kind of shape it reaches."""

import copy
import importlib
import math
import pkgutil
from functools import lru_cache

import pytest
import torch
import yaml
from torch import nn, tensor

from gan_lightning import model as room
from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.validate import validate
from gan_lightning.model import dcgan, mlp, resize_convolution
from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.model.layer.doubling import doubling

N, LATENT, CLASSES = 6, 32, 3
BATCH_NORM = nn.modules.batchnorm._BatchNorm
IMAGES = [(1, 8, 8), (1, 16, 16), (1, 32, 32), (1, 28, 28), (3, 24, 40), (4, 64, 64)]
FEWER = [(1, 8, 8), (1, 28, 28), (4, 24, 40)]  # for networks of many layers, which take longer; without classes at the first
# architecture → the shapes that it is tried at, and whether it can be told a class; a preset is tried as what it builds on
REACH = {
    "biggan": (FEWER, True),
    "biggan_deep": (FEWER, True),
    "channelwise": (IMAGES, True),
    "channelwise_palette": (IMAGES, True),
    "dcgan": (IMAGES, True),
    "dirac": ([(1,)], False),
    "fastgan": (FEWER, True),
    "mlp": ([*IMAGES, (1,), (2,), (1, 64)], True),
    "musegan": ([(4, 16, 24), (1, 12, 12)], False),
    "normal": ([(1,)], False),
    "palette": (IMAGES, True),
    "projected": ([(1, 28, 28)], False),
    "r3gan": (FEWER, True),
    "resize_convolution": (IMAGES, True),
    "sagan": (FEWER, True),
    "sngan": (FEWER, True),
    "sngan_32": (FEWER, True),
    "stylegan2": (FEWER, True),
    "table": ([(5, 4), (1, 2)], False),
    "text": ([(9, 11), (2, 1)], False),
    "wavegan": ([(1, 64), (2, 320)], True),
}
SMALL = {"width": 8, "style_dim": 16, "mapping_depth": 2, "minibatch_group": 3, "side": 64}  # of the keys that it has
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((config_dir() / "model").glob("*.yaml"))}


def architecture(name):
    """The option that a preset builds on, or it itself."""
    bases = [base for base in FILES[name].get("defaults", []) if base in FILES]
    return architecture(bases[0]) if bases else name


def shapes(name):
    """The shapes that an option is tried at; a preset, which only sets values of another option, at the first of that one."""
    reached = REACH[architecture(name)][0]
    return reached if name == architecture(name) else reached[:1]


def usual(name):
    """The shape of the tests that need only one."""
    first = shapes(name)[0]
    return (1, 16, 16) if len(first) == 3 and name != "musegan" else first


OPTIONS = [name for name in FILES if architecture(name) in REACH]
CONDITIONAL = [name for name in OPTIONS if REACH[architecture(name)][1]]
SEEDED = [name for name in OPTIONS if architecture(name) not in ("dirac", "normal")]  # they start where they are told
EVERY = [
    pytest.param(name, shape, classes, id=f"{name}-{'x'.join(map(str, shape))}-{classes}")
    for name in OPTIONS
    for shape in shapes(name)
    for classes in ([0, CLASSES] if name in CONDITIONAL else [0])
    if classes or shape not in FEWER[1:] or shapes(name) is not FEWER
]
every = pytest.mark.parametrize(("name", "shape", "classes"), EVERY)


@lru_cache
def composed(name):
    return Composer().compose([f"model={name}"])


@lru_cache
def checked(name, shape, classes, **given):
    """A checked config; networks are small unless a width is given. `a__b` is the key a.b."""
    config = copy.deepcopy(composed(name))
    config.data.sample_shape, config.data.num_classes, config.gan.latent_dim = list(shape), classes, LATENT
    config.model.update({key: value for key, value in SMALL.items() if key in config.model})
    for key, value in given.items():
        *path, last = key.split("__")
        node = config
        for part in path:
            node = node[part]
        node[last] = value
    return validate(config)


def plain(name, shape, classes=0, **given):
    """The same; where only shape and classes differ from those of a checked config, they are set in it, which is faster."""
    if given:
        return checked(name, shape, classes, **given)
    config = copy.deepcopy(checked(name, usual(name), CLASSES if name in CONDITIONAL else 0))
    for node in (config["data"], config["model"]["generator"], config["model"]["discriminator"]):
        node |= {key: value for key, value in {"sample_shape": list(shape), "num_classes": classes}.items() if key in node}
    return config


def players(name, shape, classes=0, **given):
    return instantiate.build_networks(plain(name, shape, classes, **given))


@lru_cache
def built(name, shape, classes):
    return players(name, shape, classes)


def copies(name, shape, classes=0):
    """The players as built, for tests that may change them: a copy takes a fraction of the time of building them anew."""
    return copy.deepcopy(built(name, shape, classes))


def drawn(shape, classes=0, n=N):
    """z, real samples, labels."""
    source = torch.Generator().manual_seed(0)
    z, real = torch.randn(n, LATENT, generator=source), torch.randn(n, *shape, generator=source).tanh()
    return z, real, torch.arange(n) % classes if classes else None


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def leave_zero(network):
    """Move what starts at 0, the gates of attention and the effect of classes on batch normalisation, as training does."""
    source = torch.Generator().manual_seed(0)
    for p in network.parameters():
        if not p.any():
            nn.init.normal_(p, 0.0, 0.3, generator=source)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def classes_of_the_room():
    """Dotted names of the networks that the room's files define."""
    modules = [f"{room.__name__}.{m.name}" for m in pkgutil.iter_modules(room.__path__) if not m.ispkg]
    return {
        f"{m}.{name}" for m in modules for name in ("Generator", "Discriminator") if hasattr(importlib.import_module(m), name)
    }


def test_there_are_models():
    assert FILES
    assert classes_of_the_room()


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    nodes = [file.get(player, {}) for file in FILES.values() for player in ("generator", "discriminator")]
    assert {node["_target_"] for node in nodes if "_target_" in node} == classes_of_the_room()


@pytest.mark.parametrize("name", FILES)
def test_every_option_is_tried(name):
    assert name in OPTIONS, f"conf/model/{name}.yaml is tried at no shape: add a row for it to REACH in {__file__}"


@pytest.mark.parametrize("name", OPTIONS)
def test_shape_and_classes_are_those_of_the_data(name):
    classes = CLASSES if name in CONDITIONAL else 0
    expected = {"sample_shape": list(usual(name)), "latent_dim": LATENT, "num_classes": classes}
    model = checked(name, usual(name), classes)["model"]
    for node in (model["generator"], model["discriminator"]):
        assert node.items() >= {key: value for key, value in expected.items() if key in node}.items()
        assert "sample_shape" in node
        assert ("num_classes" in node) >= (name in CONDITIONAL)


@every
def test_shapes_and_range(name, shape, classes):
    generator, discriminator = copies(name, shape, classes)
    z, real, labels = drawn(shape, classes)
    fake = generator(z, labels)
    assert fake.shape == (N, *shape)
    for x in (real, fake):
        output = discriminator(x, labels)
        assert output.logits.shape in ((N,), (N, output.logits.shape[-1]))
        assert output.features.shape == (N, discriminator.num_features)
    assert all(t.dtype == torch.float32 and t.isfinite().all() for t in (fake, output.logits, output.features, *output.maps))


@every
def test_every_parameter_gets_a_gradient(name, shape, classes):
    generator, discriminator = copies(name, shape, classes)
    leave_zero(generator)
    leave_zero(discriminator)
    z, real, labels = drawn(shape, classes)
    weight = torch.linspace(-1, 1.5, N)
    (discriminator(generator(z, labels), labels).logits.reshape(N, -1).mean(1) * weight).sum().backward()
    seen = {f"generator.{key}": p.grad for key, p in generator.named_parameters() if p.requires_grad}
    discriminator.zero_grad()
    (discriminator(real, labels).logits.reshape(N, -1).mean(1) * weight).sum().backward()
    seen |= {f"discriminator.{key}": p.grad for key, p in discriminator.named_parameters() if p.requires_grad}
    assert seen
    assert not [key for key, grad in seen.items() if grad is None or not grad.isfinite().all() or not grad.any()]


@every
def test_a_model_runs_on_the_meta_device(name, shape, classes):
    """What rehearse() relies on: shapes that can't meet are told before a weight is allocated."""
    with torch.device("meta"):
        generator, discriminator = players(name, shape, classes)
        labels = torch.empty(N, dtype=torch.long) if classes else None
        fake = generator(torch.empty(N, LATENT), labels)
        assert fake.shape == (N, *shape)
        assert len(discriminator(fake, labels).logits) == N


@pytest.mark.parametrize(("name", "shape"), [(name, s) for name in OPTIONS for s in shapes(name) if len(s) == 3])
def test_images_stay_in_range_whatever_the_weights(name, shape):
    generator, _ = copies(name, shape)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(30)
    fake = generator.eval()(*drawn(shape)[:1])
    assert 0.9 < fake.abs().max() <= 1


@pytest.mark.parametrize("shape", [(2,), (1, 64)])
def test_points_and_signals_have_no_range(shape):
    generator, _ = players("mlp", shape)
    with torch.no_grad():
        generator.out.bias.fill_(50)
    assert generator(*drawn(shape)[:1]).min() > 40


@pytest.mark.parametrize("name", OPTIONS)
def test_a_sample_in_eval_mode_does_not_depend_on_the_others(name):
    """A batch of 6 equals 2 batches of 3; in training the batch enters by batch normalisation, or noise is drawn."""
    classes = CLASSES if name in CONDITIONAL else 0
    generator, _ = copies(name, usual(name), classes)
    z, _, labels = drawn(usual(name), classes)
    leave_zero(generator)
    with torch.no_grad():
        batch_enters = any(isinstance(m, BATCH_NORM) for m in generator.train().modules())
        drawn_anew = not batch_enters and not torch.equal(generator(z, labels), generator(z, labels))
        for mode, independent in ((False, True), (True, not (batch_enters or drawn_anew))):
            whole = generator.train(mode)(z, labels)
            parts = [generator(z[i : i + 3], None if labels is None else labels[i : i + 3]) for i in (0, 3)]
            assert torch.allclose(whole, torch.cat(parts), rtol=0, atol=1e-5) == independent


@pytest.mark.parametrize("name", CONDITIONAL)
def test_labels_are_heard(name):
    generator, discriminator = copies(name, usual(name), CLASSES)
    z, real, labels = drawn(usual(name), CLASSES)
    leave_zero(generator.eval())
    one, other = generator(z, labels), generator(z, (labels + 1) % CLASSES)
    assert ((one - other).flatten(1).abs().amax(1) > 0).all()
    discriminator.eval()  # spectral normalisation changes a little with each pass in training mode
    one, other = discriminator(real, labels), discriminator(real, (labels + 1) % CLASSES)
    assert (one.logits != other.logits).all()
    assert torch.equal(one.features, other.features)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_labels_are_missed(name):
    generator, discriminator = copies(name, usual(name), CLASSES)
    z, real, _ = drawn(usual(name))
    for network, x in ((generator, z), (discriminator, real)):
        with pytest.raises(ValueError, match=r"^a network of 3 classes was given no labels$"):
            network(x, None)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_labels_can_be_ignored(name):
    """model.num_classes=0 on labelled data."""
    generator, discriminator = players(name, usual(name), CLASSES, model__num_classes=0)
    z, real, labels = drawn(usual(name), CLASSES)
    generator.eval()
    discriminator.eval()
    assert torch.equal(generator(z, labels), generator(z, None))
    assert torch.equal(discriminator(real, labels).logits, discriminator(real, (labels + 1) % CLASSES).logits)


@pytest.mark.parametrize("name", ["biggan", "biggan_deep", "dcgan", "resize_convolution", "sagan", "sngan", "sngan_32"])
@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 27, 28), "27×28 is not reached by doubling: both sides must be even; near it: 28×28"),
        ((3, 64, 65), "64×65 is not reached by doubling: both sides must be even; near it: 64×64"),
        ((2,), r"\[2\] is no image; .*"),
        ((1, 64), r"\[1, 64\] is no image; .*"),
    ],
)
def test_a_shape_that_convolutions_do_not_reach_is_told_in_one_line(name, shape, said):
    for player in ("generator", "discriminator"):
        with pytest.raises(ValueError, match=f"^{said}$") as error:
            instantiate.instantiate(plain(name, shape)["model"][player])
        assert "\n" not in str(error.value)


def test_normal_by_hand():
    generator, _ = players("normal", (1,), model__generator__mean=2.0, model__generator__std=0.5)
    z = tensor([[1.0, 9.0], [-2.0, 9.0]])
    assert generator(z).tolist() == [[2.5], [1.0]]
    peak = 1 / (0.5 * math.sqrt(2 * math.pi))
    expected = tensor([peak, peak * math.exp(-0.5), peak * math.exp(-2)])
    torch.testing.assert_close(generator.density(tensor([2.0, 2.5, 1.0])), expected)
    with pytest.raises(ValueError, match=r"^the normal generator draws points of shape \[1\], not \[2\]$"):
        instantiate.instantiate(plain("normal", (2,))["model"]["generator"])


@pytest.mark.parametrize("shape", [(2,), (1, 1), (1, 8, 8)])
def test_dirac_is_of_one_dimension(shape):
    for player in ("generator", "discriminator"):
        with pytest.raises(ValueError, match=r"^Dirac-GAN .* points of shape \[1\], not \["):
            instantiate.instantiate(plain("dirac", shape)["model"][player])


def test_dirac_by_hand():
    generator, discriminator = players("dirac", (1,), model__generator__start=0.5, model__discriminator__start=-3.0)
    assert generator(torch.randn(4, LATENT)).tolist() == [[0.5]] * 4
    assert discriminator(tensor([[2.0], [-1.0]])).logits.tolist() == [-6.0, 3.0]


# ── DCGAN as published ───────────────────────────────────────────────────────────────────────────────────────────────────
def convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_dcgan_has_the_published_layers():
    """Radford et al. 2016, figure 1: 4×4 of 1024, then 512, 256, 128 and the 64×64 image; D is the mirror image."""
    with torch.device("meta"):
        generator, discriminator = players("dcgan", (3, 64, 64), model__width=composed("dcgan").model.width)
        up, down = convolutions(generator), convolutions(discriminator)
        sizes = []
        for m in up:
            m.register_forward_hook(lambda module, given, out: sizes.append(tuple(out.shape[1:])))
        generator(torch.empty(2, LATENT))
    assert sizes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    assert [(m.in_channels, m.out_channels) for m in down] == [(3, 128), (128, 256), (256, 512), (512, 1024)]
    assert all(m.kernel_size == (4, 4) and m.stride == (2, 2) for m in (*up[1:], *down))
    assert discriminator.num_features == 1024 * 4 * 4
    normalised = [[m.num_features for m in n.modules() if isinstance(m, nn.BatchNorm2d)] for n in (generator, discriminator)]
    assert normalised == [[1024, 512, 256, 128], [256, 512, 1024]]  # not G's output, not D's input


def test_dcgan_never_has_more_than_eight_times_its_width():
    assert dcgan.widths(128, 4) == [128, 256, 512, 1024]
    assert dcgan.widths(16, 6) == [16, 32, 64, 128, 128, 128]


def test_dcgan_starts_as_published():
    """Section 4: all weights from N(0, 0.02); the scales of batch normalisation around 1."""
    for network in players("dcgan", (3, 32, 32), CLASSES, model__width=32):
        network.requires_grad_(False)
        scales = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
        rest = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding)]
        for weight in rest:
            assert weight.mean() == pytest.approx(0, abs=4 * 0.02 / weight.numel() ** 0.5)
            assert weight.std() == pytest.approx(0.02, rel=3 / weight.numel() ** 0.5)
        assert scales.mean() == pytest.approx(1, abs=0.01)
        assert scales.std() == pytest.approx(0.02, rel=0.2)
        assert not any(p.any() for name, p in network.named_parameters() if name.endswith("bias"))


def test_dcgan_draws_at_most_four_channels_and_judges_packs_of_them():
    with pytest.raises(ValueError, match=r"^5 channels are too many; allowed: 1 to 4$"):
        dcgan.Generator(LATENT, (5, 64, 64), width=8)
    assert dcgan.Discriminator((8, 16, 16), width=8)(torch.randn(2, 8, 16, 16)).logits.shape == (2,)


# ── the others ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_digits_network_is_small():
    generator, discriminator = (
        resize_convolution.Generator(32, (1, 16, 16), 10),
        resize_convolution.Discriminator((1, 16, 16), 10),
    )
    start, doublings, end = 42 * 1024 + 2 * 64, 64 * 32 * 9 + 2 * 32 + 32 * 32 * 9 + 2 * 32, 32 * 9 + 1
    assert sum(p.numel() for p in generator.parameters()) == start + doublings + end == 71201
    halvings = (9 * 32 + 32) + (32 * 32 * 16 + 32) + (32 * 64 * 16 + 64)
    assert sum(p.numel() for p in discriminator.parameters()) == halvings + (1024 + 1) + 10 * 1024 == 60833


@pytest.mark.parametrize(
    ("name", "alone"),
    [("resize_convolution", True), ("mlp", True), ("palette", True), ("channelwise_palette", True), ("dcgan", False)],
)
def test_whether_a_logit_depends_on_the_batch(name, alone):
    discriminator = players(name, (1, 16, 16)).discriminator
    x = drawn((1, 16, 16))[1]
    assert torch.allclose(discriminator(x).logits[:2], discriminator(x[:2]).logits, rtol=0, atol=1e-6) == alone


def test_a_drawing_has_the_colours_of_its_palette():
    """Where a pixel takes all of one colour, it is that colour; elsewhere it lies between them."""
    generator, _ = players("palette", (3, 16, 16), model__generator__colours=3)
    z = drawn((3, 16, 16))[0]
    with torch.no_grad():
        generator.logits[-3].weight.mul_(1e6)
        generator.logits[-3].bias.zero_()
        fake = generator(z)
        colours = torch.tanh(generator.palette(torch.cat([generator.map(z), z], 1)))
    distance = (fake.flatten(2).transpose(1, 2).unsqueeze(2) - colours.unsqueeze(1)).abs().amax(3).amin(2)  # (N, pixels)
    assert (distance < 1e-4).float().mean() > 0.9
    assert (fake >= colours.amin(1)[..., None, None] - 1e-6).all()
    assert (fake <= colours.amax(1)[..., None, None] + 1e-6).all()
    assert all(len(one.unique(dim=0)) == 3 for one in colours)


@pytest.mark.parametrize("name", ["channelwise", "channelwise_palette"])
def test_channels_of_the_same_code_are_the_same(name):
    generator = players(name, (3, 16, 16)).generator.eval()
    x = generator(drawn((3, 16, 16))[0])
    assert not torch.equal(x[:, 0], x[:, 1])
    with torch.no_grad():
        for parameter in generator.codes.parameters():
            parameter[len(parameter) // 3 :] = parameter[: len(parameter) // 3].repeat(2, *[1] * (parameter.dim() - 1))
    x = generator(drawn((3, 16, 16))[0])
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 0], x[:, 2])


@pytest.mark.parametrize(("shape", "near"), [((3, 30, 32), "32×32"), ((1, 2, 9), "4×8")])
def test_a_shape_that_cells_do_not_reach_is_told_in_one_line(shape, near):
    for player in ("generator", "discriminator"):
        with pytest.raises(ValueError, match=f"^{shape[1]}×{shape[2]} can't be cut into cells of 4×4; near it: {near}$"):
            instantiate.instantiate(plain("palette", shape)["model"][player])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_hidden_layers(depth):
    for network in (mlp.Generator(LATENT, (2,), width=8, depth=depth), mlp.Discriminator((2,), width=8, depth=depth)):
        assert sum(isinstance(m, nn.Linear) for m in network.modules()) == depth + 1


def test_projection_by_hand():
    """Miyato & Koyama 2018, eq. 4: the linear word, and ⟨embedding of the label, features⟩."""
    head = Projection(2, 2)
    with torch.no_grad():
        head.linear.weight.copy_(tensor([[1.0, 2.0]]))
        head.linear.bias.fill_(0.5)
        head.embedding.weight.copy_(tensor([[10.0, 0.0], [0.0, 100.0]]))
    features = tensor([[1.0, 1.0], [2.0, 3.0], [2.0, 3.0]])
    output = head(features, tensor([0, 0, 1]))
    assert output.logits.tolist() == [3.5 + 10, 8.5 + 20, 8.5 + 300]
    assert output.features is features


def test_the_class_stands_beside_z():
    z = tensor([[0.5, -1.0], [2.0, 3.0]])
    assert concat_class(z, tensor([2, 0]), 3).tolist() == [[0.5, -1, 0, 0, 1], [2, 3, 1, 0, 0]]
    assert concat_class(z, None, 0) is z
    assert concat_class(z.bfloat16(), tensor([2, 0]), 3).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("size", "least", "expected"),
    [
        ((64, 64), 3, (4, 4, 4)),
        ((32, 32), 3, (4, 4, 3)),
        ((28, 28), 3, (7, 7, 2)),
        ((24, 40), 3, (3, 5, 3)),
        ((24, 40), 4, (6, 10, 2)),
        ((16, 16), 4, (4, 4, 2)),
        ((96, 96), 3, (3, 3, 5)),
        ((64, 16), 3, (16, 4, 2)),
        ((30, 64), 3, (15, 32, 1)),
        ((8, 8), 4, (4, 4, 1)),
        ((4, 4), 4, (2, 2, 1)),  # no room: once all the same
        ((2, 2), 3, (1, 1, 1)),
    ],
)
def test_doublings_by_hand(size, least, expected):
    assert doubling(*size, least=least) == expected


# ── build.players ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", SEEDED)
def test_the_same_seed_gives_the_same_weights(name):
    torch.manual_seed(1)
    one = players(name, usual(name), seed=3)
    torch.manual_seed(2)
    again, other = players(name, usual(name), seed=3), players(name, usual(name), seed=4)
    for a, b, c in zip(one, again, other, strict=True):
        assert same(weights(a), weights(b))
        assert not any(torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True) if p.min() < p.max())


@pytest.mark.parametrize("name", SEEDED)
def test_gs_weights_do_not_depend_on_ds_width(name):
    one, other = players(name, usual(name)), players(name, usual(name), model__discriminator__width=12)
    assert one.discriminator.num_features != other.discriminator.num_features
    assert same(weights(one.generator), weights(other.generator))


@pytest.mark.parametrize("name", SEEDED)
def test_ds_weights_do_not_depend_on_gs_width(name):
    one, other = players(name, usual(name)), players(name, usual(name), model__generator__width=12)
    assert same(weights(one.discriminator), weights(other.discriminator))


@pytest.mark.parametrize("name", OPTIONS)
def test_building_leaves_the_default_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    players(name, shapes(name)[0])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "shape"), [("dcgan", (4, 16, 16)), ("resize_convolution", (1, 16, 16)), ("palette", (1, 16, 16)), ("mlp", (2,))]
)
def test_a_packing_discriminator_sees_several_samples_in_its_channels(name, shape):
    alone, packed = players(name, shape), players(name, shape, gan__packing=2)
    channels, *size = shape
    assert packed.discriminator(torch.randn(N, 2 * channels, *size)).logits.shape == (N,)
    assert same(weights(alone.generator), weights(packed.generator))
