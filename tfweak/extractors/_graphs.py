"""What a SavedModel of somebody else's may do: compute, and nothing beside it.

TensorFlow graphs are programs: some operations read and write files, open connections
or call Python, and initialisers run while a SavedModel is loaded. So its graph is
looked at first, as the data that it is.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InputError

TRUSTED_FLAG = "trusted_graphs"
_VARIABLE = "TFWEAK_TRUSTED_GRAPHS"
# Of files, of the network, of Python, and what writes to where it is told.
_FORBIDDEN = re.compile(
    r"""(ReadFile|WriteFile|MatchingFiles|PyFunc\w*|EagerPyFunc|\w*PyFunc
    |\w*(WholeFile|TextLine|FixedLengthRecord|TFRecord|LMDB|BigQuery\w*)(Reader|Dataset)\w*
    |(Experimental)?(CSV|Sql|SQL|LMDB|Save|Load|Snapshot|Cache)Dataset\w*
    |DatasetToTFRecord|ExperimentalDatasetToTFRecord|DistributedSave
    |(Register|DataService|Experimental\w*DataService)\w*Dataset\w*
    |DataServiceDataset\w*|Rpc\w+|TryRpc|Debug(Identity|NanCount|NumericSummary)\w*
    |CreateSummary(File|Db)Writer|ImportEvent|Write\w*Summary
    |GenerateVocabRemapping|LoadAndRemapMatrix|(Save|Restore)(Slices|Slice)?
    |IO>\w+|\w*>.*)""",
    re.VERBOSE,
)
# Each SavedModel has these in the functions by which it is saved and loaded, which
# nothing else calls.
_OF_SAVING = {"SaveV2", "RestoreV2", "MergeV2Checkpoints"}
_SAVING = re.compile(r"__inference__traced_(save|restore)_\d+")


def trust(places: Iterable[str]) -> None:
    """Has this process, and those that it starts, load some SavedModels as they are.

    Args:
      places: hubs' handles or folders, as they are named elsewhere.
    """
    known = os.environ.get(_VARIABLE, "").split("\n")
    os.environ[_VARIABLE] = "\n".join(dict.fromkeys([*known, *places]))


def require_harmless(folder: pathlib.Path, place: str) -> None:
    """Refuses a SavedModel whose graph does more than compute, unless it is trusted.

    Args:
      folder: of the SavedModel.
      place: how it was named.

    Raises:
      InputError: no or a broken graph, or one that has such an operation.
    """
    if place in os.environ.get(_VARIABLE, "").split("\n"):
        return
    for name, where in _operations(folder, place):
        raise InputError(
            f"{place}: its graph has the operation {name} ({where}), which reaches"
            " files, the network or Python; a trunk needs none. If you trust who made"
            f" it, allow it with {TRUSTED_FLAG}={place}"
        )


def _operations(folder: pathlib.Path, place: str) -> Iterator[tuple[str, str]]:
    """The forbidden operations of a SavedModel, and where in it they are."""
    for meta_graph in _read(folder, place).meta_graphs:
        graph = meta_graph.graph_def
        saving = {
            function.signature.name
            for function in graph.library.function
            if _SAVING.fullmatch(function.signature.name)
        }
        # not run when a SavedModel of TensorFlow 2 is loaded, but of TensorFlow 1
        parts = [("the graph", graph.node, True)]
        for function in graph.library.function:
            name = function.signature.name
            parts.append((f"function {name}", function.node_def, name in saving))
        for where, nodes, is_saving in parts:
            for node in nodes:
                if _FORBIDDEN.fullmatch(node.op) or _prints_to_file(node):
                    yield node.op, where
                elif is_saving:
                    continue
                elif node.op in _OF_SAVING:
                    yield node.op, where
                elif saving & {node.op, *_called(node)}:
                    yield "that saves or restores", where


def _called(node: Any) -> Iterator[str]:
    """The names of the functions that a node calls."""
    for value in node.attr.values():
        yield value.func.name
        yield from (function.name for function in value.list.func)


def _prints_to_file(node: Any) -> bool:
    stream = node.attr["output_stream"].s if "output_stream" in node.attr else b""
    return node.op == "PrintV2" and stream.startswith(b"file")


def _read(folder: pathlib.Path, place: str) -> Any:
    from google.protobuf import message, text_format
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        if (folder / "saved_model.pb").is_file():
            return found.FromString((folder / "saved_model.pb").read_bytes())
        text = (folder / "saved_model.pbtxt").read_text(encoding="utf-8")
        return text_format.Parse(text, found)
    except FileNotFoundError:
        raise InputError(
            f"{place}: holds no saved_model.pb; the folder of a SavedModel is needed"
        ) from None
    except (message.DecodeError, text_format.ParseError, ValueError, OSError) as error:
        raise InputError(f"{place}: not a SavedModel ({error})") from error
