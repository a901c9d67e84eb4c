"""CHiME-Home from small trees in its layout: folds, letters, and what is refused."""

from __future__ import annotations

import csv
import pathlib
import re

import numpy as np
import pytest
import soundfile as sf
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfweak.audio import front_ends, mel_spectrum
from tfweak.data import records
from tfweak.data_prep import datasets, writer
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.datasets import chime_home
from tfweak.data_prep.options import Options
from tfweak.errors import InputError

RATE = 16000
LETTERS = "cmfvpbo"
DEVELOPMENT = "development_chunks_refined.csv"
FOLDS = "development_chunks_refined_crossval_dcase2016.csv"
EVALUATION = "evaluation_chunks_refined.csv"


def chunk(i):
    return f"CR_lounge_220110_0731.s0_chunk{i}"


def wave(i):
    """4 s that differ from chunk to chunk, exact in 16 bits."""
    rng = np.random.default_rng(i)
    return np.round(rng.uniform(-0.3, 0.3, 4 * RATE) * 32768) / 32768


def add_chunk(root, name, vote, values=None):
    """The two files of a chunk; `vote` None leaves the majority vote out."""
    (root / "chunks").mkdir(parents=True, exist_ok=True)
    if values is not None:
        path = root / "chunks" / f"{name}.16kHz.wav"
        sf.write(path, values, RATE, subtype="PCM_16")
    rows = [
        ["segmentname", name.rpartition("_")[0]],
        ["framestart", "4423680"],
        ["annotation_a1", "cvo"],
        ["annotation_a2", "cmv"],
    ]
    if vote is not None:
        rows.append(["majorityvote", vote])
    with open(root / "chunks" / f"{name}.csv", "w", newline="") as handle:
        csv.writer(handle).writerows(rows)


def lists(root, development, folds, evaluation):
    """The three lists as published: with a running number in front."""
    for file, rows in (
        (DEVELOPMENT, [[name] for name in development]),
        (FOLDS, folds),
        (EVALUATION, [[name] for name in evaluation]),
    ):
        with open(root / file, "w", newline="") as handle:
            csv.writer(handle).writerows([i, *row] for i, row in enumerate(rows))


VOTES = ["cmv", "S", "b", "SU", "U", "pc", "o", "f", "Sv", "oo"]


def make_tree(root, folds=(0, 0, 1, 1, 2, 2, 3, 4)):
    """Eight development chunks, two evaluation chunks."""
    for i, vote in enumerate(VOTES):
        add_chunk(root, chunk(i), vote, wave(i))
    names = [chunk(i) for i in range(10)]
    lists(root, names[:8], zip(names, folds), names[8:])
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "chime_home")


def run(out, **options):
    return writer.prepare("chime_home", out, Options(**options), workers=1)


def plan(source, **options):
    return datasets.DATASETS.get("chime_home")().plan(Options(source=source, **options))


def clips(folder):
    payload = records.DatasetInfo.read(folder).payload
    found = [
        records.parse_clip(r.numpy(), payload)
        for path in sorted(pathlib.Path(folder).glob("*.tfrecord"))
        for r in tf.data.TFRecordDataset(str(path))
    ]
    return {clip.clip_id: clip for clip in found}


def bad(split):
    return {b.file: (b.kind, b.reason) for b in split.bad}


# --- what it should be ----------------------------------------------------------------


def test_folds_evaluation_and_letters(tree, tmp_path):
    results = run(tmp_path / "out", source=tree, features="waveform")
    assert [(r.folder.name, r.num_clips, r.left_out) for r in results] == [
        ("fold1", 2, {}),
        ("fold2", 2, {}),
        ("fold3", 2, {}),
        ("fold4", 1, {}),
        ("fold5", 1, {}),
        ("evaluation", 2, {}),
    ]
    found = {}
    for result in results:
        info = records.DatasetInfo.read(result.folder)
        assert info.classes == chime_home.CHIME_HOME_CLASSES and not info.has_strong
        assert info.name == f"chime_home/{result.folder.name}"
        for name, clip in clips(result.folder).items():
            found[name] = (result.folder.name, "".join(LETTERS[i] for i in clip.labels))
            assert clip.events is None and clip.end_seconds == 4.0
            number = int(name.rpartition("chunk")[2])
            np.testing.assert_array_equal(clip.payload, wave(number) * 32768)
    # fold 0 of the list is fold1; S and U go, also beside other letters; the letters
    # come in the order of the classes, c m f v p b o
    assert found == {
        chunk(0): ("fold1", "cmv"),
        chunk(1): ("fold1", ""),
        chunk(2): ("fold2", "b"),
        chunk(3): ("fold2", ""),
        chunk(4): ("fold3", ""),
        chunk(5): ("fold3", "cp"),
        chunk(6): ("fold4", "o"),
        chunk(7): ("fold5", "f"),
        chunk(8): ("evaluation", "v"),
        chunk(9): ("evaluation", "o"),
    }


