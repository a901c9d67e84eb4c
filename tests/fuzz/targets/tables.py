"""Tables of tags and events, label lists and event tables: quotes, signs, encodings."""

from __future__ import annotations

import csv
import io
import math
import re

import mutations
from frame import Damage, Wrong

from tfweak.data_prep.datasets import DATASETS
from tfweak.data_prep.inputs import label_lists
from tfweak.data_prep.options import Options
from tfweak.evaluation import events as event_tables
from tfweak.labels import ClassList

SHARE = 25
CLASSES = ClassList(("dog", "a siren", "Air horn, truck horn", "Möwe", 'the "one"'))
FILES = [f"{name}.wav" for name in ("a", "b c", "ä", "d'e", "f,g", "h;i", "k", "l-1")]
HEADERS = (["filename", "labels"], ["filename", "onset", "offset", "event_label"])
TAGS = [[name, CLASSES.names[i % 5]] for i, name in enumerate(FILES[:6])]
TAGS[0][1] = "dog,a siren"
EVENTS = [
    [name, f"{i}.5", f"{i + 1}.25", CLASSES.names[i % 5]]
    for i, name in enumerate(FILES[2:])
] + [["k.wav", "0.125", "7", "dog"]]
IDS = [f"abcdefgh_-{i}" for i in range(8)]
# of the datasets by clip id
LISTS = {
    "audioset_segments": (
        "# YTID, start_seconds, end_seconds, positive_labels",
        [f'{name}, 30.000, 40.000, "/m/0ab,/m/0cd{i}"' for i, name in enumerate(IDS)],
    ),
    "audioset_strong": (
        "segment_id\tstart_time_seconds\tend_time_seconds\tlabel",
        [f"{name}_30000\t{i}.5\t9.25\t/m/0ab" for i, name in enumerate(IDS)],
    ),
    "dcase2017_task4": (
        "",
        [f"{name}_30.000_40.000.wav\t{i}.5\t9.25\tTrain" for i, name in enumerate(IDS)],
    ),
    "sl_dcase17": (
        "\tDCASE17-filename\tlabel_id\ttime",
        [
            f"{i}\t{name}_30.000_40.000.wav\t/m/07jdr\t[[{i}.5, 9.25]]"
            for i, name in enumerate(IDS)
        ],
    ),
}


def make(folder):
    """The files that the tables name; nobody decodes them."""
    for i, name in enumerate(FILES):
        (folder / name).write_bytes(bytes(i + 1))
    CLASSES.write_csv(folder / "classes.csv")


def damage(made, folder, rng):
    kind = str(rng.choice(["folder", "folder", "folder", "list", "event_table"]))
    if kind == "list":
        name = str(rng.choice(list(LISTS)))
        header, rows = LISTS[name]
        text = "\n".join([*([header] if header else []), *rows]) + "\n"
        found, way = _damaged(text, rng)
        (folder / f"{name}.list").write_bytes(found)
        return Damage(f"{way} in {name}", (f"{name}.list", "no row of the list"))
    if kind == "event_table":
        found, way = _damaged(_table(HEADERS[1], EVENTS, "\t", rng), rng)
        (folder / "truth.tsv").write_bytes(found)
        return Damage(f"{way} in truth.tsv", ("truth.tsv",))
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    delimiter = str(rng.choice([",", "\t", ";"]))
    texts = [_table(HEADERS[0], TAGS, delimiter, rng)]
    rows = EVENTS
    if delimiter == ";" and rng.random() < 0.5:
        rows = [
            [n, on.replace(".", ","), off.replace(".", ","), x]
            for n, on, off, x in rows
        ]
    texts.append(_table(HEADERS[1], rows, delimiter, rng))
    damaged = int(rng.integers(-1, 2))
    ways = ["only written otherwise", "only written otherwise"]
    for i, name in enumerate(("tags.csv", "events.csv")):
        contents = texts[i].encode("utf-8-sig" if rng.random() < 0.3 else "utf-8")
        if i == damaged:
            contents, ways[0] = _damaged(texts[i], rng)
        (folder / name).write_bytes(contents)
    names = ("tags.csv", "events.csv", "the tables hold no label")
    return Damage(f"{ways[0]}, {delimiter!r}", names)


