"""The kinds of layers, one class each, described without JAX.

A layer is a JAX transformation with its settings. Its class gives its name in a session (the tag,
which is JAX's own name), its settings, how each is shown and read (a Field in the annotation), and
what the transformation does to a function: whether it maps an axis, runs over several devices,
traces, compiles or differentiates. The engine, the screens and the export only ask the class; none
of them knows a layer by its name. A new kind of layer is a class and its place in AnyLayer.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Struct


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The base of every part of a session: immutable, keyword-only, defaults left out in files."""


class Field(Struct, frozen=True):
    """A setting of a layer.

    `default` is JAX's default, as the form shows it, and `short` the label in the layer's line, ""
    for the field's own name. With `always` the line shows the default too. `entry` is JAX's default
    for an argument without an entry of its own; only fields that have one get a cell for each
    argument in the arguments' table.

    `reads` says what the text is: Python ("value"); a name that needs no quotes ("word"); one name
    or several, which make a set ("names"); a function ("function"); or shardings, of which each
    PartitionSpec is over the session's mesh ("shardings"). `home` is the dotted name of a module
    whose names the text may use unqualified.
    """

    default: str
    short: str = ""
    always: bool = False
    entry: str = ""
    reads: Literal["value", "word", "names", "function", "shardings"] = "value"
    home: str = ""

    def is_word(self, text: str) -> bool:
        """Whether `text` is a name without quotes that stands for itself."""
        return self.reads == "word" and text.isidentifier() and text != "None"


StaticArgnums = Annotated[str, Field("()", "static")]
DonateArgnums = Annotated[str, Field("()", "donate")]
Shardings = Annotated[str, Field("where the arrays lie", reads="shardings")]
Switch = Annotated[str, Field("False")]
SwitchedOn = Annotated[str, Field("True")]


class Layer(Part, tag_field="transform"):
    """A JAX transformation with its settings, each as the text that was typed ("" if not given).

    The class variables say what the transformation does; a kind sets those that apply to it.
    """

    about: ClassVar[str]  # what it is for, in a few words

    # What becomes of axes, and where it runs.
    maps: ClassVar[bool] = False  # removes an axis of its inputs, and adds one to its outputs
    divides: ClassVar[bool] = False  # divides dimensions over the axes of a mesh, and keeps them
    over_devices: ClassVar[bool] = False  # runs over several devices, each with its part
    in_mesh: ClassVar[bool] = False  # takes its axes from the mesh in context

    # What becomes of the function.
    traces: ClassVar[bool] = False  # no value can be looked at inside
    compiles: ClassVar[bool] = False  # what is traced is compiled as a whole
    returns_alike: ClassVar[bool] = False  # returns what the function returns, untouched

    # Derivatives take the place of what the function returns, or with `keeps_value` follow it; an
    # auxiliary output (`has_aux`) stays. With `of_scalar` the function must return one float.
    differentiates: ClassVar[bool] = False
    keeps_value: ClassVar[bool] = False
    of_scalar: ClassVar[bool] = False

    # The fields at fault if inputs or outputs do not fit, and the one that names the arguments
    # passed on as they are; "" where it has none.
    input_field: ClassVar[str] = ""
    output_field: ClassVar[str] = ""
    static_field: ClassVar[str] = ""

    @property
    def transform(self) -> str:
        return name_of(type(self))

    @property
    def maps_over_devices(self) -> bool:
        """Whether it maps an axis by giving each device one element of it."""
        return self.maps and self.over_devices

    @classmethod
    @functools.cache
    def fields(cls) -> Mapping[str, Field]:
        """The settings by name, in the order of the form."""
        return {
            field.name: next(x for x in field.type.__metadata__ if isinstance(x, Field))
            for field in msgspec.structs.fields(cls)
        }

    def typed(self) -> dict[str, str]:
        """The settings that are given, stripped of surrounding whitespace."""
        texts = {name: getattr(self, name).strip() for name in self.fields()}
        return {name: text for name, text in texts.items() if text}


def name_of(kind: type[Layer]) -> str:
    """JAX's name for a kind of layer, which is its `transform` in a session."""
    return str(kind.__struct_config__.tag)


class AxisMap(Layer):
    """A layer that maps the function over an axis of its arguments."""

    maps = True
    input_field = "in_axes"
    output_field = "out_axes"
    in_axes: Annotated[str, Field("0", "in", always=True, entry="0")] = ""
    out_axes: Annotated[str, Field("0", "out", always=True)] = ""
    axis_name: Annotated[str, Field("no name", "name", reads="word")] = ""
    axis_size: Annotated[str, Field("from the arguments", "size")] = ""