def test_classes():
    assert chime_home.CHIME_HOME_CLASSES.mids == ("c", "m", "f", "v", "p", "b", "o")
    named = dict(
        zip(chime_home.CHIME_HOME_CLASSES.mids, chime_home.CHIME_HOME_CLASSES.names)
    )
    for letter, word in zip("cmfvpbo", "Child male female TV Perc Broad Other".split()):
        assert word in named[letter]


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("numbered", [False, True])
def test_both_levels_and_lists_without_numbers(tree, tmp_path, above, numbered):
    if not numbered:
        for file in (DEVELOPMENT, FOLDS, EVALUATION):
            rows = (tree / file).read_text().splitlines()
            text = "\ufeff" + "\n\n".join(r.partition(",")[2] for r in rows) + "\r\n"
            (tree / file).write_text(text, encoding="utf-8")
    made = plan(tree.parent if above else tree)
    assert {key: len(split.items) for key, split in made.splits.items()} == {
        "fold1": 2,
        "fold2": 2,
        "fold3": 2,
        "fold4": 1,
        "fold5": 1,
        "evaluation": 2,
    }
    assert made.context.source == str(tree / "chunks")


def test_folds_can_be_chosen_and_added(tree, tmp_path):
    first = run(tmp_path / "out", source=tree, folds=(2, 5))
    assert [r.folder.name for r in first] == ["fold2", "fold5", "evaluation"]
    again = run(tmp_path / "out", source=tree)
    done = {r.folder.name: r.already_complete for r in again}
    assert [name for name, complete in done.items() if complete] == [
        "fold2",
        "fold5",
        "evaluation",
    ]
    with pytest.raises(InputError, match="no fold 6 .* 1, 2, 3, 4, 5, counted from 1"):
        plan(tree, folds=(1, 6))
    with pytest.raises(InputError, match="no fold 0"):
        plan(tree, folds=(0,))


@pytest.mark.parametrize("kind", ["log_mel", "waveform", "embeddings"])
def test_all_payloads(tree, tmp_path, vggish_saved, kind):
    options = {"vggish": f"hub:{vggish_saved}"} if kind == "embeddings" else {}
    run(tmp_path / "out", source=tree, folds=(1,), features=kind, **options)
    clip = clips(tmp_path / "out" / "fold1")[chunk(0)]
    if kind == "log_mel":
        expected = mel_spectrum.log_mel(wave(0).astype(np.float32)).astype(np.float16)
        assert expected.shape == (398, 64)  # 1 + (64000 - 400) // 160
        np.testing.assert_array_equal(clip.payload, expected)
    elif kind == "waveform":
        np.testing.assert_array_equal(clip.payload, wave(0) * 32768)
    else:
        assert clip.payload.shape == (4, 128)  # 4 s of rows of 0.96 s


@pytest.mark.parametrize("name", sorted(front_ends.FRONT_ENDS))
def test_all_front_ends(tree, tmp_path, name):
    """Also those that want another rate than the 16 kHz of the chunks."""
    run(tmp_path / "out", source=tree, folds=(4,), front_end=name)
    clip = clips(tmp_path / "out" / "fold4")[chunk(6)]
    end = front_ends.get(name)
    count = 4 * end.sample_rate_hz
    assert clip.payload.shape[0] == len(end.compute(np.zeros(count, np.float32)))
    assert clip.end_seconds == 4.0


