"""A composition traced on a mesh, which need not be there, and lowered with marked values."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import tree_util
from jax.extend import core
from jax.sharding import AbstractMesh, AxisType, Mesh

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.meshes import abstract_mesh, has_explicit, types_of
from jaxtui.program.engine import expressions, placing
from jaxtui.program.engine.diagnosis import explain as diagnosis
from jaxtui.program.engine.evaluation import values_of
from jaxtui.program.engine.prepared import Prepared, prepare
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths, over_arrays
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import PROGRAM
from jaxtui.session.session import Sharding
from jaxtui.sharding import scopes
from jaxtui.sharding.engine import hlo_form, liveness, shardy
from jaxtui.sharding.engine.marking import Marked, marked
from jaxtui.sharding.engine.shardy import Sharded
from jaxtui.wire.base import Composition


@dataclass(frozen=True)
class Given:
    """A leaf of the arguments: the name of its argument and its index in the session, its keystr
    path, and the leaf, as a ShapeDtypeStruct if it is an array."""

    argument: int
    name: str
    path: str
    leaf: Any


@dataclass(frozen=True)
class LoweredProgram:
    """A program on a mesh: its jaxpr, the marked one, and the MLIR module of the latter.

    `mesh` and `axis_types` are those of the session, `sizes` the axes of every mesh in the program.
    `here` says that the mesh is that of the devices. `trees` are the arguments as shapes, by
    their places in the session, `given` has all their leaves, `paths` those of the results.
    """

    prepared: Prepared
    mesh: dict[str, int]
    axis_types: dict[str, str]
    sizes: dict[str, int]
    here: bool
    trees: list[Any]
    given: list[Given]
    paths: list[str]
    jaxpr: Any
    marked: Marked
    module: Any
    unlowered: str

    @property
    def arrays(self) -> list[Given]:
        """The leaves that are arrays, which the module takes, in its order."""
        return [given for given in self.given if isinstance(given.leaf, jax.ShapeDtypeStruct)]

    def laid_inputs(self, module: Any) -> list[Sharded]:
        """How the arrays among the arguments lie in a copy of the module, in its context."""
        pairs = zip(shardy.inputs(module), self.arrays, strict=True)
        return [shardy.sharded(laid, shardy.rank(given.leaf)) for laid, given in pairs]

    def laid_values(self, module: Any) -> list[Sharded]:
        """How the values lie in a propagated copy of the module, in its context."""
        held, known = shardy.marked_values(module), self._read
        found = []
        for number, rank in enumerate(self._ranks):
            if number in self._unreduced:
                found.append(self._unreduced[number])
                continue
            key = (held.get(number), rank)
            if key not in known:
                known[key] = shardy.sharded(*key)
            found.append(known[key])
        return found

    @functools.cached_property
    def _ranks(self) -> list[int]:
        return [shardy.rank(value.aval) for value in self.marked.values]

    @functools.cached_property
    def _unreduced(self) -> dict[int, Sharded]:
        """How the values lie that are yet to be summed, which have no marks: their types say it."""
        laid = ((n, shardy.by_type(v.aval)) for n, v in enumerate(self.marked.values))
        return {number: sharded for number, sharded in laid if sharded.unreduced}

    @functools.cached_property
    def _read(self) -> dict[tuple[Any, int], Sharded]:
        """What is known of sharding attributes, of which a program has few."""
        return {}

    @functools.cached_property
    def turns(self) -> dict[int, int | None]:
        """How often what stands in each scope runs, by the scope's number."""
        return scopes.turns(self.marked.scopes)

    @functools.cached_property
    def life(self) -> liveness.Life:
        """When the values of the marked program live."""
        return liveness.Life(self.marked.closed.jaxpr, self._donated())

    def _donated(self) -> set[Any]:
        """The arguments of the marked program that an outermost `jit` may overwrite."""
        jaxpr = self.jaxpr.jaxpr
        if len(jaxpr.eqns) != 1:
            return set()
        donated = jaxpr.eqns[0].params.get("donated_invars", ())
        flags = zip(jaxpr.eqns[0].invars, donated, strict=False)
        overwritten = {v for v, flag in flags if flag and isinstance(v, core.Var)}
        pairs = zip(jaxpr.invars, self.marked.closed.jaxpr.invars, strict=True)
        return {new for old, new in pairs if old in overwritten}

    def is_needed(self, number: int) -> bool:
        """Whether the results depend on the equation that makes the value of this number."""
        return id(self.marked.values[number].equation) in self._needed

    @functools.cached_property
    def _needed(self) -> set[int]:
        needed = liveness.needed(self.marked.closed.jaxpr)
        return {
            id(value.equation)
            for value in self.marked.values
            if isinstance(value.variable, core.Var) and value.variable in needed
        }


