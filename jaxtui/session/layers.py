"""The kinds of layers: one class each, with all that is known of it without JAX."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings shared by every part: immutable, explicit, no unknown keys, defaults left out."""


class Layer(Part, tag_field="transform"):
    """One JAX transformation with its settings, each the text that was typed ("" is not given)."""

    transform: ClassVar[str]
    # What the fields' values are when nothing is typed, as `jax` itself has them.
    fields: ClassVar[tuple[str, ...]]


class Vmap(Layer, tag="vmap"):
    """`jax.vmap`."""

    transform: ClassVar[str] = "vmap"
    fields: ClassVar[tuple[str, ...]] = (
        "in_axes",
        "out_axes",
        "axis_name",
        "axis_size",
        "spmd_axis_name",
        "sum_match",
    )
    in_axes: str = ""
    out_axes: str = ""
    axis_name: str = ""
    axis_size: str = ""
    spmd_axis_name: str = ""
    sum_match: str = ""


class Pmap(Layer, tag="pmap"):
    """`jax.pmap`; its devices are those of the device set."""

    transform: ClassVar[str] = "pmap"
    fields: ClassVar[tuple[str, ...]] = (
        "in_axes",
        "out_axes",
        "axis_name",
        "axis_size",
        "static_broadcasted_argnums",
        "donate_argnums",
    )
    in_axes: str = ""
    out_axes: str = ""
    axis_name: str = ""
    axis_size: str = ""
    static_broadcasted_argnums: str = ""
    donate_argnums: str = ""


class ShardMap(Layer, tag="shard_map"):
    """`jax.shard_map` over the mesh of the device set."""

    transform: ClassVar[str] = "shard_map"
    fields: ClassVar[tuple[str, ...]] = ("in_specs", "out_specs", "axis_names", "check_vma")
    in_specs: str = ""
    out_specs: str = ""
    axis_names: str = ""
    check_vma: str = ""


class Jit(Layer, tag="jit"):
    """`jax.jit`."""

    transform: ClassVar[str] = "jit"
    fields: ClassVar[tuple[str, ...]] = ("static_argnums", "donate_argnums")
    static_argnums: str = ""
    donate_argnums: str = ""


class Grad(Layer, tag="grad"):
    """`jax.grad`."""

    transform: ClassVar[str] = "grad"
    fields: ClassVar[tuple[str, ...]] = ("argnums", "has_aux")
    argnums: str = ""
    has_aux: str = ""


class ValueAndGrad(Layer, tag="value_and_grad"):
    """`jax.value_and_grad`."""

    transform: ClassVar[str] = "value_and_grad"
    fields: ClassVar[tuple[str, ...]] = ("argnums", "has_aux")
    argnums: str = ""
    has_aux: str = ""


AnyLayer = Vmap | Pmap | ShardMap | Jit | Grad | ValueAndGrad


LAYERS: dict[str, type[Layer]] = {
    layer.transform: layer for layer in (Vmap, Pmap, ShardMap, Jit, Grad, ValueAndGrad)
}
