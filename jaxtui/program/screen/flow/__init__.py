"""The shape flow: every leaf's shape on its way through the layers, drawn."""
