"""Arguments that go by keyword only, passed by position instead, so that they have an axis."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from jaxtui.program.engine.diagnosis.calls import Call
from jaxtui.session.diagnosis import Edit, Fix
from jaxtui.session.field_path import FUNCTION, SOURCE


def fix(call: Call, moved: Collection[str], entries: Mapping[str, str]) -> Fix | None:
    """A function in the source that takes the keyword arguments `moved` by position.

    `entries` has the text of the entry of every argument that then goes by position. None where
    the function is not that of the source, or is under more layers whose entries would not fit.
    """
    given = call.prepared
    program, name = given.composition.program, given.function.name
    if ":" in program.function or not name.isidentifier() or len(program.layers) > 1:
        return None
    order = [
        given.argument_names[given.positional.index(i)] if i in given.positional else a.name
        for i, a in enumerate(program.arguments)
    ]
    places = [argument for argument in order if argument not in given.keywords or argument in moved]
    if not all(argument.isidentifier() for argument in order):
        return None
    kept = [argument for argument in given.keywords if argument not in moved]
    taken = ", ".join([*places, *(["*", *kept] if kept else [])])
    passed = [argument for argument in places if argument not in moved]
    passed += [f"{keyword}={keyword}" for keyword in given.keywords]
    bound = f"{name}_with_{'_'.join(moved)}"
    source = f"""{program.source.rstrip()}

def {bound}({taken}):
    return {name}({", ".join(passed)})
"""
    texts = [entries[argument] for argument in places]
    axes = f"({', '.join(texts)},)" if len(texts) == 1 else f"({', '.join(texts)})"
    field = call.layer.kind.input_field
    also = [Edit(call.layer.field(field), axes)]
    if program.function.strip():
        also.append(Edit(FUNCTION, bound))
    label = f"pass {', '.join(moved)} by position, with {field} {axes}"
    return Fix(label, SOURCE, source, tuple(also))
