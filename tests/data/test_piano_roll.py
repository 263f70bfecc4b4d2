"""A folder of pieces as windows of piano rolls, and the cadences: what is read, what is left out, what is refused."""

import numpy as np
import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.cadences import MELODIES, PROGRESSIONS, Cadences
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.data.notices import print_notice
from gan_lightning.data.piano_roll import PianoRoll
from gan_lightning.data.piece_file import PieceReader

SHAPE = (2, 16, 24)


def piece(bars=4, transpose=0, meter="4/4", voices=2):
    """Voice 0 has the C major scale, a quarter each; voice 1 holds C for each bar."""
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    upper = [Note(i, i + 1, scale[i % 8] + transpose) for i in range(4 * bars)]
    lower = [Note(4 * i, 4 * i + 4, 60 + transpose) for i in range(bars)]
    return Piece([upper, lower, upper][:voices], meter)


def write(root, **pieces):
    for name, own in pieces.items():
        (root / f"{name}.mid").write_bytes(encode_midi(own))


def data(root, **changes):
    given = {"sample_shape": SHAPE, "num_classes": 0, "steps_per_bar": 8, "lowest": 60, "validation": 0.0, "test": 0.0}
    return PianoRoll(root=str(root), **(given | changes))


def test_a_window_by_hand(tmp_path):
    write(tmp_path, a=piece())
    found = data(tmp_path)
    assert found.count() == (3, 0, 0)
    batch = found.splits.train.part(0, 3)
    assert batch.real.shape == (3, *SHAPE)
    assert batch.real.unique().tolist() == [-1, 1]
    assert batch.condition is None
    pitch = batch.real[0, 0].argmax(1).tolist()
    assert pitch == [0, 0, 2, 2, 4, 4, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12]
    assert batch.real[1, 0].argmax(1).tolist() == [*pitch[8:], *pitch[:8]]  # one bar later
    assert (batch.real[:, 1].argmax(2) == 0).all()
    assert (batch.real > 0).sum() == 3 * 2 * 16


def test_windows_hop(tmp_path):
    write(tmp_path, a=piece(bars=6))
    assert [data(tmp_path, hop_bars=hop).count().train for hop in (1, 2, 3, 5)] == [5, 3, 2, 1]


@pytest.mark.parametrize("semitones", [-5, -1, 0, 3, 6])
def test_every_key_is_moved_to_c(tmp_path, semitones):
    write(tmp_path, a=piece(transpose=semitones))
    moved = data(tmp_path, lowest=54, sample_shape=(2, 16, 36)).splits.train.part(0, 3).real
    as_written = data(tmp_path, lowest=54, sample_shape=(2, 16, 36), transpose=False).splits.train.part(0, 3).real
    shift = (semitones + 5) % 12 - 5  # 6 semitones up may be moved down or up by 6
    assert int(moved[0, 1, 0].argmax()) % 12 == 6  # index 6 is a C
    assert int(as_written[0, 1, 0].argmax()) == 6 + shift


def test_one_voice_joins_all_tracks(tmp_path):
    write(tmp_path, a=piece())
    joined = data(tmp_path, sample_shape=(1, 16, 24)).splits.train.part(0, 1).real
    separate = data(tmp_path).splits.train.part(0, 1).real
    assert torch.equal(joined[:, 0], separate.amax(1))


def test_pieces_are_split_not_windows(tmp_path):
    for i in range(20):
        write(tmp_path, **{f"p{i}": piece()})
    found = data(tmp_path, validation=0.3, test=0.3)
    sizes = found.count()
    assert all(size % 3 == 0 and size for size in sizes)
    assert sum(sizes) == 60
    owners = [set(found.windows().piece[index].tolist()) for index in found.split()]
    assert not owners[0] & owners[1]
    assert not (owners[0] | owners[1]) & owners[2]


def test_what_does_not_fit_is_left_out_and_named(tmp_path, capsys):
    print_notice.cache_clear()
    write(tmp_path, a=piece(), waltz=piece(meter="3/4"), trio=piece(voices=3), short=piece(bars=1))
    (tmp_path / ".hidden.mid").write_bytes(b"no")
    (tmp_path / "run" / "samples").mkdir(parents=True)
    for name in ("config.yaml", "result.json", "samples/step=00000001.mid"):
        (tmp_path / "run" / name).write_bytes(b"no")
    assert data(tmp_path).count().train == 3
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == [
        "data.root: 1 of 4 pieces are left out: their meter is not data.meter=4/4 (waltz.mid)",
        "data.root: 1 of 4 pieces are left out: they are shorter than 2 bars, or longer than 2000 (short.mid)",
        "data.root: 1 of 4 pieces are left out: they have another number of voices than 2 (trio.mid)",
    ]


def test_a_window_with_a_note_out_of_range_is_left_out(tmp_path):
    own = piece(bars=4)
    own.voices[0][-1] = own.voices[0][-1]._replace(pitch=100)
    write(tmp_path, a=own)
    assert data(tmp_path).count().train == 2


def test_a_note_of_a_year_is_left_out_without_a_roll_of_its_length(tmp_path):
    write(tmp_path, a=piece(), year=Piece([[Note(0, 500_000, 60)], [Note(0, 1, 60)]], "4/4"))
    assert data(tmp_path).count().train == 3