def test_the_command(tree, tmp_path, capsys):
    argv = ["dataset=chime_home", f"source={tree}", "folds=3", "workers=1"]
    argv.append(f"out={tmp_path / 'out'}")
    assert prepare.main([f"--{a}" for a in argv]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{tmp_path / 'out' / 'fold3'}: 2 clips, 1 shard",
        f"{tmp_path / 'out' / 'evaluation'}: 2 clips, 1 shard",
    ]
    assert lines[2] == (  # nobody is sent to train on the evaluation set
        f"next: tfweak-train --data={tmp_path / 'out' / 'fold3'} --out=RUN, then"
        f" tfweak-evaluate --run=RUN --data={tmp_path / 'out' / 'evaluation'}"
    )


# --- chunks that cannot be used -------------------------------------------------------


def test_unusable_chunks_are_in_the_manifest_of_their_fold(tree, tmp_path):
    chunks = tree / "chunks"
    (chunks / f"{chunk(0)}.16kHz.wav").unlink()
    (chunks / f"{chunk(2)}.csv").unlink()
    (chunks / f"{chunk(4)}.16kHz.wav").write_bytes(b"")
    add_chunk(tree, chunk(8), "cx")
    results = {r.folder.name: r for r in run(tmp_path / "out", source=tree)}
    assert {name: r.left_out for name, r in results.items()} == {
        "fold1": {"missing": 1},
        "fold2": {"missing": 1},
        "fold3": {"empty": 1},
        "fold4": {},
        "fold5": {},
        "evaluation": {"label": 1},
    }
    with open(tmp_path / "out" / "fold2" / "manifest.csv", newline="") as handle:
        assert list(csv.reader(handle))[1:] == [
            [chunk(2), "missing", f"no annotation chunks/{chunk(2)}.csv"]
        ]


def test_a_fold_without_any_usable_chunk_gets_a_manifest(tree, tmp_path):
    (tree / "chunks" / f"{chunk(7)}.16kHz.wav").unlink()
    results = {r.folder.name: r for r in run(tmp_path / "out", source=tree)}
    assert results["fold5"].num_clips == 0
    assert results["fold5"].left_out == {"missing": 1}
    assert results["fold4"].num_clips == 1


@pytest.mark.parametrize(
    "vote, message",
    [
        ("cz", "found 'cz'"),
        ("C", "found 'C'"),
        ("s", "found 's'"),
        ("", "found none|found ''"),
        (None, "found none"),
        ("c,m", "found 'c,m'"),
    ],
)
def test_votes_that_say_nothing_known(tree, vote, message):
    add_chunk(tree, chunk(6), vote)
    split = plan(tree).splits["fold4"]
    assert split.items == ()
    ((name, (kind, reason)),) = bad(split).items()
    assert (name, kind) == (chunk(6), "label")
    assert re.search(message, reason)
    assert f"chunks/{chunk(6)}.csv" in reason and "cmfvpbo, S and U" in reason


def test_annotations_that_contradict_themselves_or_are_no_text(tree):
    path = tree / "chunks" / f"{chunk(6)}.csv"
    path.write_text("majorityvote,c\nmajorityvote,m\n")
    assert "'c' and 'm'" in bad(plan(tree).splits["fold4"])[chunk(6)][1]
    path.write_text("majorityvote,c\nmajorityvote, c \n")  # twice the same
    assert plan(tree).splits["fold4"].items[0].spec[0] == [0]
    path.write_bytes(b"majorityvote,\xff\n")
    kind, reason = bad(plan(tree).splits["fold4"])[chunk(6)]
    assert kind == "label" and "cannot be read" in reason


# --- lists ----------------------------------------------------------------------------


def names_of(splits):
    return {key: [i.name for i in s.items] for key, s in splits.items() if s.items}


def test_chunks_that_are_in_one_development_list_only(tree):
    names = [chunk(i) for i in range(10)]
    # chunk 0 has no fold, chunk 7 has one and is no development chunk
    lists(tree, names[:7], zip(names[1:8], (0, 1, 1, 2, 2, 3, 4)), names[8:])
    splits = plan(tree).splits
    assert bad(splits[""]) == {
        chunk(0): ("fold", f"{FOLDS} does not list this development chunk"),
        chunk(7): ("not listed", f"has a fold, but {DEVELOPMENT} does not list it"),
    }
    assert "fold5" not in splits and names_of(splits)["fold1"] == [chunk(1)]


