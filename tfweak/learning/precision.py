"""What a model computes in."""

from __future__ import annotations

from ..errors import InputError

# Precision -> Keras dtype policy.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


# what a user may ask for
CHOICES = ("auto", *POLICIES)


def resolve_precision(precision: str) -> str:
    """What `auto` stands for on this machine.

    bfloat16 where the CPU computes in it (AMX or AVX512-BF16), float16 with loss
    scaling on a GPU, else float32.

    Args:
      precision: `auto` or one of `POLICIES`; the two short ones are mixed, with
        variables, probabilities and losses in float32.

    Returns:
      A key of `POLICIES`.

    Raises:
      InputError: for another name.
    """
    if precision == "auto":
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return "float16"
        return "bfloat16" if _cpu_computes_bfloat16() else "float32"
    if precision not in POLICIES:
        raise InputError(f"precision {precision!r}: auto, {', '.join(POLICIES)}")
    return precision


def _cpu_computes_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as handle:
            text = handle.read()
    except OSError:  # not Linux: no way to ask, float32 is right everywhere
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool({"amx_bf16", "avx512_bf16"} & set(flags.split()))
