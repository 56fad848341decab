"""The short names of dtypes that values know, as JAX abbreviates them: bf16 for bfloat16."""

from __future__ import annotations

_SMALL = ("e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")

FULL_NAMES: dict[str, str] = {
    "bf16": "bfloat16",
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"f8_{kind}": f"float8_{kind}" for kind in _SMALL},
    "f4_e2m1fn": "float4_e2m1fn",
    **{f"i{bits}": f"int{bits}" for bits in (2, 4, 8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (2, 4, 8, 16, 32, 64)},
    **{f"c{bits}": f"complex{bits}" for bits in (64, 128)},
}