def _table(header, rows, delimiter, rng):
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if rng.random() < 0.3 else csv.QUOTE_MINIMAL
    end = "\r\n" if rng.random() < 0.3 else "\n"
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([header, *rows])
    return out.getvalue()


_SIGNS = [
    '"',
    '""',
    "\t",
    ";",
    ",",
    "\n",
    "\r",
    "\0",
    "\u2028",
    "\ufeff",
    "'",
    " ",
    "\\",
]
_SIGNS += ["NaN", "-1", "inf", "1e400", "1,5", "\x85", "\x1a", "é", "=", "\ud800", "#"]


def _damaged(text, rng):
    """Bytes of a text with something wrong, and what."""
    way = str(rng.choice(["bytes", "signs", "signs", "lines", "encoding", "field"]))
    if way == "bytes":
        found, how = mutations.damaged(text.encode(), rng)
        return found, f"bytes: {how}"
    if way == "signs":
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(text) + 1))
            cut = int(rng.integers(2))
            text = text[:at] + _SIGNS[int(rng.integers(len(_SIGNS)))] + text[at + cut :]
    elif way == "lines":
        lines = text.splitlines(True)
        first, second = (int(i) for i in rng.integers(len(lines), size=2))
        how = int(rng.integers(4))
        if how == 0:
            lines[first], lines[second] = lines[second], lines[first]
        elif how == 1:
            lines.insert(first, lines[second])
        elif how == 2:
            lines.insert(first, "\n" * int(rng.integers(1, 3)))
        else:
            lines[first] = lines[first].rstrip() + lines[second]
        text = "".join(lines)
    elif way == "encoding":
        name = str(rng.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"]))
        return text.encode(name, "replace"), f"in {name}"
    else:
        fields = re.split("([\t,;\n])", text)
        fields[int(rng.integers(len(fields)))] = str(
            rng.choice(
                ["", "x" * 200000, "nan", "1e400", "-0.5", "7", "../a.wav", "dog"]
            )
        )
        text = "".join(fields)
    return text.encode("utf-8", "surrogatepass"), way


# --- reading --------------------------------------------------------------------------


def check(made, folder):
    for path in folder.iterdir():
        if path.suffix == ".list":
            return _check_list(path)
        if path.name == "truth.tsv":
            return _check_event_table(path)
    return _check_folder(folder)


def _lines(path):
    return path.read_bytes().decode("utf-8", "replace").split("\n")


def _check_list(path):
    """Each line that is as it was is read as it was, or all of the list is refused."""
    dataset = DATASETS.get(path.stem)()
    kind = "strong" if path.stem.startswith("dcase") else None
    options = Options(label_kind=kind)
    known = getattr(dataset, "known", None)
    listed, _ = label_lists.gather(dataset.rows(path, options), known, None)
    _, originals = LISTS[path.stem]
    lines = [line.rstrip("\r") for line in _lines(path)]
    for i, (clip_id, original) in enumerate(zip(IDS, originals)):
        mentioned = [line for line in lines if clip_id in line]
        if mentioned != [original]:
            continue
        clip = listed.get(clip_id)
        if clip is None:
            raise Wrong(f"line {original!r} is lost")
        if clip.problem:
            raise Wrong(f"line {original!r}: {clip.problem}")
        times = {label: list(spans) for label, spans in (clip.events or {}).items()}
        if path.stem == "audioset_segments":
            right = clip.labels == ["/m/0ab", f"/m/0cd{i}"] and clip.events is None
        else:
            right = list(times.values()) == [[(i + 0.5, 9.25)]]
        if not right or clip.place.start_seconds != 30:
            raise Wrong(f"line {original!r} was read as {clip.labels}, {times}")
    for clip_id, clip in listed.items():
        for spans in (clip.events or {}).values():
            if any(not 0 <= on < off < math.inf for on, off in spans):
                raise Wrong(f"{clip_id} has the times {spans}")
    return "what is not damaged is as it was"


def _expected_events(name):
    return sorted(
        (float(on), float(off), CLASSES.index(label))
        for file, on, off, label in EVENTS
        if file == name
    )


def _check_event_table(path):
    found = event_tables.read_events(path, CLASSES)
    text = path.read_bytes().decode("utf-8", "replace")
    for name in FILES[2:]:
        own = sorted((on, off, label) for label, on, off in found.get(name, ()))
        count = text.count(name)
        rows = [row for row in EVENTS if row[0] == name]
        untouched = count == len(rows) and all(_stands_in(row, text) for row in rows)
        if untouched and own != _expected_events(name):
            raise Wrong(f"{name} was read as {own}")
    for name, events in found.items():
        if not name or any(not 0 <= on <= off < math.inf for _, on, off in events):
            raise Wrong(f"{name!r} has {events}")
    return "what is not damaged is as it was"


def _stands_in(row, text):
    """Whether a line of a table is a row, in one of the ways to write it."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    for delimiter in "\t,;":
        comma = [row[0], *(t.replace(".", ",") for t in row[1:-1]), row[-1]]
        for fields in (row, comma):
            if fields is comma and delimiter != ";":
                continue
            for quoting in (csv.QUOTE_ALL, csv.QUOTE_MINIMAL):
                out = io.StringIO()
                writer = csv.writer(
                    out, delimiter=delimiter, quoting=quoting, lineterminator=""
                )
                writer.writerow(fields)
                if lines.count(out.getvalue()) == 1:
                    return True
    return False


def _check_folder(folder):
    """Every file is an item or listed, and where its rows are whole, as they say."""
    options = Options(
        source=folder,
        tags=folder / "tags.csv",
        events=folder / "events.csv",
        classes=folder / "classes.csv",
    )
    plan = DATASETS.get("folder")().plan(options)
    items = {item.name: item.spec for item in plan.splits[""].items}
    left_out = plan.splits[""].bad
    bad = {one.file: one.reason for one in left_out}
    texts = [
        (folder / name).read_bytes().decode("utf-8-sig", "replace")
        for name in ("tags.csv", "events.csv")
    ]
    for i, name in enumerate(FILES):
        if name not in items and name not in bad:
            raise Wrong(f"{name} is lost")
        rows = [[row for row in table if row[0] == name] for table in (TAGS, EVENTS)]
        pairs = list(zip(texts, rows))
        if not all(text.count(name) == len(own) for text, own in pairs):
            continue
        if not all(_stands_in(row, text) for text, own in pairs for row in own):
            continue
        # under another header a row may be of a file that is not there
        named = (one for one in left_out if one.kind != "not listed")
        if any(name in f"{one.file} {one.reason}" for one in named):
            continue
        if name not in items:
            raise Wrong(f"{name}, whose rows are whole: {bad[name]}")
        labels = {CLASSES.index(label) for _, label in rows[0] if label in CLASSES}
        if name == FILES[0]:
            labels = {0, 1}
        events = _expected_events(name)
        labels |= {label for _, _, label in events}
        wanted = [i + 1, sorted(labels), [list(e) for e in events] if events else None]
        if items[name] != wanted:
            raise Wrong(f"{name} is {items[name]}, expected {wanted}")
    for name, (_, labels, events) in items.items():
        if any(not 0 <= label < len(CLASSES) for label in labels):
            raise Wrong(f"{name} has the labels {labels}")
        if any(not 0 <= on < off < math.inf for on, off, _ in events or ()):
            raise Wrong(f"{name} has the events {events}")
    return "what is not damaged is as it was"
