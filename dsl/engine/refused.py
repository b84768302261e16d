"""What keeps a run from starting."""


class Refused(ValueError):
    """The engine does not run this manifest.

    The text begins with `not supported:` or says what is wrong with it.
    """


class Missing(Refused):
    """The manifest refers to an object that the run was not given; the text names it."""