class Vmap(AxisMap, tag="vmap"):
    """`jax.vmap`."""

    about = "map over an axis on one device"
    spmd_axis_name: Annotated[str, Field("none", reads="word")] = ""
    sum_match: Switch = ""


class Pmap(AxisMap, tag="pmap"):
    """`jax.pmap`; its devices are those of the device set."""

    about = "map over an axis, an element a device"
    over_devices = True
    traces = True
    compiles = True
    static_field = "static_broadcasted_argnums"
    static_broadcasted_argnums: StaticArgnums = ""
    donate_argnums: DonateArgnums = ""


class ShardMap(Layer, tag="shard_map"):
    """`jax.shard_map` over the mesh of the device set."""

    about = "a block of the data to each device of the mesh"
    divides = True
    over_devices = True
    traces = True
    compiles = True
    input_field = "in_specs"
    output_field = "out_specs"
    in_specs: Annotated[str, Field("P('devices')", "in", entry="P()")] = ""
    out_specs: Annotated[str, Field("P('devices')", "out")] = ""
    axis_names: Annotated[str, Field("all axes of the mesh", "names", reads="names")] = ""
    check_vma: SwitchedOn = ""


class Smap(Layer, tag="smap"):
    """`jax.smap` over one axis of the mesh in context: a shard_map with axes in place of specs."""

    about = "a block to each device along one axis of the mesh"
    divides = True
    over_devices = True
    in_mesh = True
    traces = True
    compiles = True
    input_field = "in_axes"
    output_field = "out_axes"
    axis_name: Annotated[str, Field("an axis of the mesh", "name", reads="word")] = ""
    in_axes: Annotated[str, Field("as explicit axes divide them", "in", entry="None")] = ""
    out_axes: Annotated[str, Field("needed", "out")] = ""


class Jit(Layer, tag="jit"):
    """`jax.jit`."""

    about = "compile it as a whole"
    traces = True
    compiles = True
    returns_alike = True
    input_field = "static_argnums"
    static_field = "static_argnums"
    static_argnums: Annotated[str, Field("none", "static")] = ""
    static_argnames: Annotated[str, Field("none")] = ""
    donate_argnums: DonateArgnums = ""
    donate_argnames: Annotated[str, Field("none")] = ""
    in_shardings: Shardings = ""
    out_shardings: Shardings = ""
    keep_unused: Switch = ""
    inline: Switch = ""


class Derivative(Layer):
    """A layer that gives derivatives with respect to the arguments that `argnums` names."""

    differentiates = True
    input_field = "argnums"
    argnums: Annotated[str, Field("0", always=True)] = ""
    has_aux: Switch = ""


class Grad(Derivative, tag="grad"):
    """`jax.grad`."""

    about = "the gradient of a scalar output"
    of_scalar = True


class ValueAndGrad(Derivative, tag="value_and_grad"):
    """`jax.value_and_grad`."""

    about = "the output and its gradient"
    of_scalar = True
    keeps_value = True


class Jacfwd(Derivative, tag="jacfwd"):
    """`jax.jacfwd`."""

    about = "the Jacobian, column by column (forward mode)"
    holomorphic: Switch = ""


class Jacrev(Derivative, tag="jacrev"):
    """`jax.jacrev`."""

    about = "the Jacobian, row by row (reverse mode)"
    holomorphic: Switch = ""


class Hessian(Derivative, tag="hessian"):
    """`jax.hessian`, the Jacobian (`jacfwd`) of the Jacobian (`jacrev`)."""

    about = "the second derivatives, all of them"
    holomorphic: Switch = ""


class Checkpoint(Layer, tag="checkpoint"):
    """`jax.checkpoint`, which computes again for a gradient what `policy` does not save."""

    about = "compute again for the gradient, keep little"
    traces = True
    returns_alike = True
    input_field = "static_argnums"
    static_field = "static_argnums"
    policy: Annotated[
        str, Field("nothing is saved", reads="function", home="jax.checkpoint_policies")
    ] = ""
    prevent_cse: SwitchedOn = ""
    static_argnums: StaticArgnums = ""


AnyLayer = (
    Vmap
    | Pmap
    | ShardMap
    | Smap
    | Jit
    | Grad
    | ValueAndGrad
    | Jacfwd
    | Jacrev
    | Hessian
    | Checkpoint
)
# Every kind by JAX's name for it, in the order in which the screen offers them.
LAYER_KINDS: dict[str, type[AnyLayer]] = {name_of(kind): kind for kind in get_args(AnyLayer)}
