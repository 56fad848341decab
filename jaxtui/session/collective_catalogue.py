"""The lax collectives: what each does, its options, what its messages count, how its data moves.

A new collective is a new entry of `_OPERATIONS`, and a reference in NumPy beside those of
`jaxtui.collectives.engine.references`. Everything else follows from these two: from the kinds of
the options, what is `made`, and the convention.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

OptionKind = Literal[
    "axis",  # the name of the axis, or a tuple of names
    "groups",  # lists of positions along the axis
    "split",  # the dimension of a device's block that is cut into parts
    "concat",  # the dimension of the result along which blocks or parts are put together
    "flag",  # True or False
    "pairs",  # (source, target) positions along the axis
    "permutation",  # for every position the one it receives from
    "position",  # one position along the axis
    "word",  # a text
    "operand",  # an array with a row for each device
]


Made = Literal["", "sum", "mean", "largest", "smallest"]
Family = Literal["all-reduce", "all-gather", "reduce-scatter", "all-to-all", "permute", "broadcast"]


class Option(Struct, frozen=True):
    """An option of a collective; `default` is Python text, None if the option must be given."""

    name: str
    kind: OptionKind
    words: str
    default: str | None = None
    choices: tuple[str, ...] = ()


class Convention(Struct, frozen=True):
    """What the size S of a message counts, and how S/t becomes the bus bandwidth.

    Sizes and factors are those of nccl-tests (its doc/PERFORMANCE.md). With n ranks and a message
    of S bytes that takes t, the algorithm bandwidth is S/t; the bus bandwidth, factor × S/t, is
    what each rank's link carries whatever n is. A ring sends every rank's share over each link in
    `passes` passes of (n−1)/n of S; 0 passes are a message that crosses a link whole. `divided`: S
    is n blocks of `count` elements, not one. Collectives of one `family` travel alike.
    """

    family: Family
    size: str
    count: str
    passes: int
    divided: bool = False

    def factor(self, ranks: int) -> float:
        return self.passes * (ranks - 1) / ranks if self.passes else 1.0

    @property
    def formula(self) -> str:
        return {0: "1", 1: "(n−1)/n", 2: "2(n−1)/n"}[self.passes]

    def blocks(self, ranks: int) -> int:
        """The number of blocks of `count` elements in S."""
        return ranks if self.divided else 1


class Operation(Struct, frozen=True, kw_only=True):
    """A collective in words.

    `does` completes "each device gets ...", `needs` says which shapes of blocks it takes, and
    `made` what an output element is of several input elements ("sum"; "" where data only moves).
    `value` is an example of an input for any number of devices, and `given` are options that fit
    it. `operand` is false for those that read no data. `convention` is None for those without a
    single message size.
    """

    name: str
    does: str
    needs: str = ""
    made: Made = ""
    convention: Convention | None = None
    options: tuple[Option, ...] = ()
    operand: bool = True
    value: str = "arange(devices * 2.0).reshape(devices, 2)"
    given: dict[str, str] = {}

    def option(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)

    def names(self, kind: OptionKind) -> list[str]:
        return [option.name for option in self.options if option.kind == kind]

    @property
    def family(self) -> Family | None:
        return self.convention.family if self.convention is not None else None

    @property
    def compares(self) -> bool:
        return self.made in ("largest", "smallest")

    @property
    def stacks(self) -> bool:
        """Whether it puts whole blocks together, along a new dimension unless tiled."""
        return bool(self.names("concat")) and not self.names("split")


_ALL_REDUCE = Convention(
    "all-reduce", "the bytes that each rank gives", "given by each rank", passes=2
)
_ALL_GATHER = Convention(
    "all-gather", "all bytes that are gathered", "given by each rank", passes=1, divided=True
)
_REDUCE_SCATTER = Convention(
    "reduce-scatter", "the bytes that each rank gives", "got by each rank", passes=1, divided=True
)
_ALL_TO_ALL = Convention(
    "all-to-all", "the bytes that each rank gives", "from each rank to each", passes=1, divided=True
)
_PERMUTE = Convention("permute", "the bytes that each rank sends", "sent by each rank", passes=0)
_BROADCAST = Convention("broadcast", "the bytes that one rank sends", "sent by one rank", passes=0)

_AXIS = Option(
    "axis_name",
    "axis",
    "the axis to go along; for a mesh of several axes one of them, or a tuple",
    default="None",
)
_GROUPS = Option(
    "axis_index_groups", "groups", "groups of positions, each a collective of its own", "None"
)
_TILED_GATHER = Option(
    "tiled",
    "flag",
    "lay the blocks one after the other instead of stacking them on a new dimension",
    default="False",
)
_TILED_SPLIT = Option(
    "tiled",
    "flag",
    "cut the dimension into equal parts and keep it, instead of taking it away",
    default="False",
)
_SQUARE = "arange(devices * devices * 1.0).reshape(devices, devices)"


def _reduction(name: str, made: Made) -> Operation:
    return Operation(
        name=name,
        does=f"the {made} of all devices' blocks, element by element",
        made=made,
        convention=_ALL_REDUCE,
        options=(_AXIS, _GROUPS),
    )


def _without_operand(name: str, does: str) -> Operation:
    return Operation(name=name, does=does, options=(_AXIS,), operand=False, value="arange(devices)")


_OPERATIONS = (
    _reduction("psum", "sum"),
    _reduction("pmean", "mean"),
    _reduction("pmax", "largest"),
    _reduction("pmin", "smallest"),
    Operation(
        name="all_gather",
        does="the blocks of all devices, in order",
        needs="with tiled, blocks of at least one dimension",
        convention=_ALL_GATHER,
        options=(
            _AXIS,
            _GROUPS,
            Option(
                "axis",
                "concat",
                "the dimension of the result along which the blocks lie",
                default="0",
            ),
            _TILED_GATHER,
            Option(
                "to",
                "word",
                "how shard_map types the result: differing or the same on all devices",
                default='"varying"',
                choices=('"varying"', '"invarying"'),
            ),
        ),
    ),
    Operation(
        name="all_to_all",
        does="its part of every device's block: part i goes to device i",
        needs="a split_axis as long as there are devices, with tiled a multiple of that",
        convention=_ALL_TO_ALL,
        options=(
            _AXIS,
            _GROUPS,
            Option("split_axis", "split", "the dimension that is cut into parts"),
            Option("concat_axis", "concat", "the dimension along which the parts are put together"),
            _TILED_SPLIT,
        ),
        value=_SQUARE,
        given={"split_axis": "0", "concat_axis": "0"},
    ),
    Operation(
        name="ppermute",
        does="the block of the device that sends to it, zeros where none does",
        convention=_PERMUTE,
        options=(
            _AXIS,
            Option("perm", "pairs", "pairs (source, target) of positions"),
        ),
        given={"perm": "[(i, (i + 1) % devices) for i in range(devices)]"},
    ),
    Operation(
        name="psum_scatter",
        does="its part of the sum of all devices' blocks",
        needs="a scatter_dimension as long as there are devices, with tiled a multiple of that",
        made="sum",
        convention=_REDUCE_SCATTER,
        options=(
            _AXIS,
            _GROUPS,
            Option(
                "scatter_dimension", "split", "the dimension that is cut into parts", default="0"
            ),
            _TILED_SPLIT,
        ),
        value=_SQUARE,
    ),
    Operation(
        name="pshuffle",
        does="the block of device perm[i], on device i",
        convention=_PERMUTE,
        options=(
            _AXIS,
            Option("perm", "permutation", "for every position the position whose block it gets"),
        ),
        given={"perm": "[(i + 1) % devices for i in range(devices)]"},
    ),
    Operation(
        name="pswapaxes",
        does="its part of every device's block: the devices' axis and a dimension change places",
        needs="a dimension axis as long as there are devices",
        convention=_ALL_TO_ALL,
        options=(_AXIS, _GROUPS, Option("axis", "split", "the dimension to swap with")),
        value=_SQUARE,
        given={"axis": "0"},
    ),
    _without_operand("axis_index", "its own position along the axis"),
    _without_operand("axis_size", "the length of the axis"),
    Operation(
        name="pbroadcast",
        does="the block of one device",
        convention=_BROADCAST,
        options=(
            _AXIS,
            Option("source", "position", "the position whose block all get"),
        ),
        given={"source": "0"},
    ),
    Operation(
        name="ragged_all_to_all",
        does="slices of every device's block, each of its own length",
        needs="offsets and sizes of one integer for each device",
        options=(
            _AXIS,
            _GROUPS,
            Option("output", "operand", "what the slices are written into"),
            Option("input_offsets", "operand", "where the slice for each device begins"),
            Option("send_sizes", "operand", "how long the slice for each device is"),
            Option("output_offsets", "operand", "where each device puts the slice it gets"),
            Option("recv_sizes", "operand", "how long the slice from each device is"),
        ),
        value=_SQUARE,
        given={
            "output": "zeros((devices, devices))",
            "input_offsets": "tile(arange(devices), (devices, 1))",
            "send_sizes": "ones((devices, devices), int)",
            "output_offsets": "tile(arange(devices)[:, None], (1, devices))",
            "recv_sizes": "ones((devices, devices), int)",
        },
    ),
)

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _OPERATIONS}
"""Every collective of `jax.lax` from JAX 0.6.1 to 0.12.0.1; the installed one may lack options."""
