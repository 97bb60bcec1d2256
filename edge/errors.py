"""What can go wrong, each error also the builtin that code outside would expect."""


class EdgemaskError(Exception):
    """Base of every error the kit raises on purpose; `exit_code` is what the command ends with."""

    exit_code = 2


class BundleError(EdgemaskError, ValueError):
    """A bundle that is missing, damaged, unsafe or of another version."""


class CheckpointError(EdgemaskError, ValueError):
    """A float checkpoint that is unreadable or of another model family."""


class SourceError(EdgemaskError, OSError):
    """A picture, folder, video or camera that gives no frames."""


class OutputError(EdgemaskError, OSError):
    """A result that could not be written whole."""


class DatasetError(EdgemaskError, ValueError):
    """A COCO file or a calibration set that cannot be used."""


class OptionError(EdgemaskError, ValueError):
    """An option whose value makes no sense."""


class MissingLibrary(EdgemaskError, ImportError):
    """An optional library that is not installed."""


class ConversionError(EdgemaskError, RuntimeError):
    """A converted network that does not compute what it should."""

    exit_code = 1