def lowered(composition: Composition, sharding: Sharding) -> LoweredProgram:
    """Trace and lower `composition` on the mesh of `sharding`, or that of its devices.

    No argument is allocated. Raises Diagnosed.
    """
    planned = planned_mesh(composition, sharding)
    prepared = prepare(composition, planned)
    values = values_of(prepared, expressions.abstract_value)
    with placing.on_device_set(prepared.devices), _with_shardy():
        trees = [_with_structs(tree) for tree in placing.placed_structs(values, prepared)]
        args, kwargs = prepared.call(trees)
        recorder = prepared.recorder()
        call, structs = over_arrays(recorder.program, args, kwargs)
        jaxpr = _traced(call, structs, recorder, prepared)
        # Refuses what is on no mesh, before JAX fails to lower it.
        sizes = _sizes(prepared.devices.mesh, jaxpr)
        result = marked(jaxpr)
        module, unlowered = _module(result.closed, structs, recorder, prepared)
    mesh = prepared.devices.mesh
    return LoweredProgram(
        prepared=prepared,
        mesh=dict(mesh.shape),
        axis_types={axis: _word(kind) for axis, kind in types_of(mesh).items()},
        sizes=sizes,
        here=planned is None,
        trees=trees,
        given=_given(prepared, trees),
        paths=_result_paths(recorder),
        jaxpr=jaxpr,
        marked=result,
        module=module,
        unlowered=unlowered,
    )


def planned_mesh(composition: Composition, sharding: Sharding) -> AbstractMesh | None:
    """The mesh to plan on if it is not that of the devices, else None. Raises Diagnosed.

    That is the mesh of `sharding`, or one of the session's for which there are too few devices.
    """
    asked = composition.devices
    if sharding.mesh is None:
        types = asked.axis_types if sharding.axis_types is None else sharding.axis_types
        if asked.mesh is None or (_fits(asked.mesh) and types == asked.axis_types):
            return None
        return abstract_mesh(asked.mesh, types) if _is_sound(asked.mesh) else None
    types = sharding.axis_types
    if types is None and sharding.mesh == asked.mesh:
        types = asked.axis_types
    if sharding.mesh == asked.mesh and types == asked.axis_types and _fits(sharding.mesh):
        return None
    return abstract_mesh(sharding.mesh, types)


def _fits(mesh: Mapping[str, int]) -> bool:
    return math.prod(mesh.values()) == jax.device_count()


def _is_sound(mesh: Mapping[str, int]) -> bool:
    """Whether nothing is wrong with a mesh but that there are no devices for it."""
    return bool(mesh) and all(n.isidentifier() and size > 0 for n, size in mesh.items())


def _with_structs(tree: Any) -> Any:
    """`tree` with each NumPy array as its shape, as a compiled program takes it."""

    def struct(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray | np.generic):
            return leaf
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype)
        return jax.ShapeDtypeStruct(leaf.shape, dtype)

    return tree_util.tree_map(struct, tree)


def _given(prepared: Prepared, trees: list[Any]) -> list[Given]:
    """The leaves of the arguments in the order in which JAX flattens a call with them."""
    names = [argument.name for argument in prepared.composition.program.arguments]
    order = [*prepared.positional, *(i for _, i in sorted(prepared.keywords.items()))]
    return [
        Given(index, names[index], path, leaf)
        for index in order
        for path, leaf in leaves_with_paths(trees[index])
    ]


