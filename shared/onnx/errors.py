"""Why a bundle was not accepted; every reader in this package raises one of these."""

from shared.errors import AppError, Kind


class BundleMalformed(AppError):
    """The bundle is not built as a bundle must be."""

    kind, code = Kind.INVALID, "bundle.malformed"


class BundleUnsigned(AppError):
    """The manifest carries no signature."""

    kind, code = Kind.INVALID, "bundle.unsigned"


class BundleUntrustedKey(AppError):
    """The bundle is signed, by a key that is not enrolled here."""

    kind, code = Kind.INVALID, "bundle.untrusted_key"


class BundleAltered(AppError):
    """The content is not what was signed."""

    kind, code = Kind.INVALID, "bundle.altered"


class BundleTooLarge(AppError):
    """The bundle goes over a limit on size, number of entries or compression ratio."""

    kind, code = Kind.TOO_LARGE, "bundle.too_large"