def test_repeated_lines_are_taken_once(tree):
    names = [chunk(i) for i in range(10)]
    folds = [*zip(names, (0, 0, 1, 1, 2, 2, 3, 4)), (chunk(3), 1)]
    lists(tree, [*names[:8], chunk(1)], folds, [*names[8:], chunk(8)])
    splits = plan(tree).splits
    assert bad(splits[""]) == {
        f"{DEVELOPMENT}, line 9": ("duplicate", f"{chunk(1)} as in line 2"),
        f"{FOLDS}, line 9": ("duplicate", f"{chunk(3)} as in line 4"),
        f"{EVALUATION}, line 3": ("duplicate", f"{chunk(8)} as in line 1"),
    }
    assert names_of(splits) == names_of(plan(make_tree(tree)).splits)


@pytest.mark.parametrize("fold", ["5", "-1", "1.0", "one", "01"])
def test_folds_outside_the_list_are_refused(tree, fold):
    names = [chunk(i) for i in range(10)]
    lists(tree, names[:8], zip(names, (0, 0, 1, fold, 2, 2, 3, 4)), names[8:])
    with pytest.raises(InputError, match=f"line 4: fold '{fold}' .* expected 0 to 4"):
        plan(tree)


def test_lists_that_would_mix_the_sets_are_refused(tree):
    names = [chunk(i) for i in range(10)]
    folds = [*zip(names, (0, 0, 1, 1, 2, 2, 3, 4)), (chunk(3), 2)]
    lists(tree, names[:8], folds, names[8:])
    with pytest.raises(InputError, match="line 9: .*chunk3' is in fold 2.*1 by line 4"):
        plan(tree)
    lists(tree, names[:8], folds[:8], [chunk(5), chunk(8)])
    with pytest.raises(InputError, match="chunk5' is in evaluation_chunks_refined"):
        plan(tree)
    # also where only the fold list has it
    lists(tree, names[:7], folds[:8], [chunk(7), chunk(8)])
    with pytest.raises(InputError, match="chunk7'"):
        plan(tree)


@pytest.mark.parametrize("file", [DEVELOPMENT, FOLDS, EVALUATION])
def test_lists_of_another_form_are_refused(tree, file):
    with open(tree / file, "a") as handle:
        handle.write("1,2,3,4,5\n")
    with pytest.raises(InputError, match=f"{file}, line .*expected id,name"):
        plan(tree)
    (tree / file).write_text("3,\n")
    with pytest.raises(InputError, match=f"{file}, line 1"):
        plan(tree)
    (tree / file).write_bytes(b"0,\xff\xfe,1\n")
    with pytest.raises(InputError, match=f"{file}: cannot be read"):
        plan(tree)


def test_without_the_evaluation_list_the_folds_are_written(tree, tmp_path):
    (tree / EVALUATION).unlink()
    results = {r.folder.name: r for r in run(tmp_path / "out", source=tree)}
    assert "evaluation" not in results and results["fold1"].num_clips == 2
    assert results["out"].left_out == {"missing": 1}


def test_folders_that_are_not_chime_home_are_refused(tree, tmp_path):
    with pytest.raises(InputError, match="source is needed"):
        plan(None)
    with pytest.raises(InputError, match="no such folder"):
        plan(tmp_path / "none")
    with pytest.raises(InputError, match=f"{DEVELOPMENT}.*found none"):
        plan(tree / "chunks")
    make_tree(tree.parent / "copy")
    with pytest.raises(InputError, match="found chime_home, copy"):
        plan(tree.parent)
    (tree / FOLDS).unlink()
    with pytest.raises(InputError, match=f"{FOLDS}: cannot be read"):
        plan(tree)


# --- any vote -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text("cmfvpboSU", min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_any_string_of_letters_gives_its_classes(tmp_path_factory, vote, newline):
    root = tmp_path_factory.getbasetemp()
    (root / "any.csv").write_bytes(f"a,b{newline}majorityvote,{vote}{newline}".encode())
    found = chime_home._labels(root, "any")
    assert [LETTERS[i] for i in found] == [c for c in LETTERS if c in vote]
