"""The drawings of every class: two constructions and two palettes, in eight renderings."""

from collections.abc import Callable, Iterator

from drawing import brass, drums, guitars, keys, other_sounds, percussion, strings, winds
from drawing.render import RENDERINGS, picture

Construction = Callable[[], str]

# By the folder of the class: its constructions and the names of its palettes.
CLASSES: dict[str, tuple[tuple[Construction, Construction], tuple[str, str]]] = {
    "accordion": ((keys.accordion_a, keys.accordion_b), ("red", "blue")),
    "acoustic_guitar": (
        (guitars.acoustic_guitar_a, guitars.acoustic_guitar_b),
        ("wood", "dark wood"),
    ),
    "electric_guitar": ((guitars.electric_guitar_a, guitars.electric_guitar_b), ("red", "blue")),
    "electric_bass": ((guitars.electric_bass_a, guitars.electric_bass_b), ("green", "black")),
    "bagpipe": ((winds.bagpipe_a, winds.bagpipe_b), ("red", "green")),
    "banjo": ((guitars.banjo_a, guitars.banjo_b), ("wood", "dark wood")),
    "bassoon": ((winds.bassoon_a, winds.bassoon_b), ("dark wood", "red")),
    "cello": ((strings.cello_a, strings.cello_b), ("wood", "dark wood")),
    "clarinet": ((winds.clarinet_a, winds.clarinet_b), ("black", "black")),
    "congas": ((drums.congas_a, drums.congas_b), ("wood", "red")),
    "cowbell": ((percussion.cowbell_a, percussion.cowbell_b), ("silver", "brass")),
    "cymbal": ((percussion.cymbal_a, percussion.cymbal_b), ("brass", "brass")),
    "drum_kit": ((drums.drum_kit_a, drums.drum_kit_b), ("red", "blue")),
    "flute": ((winds.flute_a, winds.flute_b), ("silver", "silver")),
    "french_horn": ((brass.french_horn_a, brass.french_horn_b), ("brass", "brass")),
    "harmonica": ((winds.harmonica_a, winds.harmonica_b), ("silver", "red")),
    "harp": ((strings.harp_a, strings.harp_b), ("brass", "wood")),
    "maracas": ((percussion.maracas_a, percussion.maracas_b), ("red", "green")),
    "organ": ((keys.organ_a, keys.organ_b), ("wood", "dark wood")),
    "piano": ((keys.piano_a, keys.piano_b), ("black", "dark wood")),
    "saxophone": ((winds.saxophone_a, winds.saxophone_b), ("brass", "brass")),
    "snare_drum": ((drums.snare_drum_a, drums.snare_drum_b), ("blue", "red")),
    "tambourine": ((percussion.tambourine_a, percussion.tambourine_b), ("wood", "red")),
    "timpani": ((drums.timpani_a, drums.timpani_b), ("brass", "wood")),
    "triangle": ((percussion.triangle_a, percussion.triangle_b), ("silver", "silver")),
    "trombone": ((brass.trombone_a, brass.trombone_b), ("brass", "brass")),
    "trumpet": ((brass.trumpet_a, brass.trumpet_b), ("brass", "brass")),
    "tuba": ((brass.tuba_a, brass.tuba_b), ("brass", "silver")),
    "violin": ((strings.violin_a, strings.violin_b), ("wood", "dark wood")),
    "wood_block": ((percussion.wood_block_a, percussion.wood_block_b), ("wood", "red")),
    "xylophone": ((percussion.xylophone_a, percussion.xylophone_b), ("wood", "violet")),
    "applause": ((other_sounds.applause_a, other_sounds.applause_b), ("skin", "skin")),
    "bird": ((other_sounds.bird_a, other_sounds.bird_b), ("blue", "red")),
    "helicopter": ((other_sounds.helicopter_a, other_sounds.helicopter_b), ("green", "blue")),
    "telephone": ((other_sounds.telephone_a, other_sounds.telephone_b), ("black", "red")),
}


def pictures(name: str) -> Iterator[str]:
    """The SVGs of a class, one a rendering."""
    constructions, palettes = CLASSES[name]
    for how in RENDERINGS:
        yield picture(constructions[how.construction](), palettes[how.palette], how)
