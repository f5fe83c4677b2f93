"""Why the demonstration cannot go on, in a sentence."""


class DemoError(Exception):
    """Base of what the demonstration tells its user instead of a traceback."""


class DataMissing(DemoError):
    """A file of the data folder is not there, or not what it should be."""


class DemoFailed(DemoError):
    """The suite answered, but not with what the demonstration needs."""
