"""The kinds of layers, one class each, described without JAX.

A layer is a JAX transformation with its settings. Its class gives its name in a session (the tag,
which is JAX's own name) and where JAX has it, its settings, how each is shown and read (a Field in
the annotation), and what the transformation does to a function: whether it maps an axis, runs over
several devices, traces, compiles or differentiates. The engine, the screens and the export only ask
the class; none of them knows a layer by its name. A new kind of layer is a class and its place in
AnyLayer.
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
    PartitionSpec is over the session's mesh ("shardings"). Further: positions and names of
    arguments, which make a set ("places"); the signature of a generalized ufunc ("signature"); and
    arrays ("arrays"), in the names that the arguments' values know, computed where the program
    runs. `home` is the dotted name of a module whose names the text may use unqualified.
    """

    default: str
    short: str = ""
    always: bool = False
    entry: str = ""
    reads: Literal[
        "value", "word", "names", "function", "shardings", "places", "signature", "arrays"
    ] = "value"
    home: str = ""

    def is_word(self, text: str) -> bool:
        """Whether `text`, without quotes, stands for itself: a name, or a signature."""
        if self.reads == "signature":
            return not (text.isidentifier() or "'" in text or '"' in text)
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

    # Where JAX has it; "" where it is the function that the field `needs` gives. `adapter` names
    # what makes of JAX's function one of the arguments alone (`adapters`), "" if it gives one.
    home: ClassVar[str] = "jax"
    adapter: ClassVar[str] = ""

    # What becomes of axes, and where it runs.
    maps: ClassVar[bool] = False  # removes an axis of its inputs, and adds one to its outputs
    divides: ClassVar[bool] = False  # divides dimensions over the axes of a mesh, and keeps them
    over_devices: ClassVar[bool] = False  # runs over several devices, each with its part
    in_mesh: ClassVar[bool] = False  # takes its axes from the mesh in context
    broadcasts: ClassVar[bool] = False  # loops over the leading dimensions of what it is given
    # The axes removed and added that no field says: an entry for each argument or each part of the
    # output, or one for all; None where fields say it.
    fixed_in_axes: ClassVar[int | tuple[int | None, ...] | None] = None
    fixed_out_axes: ClassVar[int | tuple[int | None, ...] | None] = None
    keyword_axis: ClassVar[int | None] = None  # the axis that every argument by name is mapped over
    of_examples: ClassVar[bool] = False  # the elements of the axis have nothing to do with another

    # What becomes of the function.
    traces: ClassVar[bool] = False  # no value can be looked at inside
    compiles: ClassVar[bool] = False  # what is traced is compiled as a whole
    returns_alike: ClassVar[bool] = False  # returns what the function returns, untouched

    # Derivatives take the place of what the function returns, or with `keeps_value` follow it; an
    # auxiliary output (`has_aux`) stays, and with `auxiliary_last` follows the derivatives. With
    # `of_scalar` the function must return one float.
    differentiates: ClassVar[bool] = False
    keeps_value: ClassVar[bool] = False
    auxiliary_last: ClassVar[bool] = False
    of_scalar: ClassVar[bool] = False

    # The fields at fault if inputs or outputs do not fit, the one that names the arguments passed
    # on as they are, the one that gives the size of the axis, and the field that must be given; ""
    # where it has none.
    input_field: ClassVar[str] = ""
    output_field: ClassVar[str] = ""
    static_field: ClassVar[str] = ""
    size_field: ClassVar[str] = ""
    needs: ClassVar[str] = ""

    @property
    def transform(self) -> str:
        return name_of(type(self))

    @classmethod
    def jax_name(cls) -> str:
        """The dotted name of JAX's function, such as "jax.lax.scan"; "" if it is none of JAX's."""
        return f"{cls.home}.{name_of(cls)}" if cls.home else ""

    @classmethod
    def takes_apart(cls) -> bool:
        """Whether it removes or divides dimensions of its inputs."""
        return cls.maps or cls.divides or cls.broadcasts or cls.fixed_in_axes is not None

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
    of_examples = True
    keyword_axis = 0
    input_field = "in_axes"
    output_field = "out_axes"
    size_field = "axis_size"
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


class Linear(Layer):
    """A layer that applies the derivative of the function, a linear map, to arrays.

    The outputs of the function come first, then the derivatives, then what is auxiliary. Arguments
    by name are not differentiated.
    """

    differentiates = True
    keeps_value = True
    auxiliary_last = True


class Jvp(Linear, tag="jvp"):
    """`jax.jvp`: the output, and what it changes by along `tangents` (forward mode)."""

    about = "the output, and its change along tangents"
    adapter = "as_jvp"
    input_field = "tangents"
    tangents: Annotated[str, Field("ones like each argument", reads="arrays")] = ""
    has_aux: Switch = ""


class Vjp(Linear, tag="vjp"):
    """`jax.vjp`: the output, and `cotangents` pulled back to the arguments (reverse mode)."""

    about = "the output, and cotangents pulled back to inputs"
    adapter = "as_vjp"
    output_field = "cotangents"
    # JAX's function returns the map that takes these.
    cotangents: Annotated[str, Field("ones like the output", reads="arrays")] = ""
    has_aux: Switch = ""


class Linearize(Linear, tag="linearize"):
    """`jax.linearize`: the output, and the linear map there applied to `tangents`."""

    about = "the output, and the linear map there, of tangents"
    adapter = "as_linearize"
    input_field = "tangents"
    # JAX's function returns the map that takes these.
    tangents: Annotated[str, Field("ones like each argument", reads="arrays")] = ""
    has_aux: Switch = ""


class Scan(Layer, tag="scan"):
    """`jax.lax.scan`: a function of a carry and a slice, step by step; of `init` and `xs`."""

    about = "step by step along an axis, with a carry"
    home = "jax.lax"
    adapter = "as_scan"
    traces = True
    fixed_in_axes = (None, 0)
    fixed_out_axes = (None, 0)
    size_field = "length"
    length: Annotated[str, Field("from the arguments")] = ""
    reverse: Switch = ""
    unroll: Annotated[str, Field("1")] = ""


class Map(Layer, tag="map"):
    """`jax.lax.map`, one element of the leading axis after the other."""

    about = "one element after the other, or batch_size at once"
    home = "jax.lax"
    adapter = "as_map"
    traces = True
    fixed_in_axes = 0
    fixed_out_axes = 0
    keyword_axis = 0
    of_examples = True
    batch_size: Annotated[str, Field("one at a time", "batch")] = ""


class Vectorize(Layer, tag="vectorize"):
    """`jax.numpy.vectorize`: over the dimensions before those of the signature, broadcast."""

    about = "over all leading dimensions, broadcast as NumPy does"
    home = "jax.numpy"
    broadcasts = True
    input_field = "signature"
    output_field = "signature"
    excluded: Annotated[str, Field("none", reads="places")] = ""
    signature: Annotated[str, Field("of single values", "", True, reads="signature")] = ""


class Apply(Layer, tag="apply"):
    """Any function that takes a function and returns one: a decorator, or `functools.partial`."""

    about = "what an expression makes of the function"
    home = ""
    needs = "function"
    input_field = "function"
    output_field = "function"
    function: Annotated[
        str, Field("an expression, such as jax.vmap", "", True, reads="function")
    ] = ""


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
    | Jvp
    | Vjp
    | Linearize
    | Scan
    | Map
    | Vectorize
    | Apply
)
# Every kind by JAX's name for it, in the order in which the screen offers them.
LAYER_KINDS: dict[str, type[AnyLayer]] = {name_of(kind): kind for kind in get_args(AnyLayer)}
