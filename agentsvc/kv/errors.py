"""What can go wrong between this process and Redis."""


class Unreachable(ConnectionError):
    """Redis did not answer in time. Whether the command was carried out is not known."""


class Denied(Unreachable):
    """Redis does not take this user or password."""


class Refused(Exception):
    """Redis answered with an error."""
