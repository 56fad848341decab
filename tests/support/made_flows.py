"""Shape flows made by hand, for the tests of what draws them."""

from __future__ import annotations

from jaxtui.wire.report import Flow, FlowLeaf, Level


def leaf(path: str, *shape: int, dtype: str = "float32", marks: tuple[int, ...] = ()) -> FlowLeaf:
    return FlowLeaf(path=path, shape=list(shape), dtype=dtype, marks=list(marks))


def level(
    label: str, inputs: list[FlowLeaf] | None, outputs: list[FlowLeaf] | None, layer: int = -1
) -> Level:
    transform = "" if layer < 0 else label.split()[0]
    return Level(
        layer=layer, transform=transform, label=label, size=None, inputs=inputs, outputs=outputs
    )


def nested() -> Flow:
    """pmap of vmap of a matrix-vector product whose scale is passed on whole."""
    return Flow(
        function="matrix_vector_product",
        levels=[
            level(
                "given",
                [
                    leaf("matrix", 8, 4, 2, 2, marks=(0,)),
                    leaf("scale"),
                    leaf("vector", 8, 4, 2, marks=(0,)),
                ],
                [leaf("", 8, 4, 2, marks=(0,))],
            ),
            level(
                "pmap devices·8",
                [
                    leaf("matrix", 4, 2, 2, marks=(0,)),
                    leaf("scale"),
                    leaf("vector", 4, 2, marks=(0,)),
                ],
                [leaf("", 4, 2, marks=(0,))],
                1,
            ),
            level(
                "vmap batch·4",
                [leaf("matrix", 2, 2), leaf("scale"), leaf("vector", 2)],
                [leaf("", 2)],
                0,
            ),
        ],
    )
