"""The explorer: the app that composes the screens of the features."""