def _result_paths(recorder: Recorder) -> list[str]:
    output = recorder.recordings[0].output
    return [path for path, leaf in leaves_with_paths(output) if is_array(leaf)]


def _traced(call: Any, structs: list[Any], recorder: Recorder, prepared: Prepared) -> Any:
    try:
        return jax.make_jaxpr(call)(*structs)
    except Diagnosed:
        raise
    except BaseException as error:  # also SystemExit: a function may call exit()
        if isinstance(error, expressions.CONCRETE_VALUE_NEEDED):
            message = "what this does depends on values, which only a run has: it cannot be planned"
            found = diagnosis.explain(error, recorder, prepared)
            found = Diagnosis(
                kind=found.kind,
                field=found.field,
                message=f"{message} ({found.message})",
                line=found.line,
                fixes=found.fixes,
            )
        else:
            found = diagnosis.explain(error, recorder, prepared)
        raise Diagnosed(found, recorder.flow()) from error


def _module(
    closed: Any, structs: list[Any], recorder: Recorder, prepared: Prepared
) -> tuple[Any, str]:
    """The MLIR module, or None and why JAX has none: before 0.8 it lowers explicit axes only for
    devices that are there."""
    platform = jax.default_backend()
    try:
        program = jax.jit(calling(closed, prepared.devices.mesh), keep_unused=True)
        lowered = program.trace(*structs).lower(lowering_platforms=(platform,))
        return hlo_form.prepared(lowered.compiler_ir("stablehlo")), ""
    except Exception as error:
        if isinstance(prepared.devices.mesh, AbstractMesh) and has_explicit(prepared.devices.mesh):
            return None, failures.describe(error)
        raise Diagnosed(diagnosis.explain(error, recorder, prepared), recorder.flow()) from error


def calling(closed: Any, mesh: Mesh | AbstractMesh) -> Callable[..., Any]:
    """A function that calls a jaxpr as it is: tracing it makes one equation, not all anew."""
    if closed.consts:
        anew: Callable[..., Any] = core.jaxpr_as_fun(closed)
        return anew
    in_context = jax.sharding.get_abstract_mesh()
    call = _call(len(closed.jaxpr.invars), len(closed.jaxpr.outvars), mesh, in_context)
    params = {**call.params, "jaxpr": closed}
    return lambda *given: call.primitive.bind(*given, **params)


@functools.lru_cache(maxsize=64)
def _call(taken: int, made: int, *_context: object) -> Any:
    """The equation of a `jit` with so many arguments and results, traced in a context of meshes."""
    return jax.make_jaxpr(jax.jit(lambda *_: (0,) * made))(*(0,) * taken).jaxpr.eqns[0]


def _sizes(mesh: Mesh | AbstractMesh, closed: Any) -> dict[str, int]:
    """The size of each axis of the mesh and of those over which parts of the program run.

    Raises Diagnosed for a `pmap` of JAX before 0.8.
    """
    sizes: dict[str, int] = {}
    for equations, _ in walk(closed):
        for equation in equations:
            if equation.primitive.name == "shard_map":
                sizes.update(equation.params["mesh"].shape)
            elif equation.primitive.name == "xla_pmap":  # it is on no mesh
                message = "before JAX 0.8 a pmap cannot be planned: a shard_map can"
                raise diagnosed("unsupported", PROGRAM, message)
    return {**sizes, **mesh.shape}


def _word(kind: AxisType) -> str:
    return kind.name.lower()


@contextlib.contextmanager
def _with_shardy() -> Iterator[None]:
    """Lower for Shardy, which is JAX's default from 0.7 on, in this thread only."""
    if jax.config.values.get("jax_use_shardy_partitioner", True):
        yield
        return
    from jax._src import config

    with config.use_shardy_partitioner(True):
        yield
