"""The texts of a session as plain Python, in which every name means what it means in jaxtui."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

from jaxtui.session import adapters
from jaxtui.session.export_helpers import HELPERS
from jaxtui.session.field_path import LAYERS, FieldPath
from jaxtui.session.layer_kind import Field
from jaxtui.session.layers import AnyLayer
from jaxtui.session.python_faults import fault_of
from jaxtui.session.session import FieldError
from jaxtui.session.short_dtypes import FULL_NAMES

_SHARDINGS = (
    "jax.tree.map("
    "lambda x: jax.sharding.NamedSharding(mesh, x) if isinstance(x, P) else x, "
    "{text}, is_leaf=lambda x: isinstance(x, P))"
)


class ExportError(FieldError):
    """A session with a field that is missing or not valid Python."""


@dataclass
class Texts:
    """Writes texts for one script.

    `bound` are the names that the script binds, and `homes` the modules of those that only these
    have. The definitions of helper functions that are used are put into `helpers`. With `npy_only`
    nothing but .npy files is loaded.
    """

    bound: Container[str]
    helpers: dict[str, str] = field(default_factory=dict)
    homes: Mapping[str, str] = field(default_factory=dict)
    npy_only: bool = True

    def value(self, text: str) -> str:
        """Put the module before each name of a value that only jaxtui resolves without it."""

        def home(name: str) -> str:
            if name in self.homes:
                return self.homes[name]
            if name in HELPERS:
                self.helpers[name] = HELPERS["load_any" if self._loads(name) else name]
                return ""
            if full := FULL_NAMES.get(name):
                self.helpers[name] = f"{name} = jnp.{full}\n"
                return ""
            return "jnp"

        return qualified(text, self.bound, home)

    def _loads(self, name: str) -> bool:
        return name == "load" and not self.npy_only

    def layer(self, index: int, layer: AnyLayer, first: Sequence[str]) -> str:
        """The layer at `index`, with `first` before its own settings: `jax.vmap(f, in_axes=0)`,
        `functools.partial(jax.vmap, in_axes=0)(f)`. Raises ExportError."""
        settings = {}
        for name, text in layer.typed().items():
            try:
                settings[name] = self._setting(layer.fields()[name], text)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise ExportError(f"no Python: {fault_of(error)}", LAYERS / index / name) from error
        self.helpers |= adapters.definitions(layer.adapter)
        if not layer.home:
            if layer.needs not in settings:
                message = f"{layer.transform} needs {layer.needs}"
                raise ExportError(message, LAYERS / index / layer.needs)
            return f"({settings[layer.needs]})({', '.join(first)})"
        call = layer.adapter or layer.jax_name()
        return f"{call}({', '.join([*first, *(f'{k}={v}' for k, v in settings.items())])})"

    def _setting(self, kind: Field, text: str) -> str:
        if kind.is_word(text):
            return repr(text)
        if kind.reads == "arrays":
            return self.value(text)
        if self.homes:
            text = qualified(text, self.bound, lambda name: self.homes.get(name, ""))
        if kind.reads in ("names", "places"):
            value = ast.parse(text, mode="eval").body
            return "{" + text + "}" if isinstance(value, ast.Constant) else f"set(({text}))"
        if kind.reads == "shardings":
            ast.parse(text, mode="eval")
            return _SHARDINGS.format(text=text)
        if kind.reads == "function" and "functools" not in self.bound and "functools" in text:
            self.helpers["functools"] = "import functools\n"
        return qualified(text, self.bound, lambda name: kind.home) if kind.home else text


def sharding(text: str, field: FieldPath) -> str:
    """The shardings over the mesh of an argument's spec or tree of specs. Raises ExportError."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExportError(f"no Python: {fault_of(error)}", field) from error
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "P":
        return f"jax.sharding.NamedSharding(mesh, {text})"
    names = [node] if isinstance(node, ast.Constant) else getattr(node, "elts", [])
    if names and all(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in names):
        return f"jax.sharding.NamedSharding(mesh, P({text}))"
    return _SHARDINGS.format(text=text)


def qualified(text: str, bound: Container[str], home: Callable[[str], str]) -> str:
    """Put the module `home(name)` before each name in `text` that is not defined without it.

    Defined are the names in `bound`, those that `text` itself binds, and builtins.
    """
    text = text.strip()
    tree = ast.parse(text, mode="eval")
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and stores(n)}
    lines = [line.encode() for line in text.split("\n")]
    loads = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and not stores(n)]
    for node in sorted(loads, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        if node.id in own or node.id in bound or hasattr(builtins, node.id):
            continue
        if module := home(node.id):
            line, at = lines[node.lineno - 1], node.col_offset
            lines[node.lineno - 1] = line[:at] + f"{module}.".encode() + line[at:]
    changed = b"\n".join(lines).decode()
    return f"({changed})" if len(lines) > 1 else changed


def stores(node: ast.Name) -> bool:
    """Whether a name is bound where it stands."""
    return isinstance(node.ctx, ast.Store)
