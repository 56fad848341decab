"""The kinds of layers, one class each, described without JAX.

A new kind of layer is a class and its place in AnyLayer; what it says of itself is in `layer_kind`.
"""

from __future__ import annotations

from typing import Annotated, get_args

from jaxtui.session.layer_kind import Field, Layer, name_of

StaticArgnums = Annotated[str, Field("()", "static")]
DonateArgnums = Annotated[str, Field("()", "donate")]
Shardings = Annotated[str, Field("where the arrays lie", reads="shardings")]
Switch = Annotated[str, Field("False")]
SwitchedOn = Annotated[str, Field("True")]


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
