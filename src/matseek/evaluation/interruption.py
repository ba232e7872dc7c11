"""Ctrl-C while calls are made: it ends the waiting for answers, never the writing down of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class Interruption:
    """A context in which interrupts are known from errors, and reach nobody but a stream of outcomes.

    An oracle whose program was ended by the user's Ctrl-C may raise anything, and in a thread KeyboardInterrupt may be
    its own; the signal alone tells. Outside the main thread, which signals never reach, nothing is an interrupt.

    Attributes:
        requested: Whether there has been one.
    """

    def __init__(self) -> None:
        self.requested = False
        self._due = False
        self._waiting = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        """Listen, unless somebody else does."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.default_int_handler:
                    self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let things be as they were."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _arrived(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- a handler's face
        first, self.requested = not self.requested, True
        if self._waiting:
            raise KeyboardInterrupt
        self._due |= first

    def explains(self, outcome: object) -> bool:
        """Whether a call has no answer because of an interrupt: it is to be made again, and has not failed."""
        return self.requested and isinstance(outcome, BaseException)

    def stream(self, outcomes: Iterator[T]) -> Iterator[T]:
        """The outcomes; an interrupt that arrives while one is dealt with is raised where the next is waited for."""
        while True:
            try:
                self._waiting = True
                if self._due and isinstance(outcomes, Generator):
                    self._due = False
                    outcome = outcomes.throw(KeyboardInterrupt())
                else:
                    outcome = next(outcomes)
            except StopIteration:
                return
            finally:
                self._waiting = False
            yield outcome
