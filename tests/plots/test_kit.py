"""The drawing kit: names that fit, files that come out whole and under safe names."""

import pytest
from figure_checks import assert_runs_alone
from matplotlib.figure import Figure

from tfweak.errors import InputError
from tfweak.plots import kit


def test_long_names_are_shortened():
    name = "Heavy metal, thrash metal and all their many relations"
    shown = kit.short_name(name)
    assert shown.endswith("…") and name.startswith(shown[:-1]) and len(shown) <= 36
    assert kit.short_name("Siren") == "Siren"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("--aE2O5G5WE_30.000", "--aE2O5G5WE_30.000.png"),
        ("001 - Dog bark/1-30226-A", "001 - Dog bark%2F1-30226-A.png"),
        # other separators, a drive, and the escape itself, so that names stay apart
        ("C:\\a%2Fb\0", "C%3A%5Ca%252Fb%00.png"),
        ("\u00fc", "%C3%BC.png"),
    ],
)
def test_safe_file_names(text, expected):
    assert kit.file_name(text) == expected


def test_long_texts_keep_their_beginning_and_stay_apart(tmp_path):
    one, other = (f"{'folder/' * 60}{name}" for name in "ab")
    assert kit.file_name(one) != kit.file_name(other)
    assert kit.file_name(one).startswith("folder%2Ffolder")
    kit.save(kit.new_figure(1, 1), tmp_path / kit.file_name(one))
    assert [path.name for path in tmp_path.iterdir()] == [kit.file_name(one)]


def test_save_writes_a_png_whole(tmp_path):
    path = tmp_path / "clip.png"
    path.write_text("old")
    kit.save(kit.new_figure(1, 1), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.png"]


def test_save_leaves_the_old_picture_when_it_fails(tmp_path):
    path = tmp_path / "clip.png"
    path.write_text("old")

    class Broken(Figure):
        def savefig(self, target, **options):
            target.write_bytes(b"half a picture")
            raise OSError("disk full")

    with pytest.raises(InputError, match="clip.png: cannot be written .disk full"):
        kit.save(Broken(), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.png"]
    with pytest.raises(InputError, match="no such folder"):
        kit.save(Figure(), tmp_path / "missing" / "clip.png")


def test_matplotlib_is_imported_on_use_and_pyplot_never():
    code = (
        "import sys, tfweak.plots.curves as p\n"
        "import tfweak.plots.clip\n"
        "assert 'matplotlib' not in sys.modules\n"
        "p.plot_history({'loss': [1.0]})\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert not {'matplotlib.pyplot', 'tensorflow'} & set(sys.modules)\n"
    )
    assert_runs_alone(code)
