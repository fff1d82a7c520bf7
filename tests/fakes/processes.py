"""What a process of the tests starts from."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell's background jobs, and all they start, ignore SIGINT; a user's command does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
