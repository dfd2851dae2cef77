"""A mistake of the user's: told in one line, never with a stack trace."""


class UserError(ValueError):
    """What was given, what is needed, and what to do, in one line; the command line prints it and exits 2."""
