"""The 17 classes of DCASE 2017 task 4 and of SL-DCASE-17."""

from __future__ import annotations

from tfweak.labels import ClassList

_MIDS_AND_NAMES = (
    ("/m/0284vy3", "Train horn"),
    ("/m/05x_td", "Air horn, truck horn"),
    ("/m/02mfyn", "Car alarm"),
    ("/m/02rhddq", "Reversing beeps"),
    ("/m/0199g", "Bicycle"),
    ("/m/06_fw", "Skateboard"),
    ("/m/012n7d", "Ambulance (siren)"),
    ("/m/012ndj", "Fire engine, fire truck (siren)"),
    ("/m/0dgbq", "Civil defense siren"),
    ("/m/04qvtq", "Police car (siren)"),
    ("/m/03qc9zr", "Screaming"),
    ("/m/0k4j", "Car"),
    ("/t/dd00134", "Car passing by"),
    ("/m/01bjv", "Bus"),
    ("/m/07r04", "Truck"),
    ("/m/04_sv", "Motorcycle"),
    ("/m/07jdr", "Train"),
)

# In the order of the task's own list of sound events.
CLASSES = ClassList(
    names=tuple(name for _, name in _MIDS_AND_NAMES),
    mids=tuple(mid for mid, _ in _MIDS_AND_NAMES),
)
