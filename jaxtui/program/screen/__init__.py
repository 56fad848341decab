"""The Map screen: composing a program and its shape flow."""
