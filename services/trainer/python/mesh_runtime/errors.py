"""How a job can end badly: a closed list of codes, each with the class to blame and the exit code that decides about a retry."""

from __future__ import annotations

EXIT_OK = 0
EXIT_BAD_SPEC = 2
EXIT_BAD_DATA = 3
EXIT_USER = 10
EXIT_TRANSIENT = 75
EXIT_INTERRUPTED = 130
EXIT_OUT_OF_MEMORY = 137
EXIT_CANCELLED = 143

# code -> (class, exit code). `user` and `data` errors repeat themselves, so only EXIT_TRANSIENT and EXIT_OUT_OF_MEMORY are worth another try.
CODES: dict[str, tuple[str, int]] = {
    "bad-spec": ("user", EXIT_BAD_SPEC),
    "data-missing": ("data", EXIT_BAD_DATA),
    "data-digest": ("data", EXIT_BAD_DATA),
    "data-row-count": ("data", EXIT_BAD_DATA),
    "data-schema": ("data", EXIT_BAD_DATA),
    "data-values": ("data", EXIT_BAD_DATA),
    "data-empty": ("data", EXIT_BAD_DATA),
    "data-one-class": ("data", EXIT_BAD_DATA),
    "input-model": ("user", EXIT_USER),
    "algorithm": ("user", EXIT_USER),
    "export-contract": ("user", EXIT_USER),
    "time-limit": ("user", EXIT_USER),
    "internal": ("infra", EXIT_USER),
    "io": ("infra", EXIT_TRANSIENT),
    "memory-limit": ("infra", EXIT_OUT_OF_MEMORY),
    "interrupted": ("infra", EXIT_INTERRUPTED),
    "cancelled": ("infra", EXIT_CANCELLED),
}


class JobError(Exception):
    """Carries a code of CODES; `details` are further fields of the `failed` event."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.details = details

    @property
    def error_class(self) -> str:
        return CODES[self.code][0]

    @property
    def exit_code(self) -> int:
        return CODES[self.code][1]