def test_a_broken_file_is_refused_by_name(tmp_path):
    write(tmp_path, a=piece())
    (tmp_path / "b.mid").write_bytes(encode_midi(piece())[:40])
    with pytest.raises(DataError, match=r"^data\.root: .*b\.mid is no complete MIDI file"):
        data(tmp_path).count()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_shape": (2, 12, 24)}, r"data\.sample_shape: \[2, 12, 24\] is no shape of piano rolls .*\[4,16,48\]"),
        ({"sample_shape": (2, 16)}, r"data\.sample_shape: \[2, 16\] is no shape of piano rolls"),
        ({"lowest": 110}, r"data\.lowest: 24 pitches from 110 on end above 127, .*at most 104"),
        ({"num_classes": 2}, r"data\.num_classes: piano rolls are unlabelled"),
        ({"validation": 0.6, "test": 0.5}, "leave nothing to train on"),
        ({"lowest": 0}, "no piece in .* fits"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, changes, said):
    write(tmp_path, a=piece())
    with pytest.raises(DataError, match=said):
        data(tmp_path, **changes).count()


def test_a_folder_without_pieces_is_refused(tmp_path):
    for folder, said in ((tmp_path, r"holds no pieces \(\.mid"), (tmp_path / "none", "does not exist")):
        with pytest.raises(DataError, match=rf"^data\.root: .*{said}"):
            data(folder).count()


def test_a_changed_file_is_read_again_and_changes_the_fingerprint(tmp_path):
    write(tmp_path, a=piece())
    before = data(tmp_path).fingerprint()
    write(tmp_path, a=piece(bars=7))
    after = data(tmp_path)
    assert after.count().train == 6
    assert before.differences(after.fingerprint()) == ["1 file with another size or content: a.mid"]


def test_only_as_many_notes_as_allowed_are_kept(tmp_path):
    write(tmp_path, a=piece(bars=1), b=piece(bars=2), c=piece(bars=1))  # 5, 10 and 5 notes
    reader = PieceReader(max_notes=10)
    for _ in range(2):
        assert [reader(tmp_path / f"{name}.mid").end for name in "abc"] == [4, 8, 4]
    assert [path.name for path, *_ in reader.kept] == ["a.mid", "c.mid"]
    assert reader(tmp_path / "a.mid") is reader(tmp_path / "a.mid")


CADENCES = {"sample_shape": (4, 16, 48), "num_classes": 0, "steps_per_bar": 8}


def test_cadences_keep_their_rules():
    rolls = Cadences(**CADENCES).splits.train.part(0, 600).real
    assert set(rolls.unique().tolist()) == {-1, 1}
    sounding = rolls > 0
    assert (sounding.sum(3) == 1).all()  # each voice has one pitch at each step
    pitch = sounding.int().argmax(3) + 36
    soprano, alto, tenor, bass = pitch.unbind(1)
    assert ((bass < 48) & (tenor >= 48) & (tenor < 60) & (alto >= 60) & (alto < 72) & (soprano >= 72)).all()
    triads = {"".join(sorted("CDEFGAB"[(d + i) % 7] for i in (0, 2, 4))) for d in range(7)}
    names = dict(zip((0, 2, 4, 5, 7, 9, 11), "CDEFGAB", strict=True))
    lower = torch.stack([alto, tenor, bass], 2) % 12
    assert {"".join(sorted(names[int(p)] for p in chord)) for roll in lower for chord in roll} <= triads
    assert (lower.unflatten(1, (4, 4)) == lower[:, ::4].unsqueeze(2)).all()  # held for half a bar
    degree = torch.tensor([{0: 0, 2: 1, 4: 2, 5: 3, 7: 4, 9: 5, 11: 6}[int(p) % 12] for p in soprano.flatten()]).view_as(
        soprano
    )
    assert (degree.diff(dim=1).abs() == 1).all()  # a scale, an eighth each
    assert len({tuple(roll.flatten().tolist()) for roll in lower}) == len(PROGRESSIONS) == 8
    assert len({tuple(line.tolist()) for line in soprano}) == len(MELODIES) == 12


def test_one_cadence_by_hand():
    """I IV V I under the scale from C upwards."""
    from gan_lightning.data.cadences import chord_rolls, melody_rolls

    own = Cadences(**CADENCES)
    alto, tenor, bass = (chord_rolls(own)[0].argmax(2)[:, ::4] + 36).tolist()
    assert (bass, tenor, alto) == ([36, 41, 43, 36], [55, 48, 50, 55], [64, 69, 71, 64])
    melody = (melody_rolls(own)[0, 0].argmax(1) + 36).tolist()
    assert melody == [72, 74, 76, 77, 79, 81, 83, 81, 79, 77, 76, 74, 72, 74, 76, 77]


def test_a_finer_resolution_is_the_same_music():
    fine = Cadences(**(CADENCES | {"sample_shape": (4, 32, 48), "steps_per_bar": 16})).splits.test.part(0, 5).real
    assert torch.equal(fine[:, :, ::2], Cadences(**CADENCES).splits.test.part(0, 5).real)


def test_the_splits_of_the_cadences_differ():
    splits = Cadences(**CADENCES).splits
    assert not torch.equal(splits.train.part(0, 50).real, splits.test.part(0, 50).real)


@pytest.mark.parametrize(
    "changes", [{"sample_shape": (4, 24, 48)}, {"sample_shape": (3, 16, 48)}, {"lowest": 35}, {"meter": "3/4"}]
)
def test_cadences_refuse_another_form(changes):
    with pytest.raises(DataError, match=r"^data\.(sample_shape|lowest)"):
        Cadences(**(CADENCES | changes)).count()


def test_the_windows_are_bytes(tmp_path):
    write(tmp_path, a=piece())
    assert data(tmp_path).windows().rolls.dtype == np.uint8
