"""What a kind of layer says of itself: its settings, and what it does to a function.

A layer is a JAX transformation with its settings. Its class gives its name in a session (the tag,
which is JAX's own name) and where JAX has it, its settings, how each is shown and read (a Field in
the annotation), and what the transformation does to a function: whether it maps an axis, runs over
several devices, traces, compiles or differentiates. The engine, the screens and the export only ask
the class; none of them knows a layer by its name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec
from msgspec import Struct

from jaxtui.session.part import Part


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
