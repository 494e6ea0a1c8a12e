"""The errors metricpose raises on purpose; each message says what was expected, what came and how to mend it."""


class MetricposeError(Exception):
    """Base of every error raised on purpose; the command line prints its text and exits with 1."""


class InputError(MetricposeError):
    """An image, box, camera or option that cannot be used as given."""


class DataError(MetricposeError):
    """A data file that is missing, corrupt, incomplete or of another format than stated."""


class CheckpointError(MetricposeError):
    """A checkpoint that does not fit its model, or is not one of ours."""


class MissingExtraError(MetricposeError):
    """An optional dependency that a requested feature needs is not installed."""

    def __init__(self, package: str, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs the package '{package}', which is not installed. "
            f"Install it with: pip install {package} (or, in a checkout, pip install -e '.[{extra}]')"
        )
        self._facts = (package, extra, feature)

    def __reduce__(self) -> tuple:
        return type(self), self._facts  # so that a worker process can send it
